"""Errors as their reader needs them: an exit code, a sentence, and what to do."""

from __future__ import annotations

import os
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


class GaveUpError(Exception):
    """A run of documents that was ended because they fail, each for the same reason: its cause."""


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
    return explain(error).sentence


def explain(error: Exception) -> Explanation:
    """The code, the sentence and the remedy of an error."""
    if isinstance(error, CannotTellError) and isinstance(error.__cause__, Exception):
        return evolve(explain(error.__cause__), code=USAGE)
    if isinstance(error, GaveUpError) and isinstance(error.__cause__, Exception):
        told = explain(error.__cause__)
        return evolve(told, sentence=f"{error}: {told.sentence}")
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "gcore-invoices COMMAND"
        return Explanation(USAGE, _usage(error.format_message()), f"See: {command} --help")
    if isinstance(error, NotFoundError) and error.operation == "list":
        return Explanation(NETWORK, str(error), "Is the address right? See: gcore-invoices doctor")
    for kind, code, remedy in _KINDS:
        if isinstance(error, kind):
            return Explanation(code, _spoken(str(error)), remedy)
    return _of_others(error)


def _of_others(error: Exception) -> Explanation:
    if isinstance(error, OSError):
        where = f"{_place(error.filename)}: " if error.filename else ""
        return Explanation(
            USAGE, f"{where}{error.strerror or error}.", "Check the path, its rights, and the disk."
        )
    # 1 would say that a check failed.
    return Explanation(
        NETWORK,
        f"This is a fault of gcore-invoices: {' '.join(f'{type(error).__name__}: {error}'.split())}",
        "Run it again with --debug to see more, and report it.",
    )


def _place(path: object) -> object:
    """Where something went wrong: a file that is ours alone, unfinished or of notes, says nothing."""
    name = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
    folder, base = os.path.split(name)
    return (folder or ".") if base.startswith(".gcore-invoices-") or base.endswith(".resume.json") else path


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
    (r"(check|DNS and) base_url", r"\1 GCORE_BASE_URL"),
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


# What Typer says of a value, in our words; an id is what people mistake for a number.
_USAGE: tuple[tuple[str, str], ...] = (
    (
        r"^Invalid value for 'ID': Input should be a valid integer.*",
        "ID takes the id of an invoice, a whole number as in the column id of a list, not its number.",
    ),
    (r"^Invalid value for '(.+?)': Input should be a valid integer.*", r"\1 takes a whole number."),
    (r"^Invalid value for '(.+?)': Input should be a valid number.*", r"\1 takes a number."),
    (
        r"^Invalid value for '(.+?)': Input should be greater than or equal to (\d+)",
        r"\1 takes a whole number of \2 or more.",
    ),
)


def _usage(text: str) -> str:
    text = " ".join(text.split())
    for typers, ours in _USAGE:
        text = re.sub(typers, ours, text)
    return text
