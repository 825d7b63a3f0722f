"""The scripts of the repository, which are no packages, as modules of the tests."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

from support_contract import ROOT

if TYPE_CHECKING:
    from types import ModuleType


def script(path: str) -> ModuleType:
    """A script, loaded and not run."""
    spec = importlib.util.spec_from_file_location(f"script_{path.replace('/', '_')}", ROOT / path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module
