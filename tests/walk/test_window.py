"""Pages fetched ahead: in order, bounded, stopped at once, narrowed when the API asks for less."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from support import KEY, Client, answer, page, wire_invoice

import gcore_invoices as gi
from gcore_invoices import _window
from gcore_invoices._walk import Fetch, effective_order
from gcore_invoices._window import ThreadWindow, Width


class Gate(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A list endpoint that holds its answers back until the test's `opens(offset)` is true."""

    def __init__(self, size, opens=lambda gate, offset: True, respond=None):
        self.rows = [wire_invoice(n) for n in range(1, size + 1)]
        self.opens = opens
        self.respond = respond or (lambda gate, offset, limit: gate.page(offset, limit))
        self.asked: list[int] = []
        self.waiting: set[int] = set()
        self.most = 0
        self.changed = threading.Condition()
        self.deadline = time.monotonic() + 20

    def page(self, offset, limit):
        return page(self.rows[offset : offset + limit], count=len(self.rows))

    def arrive(self, request):
        offset, limit = (int(request.url.params[name]) for name in ("offset", "limit"))
        with self.changed:
            self.asked.append(offset)
            self.waiting.add(offset)
            self.most = max(self.most, len(self.waiting))
            self.changed.notify_all()
        return offset, limit

    def leave(self, offset):
        with self.changed:
            self.waiting.discard(offset)
            self.changed.notify_all()

    def handle_request(self, request):
        offset, limit = self.arrive(request)
        with self.changed:
            assert self.changed.wait_for(lambda: self.opens(self, offset), 10), "the gate stays shut"
        self.leave(offset)
        return self.respond(self, offset, limit)

    async def handle_async_request(self, request):
        offset, limit = self.arrive(request)
        try:
            while not self.opens(self, offset):
                assert time.monotonic() < self.deadline, "the gate stays shut"
                await asyncio.sleep(0)
        finally:
            self.leave(offset)
        return self.respond(self, offset, limit)


def ids(invoices):
    return [invoice.id for invoice in invoices]


def no_threads_left():
    return not [thread for thread in threading.enumerate() if thread.name.startswith("gcore-invoices")]


@pytest.mark.parametrize("concurrency", [2, 4, 16])
def test_as_many_pages_are_on_their_way_as_the_window_is_wide(make_client, concurrency):
    def opens(gate, offset):
        # After the first page nothing is answered until the window is full.
        return offset == 0 or len(gate.asked) > concurrency

    gate = Gate(100 + 99 * 40, opens)
    client = make_client(gate, concurrency=concurrency)
    assert ids(client.invoices()) == ids_of(gate)
    assert gate.most == concurrency
    assert no_threads_left()


def ids_of(gate):
    return [row["id"] for row in gate.rows]


def test_the_default_is_four_and_one_is_one(make_client):
    gate = Gate(1000, lambda gate, offset: offset == 0 or len(gate.asked) > 4)
    make_client(gate).invoices()
    assert gate.most == 4
    gate = Gate(1000)
    make_client(gate, concurrency=1).invoices()
    assert gate.most == 1
    assert gate.asked == sorted(gate.asked)


def test_the_look_beyond_the_end_is_made_inside_the_window(make_client):
    """All that follows the first page of 450 is on its way at once: four pages and the look."""
    gate = Gate(450, lambda gate, offset: offset == 0 or len(gate.asked) == 6)
    client = make_client(gate, concurrency=8)
    pager = client.real.list()
    assert ids(client.items(pager)) == ids_of(gate)
    assert sorted(gate.asked) == [0, 99, 198, 297, 396, 449]
    assert pager.report.requests == 6


def test_answers_that_come_in_reverse_are_delivered_in_order(make_client):
    def opens(gate, offset):
        return offset == 0 or (len(gate.asked) == 6 and offset == max(gate.waiting))

    gate = Gate(450, opens)
    assert ids(make_client(gate, concurrency=8).invoices()) == ids_of(gate)


@pytest.mark.parametrize("concurrency", [1, 4, 32])
def test_a_slow_reader_holds_no_more_than_the_window(flavour, concurrency):
    gate = Gate(6000)
    with walking(flavour, gate, concurrency=concurrency) as step:
        for read in range(1, 20):
            step()
            assert len(gate.asked) <= read + concurrency - 1 or read == 1


@contextmanager
def walking(flavour, gate, **options):
    """Read pages one by one, in either flavour."""
    client = Client(flavour, api_key=KEY, transport=gate, retry=gi.RetryPolicy(attempts=1), **options)
    pages = client.real.list().pages()
    try:
        yield (lambda: client.run(anext(pages))) if client.is_async else (lambda: next(pages))
    finally:
        client.run(pages.aclose()) if client.is_async else pages.close()
        client.close()


def test_leaving_the_loop_stops_the_window_at_once(flavour):
    gate = Gate(6000, lambda gate, offset: offset <= 99 or gate.__dict__.get("open", False))
    if flavour == "sync":
        gate.opens = lambda gate, offset: True
        with gi.InvoicesClient(api_key=KEY, transport=gate, concurrency=8) as client:
            for _ in client.list():
                break
            asked = len(gate.asked)
            assert no_threads_left()
    else:

        async def main():
            async with gi.AsyncInvoicesClient(api_key=KEY, transport=gate, concurrency=8) as client:
                async for invoice in client.list():
                    if invoice.id == 150:
                        break
                for _ in range(20):
                    await asyncio.sleep(0)
                asked = len(gate.asked)
                gate.open = True
                for _ in range(20):
                    await asyncio.sleep(0)
                assert len(asyncio.all_tasks()) == 1
                return asked

        asked = asyncio.run(main())
    assert len(gate.asked) == asked
    assert gate.waiting == set()


def test_an_exception_of_the_reader_stops_the_window(flavour):
    gate = Gate(6000)

    class Mine(Exception):
        pass

    if flavour == "sync":
        with gi.InvoicesClient(api_key=KEY, transport=gate, concurrency=8) as client, pytest.raises(Mine):
            for invoice in client.list():
                if invoice.id == 150:
                    raise Mine
    else:

        async def main():
            async with gi.AsyncInvoicesClient(api_key=KEY, transport=gate, concurrency=8) as client:
                async for invoice in client.list():
                    if invoice.id == 150:
                        raise Mine

        with pytest.raises(Mine):
            asyncio.run(main())
    assert no_threads_left()


def test_cancelling_the_task_stops_the_window():
    gate = Gate(6000, lambda gate, offset: offset == 0)

    async def main():
        async with gi.AsyncInvoicesClient(api_key=KEY, transport=gate, concurrency=8) as client:

            async def read():
                async for _ in client.list():
                    pass

            task = asyncio.ensure_future(read())
            while len(gate.asked) < 9:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert len(asyncio.all_tasks()) == 1
            assert gate.waiting == set()

    asyncio.run(main())


def test_a_failed_page_fails_in_its_turn(make_client):
    def respond(gate, offset, limit):
        return answer({"detail": "no"}, 503) if offset == 297 else gate.page(offset, limit)

    client = make_client(Gate(1000, respond=respond), concurrency=8)
    pager = client.real.list()
    got = []
    with pytest.raises(gi.InternalServerError):
        if client.is_async:
            client.run(collect(pager, got))
        else:
            for invoice in pager:
                got.append(invoice)  # noqa: PERF402 - what came before the error counts
    assert ids(got) == list(range(1, 299))
    assert pager.report.complete is False
    assert pager.checkpoint.last_id == 298
    assert no_threads_left()


async def collect(pager, into):
    async for invoice in pager:
        into.append(invoice)


def test_an_error_of_the_walk_carries_its_final_report(make_client):
    """With the pages that were fetched ahead, and never read."""

    def respond(gate, offset, limit):
        rows = gate.rows[offset : offset + limit]
        return page(rows[::-1] if offset == 198 else rows, count=len(gate.rows))

    gate = Gate(1000, respond=respond)
    client = make_client(gate, concurrency=4)
    pager = client.real.list()
    with pytest.raises(gi.PaginationError, match="does not sort by id as asked") as caught:
        client.items(pager)
    assert caught.value.report is pager.report
    assert (pager.report.delivered, pager.report.complete) == (199, False)
    assert pager.report.requests == caught.value.attempts == len(gate.asked) > 3
    assert caught.value.checkpoint.last_id == 199


def test_each_page_is_fetched_in_the_context_of_its_reader():
    """Threads have contexts of their own; tasks are given their maker's by asyncio."""
    trace = ContextVar("trace", default="none")
    seen = []

    def respond(gate, offset, limit):
        seen.append(trace.get())
        return gate.page(offset, limit)

    token = trace.set("a span")
    try:
        with gi.InvoicesClient(api_key=KEY, transport=Gate(500, respond=respond), concurrency=4) as client:
            assert len(list(client.list())) == 500
    finally:
        trace.reset(token)
    assert set(seen) == {"a span"}


def test_two_walks_of_one_pager_have_each_their_own_report():
    told = []

    class Watch:
        @gi.hookimpl
        def walk_finished(self, report):
            told.append((report.complete, report.delivered))

    with gi.InvoicesClient(api_key=KEY, transport=Gate(399), plugins=[Watch()]) as client:
        pager = client.list()
        early = iter(pager)
        assert next(early).id == 1
        assert len(list(pager)) == 399
        early.close()
    assert told == [(True, 399), (False, 100)]


def test_a_walk_that_is_collected_in_one_of_its_own_threads_still_finishes(monkeypatch):
    told = []

    class Watch:
        @gi.hookimpl
        def walk_finished(self, report):
            told.append(report.complete)

    shut_down = ThreadPoolExecutor.shutdown

    def from_within(pool, **options):
        shut_down(pool, **options)
        raise RuntimeError("cannot join current thread")

    with gi.InvoicesClient(api_key=KEY, transport=Gate(399), plugins=[Watch()]) as client:
        walk = iter(client.list())
        for _ in range(150):
            next(walk)
        monkeypatch.setattr(ThreadPoolExecutor, "shutdown", from_within)
        walk.close()
    assert told == [False]


def test_no_thread_is_made_while_pages_come_sooner_than_threads_could_help(monkeypatch):
    monkeypatch.setattr(_window, "TOO_FAST", 60)
    seen = set()

    def respond(gate, offset, limit):
        seen.add(threading.current_thread())
        return gate.page(offset, limit)

    with gi.InvoicesClient(api_key=KEY, transport=Gate(500, respond=respond), concurrency=4) as client:
        assert len(list(client.list())) == 500
        assert seen == {threading.current_thread()}
        monkeypatch.setattr(_window, "TOO_FAST", 0)
        assert len(list(client.list())) == 500
        assert len(seen) > 1


def test_a_seam_that_fails_discards_what_was_fetched_ahead(make_client):
    def respond(gate, offset, limit):
        if offset == 198 and not gate.__dict__.get("removed"):
            gate.removed = True
            del gate.rows[10:20]
        return gate.page(offset, limit)

    gate = Gate(1000, respond=respond)
    client = make_client(gate, concurrency=4)
    pager = client.real.list()
    got = ids(client.items(pager))
    assert set(got) >= {row["id"] for row in gate.rows}
    assert len(got) == len(set(got))
    assert pager.report.seams_reread > 0
    assert pager.report.removed == 10
    assert pager.report.requests == len(gate.asked)


# -- the width


def narrowed(width, status, *, at=None):
    error = gi.RateLimitError if status == 429 else gi.InternalServerError
    width.told(error("no", status_code=status), time.monotonic() if at is None else at)
    return width.now


def test_a_429_halves_the_window_and_success_widens_it_again():
    width = Width(16)
    assert [narrowed(width, 429) for _ in range(6)] == [8, 4, 2, 1, 1, 1]
    for expected in (2, 3, 4):
        width.told(None, time.monotonic())
        assert width.now == expected
    for _ in range(40):
        width.told(None, time.monotonic())
    assert width.now == 16


def test_what_was_sent_before_the_window_was_narrowed_does_not_narrow_it_again():
    width = Width(16)
    before = time.monotonic()
    assert narrowed(width, 429) == 8
    assert narrowed(width, 429, at=before) == 8


def test_a_run_of_failures_halves_the_window_and_a_single_one_does_not():
    width = Width(16)
    assert [narrowed(width, 503) for _ in range(4)] == [16, 16, 8, 8]
    width.told(None, time.monotonic())
    assert width.now == 9
    assert narrowed(width, 503) == 9
    width.told(gi.APITimeoutError("slow"), time.monotonic())
    width.told(gi.NotFoundError("no", status_code=404), time.monotonic())
    assert width.now == 9


def test_the_plan_is_as_wide_as_the_window():
    order = effective_order(gi.InvoiceQuery())
    width = Width(3)
    plan = width.plan(Fetch(order, 99, 100, (198, 297, 396)))
    assert plan == [(order, 99), (order, 198), (order, 297)]
    assert width.missing(plan, {(order, 198)}) == [(order, 99), (order, 297)]
    narrowed(width, 429)
    # Narrower: what is held already is kept, less is started.
    assert width.plan(Fetch(order, 99, 100, (198, 297, 396))) == plan
    assert width.missing(plan, {}) == [(order, 99)]


def test_what_was_sent_before_does_not_widen_it_again_either():
    width = Width(16)
    before = time.monotonic()
    assert narrowed(width, 429) == 8
    for _ in range(8):
        width.told(None, before)
    assert width.now == 8


def test_a_window_that_began_narrow_has_threads_for_its_whole_width():
    width = Width(8)
    narrowed(width, 429)
    window = ThreadWindow(lambda key, limit, stop: key, width)
    order = effective_order(gi.InvoiceQuery())
    window.get(Fetch(order, 0, 100, (99, 198)))
    assert window._pool._max_workers == 8
    window.close()


def test_the_window_hears_of_each_attempt(make_client, monkeypatch):
    heard = []
    monkeypatch.setattr(
        Width, "told", lambda self, error, asked: heard.append(getattr(error, "status_code", None))
    )
    answers = iter([429, 503])

    def respond(gate, offset, limit):
        status = next(answers, None)
        return answer({}, status) if status else gate.page(offset, limit)

    retry = gi.RetryPolicy(backoff=0)
    make_client(Gate(50, respond=respond), retry=retry).invoices()
    assert heard == [429, 503, None, None]


@pytest.mark.parametrize("concurrency", [0, 33, True, 2.5, "4", None])
def test_a_window_that_cannot_be_is_refused(make_client, concurrency):
    sentence = f"concurrency takes an integer from 1 to 32, not {concurrency!r}."
    with pytest.raises(gi.UsageError) as caught:
        make_client(Gate(1), concurrency=concurrency)
    assert str(caught.value) == sentence
    if concurrency is not None:
        with pytest.raises(gi.UsageError) as caught:
            make_client(Gate(1)).real.with_options(concurrency=concurrency)
        assert str(caught.value) == sentence


def test_a_view_has_its_own_window(make_client):
    gate = Gate(1000)
    client = make_client(gate, concurrency=8)
    pager = client.real.with_options(concurrency=1).list()
    client.items(pager)
    assert gate.most == 1


# -- over sockets: what is on its way is ended, not waited for


@pytest.fixture
def stalling():
    """A server that answers the first page and then nothing, until the test is over."""
    over = threading.Event()
    rows = [wire_invoice(n) for n in range(1, 1001)]
    arrived = threading.Semaphore(0)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            query = {
                name: int(values[0])
                for name, values in parse_qs(urlsplit(self.path).query).items()
                if name != "ordering"
            }
            if query["offset"]:
                arrived.release()
                over.wait(20)
                return
            body = json.dumps({"count": 1000, "results": rows[: query["limit"]]}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", arrived
    over.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_stalls_is_ended_when_the_loop_is_left(stalling):
    url, arrived = stalling
    with gi.InvoicesClient(api_key=KEY, base_url=url, concurrency=5) as client:
        pages = client.list().pages()
        next(pages)

        def read():
            with pytest.raises(gi.InvoicesError):
                next(pages)

        reader = threading.Thread(target=read)
        reader.start()
        for _ in range(5):
            assert arrived.acquire(timeout=10)
        started = time.monotonic()
        client.close()  # ends the reader, which waits for a page, and all that is on its way
        reader.join(timeout=10)
        assert not reader.is_alive()
        pages.close()
        assert time.monotonic() - started < 2
    assert no_threads_left()


def test_what_stalls_is_ended_when_a_page_fails(stalling):
    url, arrived = stalling

    class Impatient:
        """Breaks the page that is waited for, once all are on their way."""

        @gi.hookimpl
        def intercept(self, call):
            if call.params["offset"] == "99":
                for _ in range(4):
                    assert arrived.acquire(timeout=10)
                raise LookupError("mine")

    started = time.monotonic()
    with (
        gi.InvoicesClient(api_key=KEY, base_url=url, concurrency=5, plugins=[Impatient()]) as client,
        pytest.raises(LookupError, match="mine"),
    ):
        list(client.list())
    assert time.monotonic() - started < 5
    assert no_threads_left()
