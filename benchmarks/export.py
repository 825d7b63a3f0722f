"""Measures the export formats against `csv.writer`, and writes the table of docs/export.md.

    make bench-export                      100,000 invoices held in memory, 7 rounds; about 1 minute
    python benchmarks/export.py --smoke    tiny, and writes nothing: does it still run?

In each round every format writes the same invoices to a file once, one after the other, so that what else the
machine does falls on all of them. What is compared is the median of the rounds' ratios, by the process's own
time; XLSX takes so long that it is measured with a tenth of the rows, and multiplied.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import gc
import platform
import random
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from decimal import Decimal
from importlib.metadata import version
from operator import attrgetter
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from gcore_invoices import Invoice, MoveType, PaymentState
from gcore_invoices.export import COLUMNS, Csv, Jsonl, Parquet, Xlsx, export

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PAGE = Path(__file__).parent.parent / "docs" / "export.md"
BEGIN, END = "<!-- benchmarks/export.py writes from here -->", "<!-- to here -->"
XLSX_SHARE = 10


@dataclass(frozen=True)
class Format:
    """One row of the table."""

    name: str
    write: Callable[[Sequence[Invoice], Path], None]
    share: int = 1
    target: float | None = None


def with_csv_writer(invoices: Sequence[Invoice], target: Path) -> None:
    """What one would write without us: quick, and with `0E-12` for a zero, and formulas alive."""
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(map(attrgetter(*COLUMNS), invoices))


def ours(exporter: Csv | Jsonl | Parquet | Xlsx) -> Callable[[Sequence[Invoice], Path], None]:
    """An export as users call it."""

    def write(invoices: Sequence[Invoice], target: Path) -> None:
        export(invoices, target, exporter, overwrite=True)

    return write


FORMATS = [
    Format("`csv.writer`", with_csv_writer),
    Format("JSONL", ours(Jsonl()), target=0.35),
    Format("Parquet", ours(Parquet()), target=1.0),
    Format("CSV", ours(Csv())),
    Format("XLSX", ours(Xlsx()), share=XLSX_SHARE),
]


def invoices(count: int) -> list[Invoice]:
    """Invoices as varied as real ones: a third without tax, some refunds, some drafts."""
    chance = random.Random(1)  # noqa: S311 - the same ones each time
    return [invoice(number, chance) for number in range(1, count + 1)]


def invoice(number: int, chance: random.Random) -> Invoice:
    """One of them."""
    untaxed = Decimal(chance.randrange(1, 10**8)).scaleb(-4)
    tax = untaxed * chance.choice([Decimal(0), Decimal("0.17"), Decimal("0.21")])
    places = Decimal("0.000000000000")
    day = dt.date(2024, 1, 1) + dt.timedelta(days=chance.randrange(900))
    moment = dt.datetime.combine(day, dt.time(6, 14, chance.randrange(60)), dt.UTC)
    is_draft = number % 50 == 0
    return Invoice(
        id=number,
        name="/" if is_draft else f"INV/{day.year}/{number:05}",
        move_type=MoveType.OUT_REFUND if number % 20 == 0 else MoveType.OUT_INVOICE,
        currency=chance.choice(["EUR", "USD"]),
        invoice_date=None if is_draft else day,
        invoice_date_due=None if is_draft else day + dt.timedelta(days=30),
        billing_period_from=day.replace(day=1),
        billing_period_to=day,
        amount_untaxed=untaxed.quantize(places),
        amount_tax=tax.quantize(places),
        amount_total=(untaxed + tax).quantize(places),
        payment_state=chance.choice(list(PaymentState)),
        client_id=chance.randrange(1000, 50_000),
        payer_id=chance.randrange(1000, 9000),
        invoice_id=number if number % 3 else None,
        created_at=moment,
        updated_at=moment + dt.timedelta(days=chance.randrange(60)),
    )


@dataclass(frozen=True)
class Measured:
    """What came of one format."""

    format: Format
    seconds: float
    ratio: float
    lowest: float
    highest: float
    size: int


def measure(held: Sequence[Invoice], rounds: int, folder: Path) -> list[Measured]:
    """Every format once a round, after one round that does not count."""
    seconds: dict[str, list[float]] = {each.name: [] for each in FORMATS}
    sizes: dict[str, int] = {}
    for number in range(rounds + 1):
        for each in FORMATS:
            rows = held[: len(held) // each.share]
            target = folder / "invoices"
            gc.collect()
            began = time.process_time()
            each.write(rows, target)
            took = (time.process_time() - began) * each.share
            sizes[each.name] = target.stat().st_size * each.share
            if number:
                seconds[each.name].append(took)
    found = []
    for each in FORMATS:
        ratios = [a / b for a, b in zip(seconds[each.name], seconds[FORMATS[0].name], strict=True)]
        found.append(
            Measured(
                each, median(seconds[each.name]), median(ratios), min(ratios), max(ratios), sizes[each.name]
            )
        )
    return found


def table(found: Sequence[Measured], rows: int, rounds: int) -> str:
    """The section of the page."""
    lines = [
        "| format | CPU seconds | times `csv.writer`: median (least to most) | target | MB |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for each in found:
        target = f"≤ {each.format.target:.2f}" if each.format.target else ""
        spread = f"{each.ratio:.2f} ({each.lowest:.2f} to {each.highest:.2f})"
        cells = [each.format.name, f"{each.seconds:.2f}", spread, target, f"{each.size / 1e6:.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    libraries = ", ".join(f"{name} {version(name)}" for name in ("msgspec", "pyarrow", "XlsxWriter"))
    how = (
        f"{rows:,} invoices held in memory, every column, {rounds} interleaved rounds, medians; XLSX from a",
        f"tenth of the rows, times ten. `make bench-export` on {dt.datetime.now(dt.UTC).date()}: Python",
        f"{platform.python_version()}, {libraries}, {platform.system()} {platform.machine()}.",
    )
    lines += ["", *how]
    return "\n".join(lines)


def main() -> int:
    """Measure, print, and write down; 1 if a target is missed."""
    parser = argparse.ArgumentParser(description="Measures the export formats against csv.writer.")
    parser.add_argument("--smoke", action="store_true", help="tiny, and writes nothing")
    rows, rounds = (1_000, 1) if (smoke := parser.parse_args().smoke) else (100_000, 7)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(invoices(rows), rounds, Path(folder))
    text = table(found, rows, rounds)
    print(text)
    if smoke:
        return 0
    page = PAGE.read_text(encoding="utf-8")
    section = re.escape(BEGIN) + ".*" + re.escape(END)
    page, times = re.subn(section, lambda _: f"{BEGIN}\n{text}\n{END}", page, flags=re.DOTALL)
    if times != 1:
        sys.exit(f"{PAGE} has lost the marks of its table.")
    PAGE.write_text(page, encoding="utf-8")
    missed = [each.format.name for each in found if each.format.target and each.ratio > each.format.target]
    if missed:
        print(f"Missed: {', '.join(missed)}.", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
