"""What can go wrong with an answer, as values, and the queue they wait in."""

from __future__ import annotations

import json
from http.client import responses
from typing import Literal, TypeAlias, get_args

from attrs import define, field, frozen, setters

from gcore_invoices._checks import number
from gcore_invoices.errors import UsageError, unknown_name
from gcore_invoices.sandbox.rules import Response

Operation: TypeAlias = Literal["list", "get", "download"]

_DAY = 86_400  # seconds


@frozen
class Fault:
    """One fault: an answer in the place of the real one, a wait, or a cut."""

    instead: Response | None = None
    delay: float = field(default=0.0, validator=number(0, _DAY))
    cut: bool = False


NONE = Fault()


@define(on_setattr=setters.NO_OP)  # counted down to nought
class _Waiting:
    told: str
    fault: Fault
    times: int = field(validator=number(1, whole=True))
    operation: Operation | None = field()
    was_met: bool = False

    @operation.validator
    def _is_one(self, _: object, value: object) -> None:
        if value is None or value in get_args(Operation):
            return
        if isinstance(value, str):
            raise unknown_name("operation", value, get_args(Operation))
        raise UsageError(f"operation takes text such as 'list', not {value!r}.")


@define
class Faults:
    """Faults that wait for their requests: the first that fits is taken, one for each request."""

    _waiting: list[_Waiting] = field(factory=list)

    def put(self, told: str, fault: Fault, times: int, operation: Operation | None) -> None:
        """Let so many requests of an operation, or of any, meet a fault; `told` is what an error calls it."""
        self._waiting.append(_Waiting(told, fault, times, operation))

    def take(self, operation: str) -> Fault:
        """The fault for this request."""
        for waiting in self._waiting:
            if waiting.operation in {None, operation}:
                waiting.times -= 1
                waiting.was_met = True
                if waiting.times < 1:
                    self._waiting.remove(waiting)
                return waiting.fault
        return NONE

    def unmet(self) -> list[str]:
        """The calls whose faults no request has met yet."""
        return [
            each.told if each.operation is None else f"{each.told} of the operation {each.operation!r}"
            for each in self._waiting
            if not each.was_met
        ]

    def clear(self) -> None:
        """Let nothing more go wrong."""
        self._waiting.clear()


@frozen
class Refusal:
    """An error answer in the form of the sandbox."""

    status: int = field(validator=number(300, 599, whole=True))
    detail: str | None
    retry_after: float | None = field(validator=number(0, optional=True))

    def answer(self) -> Response:
        """The answer; without a detail it says the status's own phrase."""
        detail = responses.get(self.status, "Failed on request") if self.detail is None else self.detail
        body = json.dumps({"detail": detail}).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        if self.retry_after is not None:
            headers["Retry-After"] = f"{self.retry_after:g}"
        return Response(self.status, headers, body)
