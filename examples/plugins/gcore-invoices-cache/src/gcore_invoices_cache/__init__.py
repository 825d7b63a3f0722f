"""A response cache for gcore-invoices, written as a plugin.

before_send     stale: ask with If-None-Match and If-Modified-Since
intercept       fresh, or confirmed by the API: answer without the network
after_response  keep a new answer
decide_retry    304: what is held still stands, so try again; the next attempt is answered by intercept
"""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from gcore_invoices import Response, RetryDecision, UnexpectedRedirectError, UsageError, hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from gcore_invoices import Call, InvoicesError

__all__ = ["ResponseCache"]

# What an entry costs besides its body, roughly: headers, key, bookkeeping.
_OVERHEAD = 2048


class ResponseCache:
    """Keeps answers to `list` and `get` in memory, and revalidates them.

    Held are answers with status 200 that have an `ETag` or a `Last-Modified` and do not forbid it
    (`Cache-Control: no-store`). Errors and documents never are. An answer is told apart by its address and
    parameters, **not by the key**, which no plugin ever sees. So give each key a cache of its own: clients
    share entries only if they are given the same object. Safe for many threads.

    Args:
        max_age: Seconds for which an answer is used without asking the API. 0 asks each time, and still
            saves the transfer.
        max_bytes: How much is held at most; what was used least lately goes first.
        clock: Seconds that only grow; for tests.

    Raises:
        UsageError: `max_age` or `max_bytes` is negative or no number.
    """

    name = "cache"

    def __init__(
        self,
        *,
        max_age: float = 60.0,
        max_bytes: int = 16 * 1024 * 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        given: tuple[object, ...] = (max_age, max_bytes)
        # A comparison with NaN is false, whichever way round.
        if not all(isinstance(value, int | float) and value >= 0 for value in given):
            raise UsageError(f"A cache takes 0 or more, not max_age={max_age!r}, max_bytes={max_bytes!r}.")
        self._max_age = max_age
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = Lock()
        self._held: OrderedDict[_Key, _Entry] = OrderedDict()
        self._bytes = 0
        # By call, and weakly: a call that is cancelled leaves nothing behind.
        self._asked: WeakKeyDictionary[Call, _Entry] = WeakKeyDictionary()
        self._confirmed: WeakKeyDictionary[Call, _Entry] = WeakKeyDictionary()

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._held.clear()
            self._bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    def __bool__(self) -> bool:
        return True  # an empty cache is a cache

    @property
    def size(self) -> int:
        """Bytes held, roughly."""
        return self._bytes

    @hookimpl
    def before_send(self, call: Call, request: httpx.Request) -> None:
        """Ask only for what has changed, if something is held that is not fresh."""
        if call.operation == "download":
            return
        with self._lock:
            entry = self._find(call)
            if entry is None or self._is_fresh(entry) or call in self._confirmed:
                return
            self._asked[call] = entry
        for header, value in entry.validators.items():
            request.headers[header] = value

    @hookimpl
    def intercept(self, call: Call) -> Response | None:
        """Answer with what is fresh, or what the API has just confirmed."""
        with self._lock:
            entry = self._confirmed.pop(call, None)
            if entry is None:
                entry = self._find(call)
                if entry is None or not self._is_fresh(entry):
                    return None
            return entry.response

    @hookimpl
    def after_response(self, call: Call, response: Response) -> None:
        """Keep a new answer, and let go of one that is gone."""
        status = response.status_code
        # 304 confirms what is held; 429 and 5xx say nothing about it.
        if call.operation == "download" or response.intercepted or status in {304, 429} or status >= 500:
            return
        key = _key(call)
        with self._lock:
            self._drop(key)
            entry = _Entry.of(response, self._clock())
            if entry is not None and entry.size <= self._max_bytes:
                self._held[key] = entry
                self._bytes += entry.size
                while self._bytes > self._max_bytes:
                    self._drop(next(iter(self._held)))

    @hookimpl
    def decide_retry(self, call: Call, error: InvoicesError) -> RetryDecision | None:
        """Turn `304 Not Modified` into another attempt, which is answered from here."""
        with self._lock:
            entry = self._asked.pop(call, None)
            if entry is None or not isinstance(error, UnexpectedRedirectError) or error.status_code != 304:
                return None
            entry.since = self._clock()
            self._confirmed[call] = entry
        return RetryDecision(delay=0)

    def _find(self, call: Call) -> _Entry | None:
        key = _key(call)
        entry = self._held.get(key)
        if entry is not None:
            self._held.move_to_end(key)
        return entry

    def _is_fresh(self, entry: _Entry) -> bool:
        return self._clock() - entry.since < self._max_age

    def _drop(self, key: _Key) -> None:
        entry = self._held.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size


_Key = tuple[str, tuple[tuple[str, str], ...]]


def _key(call: Call) -> _Key:
    return call.url, tuple(sorted(call.params.items()))


class _Entry:
    """One answer, and since when it stands."""

    __slots__ = ("__weakref__", "response", "since", "size", "validators")

    def __init__(self, response: Response, validators: dict[str, str], since: float) -> None:
        self.response = response
        self.validators = validators
        """Headers to ask with."""
        self.since = since
        self.size = len(response.body or b"") + _OVERHEAD

    @classmethod
    def of(cls, response: Response, since: float) -> _Entry | None:
        """An entry, if this answer may be kept (RFC 9111, 3) and asked about (RFC 9110, 13.1)."""
        headers = response.headers
        validators = {
            header: headers[source]
            for header, source in (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified"))
            if source in headers
        }
        directives = {part.strip().lower() for part in headers.get("cache-control", "").split(",")}
        if response.status_code != 200 or response.body is None or not validators or "no-store" in directives:
            return None
        return cls(response, validators, since)
