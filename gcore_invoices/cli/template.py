"""File names from a template, safe on every file system."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from pathlib import PurePosixPath
from string import Formatter
from typing import TYPE_CHECKING

from gcore_invoices.errors import UsageError, unknown_name
from gcore_invoices.models import Invoice, MoveType, PaymentState

if TYPE_CHECKING:
    from collections.abc import Iterator

FIELDS = tuple(name for name in Invoice.__struct_fields__ if name != "extra")
_MAX_STEM = 120
# Reserved on Windows with any extension.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)

_DAY, _INSTANT = dt.date(2026, 3, 31), dt.datetime(2026, 3, 31, tzinfo=dt.UTC)
_SAMPLE = Invoice(
    id=1,
    name="INV/2026/00001",
    move_type=MoveType.OUT_INVOICE,
    currency="EUR",
    invoice_date=_DAY,
    invoice_date_due=_DAY,
    billing_period_from=_DAY,
    billing_period_to=_DAY,
    amount_untaxed=Decimal(1),
    amount_tax=Decimal(0),
    amount_total=Decimal(1),
    payment_state=PaymentState.PAID,
    client_id=1,
    payer_id=1,
    invoice_id=1,
    created_at=_INSTANT,
    updated_at=_INSTANT,
)
"""Formats are tried on it before anything is downloaded."""


class Template:
    """Makes a relative path of an invoice's fields, such as `{invoice_date:%Y-%m}/{name}.pdf`.

    Only a `/` of the template itself divides folders; one in an invoice's number becomes a `-`.

    Raises:
        UsageError: A field is unknown, a format does not fit it, or a brace has no partner.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        try:
            self._parts = list(Formatter().parse(text.removesuffix(".pdf")))
        except ValueError as error:
            raise UsageError(f"--name {text!r} cannot be read: {error}.") from None
        for _, name, form, conversion in self._parts:
            if name is None:
                continue
            if name not in FIELDS:
                raise unknown_name("field of --name", name, FIELDS)
            if conversion:
                raise UsageError(
                    f"--name {text!r}: {{{name}!{conversion}}} does not work: leave !{conversion} away."
                )
            self._value(_SAMPLE, name, form or "")

    def path(self, invoice: Invoice) -> PurePosixPath:
        """The path of an invoice's file; it ends in `.pdf` and never leads out of its folder.

        Raises:
            UsageError: A format does not fit its field.
        """
        *folders, stem = "".join(self._pieces(invoice)).split("/")
        safe = [part for part in map(_safe, folders) if part]
        return PurePosixPath(*safe, f"{_safe(stem) or f'invoice-{invoice.id}'}.pdf")

    def _pieces(self, invoice: Invoice) -> Iterator[str]:
        for literal, name, form, _ in self._parts:
            yield literal
            if name is not None:
                yield self._value(invoice, name, form or "").replace("/", "-")

    def _value(self, invoice: Invoice, name: str, form: str) -> str:
        value = getattr(invoice, name)
        if value is None:
            return "none"
        if isinstance(value, dt.datetime):
            form = form or "%Y-%m-%dT%H%M%SZ"
        try:
            return format(value, form or ("f" if name.startswith("amount_") else ""))
        except (ValueError, OverflowError) as error:
            raise UsageError(f"--name {self._text!r}: {{{name}:{form}}} does not work: {error}.") from None


def _safe(text: str) -> str:
    """One part of a path; empty if nothing of it can stay."""
    part = re.sub(r"[^\w.() -]+", "-", text, flags=re.ASCII).strip(" .")[:_MAX_STEM].rstrip(" .-")
    if not re.search(r"\w", part):
        return ""
    # A name that begins with - would be an option to the next program; and -412 is not 412.
    part = re.sub(r"^-+", "_", part)
    return f"{part}-" if _DEVICES.fullmatch(part) else part
