"""A rate limit of one's own, so that a known limit of the API is never hit. Off unless it is passed."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, ClassVar

from attrs import Factory, define, field

from gcore_invoices._checks import number
from gcore_invoices.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcore_invoices.events import Attempt


@define(eq=False)
class RateLimit:
    """Holds attempts back so that in any *t* seconds at most `burst + per_second · t` are begun.

    A token bucket: each attempt that goes to the network, retries included, takes a token, and waits for
    its own if there is none. Clients that are given the same object share the limit.

    Attributes:
        per_second: Attempts a second in the long run.
        burst: Attempts that may go at once after a rest; 1 spaces them evenly.

    Args:
        clock: Seconds that never go back; for tests.

    Raises:
        UsageError: A value is out of range.

    Example:
        `InvoicesClient(plugins=[RateLimit(5)])`
    """

    name: ClassVar[str] = "ratelimit"

    per_second: float = field(validator=number(above=0))
    burst: int = field(default=1, validator=number(1, whole=True))
    _clock: Callable[[], float] = field(default=time.monotonic, kw_only=True, repr=False)
    _full_at: float = field(default=-math.inf, init=False, repr=False)
    _lock: threading.Lock = field(default=Factory(threading.Lock), init=False, repr=False)

    @hookimpl
    def throttle(self, attempt: Attempt) -> float:
        """Take a token; the wait is the time until it is there."""
        interval = 1 / self.per_second
        with self._lock:
            now = self._clock()
            # The whole state: a bucket that fills at a steady rate is known by when it will be full.
            full_at = max(self._full_at, now)
            wait = max(full_at - now - (self.burst - 1) * interval, 0.0)
            # A call that cannot wait so long fails, and must not use up what others wait for.
            if attempt.left is None or wait < attempt.left:
                self._full_at = full_at + interval
        return wait
