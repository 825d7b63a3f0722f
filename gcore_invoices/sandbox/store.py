"""The store over lazy data: pages by arithmetic where it can, by a compact index where it must."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from heapq import merge
from threading import Lock
from typing import TYPE_CHECKING, Final, overload

from gcore_invoices.sandbox.selection import BY_ID, Filters, Order, Row, Term, matches, sort_key

if TYPE_CHECKING:
    from gcore_invoices.sandbox.data import Invoices

RUN: Final = 32_768  # rows sorted at a time
INDEXES: Final = 8  # kept, of 4 bytes a row each

_BY_ID_DESCENDING: Final[Order] = (Term("id", descending=True),)


class LazyStore:
    """A read-only `Store` over `Invoices`.

    Without filters and by id, either way, a page costs its own rows. Any other selection goes over all rows
    once (seconds for a million), keeps 4 bytes for each row selected, and the last 8 selections are
    remembered. Threads may share it.
    """

    def __init__(self, invoices: Invoices) -> None:
        self.invoices = invoices
        self._lock = Lock()
        self._positions = lru_cache(maxsize=INDEXES)(self._index)

    def select(self, filters: Filters, order: Order) -> Sequence[Row]:
        """Give the rows that pass every filter, in this order, still to be computed."""
        with self._lock:  # two threads must not build the same index side by side
            return _View(self.invoices, self._positions(filters, order))

    def get(self, invoice_id: int) -> Row | None:
        """Give the row with this id, or None."""
        position = self.invoices.position(invoice_id)
        return None if position is None else self.invoices[position]

    def _index(self, filters: Filters, order: Order) -> Sequence[int]:
        count = len(self.invoices)
        if not filters and order == BY_ID:
            return range(count)
        if not filters and order == _BY_ID_DESCENDING:
            return range(count)[::-1]
        chosen = (item for item in enumerate(self.invoices) if matches(filters, item[1]))
        if order == BY_ID:
            return array("I", (position for position, _ in chosen))
        return _sorted_positions(chosen, order)


class _View(Sequence[Row]):
    """The rows at some positions, computed when they are looked at."""

    def __init__(self, invoices: Invoices, positions: Sequence[int]) -> None:
        self._invoices = invoices
        self._positions = positions

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self._invoices[position] for position in self._positions[index]]
        return self._invoices[self._positions[index]]


def _sorted_positions(rows: Iterator[tuple[int, Row]], order: Order) -> array[int]:
    """Sort in runs and merge them: a million keys take 25 to 50 MB packed, thrice that as objects."""
    key = sort_key(order)
    runs: list[_Run] = []
    pending: list[tuple[bytes, int]] = []
    for position, row in rows:
        pending.append((key(row), position))
        if len(pending) == RUN:
            runs.append(_Run(pending))
            pending.clear()
    runs.append(_Run(pending))
    return array("I", (position for _, position in merge(*runs)))


class _Run:
    """Some sorted keys with their positions, packed."""

    def __init__(self, keyed: list[tuple[bytes, int]]) -> None:
        keyed.sort()
        # Keys are prefix-free, so filling them up to one width changes no comparison.
        self._width = max((len(key) for key, _ in keyed), default=1)
        self._keys = b"".join(key.ljust(self._width, b"\0") for key, _ in keyed)
        self._positions = array("I", (position for _, position in keyed))

    def __iter__(self) -> Iterator[tuple[bytes, int]]:
        for index, position in enumerate(self._positions):
            yield self._keys[index * self._width : (index + 1) * self._width], position
