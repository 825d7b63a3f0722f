"""Fixtures of the contract's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support_contract import Recorder, recording

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A server of a few lines that shows the request as it came, byte for byte."""
    with recording() as recorder:
        yield recorder
