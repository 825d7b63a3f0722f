"""The smallest document that is a whole PDF: one page, one font, some lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gcore_invoices.sandbox.selection import Row


def render(row: Row) -> bytes:
    """Draw an invoice as a one-page PDF 1.4 (ISO 32000-1): the same row gives the same bytes.

    Raises:
        Nothing: text that Latin-1 does not hold is shown as `?`.
    """
    kind = "Refund" if row["move_type"] == "out_refund" else "Invoice"
    lines = (
        f"{kind} {row['name']}",
        f"Date {row['invoice_date'] or 'none yet'}, due {row['invoice_date_due'] or 'none yet'}",
        f"Client {row['client_id']}, payer {row['payer_id']}",
        f"Total {row['amount_total']} {row['currency']}",
        "Written by the gcore-invoices sandbox. Not a real document.",
    )
    drawn = b" T* ".join(b"(%s) Tj" % _escape(line) for line in lines)
    content = b"BT /F1 12 Tf 18 TL 72 770 Td %s ET" % drawn
    return _document(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    )


def _escape(text: str) -> bytes:
    for special in "\\()":
        text = text.replace(special, "\\" + special)
    return text.encode("latin-1", "replace")


def _document(*objects: bytes) -> bytes:
    """Number the objects from 1 (the first is the catalog) and write the table of where each begins."""
    body = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"  # four high bytes tell mail programs that this is binary
    table = b"0000000000 65535 f \n"
    for number, content in enumerate(objects, start=1):
        table += b"%010d 00000 n \n" % len(body)
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    size = len(objects) + 1
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(body))
    return body + b"xref\n0 %d\n%s" % (size, table) + trailer
