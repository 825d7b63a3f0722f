"""Errors as their reader needs them: an exit code, a sentence, and what to do."""

from __future__ import annotations

import re

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


def sentence(error: Exception) -> str:
    """The sentence alone."""
    told = explain(error)
    return told.sentence if told else str(error)


def explain(error: Exception) -> Explanation | None:
    """The code, the sentence and the remedy of an error; none for one that is a fault of this program."""
    if isinstance(error, CannotTellError) and isinstance(error.__cause__, Exception):
        told = explain(error.__cause__)
        return told and evolve(told, code=USAGE)
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "gcore-invoices COMMAND"
        return Explanation(USAGE, _sentence(error.format_message()), f"See: {command} --help")
    for kind, code, remedy in _KINDS:
        if isinstance(error, kind):
            return Explanation(code, _spoken(str(error)), remedy)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return Explanation(
            USAGE, f"{where}{error.strerror or error}.", "Check the path, its rights, and the disk."
        )
    return None


_ANEW = "or begin anew without --resume"
# What the library calls by a Python name has an option here.
_SPOKEN: tuple[tuple[str, str], ...] = (
    (r"^max_items (?=takes)", "--limit "),
    (r"^concurrency (?=takes)", "--concurrency "),
    (r"^client_id (?=takes)", "--client-id "),
    (r"^payer_id (?=takes)", "--payer-id "),
    (r"^currency (?=takes)", "--currency "),
    (r"^invoice_date_from (.+) is later than invoice_date_to ", r"--since \1 is later than --until "),
    (
        r"^billing_period_from (.+) is later than billing_period_to ",
        r"--period-from \1 is later than --period-to ",
    ),
    (r"^base_url (?=is|takes|must)", "--base-url "),
    (r"^api_key (?=is|takes|holds)", "The key "),
    (r"^proxy \(or HTTPS_PROXY, ALL_PROXY\)", "HTTPS_PROXY or ALL_PROXY"),
    (r"pass overwrite=True", "give --overwrite"),
    (r"or pass api_key= or bearer_token=", "or give --api-key-file"),
    (r"sort_parameter of the client", "--sort-parameter"),
    (r"check base_url", "check GCORE_BASE_URL"),
    (
        r"pass the certificate of whoever signed it as ca_bundle=",
        "let SSL_CERT_FILE name the certificate of whoever signed it",
    ),
    (
        r"^The unfinished file was begun by .+ cannot go on with it\.",
        f"The unfinished file was begun in another dialect: give --excel as then, {_ANEW}.",
    ),
    (r"ask for the same, or begin anew\.", f"give the same --columns, {_ANEW}."),
    (
        r"^The checkpoint belongs to a list with other filters or another order\.",
        f"The unfinished file was begun with other filters: give the same, {_ANEW}.",
    ),
    (
        r"^A walk can be resumed only when it is ordered by id, not by (.+)\.",
        rf"--resume goes on in the order of id, not of \1: leave --sort away, {_ANEW}.",
    ),
    (
        r"^This is no checkpoint: .+",
        f"The notes beside the unfinished file were changed: restore them, {_ANEW}.",
    ),
)


def _spoken(text: str) -> str:
    for python, option in _SPOKEN:
        text = re.sub(python, option, text)
    return text


def _sentence(text: str) -> str:
    return " ".join(text.split())
