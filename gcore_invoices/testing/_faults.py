"""What can go wrong with an answer, as values, and the queue they wait in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http.client import responses
from typing import Literal, TypeAlias

from gcore_invoices.sandbox.rules import Response

Operation: TypeAlias = Literal["list", "get", "download"]


@dataclass(frozen=True)
class Fault:
    """One fault: an answer in the place of the real one, a wait, or a cut."""

    instead: Response | None = None
    delay: float = 0.0
    cut: bool = False


NONE = Fault()


@dataclass
class _Waiting:
    fault: Fault
    times: int
    operation: Operation | None


@dataclass
class Faults:
    """Faults that wait for their requests: the first that fits is taken, one for each request."""

    _waiting: list[_Waiting] = field(default_factory=list)

    def put(self, fault: Fault, times: int, operation: Operation | None) -> None:
        """Let so many requests of an operation, or of any, meet a fault."""
        self._waiting.append(_Waiting(fault, times, operation))

    def take(self, operation: str) -> Fault:
        """The fault for this request."""
        for waiting in self._waiting:
            if waiting.operation in {None, operation}:
                waiting.times -= 1
                if waiting.times < 1:
                    self._waiting.remove(waiting)
                return waiting.fault
        return NONE


def refusal(status: int, detail: str | None, retry_after: float | None) -> Response:
    """An error answer in the form of the sandbox."""
    if detail is None:
        detail = responses.get(status, "Failed on request")
    body = json.dumps({"detail": detail}).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    if retry_after is not None:
        headers["Retry-After"] = f"{retry_after:g}"
    return Response(status, headers, body)
