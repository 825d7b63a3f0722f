"""Retries: which failures are worth another try, when, and how many in all."""

from __future__ import annotations

import math
import random
import threading
import weakref
from typing import TYPE_CHECKING

from attrs import field, frozen

from gcore_invoices._checks import number
from gcore_invoices.errors import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
)
from gcore_invoices.events import RetryDecision
from gcore_invoices.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcore_invoices.errors import InvoicesError
    from gcore_invoices.events import Attempt, Call, Response

_STATUSES = frozenset({408, 429})


@frozen(kw_only=True)
class RetryPolicy:
    """How failed attempts are repeated.

    Repeated are GET requests that were answered with 408, 429 or any 5xx, could not connect (save for a
    certificate that is not trusted), timed out, or got a body that was cut short or could not be decoded. The
    wait after try *n* is drawn evenly from zero to `min(max_backoff, backoff · 2ⁿ⁻¹)` seconds (full jitter),
    and never shorter than the API asked for.

    Attributes:
        attempts: Tries in all; 1 never repeats.
        backoff: Seconds the first wait is drawn from.
        max_backoff: Seconds no drawn wait exceeds.
        max_retry_after: Seconds; if the API asks for a longer wait, the call fails at once with
            `error.retry_after` set.

    Raises:
        UsageError: A value is out of range.
    """

    attempts: int = field(default=4, validator=number(1, whole=True))
    backoff: float = field(default=0.5, validator=number(0))
    max_backoff: float = field(default=20.0, validator=number(0))
    max_retry_after: float = field(default=60.0, validator=number(0))

    def is_transient(self, method: str, error: InvoicesError) -> bool:
        """Whether the same request may well succeed when it is repeated."""
        if method != "GET":
            return False
        if isinstance(error, APIStatusError):
            return error.status_code in _STATUSES or error.status_code >= 500
        if isinstance(error, APIResponseValidationError):
            return error.undecodable
        return isinstance(error, APIConnectionError) and not error.permanent

    def wait(self, attempt: int, retry_after: float | None, share: float) -> float | None:
        """Seconds to wait after a failed attempt, or None if the API asks for more than is allowed.

        Args:
            attempt: The number of the attempt that failed, from 1.
            retry_after: Seconds the API asked for, if it did.
            share: Where in the range to draw, from 0 to 1.
        """
        if retry_after is not None and retry_after > self.max_retry_after:
            return None
        # 2 ** 60 is more than any cap; beyond, a float would overflow.
        drawn = share * min(self.max_backoff, self.backoff * 2.0 ** min(attempt - 1, 60))
        return max(drawn, retry_after or 0.0)


class RetryBudget:
    """Limits retries in a time of failure, so that a failing service is not asked several times as often.

    A bucket of tokens that all threads of a client share, as in botocore's standard mode: a retry takes 5
    tokens, after a timeout 10; a call that succeeds gives back what its last retry took, or 1.

    Args:
        capacity: Tokens in the full bucket.
    """

    COST = 5
    TIMEOUT_COST = 10
    REFUND = 1

    def __init__(self, capacity: int = 500) -> None:
        self._lock = threading.Lock()
        self._capacity = capacity
        self.left = capacity
        """Tokens left."""

    def take(self, tokens: int) -> bool:
        """Take tokens, if there are enough."""
        with self._lock:
            if tokens > self.left:
                return False
            self.left -= tokens
            return True

    def give(self, tokens: int) -> None:
        """Give tokens back."""
        with self._lock:
            self.left = min(self._capacity, self.left + tokens)


class Retries:
    """The built-in plugin `retries`: repeats what the call's `RetryPolicy` says, within the budget.

    Args:
        budget: Shared by all calls of the client.
        share: Draws a number from 0 to 1; for tests.
    """

    name = "retries"

    def __init__(self, budget: RetryBudget | None = None, share: Callable[[], float] = random.random) -> None:
        self.budget = budget or RetryBudget()
        self._share = share
        # Weak: a call that is cancelled while it waits leaves nothing behind.
        self._taken: weakref.WeakKeyDictionary[Call, int] = weakref.WeakKeyDictionary()

    @hookimpl
    def decide_retry(self, call: Call, attempt: Attempt, error: InvoicesError) -> RetryDecision | None:
        """Repeat what is transient, while attempts and budget last."""
        self._taken.pop(call, None)
        policy = call.retry
        if not policy.is_transient(call.method, error):
            return None
        retry_after = error.retry_after if isinstance(error, APIStatusError) else None
        wait = policy.wait(attempt.number, retry_after, self._share())
        cost = RetryBudget.TIMEOUT_COST if isinstance(error, APITimeoutError) else RetryBudget.COST
        if wait is None or attempt.number >= policy.attempts or wait >= _left(attempt, error):
            return RetryDecision(None)
        if not self.budget.take(cost):
            return RetryDecision(None)
        self._taken[call] = cost
        return RetryDecision(wait)

    @hookimpl
    def after_response(self, call: Call, response: Response) -> None:
        """Refill the budget with each success of the API; a plugin's answer says nothing of it."""
        if response.status_code < 300 and not response.intercepted:
            self.budget.give(self._taken.pop(call, RetryBudget.REFUND))


def _left(attempt: Attempt, error: InvoicesError) -> float:
    """Seconds from the failure to the call's deadline. A retry that it forbids takes nothing."""
    if attempt.left is None:
        return math.inf
    spent = 0.0 if error.elapsed is None else error.elapsed - attempt.elapsed
    return attempt.left - spent
