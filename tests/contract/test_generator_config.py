"""The generator ignores settings and templates that it does not know: these names are right."""

from __future__ import annotations

import json

import pytest
import yaml
from support_contract import OPENAPI, in_generator

pytestmark = pytest.mark.slow


def test_every_setting_is_one_of_the_generators():
    known = json.loads(
        in_generator(
            "import json; from openapi_python_client.config import ConfigFile;"
            "print(json.dumps(list(ConfigFile.model_fields)))"
        )
    )
    settings = yaml.safe_load((OPENAPI / "generator.yaml").read_text(encoding="utf-8"))
    assert "post_hooks" in known
    assert settings.keys() - set(known) == set()


def test_every_override_has_the_name_of_an_installed_template():
    installed = set(
        json.loads(
            in_generator(
                "import json; from importlib.resources import files;"
                "folder = files('openapi_python_client') / 'templates';"
                "print(json.dumps([path.relative_to(folder).as_posix() for path in folder.rglob('*')]))"
            )
        )
    )
    templates = OPENAPI / "templates"
    overrides = {path.relative_to(templates).as_posix() for path in templates.rglob("*")}
    assert overrides
    assert overrides - installed == set()


def test_the_environment_is_the_pinned_one():
    pins = dict(
        line.split("==")
        for line in (OPENAPI / "requirements.txt").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    )
    installed = json.loads(
        in_generator(
            "import json; from importlib.metadata import version;"
            f"print(json.dumps({{name: version(name) for name in {list(pins)!r}}}))"
        )
    )
    assert installed == pins
