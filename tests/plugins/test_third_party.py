"""A stranger's plugin, built and installed as any package, is found, ordered, reported and blocked."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest
from support_plugins import Environment

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("installed plugins"), pytest.mark.timeout(120)]

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "stranger"
version = "4.2"
requires-python = ">=3.11"

[project.entry-points.gcore_invoices]
wary = "stranger.wary"
eager = "stranger:Eager"
broken = "stranger.broken"

[tool.hatch.build.targets.wheel]
packages = ["stranger"]
"""

FILES = {
    "__init__.py": """
        from gcore_invoices import hookimpl

        told = []

        class Eager:
            @hookimpl
            def after_response(self, call):
                told.append("eager")
    """,
    "wary.py": """
        from gcore_invoices import hookimpl
        from stranger import told

        told.append("wary is imported")

        @hookimpl
        def after_response(response):
            told.append("wary")
    """,
    "broken.py": """
        import a_library_that_nobody_has
    """,
}

# Runs in the environment that the distribution is installed in.
ASK = """
import json, logging, sys
import httpx
from gcore_invoices import InvoicesClient, hookimpl

options = OPTIONS
logging.basicConfig(stream=sys.stderr, format="%(message)s")
told = []

class Mine:
    @hookimpl
    def after_response(self):
        told.append("mine")

def respond(request):
    return httpx.Response(404, stream=httpx.ByteStream(b"{}"))

with InvoicesClient(
    api_key="1234$abcdef", transport=httpx.MockTransport(respond), plugins=[Mine()], **options
) as client:
    try:
        client.get(1)
    except Exception as error:
        assert type(error).__name__ == "NotFoundError", error
    import stranger
    print(json.dumps({
        "told": told + stranger.told,
        "active": [[info.name, info.source, info.distribution] for info in client.plugins],
        "inactive": [[info.name, info.distribution, info.state, info.reason] for info in client.inactive_plugins],
    }))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("third party")
    project = folder / "stranger"
    (project / "stranger").mkdir(parents=True)
    (project / "pyproject.toml").write_text(PYPROJECT)
    for name, text in FILES.items():
        (project / "stranger" / name).write_text(dedent(text))
    made = Environment(folder / "environment")
    made.install(project)
    return made


def ask(environment, *, variable="", **options):
    code = f"OPTIONS = {options!r}\n{ASK}"
    return json.loads(environment.ask(code, GCORE_INVOICES_DISABLED_PLUGINS=variable))


def test_an_installed_plugin_is_found_and_called_after_the_explicit_and_before_the_built_in_ones(environment):
    seen = ask(environment, disabled_plugins=["broken"])
    assert seen["told"] == ["mine", "wary is imported", "eager", "wary"]
    assert seen["active"][:3] == [
        ["Mine", "explicit", None],
        ["eager", "entry point", "stranger 4.2"],
        ["wary", "entry point", "stranger 4.2"],
    ]
    assert ["retries", "built-in", None] in seen["active"][3:]
    assert {source for _, source, _ in seen["active"][3:]} == {"built-in"}


def test_an_installed_plugin_that_fails_is_reported_with_its_distribution(environment):
    seen = ask(environment)
    reason = (
        "Plugin 'broken' (stranger 4.2) cannot be loaded: "
        "ModuleNotFoundError: No module named 'a_library_that_nobody_has'"
    )
    assert seen["inactive"] == [["broken", "stranger 4.2", "failed", reason]]
    assert [name for name, _, _ in seen["active"]][:3] == ["Mine", "eager", "wary"]
    with pytest.raises(
        AssertionError, match=r"UsageError: Plugin 'broken' \(stranger 4\.2\) cannot be loaded"
    ):
        ask(environment, strict_plugins=True)


@pytest.mark.parametrize("by", ["argument", "environment"])
def test_an_installed_plugin_is_blocked_by_name_and_not_imported(environment, by):
    options = {"disabled_plugins": ["wary", "broken"]} if by == "argument" else {"variable": "wary, broken"}
    seen = ask(environment, strict_plugins=True, **options)
    assert seen["told"] == ["mine", "eager"]
    assert [[name, state] for name, _, state, _ in seen["inactive"]] == [
        ["broken", "blocked"],
        ["wary", "blocked"],
    ]


def test_without_the_distribution_there_is_nothing_to_find(tmp_path):
    bare = Environment(tmp_path / "bare")
    code = (
        "from gcore_invoices import InvoicesClient\n"
        "with InvoicesClient(api_key='1234$abcdef') as client:\n"
        "    print([info.name for info in client.plugins if info.source == 'entry point'])\n"
    )
    assert bare.ask(code) == "[]\n"
