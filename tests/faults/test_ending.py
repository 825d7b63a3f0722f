"""However a call ends, nothing stays behind: no socket, thread, task or file."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import frozen
from faults.server import HungUpError, head, says, silent_after, whole
from faults.test_scenarios import BODY, GOOD, GOOD_PDF
from support import KEY, PDF, Wire, interrupt, pdf, until

import gcore_invoices as gi
from gcore_invoices import _files, _stop

PATIENT = gi.RetryPolicy(attempts=9, backoff=60, max_backoff=60)


def left_in(folder):
    return sorted(path.name for path in folder.rglob("*"))


def in_the_wait(exchange):
    exchange.send(whole(b"", "503 Wait", retry_after=59))


class Progress:
    """A plugin that tells how far calls have come."""

    def __init__(self):
        self.begun, self.scheduled = [], []

    @gi.hookimpl
    def before_send(self):
        self.begun.append(True)

    @gi.hookimpl
    def retry_scheduled(self):
        self.scheduled.append(True)


@frozen
class Moment:
    """Calls that wait: for what, on which server, and how it is told that so many of them do."""

    server: Any
    options: dict
    reached: Any

    def wait(self, folder, calls=1):
        until(lambda: self.reached(self.server, self.options["plugins"][0], folder) >= calls)


# What a call waits for when it is ended: what the server does, and how many calls are that far.
MOMENTS = {
    "the head": (silent_after(), lambda server, _, __: len(server.requests)),
    "the body": (
        silent_after(head(content_length=99, content_type="application/pdf") + PDF[:50]),
        lambda _, __, folder: len(left_in(folder)),  # its file is made when the head is there
    ),
    "the next attempt": (in_the_wait, lambda _, progress, __: len(progress.scheduled)),
    "TLS": ("greet", lambda server, _, __: server.connections),
}


@pytest.fixture(params=MOMENTS)
def moment(request, serve, certificates):
    does, reached = MOMENTS[request.param]
    options = {"api_key": KEY, "retry": PATIENT, "plugins": [Progress()]}
    if does == "greet":
        server = serve(says(GOOD), tls=certificates.server, greet=lambda exchange: exchange.silence())
        options |= {"ca_bundle": certificates.ca, "timeouts": gi.Timeouts(connect=20)}
    else:
        server = serve(does)
    return Moment(server, options | {"base_url": server.url}, reached)


async def happens(server, true):
    """What `wait_for` waits for, without blocking the loop."""
    await asyncio.to_thread(server.wait_for, true)


def nothing_is_left(server, folder):
    gc.collect()
    server.all_hung_up()
    assert left_in(folder) == []


# -- cancelled


def test_a_cancelled_call_leaves_nothing(moment, tmp_path):
    server = moment.server

    async def main():
        client = gi.AsyncInvoicesClient(**moment.options)
        task = asyncio.create_task(client.download(42, tmp_path / "a.pdf"))
        await asyncio.to_thread(moment.wait, tmp_path)
        task.cancel()
        started = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - started < 0.5
        if server.requests and not server.requests[0].target.endswith("download"):
            raise AssertionError
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert left_in(tmp_path) == []
        await client.close()

    asyncio.run(main())
    nothing_is_left(server, tmp_path)


def test_a_cancelled_call_gives_its_place_in_the_pool_back(serve, monkeypatch):
    monkeypatch.setattr("gcore_invoices._connect._LIMITS", httpx.Limits(max_connections=1))
    server = serve(silent_after(), silent_after(head(content_length=9)), says(GOOD))

    async def main():
        async with gi.AsyncInvoicesClient(api_key=KEY, base_url=server.url) as client:
            for asked in (1, 2):
                task = asyncio.create_task(client.get(42))
                waiting = asyncio.create_task(client.get(43))
                await happens(server, lambda server, asked=asked: len(server.requests) == asked)
                waiting.cancel()
                task.cancel()
                await asyncio.wait([task, waiting])
            assert (await client.get(42)).id == 42

    asyncio.run(main())


@pytest.mark.parametrize("step", ["open", "commit"])
@pytest.mark.parametrize("times", [1, 3])
def test_a_call_that_is_cancelled_while_its_file_is_made_waits_for_it(tmp_path, monkeypatch, step, times):
    """The disk's work is done in a thread, which cannot be stopped: what it makes must be known to clean up."""
    begun, go_on = threading.Event(), threading.Event()
    real = getattr(_files.PartFile, step)

    def slowly(part):
        begun.set()
        assert go_on.wait(5)
        return real(part)

    monkeypatch.setattr(_files.PartFile, step, slowly)

    async def main():
        async with gi.AsyncInvoicesClient(api_key=KEY, transport=Wire.of(pdf())) as client:
            task = asyncio.create_task(client.download(42, tmp_path / "a.pdf"))
            assert await asyncio.to_thread(begun.wait, 5)
            for _ in range(times):
                task.cancel()
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            assert not task.done()
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    gc.collect()
    # Either it had its name already, whole, or there is nothing.
    assert left_in(tmp_path) == ([] if step == "open" else ["a.pdf"])


# -- interrupted


class Interrupting:
    """A plugin in whose hook the signal arrives."""

    def __init__(self, hook):
        self.hook = hook

    @gi.hookimpl
    def before_send(self):
        if self.hook == "before_send":
            raise KeyboardInterrupt

    @gi.hookimpl
    def after_response(self):
        if self.hook == "after_response":
            raise KeyboardInterrupt

    @gi.hookimpl
    def call_context(self):
        if self.hook == "call_context":
            raise KeyboardInterrupt


@pytest.mark.parametrize("hook", ["call_context", "before_send", "after_response"])
def test_an_interrupt_in_a_hook_leaves_nothing(connect, tmp_path, hook):
    client, server = connect(says(GOOD_PDF), plugins=[Interrupting(hook)])
    with pytest.raises(KeyboardInterrupt):
        client.download(42, tmp_path / "a.pdf")
    client.run(client.real.close())
    nothing_is_left(server, tmp_path)


def child(code, *arguments):
    """Runs Python in a process of its own, with warnings as errors. It may wait for a byte on its input."""
    text = textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", text, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )


def ended(process, seconds=20):
    try:
        out, error = process.communicate(timeout=seconds)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, error
    assert error == ""
    return out.strip()


INTERRUPTED = """
    import asyncio, os, sys, threading, gc
    import gcore_invoices as gi
    url, folder, flavour = sys.argv[1:]

    class Progress:
        @gi.hookimpl
        def retry_scheduled(self):
            open(folder + "/waits", "w").close()

    options = dict(api_key="1234$abc", base_url=url, retry=gi.RetryPolicy(attempts=9, backoff=60, max_backoff=60),
                   plugins=[Progress()])

    async def main():
        async with gi.AsyncInvoicesClient(**options) as client:
            await client.download(42, folder + "/a.pdf")

    try:
        if flavour == "async":
            asyncio.run(main())
        else:
            with gi.InvoicesClient(**options) as client:
                client.download(42, folder + "/a.pdf")
    except KeyboardInterrupt:
        gc.collect()
        sockets = [n for n in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{n}")
                   and os.readlink(f"/proc/self/fd/{n}").startswith("socket:")]
        print("interrupted", sockets, threading.active_count(), sorted(set(os.listdir(folder)) - {"waits"}))
"""


@pytest.mark.parametrize("at", ["the head", "the body", "the next attempt"])
def test_control_c_ends_a_call_at_once_and_leaves_nothing(serve, flavour, tmp_path, at):
    server = serve(MOMENTS[at][0])
    process = child(INTERRUPTED, server.url, tmp_path, flavour)
    server.wait_for(lambda server: server.requests, 15)
    if at != "the head":  # its file is there, or the mark of its wait
        until(lambda: left_in(tmp_path))
    interrupt(process)
    assert ended(process, 10) == "interrupted [] 1 []"
    server.all_hung_up()


# -- closed in the middle


def test_closing_the_sync_client_ends_what_other_threads_wait_for(moment, tmp_path):
    client = gi.InvoicesClient(**moment.options)
    with ThreadPoolExecutor(4) as threads:
        calls = [threads.submit(client.download, 42, tmp_path / f"{n}.pdf") for n in range(4)]
        moment.wait(tmp_path, 4)
        started = time.monotonic()
        client.close()
        for call in calls:
            with pytest.raises(gi.UsageError, match="This client is closed") as caught:
                call.result(5)
            assert caught.value.operation == "download"
        assert time.monotonic() - started < 0.5
    nothing_is_left(moment.server, tmp_path)


def test_closing_the_async_client_ends_what_other_tasks_wait_for(moment, tmp_path):
    async def main():
        client = gi.AsyncInvoicesClient(**moment.options)
        calls = [asyncio.create_task(client.download(42, tmp_path / f"{n}.pdf")) for n in range(4)]
        await asyncio.to_thread(moment.wait, tmp_path, 4)
        started = time.monotonic()
        await client.close()
        for call in calls:
            with pytest.raises(gi.UsageError, match="This client is closed"):
                await call
        assert time.monotonic() - started < 0.5
        with pytest.raises(gi.UsageError, match="This client is closed"):
            await client.get(42)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    nothing_is_left(moment.server, tmp_path)


def test_closing_ends_those_too_that_wait_for_a_connection(serve, monkeypatch):
    monkeypatch.setattr("gcore_invoices._connect._LIMITS", httpx.Limits(max_connections=1))
    server, progress = serve(silent_after()), Progress()
    client = gi.InvoicesClient(api_key=KEY, base_url=server.url, plugins=[progress])
    with ThreadPoolExecutor(3) as threads:
        calls = [threads.submit(client.get, 42) for _ in range(3)]
        server.wait_for(lambda server: server.requests)
        until(lambda: len(progress.begun) == 3)
        started = time.monotonic()
        client.close()
        for call in calls:
            with pytest.raises(gi.UsageError, match="This client is closed"):
                call.result(5)
        assert time.monotonic() - started < 0.5
    assert server.connections == 1
    server.all_hung_up()


def test_closing_ends_a_slow_look_up(monkeypatch):
    asked, end = threading.Event(), threading.Event()

    def slow(*_, **__):
        asked.set()
        end.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    client = gi.InvoicesClient(api_key=KEY, base_url="https://slow.example", trust_env=False)
    with ThreadPoolExecutor(1) as threads:
        try:
            call = threads.submit(client.get, 42)
            assert asked.wait(5)
            started = time.monotonic()
            client.close()
            with pytest.raises(gi.UsageError, match="This client is closed"):
                call.result(5)
            assert time.monotonic() - started < 0.5
        finally:
            end.set()


def connecting_to(port):
    """Whether the kernel tries to connect to this port of loopback, and has no answer yet."""
    tried = f"0100007F:{port:04X} 02"  # the address and SYN_SENT, as the kernel writes them
    return tried in Path("/proc/net/tcp").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="a listener that is full drops what comes on Linux")
def test_closing_ends_a_connect_that_hangs():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()):
            client = gi.InvoicesClient(api_key=KEY, base_url=f"http://127.0.0.1:{full.getsockname()[1]}")
            with ThreadPoolExecutor(1) as threads:
                call = threads.submit(client.get, 42)
                until(lambda: connecting_to(full.getsockname()[1]))
                started = time.monotonic()
                client.close()
                with pytest.raises(gi.UsageError, match="This client is closed"):
                    call.result(5)
                assert time.monotonic() - started < 0.5


def test_what_was_stopped_begins_nothing():
    begun = []
    stop = _stop.Stop()
    stop.set()
    with pytest.raises(_stop.Stopped):
        stop.aside(lambda: begun.append(1), "login", 5, TimeoutError())
    with pytest.raises(_stop.Stopped):
        stop.during(lambda: None, begun.append, 1)
    assert begun == []


def test_a_signal_handler_may_stop_the_call_that_it_interrupts():
    """In the thread, and the very moment, in which the call holds its own lock."""
    stop = _stop.Stop()
    done = threading.Event()

    def interrupted():
        with stop._lock:
            stop.set()
        done.set()

    threading.Thread(target=interrupted, daemon=True).start()
    assert done.wait(5)


def test_a_stop_ends_one_call_and_no_other(serve):
    """What a list uses to give up pages that it fetched ahead."""
    server = serve(silent_after(), says(GOOD))
    with (
        gi.InvoicesClient(api_key=KEY, base_url=server.url, retry=PATIENT) as client,
        ThreadPoolExecutor(1) as threads,
    ):
        stop = _stop.Stop()
        flow = gi._flow.call(gi._operations.get(42), client._session)
        stopped = threads.submit(client._run, flow, stop)
        server.wait_for(lambda server: server.requests)
        stop.set()
        with pytest.raises(_stop.Stopped):
            stopped.result(2)
        assert client.get(42).id == 42
        with pytest.raises(_stop.Stopped):
            client._run(gi._flow.call(gi._operations.get(42), client._session), stop)
    server.all_hung_up()


def test_a_client_may_be_closed_twice_and_by_many(serve):
    server = serve(says(GOOD))
    client = gi.InvoicesClient(api_key=KEY, base_url=server.url)
    client.get(42)
    with ThreadPoolExecutor(8) as threads:
        for closed in [threads.submit(client.close) for _ in range(16)]:
            assert closed.result(5) is None
    server.all_hung_up()


# -- many threads


def test_sixteen_threads_get_each_their_own_answer(serve):
    def behave(exchange):
        wanted = exchange.request.target.rpartition("/")[2].encode()
        body = BODY.replace(b'"id": 42', b'"id": ' + wanted)
        exchange.send(whole(body, content_type="application/json"))

    server = serve(behave)
    with gi.InvoicesClient(api_key=KEY, base_url=server.url) as client, ThreadPoolExecutor(16) as threads:
        asked = range(1, 321)
        assert [invoice.id for invoice in threads.map(client.get, asked)] == list(asked)
    assert 1 < server.connections <= 16
    assert len(server.requests) == 320
    server.all_hung_up()


# -- forked


FORKED = """
    import os, sys, threading
    import httpx
    import gcore_invoices as gi
    url = sys.argv[1]
    client = gi.InvoicesClient(api_key="1234$abc", base_url=url)
    given = gi.InvoicesClient(api_key="1234$abc", base_url=url, transport=httpx.HTTPTransport())
    client.get(1), given.get(1)
    under_way = threading.Thread(target=lambda: client.get(7))  # its locks are held when the child is made
    under_way.start()
    os.read(0, 1)
    view = client.with_options(timeouts=gi.Timeouts(deadline=5))

    def report(word):
        os.write(1, word.encode() + b"\\n")

    child = os.fork()
    if not child:
        try:
            threads = [threading.Thread(target=view.get, args=(2,)) for _ in range(4)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            try:
                given.get(2)
            except gi.UsageError as error:
                report(str(error))
            client.close()
            try:
                client.get(2)
            except gi.UsageError as error:
                report(str(error))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    under_way.join()
    client.get(3), given.get(3)
    client.close(), given.close()
    report("done")
"""


def under_way(server, target="/7"):
    return any(request.target.endswith(target) for request in server.requests)


def tell(process):
    """Give a child the byte that it waits for."""
    process.stdin.write("!")
    process.stdin.flush()


def test_a_child_has_a_pool_of_its_own_and_leaves_the_parents_alone(serve):
    go_on = threading.Event()

    def behave(exchange):
        if exchange.request.target.endswith("/7"):
            assert go_on.wait(15)
        exchange.send(GOOD)

    server = serve(behave)
    process = child(FORKED, server.url)
    server.wait_for(under_way, 15)
    tell(process)
    said = [process.stdout.readline().strip() for _ in range(2)]
    go_on.set()
    said += ended(process).splitlines()
    assert said == [
        "A transport that was given cannot be shared with a child process: make the client there.",
        "This client is closed: make a new one, or keep the work inside its `with` block.",
        "done",
    ]
    used = {}
    for request in server.requests:
        used.setdefault(request.target.rpartition("/")[2], set()).add(request.connection)
    assert used["3"] <= used["1"]
    assert not used["2"] & (used["1"] | used["7"])
    server.all_hung_up()


def test_a_child_that_closes_the_client_ends_its_own_calls_and_not_the_parents(serve):
    code = """
    import os, sys, threading
    import gcore_invoices as gi
    client = gi.InvoicesClient(api_key="1234$abc", base_url=sys.argv[1], retry=gi.RetryPolicy(attempts=1))
    under_way = threading.Thread(target=lambda: os.write(1, b"%d\\n" % client.get(7).id))
    under_way.start()
    os.read(0, 1)

    def ended():
        try:
            client.get(9)
        except gi.UsageError:
            os.write(1, b"ended\\n")

    child = os.fork()
    if not child:
        try:
            own = threading.Thread(target=ended)
            own.start()
            os.read(0, 1)
            client.close()
            own.join(5)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    under_way.join()
    client.close()
    """

    go_on = threading.Event()

    def behave(exchange):
        if exchange.request.target.endswith("/9"):
            exchange.silence()
        assert go_on.wait(15)
        exchange.send(GOOD)

    server = serve(behave)
    process = child(code, server.url)
    server.wait_for(under_way, 15)
    tell(process)
    server.wait_for(lambda server: under_way(server, "/9"), 15)
    tell(process)
    assert process.stdout.readline() == "ended\n"
    go_on.set()
    assert ended(process) == "42"


def test_a_server_is_never_left_with_half_a_connection(connect):
    """The client says goodbye to an answer that it does not read to its end."""

    def endless(exchange):
        exchange.send(head("500 Oops", content_length=10**9))
        with pytest.raises(HungUpError):
            exchange.trickle(iter(lambda: b"x" * 9999, None), every=0)
        raise HungUpError

    client, server = connect(endless, says(GOOD))
    with pytest.raises(gi.InternalServerError):
        client.get(42)
    server.all_hung_up()
    assert client.get(42).id == 42
    assert os.getpid()
