"""`make demo` as a person sees it: the table, the totals, the document; and Ctrl-C."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from decimal import Decimal
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"


def start(folder):
    return subprocess.Popen(
        [sys.executable, "-u", DEMO], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def is_gone(url):
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url, timeout=5)
    return True


def test_the_demo_shows_unpaid_invoices_totals_and_a_document(tmp_path):
    demo = start(tmp_path)
    shown, said = demo.communicate(timeout=60)
    assert (demo.returncode, said) == (0, "")
    amounts = [
        abs(Decimal(found.replace(",", "")))
        for found in re.findall(r"^R?INV/\S+ .* (-?[\d,.]+) [A-Z]{3}$", shown, re.MULTILINE)
    ]
    assert len(amounts) == 12
    assert amounts == sorted(amounts, reverse=True)
    assert re.search(r"^RINV/\S+ .*refund +-[\d,.]+ [A-Z]{3}$", shown, re.MULTILINE), "a refund shows as less"
    assert re.search(r"^ +EUR +[\d,.]+$", shown, re.MULTILINE)
    assert re.search(r"^ +USD +[\d,.]+$", shown, re.MULTILINE)
    (document,) = (tmp_path / "demo").iterdir()
    assert document.read_bytes().startswith(b"%PDF-")
    assert f"demo/{document.name}" in shown
    assert shown.endswith("The sandbox has stopped.\n")
    assert is_gone(re.search(r"http://127\.0\.0\.1:\d+", shown)[0])


def test_ctrl_c_stops_the_sandbox_too(tmp_path):
    demo = start(tmp_path)
    line = demo.stdout.readline()
    url = re.search(r"http://127\.0\.0\.1:\d+", line)[0]
    demo.send_signal(signal.SIGINT)
    shown, said = demo.communicate(timeout=30)
    assert demo.returncode in {0, 130}  # 0 if it was faster than the signal
    assert "Traceback" not in said
    if demo.returncode:
        assert "Stopped; the sandbox too." in shown
    assert is_gone(url)
