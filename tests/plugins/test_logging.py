"""The log: one line a call, the rest below or above it, and nothing in it that is nobody's business."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import attrs
import httpx
import pytest
from support import KEY, PDF, Wire, answer, page, pdf, wire_invoice

from gcore_invoices import InvoicesError, NotFoundError, Response, RetryPolicy, UsageError, hookimpl
from gcore_invoices.plugins.logging import HEADERS, log_to_stderr

OF_RECORDS = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
AT_ONCE = RetryPolicy(backoff=0)


@pytest.fixture
def records(caplog):
    """What was logged, at every level, by logger and level."""
    caplog.set_level(logging.DEBUG)

    def select(level, name="calls"):
        wanted = (f"gcore_invoices.{name}", level)
        return [record for record in caplog.records if (record.name, record.levelname) == wanted]

    return select


def extra(record):
    return {name: value for name, value in vars(record).items() if name not in OF_RECORDS}


def listed(rows):
    """Answers a list with these rows."""

    def respond(request):
        offset, limit = int(request.url.params["offset"]), int(request.url.params["limit"])
        return page(rows[offset : offset + limit], count=len(rows))

    return Wire(respond)


def test_a_call_is_one_line_with_its_values(make_client, records):
    wire = Wire.of(answer({}, 503), answer(wire_invoice(42)))
    make_client(wire, retry=AT_ONCE).get(42)
    [line] = records("INFO")
    size = len(json.dumps(wire_invoice(42))) + len("{}")
    said = line.getMessage()
    assert said.startswith("get ok: 200, 2 attempts, 0.")
    assert said.endswith(f" s, {size} bytes")
    values = extra(line)
    assert isinstance(values.pop("elapsed"), float)
    assert len(values.pop("call_id")) == 16
    assert values == {
        "operation": "get",
        "url": "https://api.gcore.com/billing/org/v1/erp-invoices/42",
        "status": 200,
        "attempts": 2,
        "bytes": size,
        "outcome": "ok",
        "error": None,
    }


FAILED = {
    "a status": ([404], "get failed with NotFoundError: 404, 1 attempt, ", 404),
    "no connection": (
        [httpx.ConnectError("refused")],
        "get failed with APIConnectionError: no answer, 1 attempt, ",
        None,
    ),
    "no answer at the end": (
        [503, httpx.ReadTimeout("slow")],
        "get failed with APITimeoutError: no answer, 2 attempts, ",
        None,
    ),
}


@pytest.mark.parametrize(("answers", "said", "status"), FAILED.values(), ids=FAILED)
def test_a_call_that_fails_is_one_line_that_names_the_error(make_client, records, answers, said, status):
    wire = Wire.of(*(answer({}, one) if isinstance(one, int) else one for one in answers))
    client = make_client(wire, retry=RetryPolicy(backoff=0, attempts=len(answers)))
    with pytest.raises(InvoicesError) as caught:
        client.get(42)
    [line] = records("INFO")
    assert line.getMessage().startswith(said)
    assert (line.status, line.error) == (status, type(caught.value).__name__)


def test_a_call_that_is_cancelled_is_one_line_that_counts_the_attempt(make_client, records):
    class Interrupted(BaseException):
        pass

    def interrupt(_):
        raise Interrupted

    with pytest.raises(Interrupted):
        make_client(Wire(interrupt)).get(42)
    [line] = records("INFO")
    assert line.getMessage().startswith("get cancelled: no answer, 1 attempt, ")
    assert (line.outcome, line.error) == ("cancelled", "Interrupted")


def test_attempts_are_told_at_debug_and_retries_at_warning(make_client, records):
    wire = Wire.of(answer({}, 503), httpx.ReadError("gone"), pdf(x_request_id="r-3"))
    assert make_client(wire, retry=AT_ONCE).download_bytes(42) == PDF
    first, second, third = records("DEBUG")
    assert first.getMessage().startswith("download attempt 1: 503, ")
    assert second.getMessage().startswith("download attempt 2: APIConnectionError (ReadError), ")
    assert third.getMessage().endswith("{'content-type': 'application/pdf', 'x-request-id': 'r-3'}")
    assert (third.attempt, third.status, third.bytes, third.intercepted) == (3, 200, len(PDF), False)
    again = records("WARNING")
    assert [record.getMessage() for record in again] == [
        "download attempt 1 failed with InternalServerError (503); the next one is in 0.000 s",
        "download attempt 2 failed with APIConnectionError (ReadError); the next one is in 0.000 s",
    ]
    assert [(record.attempt, record.status, record.delay) for record in again] == [(1, 503, 0), (2, None, 0)]
    [line] = records("INFO")
    assert len({record.call_id for record in (first, second, third, *again, line)}) == 1


def test_an_answer_of_a_plugin_is_told_as_one(make_client, records):
    class Cache:
        @hookimpl
        def intercept(self):
            return Response(200, {}, json.dumps(wire_invoice(42)).encode())

    make_client(Wire.of(), plugins=[Cache()]).get(42)
    [line] = records("DEBUG")
    assert "from a plugin" in line.getMessage()
    assert line.intercepted is True


def test_without_debug_no_attempt_is_told(make_client, caplog):
    caplog.set_level(logging.INFO)
    make_client(Wire.of(answer(wire_invoice(42)))).get(42)
    assert [record.levelname for record in caplog.records if "gcore" in record.name] == ["INFO"]


SECRETS = {
    "authorization": "apikey SECRET",
    "set-cookie": "session=SECRET",
    "www-authenticate": "SECRET",
    "location": "https://elsewhere.example/?token=SECRET",
    "x-anything": "SECRET",
}


def test_nothing_that_is_not_needed_is_in_any_record(make_client, caplog):
    caplog.set_level(logging.DEBUG, logger="gcore_invoices")
    bad = {"detail": f"SECRET {KEY}", "payer_id": ["SECRET"], "request_id": "SECRET"}
    cut = httpx.RemoteProtocolError("illegal header line: b'SECRET'")
    odd = answer(wire_invoice(42, payment_state=["SECRET"]), **SECRETS)
    wire = Wire.of(answer(bad, 503, **SECRETS), cut, answer(bad, 302, **SECRETS), odd)
    client = make_client(wire, retry=AT_ONCE)
    with pytest.raises(Exception, match="302"):
        client.invoices(payer_id=73317331)
    with pytest.raises(Exception, match="contract"):
        client.get(42)
    ours = [record for record in caplog.records if record.name.startswith("gcore_invoices")]
    assert len(ours) >= 8
    told = json.dumps([(record.getMessage(), extra(record)) for record in ours], default=str)
    for secret in ("SECRET", KEY, "73317331", *SECRETS):
        assert secret not in told


def test_the_headers_that_are_told_are_the_ones_of_the_list(make_client, records):
    given = {name.replace("-", "_"): "7" for name in HEADERS if name != "content-encoding"}
    make_client(Wire.of(answer(wire_invoice(42), **given, x_other="no"))).get(42)
    [record] = records("DEBUG")
    assert record.headers == {name: "7" for name in HEADERS if name != "content-encoding"}


def test_extra_fields_clash_with_nothing_and_are_ready_for_json(make_client, caplog):
    caplog.set_level(logging.DEBUG, logger="gcore_invoices")
    make_client(listed([wire_invoice(1), wire_invoice(2, payment_state="blocked")])).invoices()
    with pytest.raises(NotFoundError):
        make_client(Wire.of(answer({}, 503), answer({}, 404)), retry=AT_ONCE).get(3)
    # makeRecord refuses what clashes; observers that fail would be told of at ERROR.
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    for record in (one for one in caplog.records if one.name.startswith("gcore_invoices")):
        assert extra(record)
        json.dumps(extra(record))


def test_a_walk_tells_its_end_and_once_what_it_did_not_know(make_client, records):
    rows = [wire_invoice(n, payment_state="blocked", move_type="entry" * 99) for n in (1, 2, 3)]
    client = make_client(listed(rows))
    pager = client.real.list()
    client.items(pager)
    [line] = records("INFO", "walks")
    assert line.getMessage() == f"walk complete: invoices 3, pages 1, requests {pager.report.requests}"
    assert extra(line).keys() >= attrs.asdict(pager.report).keys()
    assert (line.delivered, line.complete, len(line.walk_id)) == (3, True, 16)
    [unknown] = records("WARNING", "walks")
    assert (
        unknown.unknown_values
        == line.unknown_values
        == [("move_type=" + "entry" * 99)[:60], "payment_state=blocked"]
    )
    assert "2 values that this version does not know" in unknown.getMessage()
    assert "'payment_state=blocked'" in unknown.getMessage()


def test_many_unknown_values_with_line_breaks_are_still_one_short_line(make_client, records):
    rows = [wire_invoice(n, payment_state=f"new\n{n}" + "x" * 500) for n in range(1, 51)]
    make_client(listed(rows)).invoices()
    [unknown] = records("WARNING", "walks")
    assert "50 values" in unknown.getMessage()
    assert len(unknown.getMessage()) < 1000
    assert "\n" not in unknown.getMessage()


def test_a_walk_that_knows_everything_warns_of_nothing(make_client, records):
    make_client(listed([wire_invoice(1)])).invoices()
    assert records("WARNING", "walks") == []


def test_a_walk_that_is_left_early_says_so(make_client, records):
    client = make_client(Wire.of(page([wire_invoice(1)], count=9)))
    pages = client.real.list().pages()
    if client.is_async:

        async def leave():
            await anext(pages)
            await pages.aclose()
            async with asyncio.timeout(10):
                while not records("INFO", "walks"):
                    await asyncio.sleep(0)

        client.run(leave())
    else:
        next(pages)
        pages.close()
    [line] = records("INFO", "walks")
    assert line.getMessage().startswith("walk left before its end: invoices 1, pages 1, ")


def test_it_can_be_blocked(make_client, records):
    make_client(Wire.of(answer(wire_invoice(42))), disabled_plugins=["logging"]).get(42)
    assert not [record for level in ("DEBUG", "INFO") for record in records(level)]


def test_calls_that_are_under_way_together_keep_their_values(make_client, records):
    def respond(request):
        return answer(wire_invoice(int(request.url.path.rpartition("/")[2])), 200)

    client = make_client(Wire(respond))
    if client.is_async:

        async def together():
            await asyncio.gather(*(client.real.get(n) for n in range(1, 21)))

        client.run(together())
    else:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(client.get, range(1, 21)))
    lines = records("INFO")
    assert [line.attempts for line in lines] == [1] * 20
    assert len({line.call_id for line in lines}) == 20


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", "import gcore_invoices, logging\n" + code],
        env=os.environ | {"GCORE_API_KEY": KEY} | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )


TWO_CLIENTS = """
a = gcore_invoices.InvoicesClient(base_url="http://127.0.0.1:9", retry=gcore_invoices.RetryPolicy(backoff=0, attempts=2))
b = gcore_invoices.InvoicesClient()
try: a.get(1)
except gcore_invoices.APIConnectionError: pass
"""


@pytest.mark.parametrize(
    ("asked", "levels"),
    [
        ("debug", ["DEBUG", "WARNING", "DEBUG", "INFO"]),
        (" INFO ", ["WARNING", "INFO"]),
        ("", []),
    ],
)
def test_gcore_log_shows_the_log_on_stderr_once(asked, levels):
    done = run(TWO_CLIENTS, GCORE_LOG=asked, NO_PROXY="127.0.0.1")
    lines = [line for line in done.stderr.splitlines() if "gcore_invoices" in line]
    assert [line.split()[2] for line in lines] == levels
    assert done.stdout == ""


def test_gcore_log_works_for_a_client_without_the_plugin():
    code = "gcore_invoices.InvoicesClient(disabled_plugins=['logging', 'none'])"
    assert "No plugin to disable" in run(code, GCORE_LOG="info").stderr


def test_another_gcore_log_is_a_warning_at_the_line_that_made_the_client(make_client, monkeypatch, flavour):
    monkeypatch.setenv("GCORE_LOG", "verbose")
    with pytest.warns(UserWarning, match=r"Unknown GCORE_LOG level 'verbose'\. Valid: debug, info\.") as told:
        make_client(Wire.of())
    assert told[0].filename.endswith("support.py")


def test_an_unset_gcore_log_changes_nothing(monkeypatch):
    ours = logging.getLogger("gcore_invoices")
    before = (list(ours.handlers), ours.level)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        log_to_stderr()
    assert (ours.handlers, ours.level) == before


def test_a_program_that_configures_no_logging_sees_nothing():
    done = run(TWO_CLIENTS, NO_PROXY="127.0.0.1")
    assert done.stderr == done.stdout == ""
    handlers = logging.getLogger("gcore_invoices").handlers
    assert [type(handler) for handler in handlers] == [logging.NullHandler]


def test_usage_errors_of_a_call_are_told_too(make_client, records):
    client = make_client(Wire.of(), bearer_token=lambda: "")
    with pytest.raises(UsageError):
        client.get(42)
    [line] = records("INFO")
    assert line.getMessage().startswith("get failed with UsageError: no answer, 0 attempts, ")
