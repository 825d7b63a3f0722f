"""What is told of a walk, as frozen values."""

from __future__ import annotations

from attrs import frozen


@frozen
class WalkReport:
    """What one walk over the list saw and delivered.

    Attributes:
        pages: Pages that brought rows not delivered before.
        requests: Requests for pages, whether or not they brought something new.
        delivered: Invoices handed out, each once.
        first_count: How many invoices matched when the walk began, by the API's own count.
        last_count: The same on the page read last.
        complete: Whether the walk reached the end; false while it runs and when it was left early.
        unknown_values: Enum values this version does not know, as `field=value`.
    """

    pages: int = 0
    requests: int = 0
    delivered: int = 0
    first_count: int | None = None
    last_count: int | None = None
    complete: bool = False
    unknown_values: frozenset[str] = frozenset()
