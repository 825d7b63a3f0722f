"""Sorting: keys become terms, terms become an order. No spelling of the wire is known here."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from gcore_invoices.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class SortKey(Enum):
    """What the API can sort by. There is no sorting by `updated_at`.

    Example:
        `SortKey.AMOUNT_TOTAL.desc()`
    """

    ID = "id"
    INVOICE_DATE = "invoice_date"
    AMOUNT_TOTAL = "amount_total"
    CREATED_AT = "created_at"
    NAME = "name"

    def asc(self) -> SortTerm:
        """Smallest, or earliest, first."""
        return SortTerm(self)

    def desc(self) -> SortTerm:
        """Largest, or latest, first."""
        return SortTerm(self, descending=True)


def _is_key(_: object, __: object, value: Any) -> None:
    if not isinstance(value, SortKey):
        raise UsageError(f"A sort term takes a SortKey, not {value!r}: write SortKey.ID.asc().")


@frozen
class SortTerm:
    """One key with its direction. Made by `SortKey.….asc()` and `.desc()`."""

    key: SortKey = field(validator=_is_key)
    descending: bool = field(default=False, kw_only=True)

    def __str__(self) -> str:
        return f"-{self.key.value}" if self.descending else self.key.value


def _terms(given: SortTerm | Iterable[SortTerm]) -> tuple[SortTerm, ...]:
    if isinstance(given, SortTerm):
        return (given,)
    if isinstance(given, SortKey | str):
        raise _not_a_term(given)
    try:
        terms = tuple(given)
    except TypeError:
        raise _not_a_term(given) from None
    keys = set()
    for term in terms:
        if not isinstance(term, SortTerm):
            raise _not_a_term(term)
        if term.key in keys:
            raise UsageError(f"The sort key {term.key.value!r} is given twice; give each key once.")
        keys.add(term.key)
    return terms


def _not_a_term(given: object) -> UsageError:
    if isinstance(given, SortKey):
        return UsageError(f"{given} has no direction yet: write {given}.asc() or {given}.desc().")
    if isinstance(given, str):
        name = given.removeprefix("-")
        if name not in {key.value for key in SortKey}:
            return unknown_name("sort key", name, (key.value for key in SortKey))
        direction = "desc" if given.startswith("-") else "asc"
        return UsageError(
            f"{given!r} is text where a sort term belongs: write {SortKey(name)}.{direction}(), "
            f"or Order.parse({given!r}) for text from outside."
        )
    return UsageError(f"{given!r} is no sort term: write for example SortKey.AMOUNT_TOTAL.desc().")


@frozen
class Order:
    """Sort terms, the most significant first.

    Raises:
        UsageError: A key is repeated, or something is not a term.
    """

    terms: tuple[SortTerm, ...] = field(default=(), converter=_terms)

    @classmethod
    def of(cls, given: Order | SortTerm | Iterable[SortTerm]) -> Order:
        """One term, several, or an order as it is.

        Raises:
            UsageError: As for `Order`.
        """
        return given if isinstance(given, Order) else cls(given)

    @classmethod
    def parse(cls, text: str) -> Order:
        """Read an order from text such as `-amount_total,id`; a leading `-` means descending.

        Raises:
            UsageError: A name is unknown (the message lists the valid ones), repeated or missing.
        """
        if not isinstance(text, str):
            raise UsageError(f"Order.parse reads text such as '-amount_total,id', not {text!r}.")
        return cls([_parse_term(part.strip(), text) for part in text.split(",")])

    def __str__(self) -> str:
        return ",".join(map(str, self.terms))

    def __iter__(self) -> Iterator[SortTerm]:
        return iter(self.terms)

    def __bool__(self) -> bool:
        return bool(self.terms)


def _parse_term(part: str, text: str) -> SortTerm:
    name = part.removeprefix("-")
    if not name:
        raise UsageError(f"A sort key is missing in {text!r}. Example: '-amount_total,id'.")
    try:
        return SortTerm(SortKey(name), descending=part.startswith("-"))
    except ValueError:
        raise unknown_name("sort key", name, (key.value for key in SortKey)) from None
