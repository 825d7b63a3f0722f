"""How a call ended, for the plugins that tell it."""

from __future__ import annotations

from typing import Literal, TypeAlias

from gcore_invoices._stop import Stopped

Outcome: TypeAlias = Literal["ok", "failed", "cancelled"]


def outcome(error: BaseException | None) -> Outcome:
    """What an exception that ended a call makes of it.

    A page that was fetched ahead and is not wanted any more is cancelled: with tasks by a `CancelledError`,
    with threads by a `Stopped`.
    """
    if error is None:
        return "ok"
    return "failed" if isinstance(error, Exception) and not isinstance(error, Stopped) else "cancelled"
