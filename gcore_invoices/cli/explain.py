"""Errors as their reader needs them: an exit code, a sentence, and what to do."""

from __future__ import annotations

import typer
from attrs import evolve, frozen

from gcore_invoices.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    InvoicesError,
    NotFoundError,
    PaginationError,
    PermissionDeniedError,
    RateLimitError,
    UsageError,
)

CHECK_FAILED, USAGE, ACCESS, NETWORK, INCOMPLETE, INTERRUPTED = 1, 2, 3, 4, 5, 130


@frozen
class Explanation:
    """What a failed run tells."""

    code: int
    sentence: str
    remedy: str = ""


class CannotTellError(Exception):
    """A check that could not be made: 2, whatever the cause, because 1 would say that it failed."""


# From the special to the general: the first that fits counts.
_KINDS: tuple[tuple[type[InvoicesError], int, str], ...] = (
    (UsageError, USAGE, ""),
    (AuthenticationError, ACCESS, "See what is wrong with the key: gcore-invoices doctor"),
    (
        PermissionDeniedError,
        ACCESS,
        "Use a token of a role that may see billing: Administrators, not Engineers.",
    ),
    (NotFoundError, NETWORK, "Look the id up: gcore-invoices list --columns id,name"),
    (RateLimitError, NETWORK, "Run it again later, or with --concurrency 1."),
    (APITimeoutError, NETWORK, "Run it again; if it stays slow, try --concurrency 1."),
    (APIConnectionError, NETWORK, "See where it ends: gcore-invoices doctor"),
    (PaginationError, INCOMPLETE, "Run it again; what was written so far is not the whole list."),
    (APIStatusError, NETWORK, ""),
    (InvoicesError, NETWORK, "Run it again with --debug to see more, and report it if it stays."),
)


def explain(error: Exception) -> Explanation | None:
    """The code, the sentence and the remedy of an error; none for one that is a fault of this program."""
    if isinstance(error, CannotTellError) and isinstance(error.__cause__, Exception):
        told = explain(error.__cause__)
        return told and evolve(told, code=USAGE)
    if isinstance(error, typer.TyperException):
        return Explanation(USAGE, _sentence(error.format_message()), "See: gcore-invoices COMMAND --help")
    for kind, code, remedy in _KINDS:
        if isinstance(error, kind):
            return Explanation(code, _spoken(str(error)), remedy)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return Explanation(
            USAGE, f"{where}{error.strerror or error}.", "Check the path, its rights, and the disk."
        )
    return None


# What the library calls by its Python name has an option here.
_OPTIONS = (
    ("pass overwrite=True", "give --overwrite"),
    ("or pass api_key= or bearer_token=", "or give --api-key-file"),
    ("sort_parameter of the client", "--sort-parameter"),
    ("check base_url", "check GCORE_BASE_URL"),
)


def _spoken(text: str) -> str:
    for python, option in _OPTIONS:
        text = text.replace(python, option)
    return text


def _sentence(text: str) -> str:
    return " ".join(text.split())
