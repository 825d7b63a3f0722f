"""Checks of numbers, for every value object."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeGuard

from gcore_invoices.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from attrs import Attribute


def is_number(value: object, *, whole: bool = False) -> TypeGuard[float]:
    """Whether this is a finite number. To isinstance a bool is an int; as a count it is a mistake."""
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (not whole and isinstance(value, float) and math.isfinite(value))


def number(
    minimum: float | None = None,
    maximum: float | None = None,
    *,
    above: float | None = None,
    whole: bool = False,
    optional: bool = False,
) -> Callable[[object, Attribute[Any], Any], None]:
    """An attrs validator for a number within bounds.

    Args:
        minimum: The smallest value allowed.
        maximum: The largest value allowed.
        above: Instead of a minimum, a bound that is itself too small.
        whole: Whether only integers are allowed.
        optional: Whether None is allowed.
    """
    bounds = ""
    if maximum is not None:
        lowest = f"from {minimum} to" if above is None else f"above {above}, at most"
        bounds = f" {lowest} {maximum}"
    elif minimum is not None:
        bounds = f" of {minimum} or more"
    elif above is not None:
        bounds = f" above {above}"
    takes = f"{'an integer' if whole else 'a number'}{bounds}"

    def check(_: object, attribute: Attribute[Any], value: Any) -> None:
        if value is None and optional:
            return
        if (
            not is_number(value, whole=whole)
            or (minimum is not None and value < minimum)
            or (maximum is not None and value > maximum)
            or (above is not None and value <= above)
        ):
            raise UsageError(f"{attribute.name} takes {takes}, not {value!r}.")

    return check
