"""The benchmark still runs: tiny, with the peers that this environment has. No ratio is looked at."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support_contract import ROOT


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_it_runs_and_every_peer_reads_the_same_list(tmp_path):
    page = tmp_path / "page.md"
    # It ends with an error if a peer reads something else than the list, and not at all if its server stays.
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "run.py", "--smoke", "--output", page],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert page.read_text(encoding="utf-8").strip() == done.stdout.strip()
    rows = [row.strip("| ").split(" | ") for row in done.stdout.splitlines() if row.startswith("| ")]
    measured = {row[0] for row in rows if len(row) > 2}
    assert measured >= {"ours, default settings", "httpx + json", "generated client alone"}
    assert {"raw sockets, 1 at once", "raw sockets, 16 at once"} <= measured
    targets = [row for row in rows if row[1].startswith(("≤", "≥"))]
    assert len(targets) == 16
    assert {row[3] for row in targets} <= {"reached", "**missed**", "not measured"}
