"""`make cassettes` and `make cassettes LIVE=1` as they are called, in a copy of the repository.

The live API cannot be asked by a test. In its place stands a server on loopback that answers by the sandbox's
rules and says, wherever an answer has room for it, what belongs to somebody.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from cassettes.scrub import AMOUNTS, IDS
from support_contract import ROOT, tree

from gcore_invoices.sandbox import Invoices, Request, Response, SandboxServer, handle
from gcore_invoices.sandbox.selection import select

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("recording"), pytest.mark.timeout(240)]

KEY = "4711_eyJhbGciOiJIUzI1NiJ9exampleSECRET"
PERSONAL = [
    "Example",
    "Müller",
    "ann",
    "NL91ABNA0417164300",
    "+31 20 123 4567",
    "192.0.2.7",
    "session-of-ann",
    "4711",
    "SECRET",
    "RE-2026",
]
COMMITTED = ROOT / "cassettes"
IS_LIVE = "live" in json.loads((COMMITTED / "known.json").read_text("utf-8"))


class Account:
    """A store with the invoices of a company that has a name, under ids and amounts of its own."""

    def __init__(self, count: int = 400) -> None:
        self.rows: dict[int, Any] = {row["id"]: row for row in map(self._own, Invoices(count)[:])}

    @staticmethod
    def _own(row: Any) -> Any:
        own = dict(row) | {
            "id": row["id"] * 7 + 40_000_003,
            "name": row["name"] if row["name"] == "/" else f"RE-2026 Müller {row['name']}",
            "client_id": row["client_id"] * 3 + 71_000_000,
            "payer_id": row["payer_id"] + 83_000_000,
            "invoice_id": row["invoice_id"] and row["invoice_id"] + 55_000_000,
            "partner": {"name": "Example GmbH", "iban": "NL91ABNA0417164300"},
        }
        for name in ("amount_untaxed", "amount_tax", "amount_total"):
            own[name] = f"{Decimal(row[name]) * Decimal('3.3701'):.12f}"
        return own

    def select(self, filters: Any, order: Any) -> Any:
        return select(self.rows.values(), filters, order)

    def get(self, invoice_id: int) -> Any:
        return self.rows.get(invoice_id)


@dataclass
class Live:
    """The server that stands for the live API."""

    url: str
    asked: list[Request]


def personal(answer: Response) -> Response:
    """An answer with somebody's data in it wherever it has room."""
    headers, body = dict(answer.headers), answer.body
    zipped = headers.pop("Content-Encoding", None)
    body = gzip.decompress(body) if zipped else body
    headers |= {"Set-Cookie": "id=session-of-ann", "X-Account": "Example GmbH", "Via": "192.0.2.7"}
    if headers["Content-Type"] == "application/pdf":
        headers["Content-Type"] = 'application/pdf; name="Example GmbH.pdf"'
        headers["Content-Disposition"] = 'attachment; filename="RE-2026 Example GmbH.pdf"'
        body = body.replace(b"Not a real document", b"For ann, Example GmbH")
    else:
        told = json.loads(body)
        for name in {"next", "previous"} & told.keys():
            told[name] = told[name] and told[name] + "&account=ann&trace=192.0.2.7"
        if answer.status != 200:
            told["request_id"] = f"ann-{told['request_id']}"
            told["detail"] += " Ask ann@example.org (Example GmbH, +31 20 123 4567) at 192.0.2.7."
            told["info"] = {"account": "Example GmbH", "client_id": 4711, "ann": ["NL91ABNA0417164300"]}
            headers["WWW-Authenticate"] = 'apikey realm="Example GmbH"'
        body = json.dumps(told, ensure_ascii=False).encode()
    headers["X-Request-Id"] = f"ann-{headers['X-Request-Id']}"
    return replace(answer, headers=headers | {"Content-Length": str(len(body))}, body=body)


@contextmanager
def live(count: int = 400) -> Iterator[Live]:
    asked: list[Request] = []

    def answer(request: Request, store: Any) -> Response:
        asked.append(request)
        return personal(handle(request, store, access={("apikey", KEY): True}))

    with (
        mock.patch("gcore_invoices.sandbox.server.handle", answer),
        SandboxServer(Account(count)) as server,
    ):
        yield Live(server.url, asked)


def copied(folder: Path) -> Path:
    """What recording needs, elsewhere."""
    for name in ("tests", "cassettes", "openapi"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy2(ROOT / name, folder)
    return folder


def make(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """`make cassettes` with this environment's Python in the place of .venv."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST", "COV", "MAKE", "MFLAGS", "GCORE", "HTTP", "http"))
    }
    return subprocess.run(
        ["make", "-o", ".venv/installed", f"PY={shlex.quote(sys.executable)} -P", "cassettes", *arguments],
        cwd=folder,
        env=environment | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def replay(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.skipif(IS_LIVE, reason="the sandbox has not given these answers")
def test_recording_from_the_sandbox_gives_what_is_there_and_no_file_more(tmp_path):
    copy = copied(tmp_path)
    done = make(copy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert tree(copy / "cassettes") == tree(COMMITTED)


def test_a_live_recording_needs_a_key(tmp_path):
    copy = copied(tmp_path)
    done = make(copy, "LIVE=1")
    assert done.returncode != 0
    assert done.stdout == ""
    assert "Set GCORE_API_KEY: LIVE=1 asks the live API." in done.stderr
    done = make(copy, "LIVE=yes", GCORE_API_KEY=KEY)
    assert done.returncode != 0
    assert "LIVE is 1 or nothing, not 'yes'." in done.stderr
    assert tree(copy / "cassettes") == tree(COMMITTED)


@dataclass
class Recorded:
    """What became of one live recording."""

    folder: Path
    said: str
    asked: list[Request]

    @property
    def files(self) -> dict[str, str]:
        return {name: data.decode() for name, data in tree(self.folder / "cassettes").items()}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Iterator[Recorded]:
    copy = copied(tmp_path_factory.mktemp("live") / "copy")
    with live() as api:
        done = make(copy, "LIVE=1", GCORE_API_KEY=KEY, GCORE_BASE_URL=api.url)
    assert done.returncode == 0, done.stdout + done.stderr
    return Recorded(copy, done.stdout + done.stderr, api.asked)


def test_a_live_recording_only_reads_and_always_with_the_key_or_a_wrong_one(recorded):
    assert len(recorded.asked) > 50
    assert {request.method for request in recorded.asked} == {"GET"}
    sent = {request.header("Authorization") for request in recorded.asked}
    assert sent == {f"apikey {KEY}", "apikey 1234$wrong"}


def test_a_live_recording_holds_and_prints_nothing_of_the_account(recorded):
    changed = {name: text for name, text in recorded.files.items() if text.encode() != tree(COMMITTED)[name]}
    assert len(changed) > 45
    told = "\n".join(changed.values())
    assert "DOC/00001" in told
    everything = told + recorded.said
    assert [what for what in PERSONAL if re.search(rf"(?<![\w.]){re.escape(what)}", everything)] == []
    numbers = set(re.findall(r"[\d.]+", everything))
    own = {row[name] for row in Account().rows.values() for name in (*IDS, *AMOUNTS)}
    assert {str(value) for value in own if value and float(value)} & numbers == set()


def test_a_live_recording_leaves_what_only_the_sandbox_does(recorded):
    before, after = tree(COMMITTED), tree(recorded.folder / "cassettes")
    assert before.keys() == after.keys()
    for name in ("errors/status-500.yaml", "errors/dialect-html.yaml", "download/502.yaml"):
        assert before[name] == after[name]
    known = json.loads(after["known.json"])
    assert known["sandbox"] == json.loads(before["known.json"])["sandbox"]
    assert known["live"]["invoice_id"] > 90_000


def test_a_live_recording_replays_under_both_clients_and_keeps_the_contract(recorded):
    done = replay(recorded.folder, "tests/cassettes")
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr


def test_an_answer_that_nobody_asks_for_fails_its_test(recorded, tmp_path):
    copy = copied(tmp_path)
    file = copy / "cassettes" / "get" / "one.yaml"
    told = file.read_text("utf-8")
    file.write_text(told + told.partition("interactions:\n")[2], "utf-8")
    # Without the summary: on a machine for CI, pytest says the whole sentence there once more.
    done = replay(copy, "tests/cassettes/test_get.py", "-k", "test_one", "-rN")
    assert done.returncode == 1
    assert done.stdout.count("recorded, and not asked for: ['https://api.gcore.com/") == 2


def test_an_account_without_enough_to_record_is_told_so(tmp_path):
    copy = copied(tmp_path)
    with live(0) as api:
        done = make(copy, "LIVE=1", GCORE_API_KEY=KEY, GCORE_BASE_URL=api.url)
    assert done.returncode != 0
    assert "None of the newest 100 invoices has a date and a billing period" in done.stdout + done.stderr
    with live(3) as api:
        done = make(copy, "LIVE=1", GCORE_API_KEY=KEY, GCORE_BASE_URL=api.url)
    assert done.returncode != 0
    assert "No cassette was written; `git restore cassettes` brings back those" in done.stdout + done.stderr
    assert not (copy / "cassettes" / "get" / "one.yaml").exists()
