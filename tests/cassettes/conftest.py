"""Cassettes: replayed by default; `make cassettes` records them from the sandbox, or from the live API."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import deque
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from cassettes.scrub import NotCleanError, Scrubber
from vcr.persisters.filesystem import FilesystemPersister
from vcr.serialize import serialize

from cassettes import recording
from gcore_invoices import InvoicesClient, SortKey
from gcore_invoices.sandbox import API_KEY, Invoices, LazyStore, Request, Response, SandboxServer, handle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import support

NOT_WRITTEN = "No cassette was written; `git restore cassettes` brings back those that were there."
KNOWN = recording.CASSETTES / "known.json"
# Read now: every test begins without settings from outside.
LIVE_KEY = os.environ.get("GCORE_API_KEY") if os.environ.get("GCORE_RECORD_LIVE") == "1" else None
LIVE_URL = os.environ.get("GCORE_BASE_URL") or recording.PUBLIC


@dataclass(frozen=True)
class Known:
    """Of an account that is recorded: values that some of its invoices have, to ask for."""

    invoice_id: int
    client_id: int
    payer_id: int
    currency: str
    invoice_date: str
    billing_period_from: str
    billing_period_to: str

    @property
    def day(self) -> date:
        return date.fromisoformat(self.invoice_date)


class Cassette:
    """One cassette, and clients for it in the flavour of the test."""

    def __init__(self, tape: Any, known: Known, make: Callable[..., support.Client]) -> None:
        self.known = known
        self._tape = tape
        self._make = make
        self.recorder: Recorder | None = None

    def client(self, **options: Any) -> support.Client:
        """A client that asks one thing after the other, as a cassette needs it."""
        options.setdefault("concurrency", 1)
        options.setdefault("base_url", self.recorder.url if self.recorder else recording.PUBLIC)
        if self.recorder and not options.keys() & {"api_key", "bearer_token"}:
            options["api_key"] = self.recorder.key
        return self._make(**options)

    def faults(self, *answers: Response | None) -> None:
        """What comes instead of the sandbox's own answers, in turn; None is its own."""
        if self.recorder:
            self.recorder.faults.extend(answers)

    @property
    def requests(self) -> list[Any]:
        return self._tape.requests

    @property
    def statuses(self) -> list[int]:
        return [answer["status"]["code"] for answer in self._tape.responses]

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(answer["body"]["string"]) for answer in self._tape.responses]


@dataclass
class Recorder:
    """What is recorded from."""

    url: str
    key: str
    faults: deque[Response | None]


class _Kept(FilesystemPersister):
    """Holds what was recorded until all of it can be cleaned together."""

    cassettes: dict[Path, dict[str, Any]] = {}  # noqa: RUF012 - one recording at a time

    @staticmethod
    def save_cassette(cassette_path: Path, cassette_dict: dict[str, Any], serializer: Any) -> None:
        class Keep:
            @staticmethod
            def serialize(data: dict[str, Any]) -> Any:
                return data

        _Kept.cassettes[Path(cassette_path)] = serialize(cassette_dict, Keep)


_known_of_recording: list[Known] = []


def pytest_recording_configure(config: pytest.Config, vcr: Any) -> None:
    recording.configure(vcr)
    vcr.register_persister(_Kept)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if not _Kept.cassettes:
        return
    if exitstatus:
        sys.stderr.write(f"\nSomething failed. {NOT_WRITTEN}\n")
        return
    known = asdict(_known_of_recording[0])
    tapes = {path.relative_to(recording.CASSETTES).as_posix(): tape for path, tape in _Kept.cassettes.items()}
    if LIVE_KEY:
        try:
            scrubber = Scrubber(
                tapes, known=known, secrets=[LIVE_KEY, re.split(r"[$_]", LIVE_KEY, maxsplit=1)[-1]]
            )
            tapes, known = scrubber.scrubbed(), scrubber.fields()
        except NotCleanError as error:
            sys.stderr.write(f"\n{error} {NOT_WRITTEN}\n")
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
            return
    for name, tape in tapes.items():
        path = recording.CASSETTES / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(recording.serialize(tape), encoding="utf-8")
    # What only the sandbox does stays recorded from it, and goes on asking for its invoices.
    told = json.loads(KNOWN.read_text("utf-8")) | {"live": known} if LIVE_KEY else {"sandbox": known}
    KNOWN.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip here, before the cassette is opened: to be recorded anew it is removed."""
    if not isinstance(item, pytest.Function) or item.config.getoption("--record-mode") in {None, "none"}:
        return
    if LIVE_KEY and item.get_closest_marker("sandbox_only"):
        pytest.skip("the live API does not do this on request")
    if item.callspec.params.get("flavour") == "async":
        pytest.skip("recorded with the sync client")


@pytest.fixture(scope="session")
def vcr_config() -> dict[str, Any]:
    return recording.CONFIG


@pytest.fixture(scope="module")
def vcr_cassette_dir(request: pytest.FixtureRequest) -> str:
    return str(recording.CASSETTES / request.path.stem.removeprefix("test_"))


@pytest.fixture
def default_cassette_name(request: pytest.FixtureRequest) -> str:
    """The name of the test: both flavours have one cassette."""
    case = [part for part in request.node.callspec.id.split("-") if part not in {"sync", "async"}]
    return "-".join([request.node.originalname.removeprefix("test_"), *case])


@pytest.fixture(scope="session")
def recorder(record_mode: str) -> Iterator[Recorder | None]:
    if record_mode == "none":
        yield None
        return
    if LIVE_KEY:
        yield Recorder(LIVE_URL, LIVE_KEY, deque())
        return
    faults: deque[Response | None] = deque()

    def faulty(request: Request, store: Any) -> Response:
        return (faults.popleft() if faults else None) or handle(request, store)

    with (
        mock.patch("gcore_invoices.sandbox.server.handle", faulty),
        SandboxServer(LazyStore(Invoices(400))) as server,
    ):
        yield Recorder(server.url, API_KEY, faults)


@pytest.fixture(scope="session")
def known_of_recording(recorder: Recorder | None) -> Known | None:
    if recorder is None:
        return None
    with InvoicesClient(api_key=recorder.key, base_url=recorder.url) as client:
        recent = client.list(order_by=SortKey.ID.desc(), max_items=100)
        wanted = (
            one for one in recent if one.invoice_date and one.billing_period_from and one.billing_period_to
        )
        chosen = next(wanted, None)
    if chosen is None:
        pytest.exit("None of the newest 100 invoices has a date and a billing period: nothing to record.", 2)
    wire = chosen.to_dict() | {"invoice_id": chosen.id}
    _known_of_recording[:] = [Known(**{name: wire[name] for name in Known.__dataclass_fields__})]
    return _known_of_recording[0]


@pytest.fixture
def known(request: pytest.FixtureRequest, known_of_recording: Known | None) -> Known:
    if known_of_recording:
        return known_of_recording
    told = json.loads(KNOWN.read_text("utf-8"))
    is_live = "live" in told and not request.node.get_closest_marker("sandbox_only")
    return Known(**told["live" if is_live else "sandbox"])


@pytest.fixture
def cassette(
    request: pytest.FixtureRequest,
    recorder: Recorder | None,
    known: Known,
    vcr: Any,
    flavour: str,
    make_client: Callable[..., support.Client],
) -> Iterator[Cassette]:
    assert request.node.get_closest_marker("block_network"), "a replay that could reach the network"
    made = Cassette(vcr, known, make_client)
    made.recorder = recorder
    yield made
    if recorder:
        assert not recorder.faults, "a fault was not asked for"
    else:
        assert not recording.unasked(vcr), f"recorded, and not asked for: {recording.unasked(vcr)}"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sandbox_only: cannot be recorded from the live API")
