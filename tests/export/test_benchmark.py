"""The measurement itself: it runs, and its table has a place to go to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
MARKS = ("<!-- benchmarks/export.py writes from here -->", "<!-- to here -->")


def test_the_benchmark_runs_and_measures_every_format():
    command = [sys.executable, ROOT / "benchmarks" / "export.py", "--smoke"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    for name in ("`csv.writer`", "JSONL", "Parquet", "CSV", "XLSX"):
        assert f"| {name} |" in done.stdout


def test_the_page_holds_a_table_that_was_measured_and_met_its_targets():
    page = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    section = page.split(MARKS[0])[1].split(MARKS[1])[0]
    rows = [[cell.strip() for cell in line.split("|")] for line in section.splitlines() if "≤" in line]
    assert [row[1] for row in rows] == ["JSONL", "Parquet"]
    for row in rows:
        assert float(row[3].split()[0]) <= float(row[4].removeprefix("≤"))
    assert "100,000 invoices" in section
