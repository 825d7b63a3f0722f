"""Each hook: when it fires, with what, what its result does and what its exception does. In both flavours."""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from contextvars import ContextVar

import httpx
import pytest
from support import KEY, PDF, RawBody, Wire, answer, page, pdf, raw, wire_invoice
from support_plugins import ok, plugin, serve

import gcore_invoices as gi
from gcore_invoices import _flow, _operations, hookimpl
from gcore_invoices._config import resolve
from gcore_invoices._operations import Answer
from gcore_invoices.plugins.manager import Plugins

LOGGER = "gcore_invoices.plugins"


def down(_=None):
    return answer({"detail": "It broke."}, 503)


def keep(argument, kept):
    """A function that keeps one of its hook's arguments."""
    names = {"kept": kept}
    return eval(f"lambda {argument}: kept.append({argument})", names)  # noqa: S307 - hooks go by argument names


def again(delay=0.0):
    """Repeats what failed once."""

    def decide_retry(attempt):
        return gi.RetryDecision(delay if attempt.number == 1 else None)

    return plugin("again", decide_retry=decide_retry)


def interrupts(flavour):
    """What ends a call from outside."""
    return asyncio.CancelledError() if flavour == "async" else KeyboardInterrupt()


def failing(error):
    def respond(_):
        raise error

    return Wire(respond)


# -- observers: their exceptions


def boom(*, in_hook):
    def fail():
        raise ZeroDivisionError(f"in {in_hook}")

    return plugin("broken", **{in_hook: fail})


def fire(make_client, hook, plugins):
    """Makes the observer fire, twice."""
    options = {"plugins": plugins, "disabled_plugins": ["retries"]}
    if hook in {"call_context", "after_response"}:
        client = make_client(Wire(ok), **options)
        assert [client.get(1).id, client.get(2).id] == [1, 2]
    elif hook == "after_error":
        client = make_client(failing(httpx.ConnectError("no")), **options)
        for _ in range(2):
            with pytest.raises(gi.APIConnectionError):
                client.get(1)
    elif hook == "retry_scheduled":
        client = make_client(Wire.of(down(), ok_answer(), down(), ok_answer()), **options)
        assert [client.get(1).id, client.get(1).id] == [1, 1]
    else:
        client = make_client(Wire(serve(2)), **options)
        assert len(client.invoices()) == len(client.invoices()) == 2


def ok_answer():
    return answer(wire_invoice(1))


OBSERVERS = [
    "call_context",
    "after_response",
    "after_error",
    "retry_scheduled",
    "page_received",
    "walk_finished",
]


@pytest.mark.parametrize("hook", OBSERVERS)
def test_an_observer_that_fails_is_logged_once_and_the_others_still_run(make_client, hook, caplog):
    told = []
    plugins = [
        plugin("before", **{hook: lambda: told.append("before")}),
        boom(in_hook=hook),
        plugin("after", **{hook: lambda: told.append("after")}),
        *([again()] if hook == "retry_scheduled" else []),
    ]
    with caplog.at_level(logging.INFO, LOGGER):
        fire(make_client, hook, plugins)
    assert told == ["before", "after"] * 2
    (record,) = [record for record in caplog.records if record.name == LOGGER]
    assert record.levelno == logging.ERROR
    assert record.getMessage() == f"Plugin 'broken' failed in {hook}. The call goes on; this is logged once."
    assert "in fail\n    raise ZeroDivisionError" in caplog.text
    assert f"ZeroDivisionError: in {hook}" in caplog.text


def test_a_failure_is_logged_once_per_plugin_and_hook_and_client(make_client, caplog):
    def fail():
        raise ZeroDivisionError

    def broken():
        return [plugin("one", after_response=fail, call_context=fail), plugin("two", after_response=fail)]

    for client in [make_client(Wire(ok), plugins=broken()) for _ in range(2)]:
        client.get(1)
        client.get(1)
    assert sorted(r.getMessage().partition(".")[0] for r in caplog.records if r.name == LOGGER) == sorted(
        2
        * [
            "Plugin 'one' failed in after_response",
            "Plugin 'one' failed in call_context",
            "Plugin 'two' failed in after_response",
        ]
    )


@pytest.mark.parametrize("hook", ["after_response", "call_context"])
def test_what_is_no_exception_of_a_plugin_is_not_swallowed(make_client, flavour, hook):
    def interrupt():
        raise interrupts(flavour)

    client = make_client(Wire(ok), plugins=[plugin(**{hook: interrupt})])
    with pytest.raises(type(interrupts(flavour))):
        client.get(1)


# -- deciders: their exceptions

DECIDERS = ["before_send", "intercept", "throttle", "decide_retry"]


@pytest.mark.parametrize("hook", DECIDERS)
def test_a_decider_that_fails_ends_the_call_and_reaches_the_caller(make_client, hook):
    left = []

    @contextmanager
    def surround():
        try:
            yield
        finally:
            left.append("left")

    fine = plugin("fine", call_context=surround)
    client = make_client(Wire(down), plugins=[boom(in_hook=hook), fine])
    with pytest.raises(ZeroDivisionError, match=f"^in {hook}$"):
        client.get(1)
    assert left == ["left"]


# -- call_context


@contextmanager
def noting(notes, name="span"):
    notes.append(f"{name} entered")
    try:
        yield
    except BaseException as error:
        notes.append(f"{name} saw {type(error).__name__}")
        raise
    finally:
        notes.append(f"{name} left")


@pytest.mark.hook("call_context")
def test_a_context_surrounds_all_attempts_once(make_client):
    notes, calls = [], []

    def call_context(call):
        calls.append(call)
        return noting(notes)

    watch = plugin(call_context=call_context, before_send=lambda attempt: notes.append(attempt.number))
    client = make_client(Wire.of(down(), ok_answer()), plugins=[watch, again()])
    client.get(1)
    assert notes == ["span entered", 1, 2, "span left"]
    (call,) = calls
    assert (call.operation, call.method, call.params) == ("get", "GET", {})
    assert call.url == "https://api.gcore.com/billing/org/v1/erp-invoices/1"
    assert call.template == "/billing/org/v1/erp-invoices/{id}"
    assert len(call.id) == 16


@pytest.mark.hook("call_context")
def test_contexts_are_entered_in_order_and_left_in_reverse(make_client):
    notes = []
    plugins = [plugin(name, call_context=lambda name=name: noting(notes, name)) for name in "abc"]
    make_client(Wire(ok), plugins=[*plugins, plugin(call_context=lambda: None)]).get(1)
    assert notes == ["a entered", "b entered", "c entered", "c left", "b left", "a left"]


@pytest.mark.hook("call_context")
def test_a_context_is_left_with_the_error_when_the_call_fails(make_client):
    notes = []
    with pytest.raises(gi.InternalServerError):
        make_client(Wire(down), plugins=[plugin(call_context=lambda: noting(notes))]).get(1)
    assert notes == ["span entered", "span saw InternalServerError", "span left"]


@pytest.mark.hook("call_context")
@pytest.mark.parametrize("wait", [99.0, 0.0], ids=["never sent", "answered"])
def test_a_context_is_left_with_the_error_as_the_caller_gets_it(make_client, wait):
    told = []

    @contextmanager
    def note():
        try:
            yield
        except gi.InvoicesError as error:
            told.append((error, error.operation, error.attempts, error.elapsed))
            raise

    client = make_client(
        Wire(down),
        plugins=[plugin(call_context=note, throttle=lambda: wait)],
        timeouts=gi.Timeouts(deadline=9),
        retry=gi.RetryPolicy(attempts=1),
    )
    with pytest.raises(gi.InvoicesError) as caught:
        client.get(1)
    error = caught.value
    assert told == [(error, "get", error.attempts, error.elapsed)]
    assert (error.operation, error.attempts) == ("get", int(not wait))
    assert error.elapsed >= 0


@pytest.mark.hook("call_context")
def test_a_context_is_left_when_the_call_is_cancelled(make_client, flavour):
    notes = []
    interrupt = interrupts(flavour)
    client = make_client(failing(interrupt), plugins=[plugin(call_context=lambda: noting(notes))])
    with pytest.raises(type(interrupt)):
        client.get(1)
    assert notes == ["span entered", f"span saw {type(interrupt).__name__}", "span left"]


@pytest.mark.hook("call_context")
def test_a_context_is_left_when_a_waiting_task_is_cancelled():
    notes = []

    async def scenario():
        options = {"api_key": KEY, "transport": Wire(down)}
        waiting = asyncio.Event()
        plugins = [plugin(call_context=lambda: noting(notes)), again(delay=60.0)]
        watch = plugin(retry_scheduled=lambda: waiting.set())  # noqa: PLW0108 - a bound method cannot be marked
        async with gi.AsyncInvoicesClient(plugins=[*plugins, watch], **options) as client:
            task = asyncio.create_task(client.get(1))
            await waiting.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(scenario())
    assert notes == ["span entered", "span saw CancelledError", "span left"]


class Swallow:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return True


@pytest.mark.hook("call_context")
def test_a_context_cannot_swallow_the_error(make_client):
    client = make_client(Wire(down), plugins=[plugin(call_context=Swallow)])
    with pytest.raises(gi.InternalServerError):
        client.get(1)


class Breaks(Swallow):
    def __init__(self, on):
        self._on = on

    def __enter__(self):
        if self._on == "enter":
            raise ZeroDivisionError
        return self

    def __exit__(self, kind, error, trace):
        if self._on == "exit":
            raise ZeroDivisionError
        if self._on == "error" and error is not None:
            raise error


@pytest.mark.hook("call_context")
@pytest.mark.parametrize("on", ["enter", "exit"])
def test_a_context_that_breaks_is_logged_and_the_others_are_left(make_client, caplog, on):
    notes = []
    plugins = [
        plugin("outer", call_context=lambda: noting(notes, "outer")),
        plugin("bad", call_context=lambda: Breaks(on)),
        plugin("inner", call_context=lambda: noting(notes, "inner")),
    ]
    client = make_client(Wire(ok), plugins=plugins)
    assert client.get(1).id == 1
    assert client.get(1).id == 1
    assert notes == ["outer entered", "inner entered", "inner left", "outer left"] * 2
    assert [r.getMessage().partition(".")[0] for r in caplog.records if r.name == LOGGER] == [
        "Plugin 'bad' failed in call_context"
    ]


@pytest.mark.hook("call_context")
@pytest.mark.parametrize("cancelled", [False, True])
def test_a_context_may_raise_what_it_was_given(make_client, flavour, caplog, cancelled):
    notes = []
    error = interrupts(flavour) if cancelled else httpx.ConnectError("no")
    plugins = [
        plugin("outer", call_context=lambda: noting(notes, "outer")),
        plugin("inner", call_context=lambda: Breaks("error")),
    ]
    client = make_client(failing(error), plugins=plugins)
    with pytest.raises(type(error) if cancelled else gi.APIConnectionError):
        client.get(1)
    assert notes[-1] == "outer left"
    assert [r for r in caplog.records if r.name == LOGGER] == []


@pytest.mark.hook("call_context")
def test_an_interrupt_between_two_contexts_leaves_the_first(make_client, flavour):
    left = []

    class First(Swallow):  # no generator: the end of one closes what is within
        def __exit__(self, kind, *_):
            left.append(kind)

    class Interrupted(Swallow):
        def __enter__(self):
            raise interrupts(flavour)

    plugins = [plugin("a", call_context=First), plugin("b", call_context=Interrupted)]
    client = make_client(Wire(ok), plugins=plugins)
    with pytest.raises(type(interrupts(flavour))):
        client.get(1)
    assert left == [type(interrupts(flavour))]


@pytest.mark.hook("call_context")
def test_what_is_no_context_manager_is_logged(make_client, caplog):
    assert make_client(Wire(ok), plugins=[plugin("odd", call_context=lambda: 7)]).get(1).id == 1
    assert "Plugin 'odd' failed in call_context" in caplog.text


SPAN: ContextVar[str] = ContextVar("SPAN", default="none")


@pytest.mark.hook("call_context")
def test_context_variables_set_by_a_context_are_seen_in_the_call_and_not_after(make_client, flavour):
    @contextmanager
    def span(call):
        token = SPAN.set(call.id)
        try:
            yield
        finally:
            SPAN.reset(token)

    seen = []

    def respond(request):
        seen.append(SPAN.get())
        return ok(request)

    watch = plugin(
        call_context=span,
        before_send=lambda call: seen.append((call.id, SPAN.get())),
        after_response=lambda: seen.append(SPAN.get()),
    )
    client = make_client(Wire(respond), plugins=[watch])

    async def both():
        await client.real.get(1)
        seen.append(SPAN.get())

    if flavour == "async":
        client.run(both())
    else:
        client.get(1)
        seen.append(SPAN.get())
    (call_id, before), in_transport, after, outside = seen
    assert before == in_transport == after == call_id
    assert outside == "none"


# -- before_send


@pytest.mark.hook("before_send")
def test_headers_can_be_changed_before_each_attempt(make_client):
    seen = []

    def before_send(call, attempt, request):
        seen.append((call.operation, attempt.number, request.method, str(request.url)))
        request.headers["traceparent"] = f"00-{call.id}-{attempt.number}"
        del request.headers["user-agent"]

    wire = Wire.of(down(), ok_answer())
    make_client(wire, plugins=[plugin(before_send=before_send), again()]).get(1)
    url = "https://api.gcore.com/billing/org/v1/erp-invoices/1"
    assert seen == [("get", 1, "GET", url), ("get", 2, "GET", url)]
    assert [request.headers["traceparent"][-2:] for request in wire.requests] == ["-1", "-2"]
    assert not [request for request in wire.requests if "user-agent" in request.headers]


@pytest.mark.hook("before_send")
def test_the_key_is_never_seen_and_authorization_cannot_be_replaced(make_client):
    seen = []

    def before_send(request):
        seen.append(repr(request.headers) + repr(vars(request)))
        request.headers["AUTHORIZATION"] = "Bearer mine"

    wire = Wire.of(down(), ok_answer())
    make_client(wire, plugins=[plugin(before_send=before_send), again()]).get(1)
    assert [request.headers.get_list("authorization") for request in wire.requests] == [[f"apikey {KEY}"]] * 2
    assert len(seen) == 2
    assert not [text for text in seen if KEY in text or "authorization" in text.lower()]


@pytest.mark.hook("before_send", "intercept", "after_response")
def test_no_hook_sees_the_key(make_client):
    seen = []

    def spy(**arguments):
        seen.append(arguments)

    spying = plugin(
        call_context=lambda call: spy(call=call),
        before_send=lambda call, attempt, request: spy(call=call, attempt=attempt, request=vars(request)),
        intercept=lambda call, request: spy(call=call, request=vars(request)),
        throttle=lambda call, attempt: spy(call=call, attempt=attempt),
        after_response=lambda call, attempt, response: spy(call=call, body=response.body),
        decide_retry=lambda call, error: spy(call=call, error=vars(error), text=str(error)),
        retry_scheduled=lambda call, error: spy(error=vars(error)),
    )
    client = make_client(
        Wire.of(answer({"detail": f"Bad key {KEY}"}, 503), ok_answer()), plugins=[spying, again()]
    )
    client.get(1)
    assert len(seen) == 11
    assert KEY not in repr(seen)


# -- intercept


def offline(body=b"", status=200, **headers):
    return plugin(
        "offline",
        intercept=lambda: gi.Response(status, {"content-type": "application/json"} | headers, body),
    )


def encoded(response):
    return b"".join(response.stream)


@pytest.mark.hook("intercept")
def test_an_answer_in_the_networks_place_is_read_like_the_networks(make_client, tmp_path):
    wire = Wire.of()
    assert make_client(wire, plugins=[offline(encoded(ok_answer()))]).get(1).id == 1
    listing = serve(7)
    in_its_place = plugin(
        intercept=lambda request: gi.Response(
            200, {"content-type": "application/json"}, encoded(listing(request))
        )
    )
    found = make_client(wire, plugins=[in_its_place]).invoices(page_size=3)
    assert [invoice.id for invoice in found] == [1, 2, 3, 4, 5, 6, 7]
    document = offline(PDF, **{"content-type": "application/pdf"})
    assert make_client(wire, plugins=[document]).download_bytes(1) == PDF
    path = make_client(wire, plugins=[document]).download(1, tmp_path / "a.pdf")
    assert path.read_bytes() == PDF
    with pytest.raises(gi.NotFoundError, match="Not here"):
        make_client(wire, plugins=[offline(b'{"detail": "Not here"}', 404)]).get(1)
    with pytest.raises(gi.APIResponseValidationError) as caught:
        make_client(wire, plugins=[offline(b"{}")]).get(1)
    assert caught.value.operation == "get"
    assert wire.requests == []


@pytest.mark.hook("intercept")
def test_the_first_answer_counts_and_the_rest_are_not_asked(make_client):
    asked = []

    def saying(name, result):
        def intercept(call, request):
            asked.append((name, call.operation, request.url.path.rpartition("/")[2]))
            return result

        return plugin(name, intercept=intercept)

    found = gi.Response(200, {"content-type": "application/json"}, encoded(ok_answer()))
    plugins = [saying("no opinion", None), saying("first", found), saying("second", found)]
    wire = Wire.of()
    make_client(wire, plugins=plugins).get(1)
    assert asked == [("no opinion", "get", "1"), ("first", "get", "1")]
    assert wire.requests == []


@pytest.mark.hook("intercept")
def test_no_answer_from_any_plugin_goes_to_the_network(make_client):
    wire = Wire(ok)
    assert make_client(wire, plugins=[plugin(intercept=lambda: None)]).get(1).id == 1
    assert len(wire.requests) == 1


@pytest.mark.hook("intercept")
def test_a_stored_answer_is_used_as_it_was_seen(make_client):
    """A body that hooks see is decoded, its header still says gzip: a cache need not care."""
    import gzip  # noqa: PLC0415

    stored = []
    squeezed = gzip.compress(encoded(ok_answer()))
    wire = Wire.of(raw(squeezed, content_type="application/json", content_encoding="gzip"))
    cache = plugin(
        intercept=lambda: stored[0] if stored else None,
        after_response=keep("response", stored),
    )
    client = make_client(wire, plugins=[cache])
    assert client.get(1) == client.get(1)
    assert [(response.intercepted, response.size) for response in stored] == [
        (False, len(encoded(ok_answer()))),
        (True, len(encoded(ok_answer()))),
    ]


@pytest.mark.hook("intercept", "after_error", "decide_retry")
def test_a_librarys_error_from_intercept_is_treated_like_the_networks(make_client):
    chaos, errors = [gi.APITimeoutError("chaos"), None], []

    def intercept():
        error = chaos.pop(0)
        if error:
            raise error

    watch = plugin(intercept=intercept, after_error=keep("error", errors))
    wire = Wire(ok)
    assert make_client(wire, plugins=[watch, again()]).get(1).id == 1
    assert [str(error) for error in errors] == ["chaos"]
    assert len(wire.requests) == 1


@pytest.mark.hook("intercept")
def test_a_status_from_intercept_is_retried_like_the_networks(make_client, slept):
    answers = [gi.Response(503, {}, b""), None]
    wire = Wire(ok)
    client = make_client(
        wire, plugins=[plugin(intercept=lambda: answers.pop(0))], retry=gi.RetryPolicy(attempts=2)
    )
    assert client.get(1).id == 1
    assert len(slept) <= 1


@pytest.mark.hook("intercept")
@pytest.mark.parametrize(
    ("result", "shown"),
    [
        (b"{}", "b'{}'"),
        (httpx.Response(200), r"<Response \[200 OK\]>"),
        (gi.Response(200, body=None), r"Response\(status_code=200, .*\)"),
        (False, "False"),
    ],
    ids=["bytes", "httpx", "no body", "false"],
)
def test_intercept_takes_a_response_or_none(make_client, result, shown):
    client = make_client(Wire.of(), plugins=[plugin(intercept=lambda: result)])
    with pytest.raises(
        gi.UsageError, match=rf"^intercept returned {shown}; it takes a Response with a body, or None\.$"
    ):
        client.get(1)


@pytest.mark.hook("intercept")
def test_a_usage_error_from_intercept_reaches_the_caller_at_once(make_client):
    def intercept():
        raise gi.UsageError("The cache was set up wrongly.")

    client = make_client(Wire.of(), plugins=[plugin(intercept=intercept), again()])
    with pytest.raises(gi.UsageError, match="The cache was set up wrongly") as caught:
        client.get(1)
    assert caught.value.attempts == 1


# -- throttle


@pytest.mark.hook("throttle")
def test_the_longest_wait_is_slept(make_client, slept):
    seen = []

    def throttle(call, attempt):
        seen.append((call.operation, attempt.number))
        return 0.25

    plugins = [
        plugin("a", throttle=lambda: 1.5),
        plugin("b", throttle=throttle),
        plugin("c", throttle=lambda: None),
    ]
    assert make_client(Wire(ok), plugins=plugins).get(1).id == 1
    assert slept == [1.5]
    assert seen == [("get", 1)]


@pytest.mark.hook("throttle")
@pytest.mark.parametrize("wait", [0, 0.0, None])
def test_no_wait_is_no_sleep(make_client, slept, wait):
    make_client(Wire(ok), plugins=[plugin(throttle=lambda: wait)]).get(1)
    assert slept == []


@pytest.mark.hook("throttle")
def test_each_attempt_that_goes_to_the_network_is_throttled(make_client, slept):
    attempts = []

    def throttle(attempt):
        attempts.append(attempt.number)
        return float(attempt.number)

    cached = plugin("cached", intercept=lambda call: None if call.operation == "get" else gi.Response(404))
    client = make_client(
        Wire.of(down(), ok_answer()), plugins=[plugin(throttle=throttle), cached, again(delay=9.0)]
    )
    client.get(1)
    assert slept == [1.0, 9.0, 2.0]
    with pytest.raises(gi.NotFoundError):
        client.download_bytes(1)
    assert attempts == [1, 2]


@pytest.mark.hook("throttle")
@pytest.mark.parametrize("wait", [-1, "1", True, float("nan"), float("inf"), [1.0]])
def test_throttle_takes_seconds_or_none(make_client, slept, wait):
    client = make_client(Wire.of(), plugins=[plugin(throttle=lambda: wait)])
    with pytest.raises(gi.UsageError) as caught:
        client.get(1)
    assert str(caught.value) == f"throttle returned {wait!r}; it takes seconds, 0 or more, or None."
    assert slept == []


@pytest.mark.hook("throttle")
def test_a_wait_beyond_the_deadline_is_a_timeout_at_once(make_client, slept):
    client = make_client(
        Wire.of(), plugins=[plugin(throttle=lambda: 10.5), again()], timeouts=gi.Timeouts(deadline=10)
    )
    with pytest.raises(gi.APITimeoutError) as caught:
        client.get(1)
    assert str(caught.value) == (
        "get was not sent: a plugin's throttle asks for a wait of 10.5 seconds, and the call's deadline of 10 "
        "seconds comes first."
    )
    assert caught.value.attempts == 0
    assert slept == []


@pytest.mark.hook("throttle")
def test_without_a_deadline_any_wait_is_slept(make_client, slept):
    client = make_client(
        Wire(ok), plugins=[plugin(throttle=lambda: 1e6)], timeouts=gi.Timeouts(deadline=None)
    )
    assert client.get(1).id == 1
    assert slept == [1e6]


@pytest.mark.hook("throttle")
def test_a_wait_does_not_block_the_event_loop():
    async def scenario():
        waits = iter([60.0, None])
        wire = Wire(ok)
        limited = plugin(throttle=lambda: next(waits))
        async with gi.AsyncInvoicesClient(api_key=KEY, transport=wire, plugins=[limited]) as client:
            held = asyncio.create_task(client.get(1))
            await asyncio.sleep(0)
            assert (await client.get(2)).id == 2
            assert not held.done()
            held.cancel()
            with pytest.raises(asyncio.CancelledError):
                await held

    asyncio.run(asyncio.wait_for(scenario(), 20))


# -- after_response and after_error


def outcomes(make_client, wire, operation="get", **options):
    """What the two observers were told, and what the caller got."""
    told = []

    def after_response(call, attempt, response, elapsed):
        told.append(("response", call.operation, attempt.number, response.status_code))
        assert isinstance(response, gi.Response)
        assert 0 <= elapsed < 60

    def after_error(call, attempt, error, elapsed):
        told.append(("error", call.operation, attempt.number, type(error).__name__))
        assert 0 <= elapsed < 60

    watch = plugin("watch", after_response=after_response, after_error=after_error)
    client = make_client(wire, plugins=[watch, *options.pop("plugins", ())], **options)
    try:
        getattr(client, operation)(1)
    except gi.InvoicesError as error:
        return told, type(error)
    return told, None


ATTEMPTS = {
    "success": (ok_answer, ("response", "get", 1, 200), None),
    "error status": (down, ("response", "get", 1, 503), gi.InternalServerError),
    "not found": (lambda: answer({}, 404), ("response", "get", 1, 404), gi.NotFoundError),
    "redirect": (lambda: answer({}, 302), ("response", "get", 1, 302), gi.UnexpectedRedirectError),
    "refused": (
        lambda: httpx.ConnectError("no"),
        ("error", "get", 1, "APIConnectionError"),
        gi.APIConnectionError,
    ),
    "timeout": (lambda: httpx.ReadTimeout("no"), ("error", "get", 1, "APITimeoutError"), gi.APITimeoutError),
    "cut short": (
        lambda: raw(RawBody(b"{", error=httpx.RemoteProtocolError("cut")), content_type="application/json"),
        ("error", "get", 1, "APIProtocolError"),
        gi.APIProtocolError,
    ),
    "no json": (
        lambda: raw(b"<html>", content_type="text/html"),
        ("error", "get", 1, "APIResponseValidationError"),
        gi.APIResponseValidationError,
    ),
    "off contract": (
        lambda: answer({}),
        ("error", "get", 1, "APIResponseValidationError"),
        gi.APIResponseValidationError,
    ),
}


@pytest.mark.hook("after_response")
@pytest.mark.parametrize("case", [case for case, row in ATTEMPTS.items() if row[1][0] == "response"])
def test_an_answer_is_told_whatever_its_status(make_client, case):
    make, told, error = ATTEMPTS[case]
    assert outcomes(make_client, Wire.of(make())) == ([told], error)


@pytest.mark.hook("after_error")
@pytest.mark.parametrize("case", [case for case, row in ATTEMPTS.items() if row[1][0] == "error"])
def test_an_attempt_without_a_usable_answer_is_told(make_client, case):
    make, told, error = ATTEMPTS[case]
    assert outcomes(make_client, Wire.of(make())) == ([told], error)


@pytest.mark.hook("after_response", "after_error")
def test_each_attempt_is_told_of_exactly_once(make_client):
    def decide_retry():
        return gi.RetryDecision(0)

    wire = Wire.of(down(), httpx.ConnectError("no"), answer({}), answer({}, 429), ok_answer())
    told, error = outcomes(make_client, wire, plugins=[plugin(decide_retry=decide_retry)])
    assert [(kind, number) for kind, _, number, _ in told] == [
        ("response", 1),
        ("error", 2),
        ("error", 3),
        ("response", 4),
        ("response", 5),
    ]
    assert error is None


@pytest.mark.hook("after_response")
def test_what_an_answer_is_told_as(make_client):
    seen = []
    watch = plugin(after_response=keep("response", seen))
    wire = Wire.of(answer(wire_invoice(1), x_request_id="r-1"), pdf(), answer({"detail": KEY}, 400))
    client = make_client(wire, plugins=[watch])
    client.get(1)
    client.download_bytes(1)
    with pytest.raises(gi.BadRequestError):
        client.get(1)
    got, document, refused = seen
    assert got.body == encoded(ok_answer())
    assert got.headers["X-Request-ID"] == "r-1"
    assert (got.size, got.intercepted) == (len(got.body), False)
    assert (document.body, document.size) == (None, len(PDF))
    assert refused.body == b'{"detail": "***"}'


CHANGES = {
    "set": lambda headers: headers.update({"x-request-id": "mine"}),
    "item": lambda headers: headers.__setitem__("x-request-id", "mine"),
    "delete": lambda headers: headers.__delitem__("x-request-id"),
    "pop": lambda headers: headers.pop("x-request-id"),
}


@pytest.mark.hook("after_response")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_plugin_cannot_change_an_answers_headers_for_the_next(make_client, change, caplog):
    seen = []

    def tamper(response):
        change(response.headers)

    plugins = [plugin("tampers", after_response=tamper), plugin(after_response=keep("response", seen))]
    make_client(Wire.of(answer(wire_invoice(1), x_request_id="r-1")), plugins=plugins).get(1)
    assert [response.headers["X-Request-ID"] for response in seen] == ["r-1"]
    (record,) = caplog.records
    assert str(record.exc_info[1]) == (
        "An answer's headers cannot be changed: make a Response with other ones."
    )


def test_an_answer_of_ones_own_keeps_what_it_was_made_of():
    mine = httpx.Headers([("a", "1"), ("a", "2"), ("b", "ä")], encoding="iso-8859-1")
    made = gi.Response(200, mine)
    mine["a"] = "3"
    assert made.headers.multi_items() == [("a", "1"), ("a", "2"), ("b", "ä")]
    assert made.headers.get_list("A") == ["1", "2"]
    copy = made.headers.copy()
    copy["c"] = "4"
    assert gi.Response(200, copy).headers["c"] == "4"


# -- decide_retry and retry_scheduled


@pytest.mark.hook("decide_retry")
def test_a_decision_to_retry_waits_and_tries_again(make_client, slept):
    asked = []

    def decide_retry(call, attempt, error):
        asked.append((call.operation, attempt.number, error.status_code, error.attempts))
        return gi.RetryDecision(delay=2.5)

    wire = Wire.of(down(), answer({}, 404), ok_answer())
    assert make_client(wire, plugins=[plugin(decide_retry=decide_retry)]).get(1).id == 1
    assert slept == [2.5, 2.5]
    assert asked == [("get", 1, 503, 1), ("get", 2, 404, 2)]


@pytest.mark.hook("decide_retry")
def test_a_decision_to_stop_stops_the_built_in_retries(make_client, slept):
    wire = Wire.of(down())
    client = make_client(
        wire, plugins=[plugin(decide_retry=lambda: gi.RetryDecision(None))], retry=gi.RetryPolicy()
    )
    with pytest.raises(gi.InternalServerError) as caught:
        client.get(1)
    assert caught.value.attempts == 1
    assert slept == []


@pytest.mark.hook("decide_retry")
def test_no_opinion_leaves_it_to_the_others(make_client, slept):
    asked = []

    def decide_retry(attempt):
        asked.append(attempt.number)

    wire = Wire.of(down(), ok_answer())
    plugins = [plugin(decide_retry=decide_retry)]
    assert make_client(wire, plugins=plugins, retry=gi.RetryPolicy(backoff=0)).get(1).id == 1
    assert asked == [1]
    with pytest.raises(gi.InternalServerError):
        make_client(
            Wire.of(down()), plugins=[plugin(decide_retry=decide_retry)], disabled_plugins=["retries"]
        ).get(1)
    assert slept == []


@pytest.mark.hook("decide_retry")
def test_the_first_decision_counts(make_client, slept):
    plugins = [again(delay=1.0), plugin("never", decide_retry=lambda: pytest.fail("asked"))]
    assert make_client(Wire.of(down(), ok_answer()), plugins=plugins).get(1).id == 1
    assert slept == [1.0]


@pytest.mark.hook("decide_retry")
def test_a_success_is_not_decided_on(make_client):
    watch = plugin(decide_retry=lambda: pytest.fail("asked"))
    assert make_client(Wire.of(down(), ok_answer()), plugins=[again(), watch]).get(1).id == 1


@pytest.mark.hook("decide_retry")
def test_a_delay_beyond_the_deadline_ends_the_call_with_the_error(make_client, slept):
    scheduled = []
    plugins = [
        plugin(decide_retry=lambda: gi.RetryDecision(10.5), retry_scheduled=lambda: scheduled.append("sleep"))
    ]
    client = make_client(Wire.of(down()), plugins=plugins, timeouts=gi.Timeouts(deadline=10))
    with pytest.raises(gi.InternalServerError):
        client.get(1)
    assert slept == scheduled == []


@pytest.mark.hook("decide_retry")
@pytest.mark.parametrize("result", [True, 2.0, False, "retry"])
def test_decide_retry_takes_a_decision_or_none(make_client, result):
    client = make_client(Wire.of(down()), plugins=[plugin(decide_retry=lambda: result)])
    with pytest.raises(gi.UsageError) as caught:
        client.get(1)
    assert str(caught.value) == (
        f"decide_retry returned {result!r}; it takes a RetryDecision, or None for no opinion."
    )


@pytest.mark.hook("retry_scheduled")
def test_a_scheduled_retry_is_told_before_the_sleep(slept):
    notes = []

    def retry_scheduled(call, attempt, error, delay):
        notes.append((call.operation, attempt.number, type(error), delay))

    flow = by_hand(again(delay=3.0), plugin(retry_scheduled=retry_scheduled))
    assert isinstance(next(flow).do, _flow.Send)
    assert flow.send(answered({}, 503)).do == _flow.Sleep(3.0)
    assert notes == [("get", 1, gi.InternalServerError, 3.0)]
    assert isinstance(flow.send(None).do, _flow.Send)
    finish(flow)
    assert len(notes) == 1


@pytest.mark.hook("retry_scheduled")
def test_a_retry_without_delay_is_told_and_not_slept(make_client, slept):
    delays = []
    watch = plugin(retry_scheduled=keep("delay", delays))
    make_client(Wire.of(down(), ok_answer()), plugins=[again(), watch]).get(1)
    assert (delays, slept) == ([0.0], [])


# -- the order of it all


def session(*plugins):
    settings = resolve(api_key=KEY, bearer_token=None, base_url=None, sort_parameter="ordering")
    return _flow.Session(settings, Plugins(plugins, {}).hooks, gi.Timeouts(), gi.RetryPolicy())


def by_hand(*plugins):
    return _flow.call(_operations.get(42), session(*plugins))


def answered(body, status=200):
    import json  # noqa: PLC0415

    return Answer(status, httpx.Headers({"content-type": "application/json"}), json.dumps(body).encode())


def finish(flow):
    with pytest.raises(StopIteration):
        flow.send(answered(wire_invoice(42)))


def noting_all(notes):
    """A plugin that notes every hook of a call, and asks for waits of a quarter and half a second."""

    def note(name, result=None):
        notes.append(name)
        return result

    return plugin(
        call_context=lambda: noting(notes),
        before_send=lambda attempt: note(f"before_send {attempt.number}"),
        intercept=lambda: note("intercept"),
        throttle=lambda attempt: note(f"throttle {attempt.number}", 0.25),
        after_response=lambda response: note(f"after_response {response.status_code}"),
        after_error=lambda error: note(f"after_error {type(error).__name__}"),
        decide_retry=lambda attempt: note(f"decide_retry {attempt.number}", gi.RetryDecision(0.5)),
        retry_scheduled=lambda delay: note(f"retry_scheduled {delay}"),
    )


@pytest.mark.hook("throttle", "retry_scheduled")
def test_the_order_within_a_call():
    notes = []
    flow = by_hand(noting_all(notes))
    step = next(flow)
    while True:
        match step.do:
            case _flow.Sleep(seconds):
                notes.append(f"sleep {seconds}")
                given = None
            case _flow.Send():
                notes.append("send")
                given = {1: answered({}, 503), 2: answered({})}.get(
                    notes.count("send"), answered(wire_invoice())
                )
        try:
            step = flow.send(given)
        except StopIteration:
            break
    assert notes == [
        "span entered",
        *("before_send 1", "intercept", "throttle 1", "sleep 0.25", "send", "after_response 503"),
        *("decide_retry 1", "retry_scheduled 0.5", "sleep 0.5"),
        *("before_send 2", "intercept", "throttle 2", "sleep 0.25", "send"),
        "after_error APIResponseValidationError",
        *("decide_retry 2", "retry_scheduled 0.5", "sleep 0.5"),
        *("before_send 3", "intercept", "throttle 3", "sleep 0.25", "send", "after_response 200"),
        "span left",
    ]


def test_an_attempt_knows_its_number_and_its_time(make_client, slept):
    attempts = []
    watch = plugin(before_send=keep("attempt", attempts))
    make_client(
        Wire.of(down(), ok_answer()), plugins=[watch, again()], timeouts=gi.Timeouts(deadline=50)
    ).get(1)
    first, second = attempts
    assert (first.number, second.number) == (1, 2)
    assert 0 <= first.elapsed <= second.elapsed
    assert 50 >= first.left >= second.left > 0
    make_client(Wire(ok), plugins=[watch], timeouts=gi.Timeouts(deadline=None)).get(1)
    assert attempts[-1].left is None


def test_hooks_of_one_call_are_told_of_the_same_call(make_client):
    calls = []
    watch = plugin(
        call_context=keep("call", calls),
        before_send=keep("call", calls),
        after_response=keep("call", calls),
    )
    client = make_client(Wire.of(down(), ok_answer(), ok_answer()), plugins=[watch, again()])
    client.get(1)
    assert len(calls) == 5
    assert len({*calls}) == 1, "so that a plugin can keep what it knows of a call in a dictionary"
    client.get(1)
    assert len({call.id for call in calls}) == len({*calls}) == 2


def test_nothing_fires_per_invoice(make_client, slept):
    notes = []
    pages = plugin(
        page_received=lambda: notes.append("page_received"),
        walk_finished=lambda: notes.append("walk_finished"),
    )
    quiet = plugin("quiet", decide_retry=lambda: gi.RetryDecision(None))
    wire = Wire(serve(500))
    client = make_client(wire, plugins=[quiet, noting_all(notes), pages], disabled_plugins=["retries"])
    assert len(client.invoices(page_size=100)) == 500
    assert len(notes) <= len(wire.requests) * 7 + 1
    assert notes.count("page_received") <= len(wire.requests)


# -- walks


@pytest.mark.hook("page_received")
def test_pages_are_told_in_order_with_the_rows_that_are_new(make_client):
    told = []

    def page_received(walk, page):
        assert isinstance(walk, gi.Walk)
        told.append((walk, page))

    client = make_client(Wire(serve(23)), plugins=[plugin(page_received=page_received)])
    query = gi.InvoiceQuery(page_size=5)
    pages = client.items(client.real.list(query).pages())
    assert [page for _, page in told] == pages
    assert [invoice.id for _, page in told for invoice in page.invoices] == list(range(1, 24))
    assert [page.offset for _, page in told] == sorted(page.offset for _, page in told)
    (walk,) = {walk for walk, _ in told}
    assert walk.query is query


@pytest.mark.hook("page_received")
def test_a_page_is_told_before_it_is_handed_out(make_client):
    told = []
    client = make_client(Wire(serve(30)), plugins=[plugin(page_received=keep("page", told))])
    (first,) = take(client, client.real.list(page_size=5), 1)
    assert told
    assert told[0].invoices[0] == first


@pytest.mark.hook("walk_finished")
def test_an_empty_list_has_no_pages(make_client):
    told = []
    watch = plugin(page_received=lambda: told.append("page"), walk_finished=keep("report", told))
    assert make_client(Wire(serve(0)), plugins=[watch]).invoices() == []
    (report,) = told
    assert (report.complete, report.delivered) == (True, 0)


def take(client, pager, count):
    """The first invoices of a walk that is then left."""

    async def some():
        walk = pager.__aiter__()
        found = [await anext(walk) for _ in range(count)]
        await walk.aclose()
        await asyncio.sleep(0)  # the loop closes generators within generators in its next turn
        return found

    if client.is_async:
        return client.run(some())
    walk = iter(pager)
    found = [next(walk) for _ in range(count)]
    walk.close()
    return found


def watching_walks():
    told = []

    def walk_finished(walk, report):
        told.append((walk, report))

    return plugin(walk_finished=walk_finished), told


@pytest.mark.hook("walk_finished")
def test_a_complete_walk_ends_with_its_report(make_client):
    watch, told = watching_walks()
    client = make_client(Wire(serve(23)), plugins=[watch])
    pager = client.real.list(page_size=10)
    client.items(pager)
    ((walk, report),) = told
    assert (report.complete, report.delivered, report.first_count) == (True, 23, 23)
    assert report is pager.report
    client.items(pager)
    assert len(told) == 2
    assert told[1][0] is not walk
    assert told[1][0].id != walk.id


@pytest.mark.hook("walk_finished")
def test_a_walk_that_failed_ends_too(make_client):
    watch, told = watching_walks()
    wire = Wire(serve(30, also=lambda offset: down() if offset > 0 else None))
    with pytest.raises(gi.InternalServerError):
        make_client(wire, plugins=[watch]).invoices(page_size=10)
    ((_, report),) = told
    assert not report.complete
    assert report.delivered <= 10


@pytest.mark.hook("walk_finished")
def test_a_walk_that_cannot_be_completed_ends_with_the_errors_report(make_client):
    watch, told = watching_walks()
    wire = Wire(lambda _: page([wire_invoice(1)], count=5))
    with pytest.raises(gi.PaginationError) as caught:
        make_client(wire, plugins=[watch]).invoices()
    ((_, report),) = told
    assert report.delivered == caught.value.report.delivered == 1
    assert report.first_count == caught.value.report.first_count == 5
    assert not report.complete


@pytest.mark.hook("walk_finished")
def test_a_walk_that_was_left_ends_too(make_client):
    watch, told = watching_walks()
    client = make_client(Wire(serve(30)), plugins=[watch])
    assert [invoice.id for invoice in take(client, client.real.list(page_size=10), 3)] == [1, 2, 3]
    ((_, report),) = told
    assert not report.complete


@pytest.mark.hook("walk_finished")
def test_a_walk_that_was_not_begun_does_not_end(make_client):
    watch, told = watching_walks()
    client = make_client(Wire(serve(30)), plugins=[watch])
    pager = client.real.list()
    assert client.run(pager.first()).id == 1
    assert client.run(pager.count()) == 30
    assert told == []
    assert len(take(client, pager, 1)) == 1
    assert len(told) == 1


# -- collected, for the command line


@pytest.mark.hook("register_exporters")
def test_exporters_of_all_plugins_are_gathered_in_order():
    plugins = Plugins(
        [
            plugin("a", register_exporters=lambda: {"csv": 1}),
            plugin("b", register_exporters=lambda: None),
            plugin("c", register_exporters=lambda: {"xlsx": 2}),
        ],
        {},
    )
    assert plugins.hooks.register_exporters() == [{"csv": 1}, {"xlsx": 2}]
    with pytest.raises(ZeroDivisionError):
        Plugins([boom(in_hook="register_exporters")], {}).hooks.register_exporters()


@pytest.mark.hook("register_commands")
def test_commands_of_all_plugins_are_added_to_the_app():
    plugins = [plugin(name, register_commands=lambda app, name=name: app.append(name)) for name in "ab"]
    app = []
    Plugins(plugins, {}).hooks.register_commands(app=app)
    assert app == ["a", "b"]
    with pytest.raises(ZeroDivisionError):
        Plugins([boom(in_hook="register_commands")], {}).hooks.register_commands(app=app)


# -- wrappers, and the ends of the row


@pytest.mark.hook("intercept")
@pytest.mark.parametrize("style", ["wrapper", "hookwrapper"])
def test_a_wrapper_of_a_decider_sees_and_changes_what_the_others_say(make_client, style):
    inner = gi.Response(200, {"content-type": "application/json"}, encoded(answer(wire_invoice(1))))
    outer = gi.Response(200, {"content-type": "application/json"}, encoded(answer(wire_invoice(2))))
    seen = []

    def intercept():
        result = yield
        seen.append(result if style == "wrapper" else result.get_result())
        if style == "hookwrapper":
            result.force_result(outer)
        return outer

    wrapping = plugin("wrapping", intercept=hookimpl(**{style: True})(intercept))
    plugins = [plugin("inner", intercept=lambda: inner), wrapping]
    assert make_client(Wire.of(), plugins=plugins).get(1).id == 2
    assert seen == [inner]


@pytest.mark.hook("before_send", "throttle", "decide_retry")
def test_every_decider_can_be_wrapped(make_client, slept):
    notes = []

    def wrap(hook):
        def around():
            notes.append(f"{hook}, before")
            result = yield
            notes.append(f"{hook}, after")
            return result

        return hookimpl(wrapper=True)(around)

    hooks = ("before_send", "intercept", "throttle", "decide_retry")
    wrapping = plugin("wrapping", **{hook: wrap(hook) for hook in hooks})
    fine = plugin("fine", throttle=lambda: notes.append("throttle") or 2.0)
    assert make_client(Wire.of(down(), ok_answer()), plugins=[fine, wrapping, again()]).get(1).id == 1
    attempt = [
        *("before_send, before", "before_send, after", "intercept, before", "intercept, after"),
        *("throttle, before", "throttle", "throttle, after"),
    ]
    assert notes == [*attempt, "decide_retry, before", "decide_retry, after", *attempt]
    assert slept == [2.0, 2.0]


def rows(hook, *, result=None):
    """Five plugins that say when they are called; two want the ends of the row."""
    told = []

    def saying(name, **options):
        def function():
            told.append(name)
            return result

        return plugin(name, **{hook: hookimpl(**options)(function)})

    plugins = [
        saying("last", trylast=True),
        saying("a"),
        saying("b"),
        saying("first", tryfirst=True),
        saying("c"),
    ]
    return plugins, told


@pytest.mark.parametrize(
    "hook",
    [
        "call_context",
        "before_send",
        "intercept",
        "throttle",
        "after_response",
        "walk_finished",
        "page_received",
    ],
)
def test_tryfirst_and_trylast_work_everywhere(make_client, hook):
    plugins, told = rows(hook)
    client = make_client(Wire(serve(1)), plugins=plugins)
    client.invoices()
    assert told[:5] == ["first", "a", "b", "c", "last"]


@pytest.mark.parametrize("hook", ["after_error", "decide_retry"])
def test_tryfirst_and_trylast_work_for_what_failed(make_client, hook):
    plugins, told = rows(hook)
    with pytest.raises(gi.APIConnectionError):
        make_client(failing(httpx.ConnectError("no")), plugins=plugins, disabled_plugins=["retries"]).get(1)
    assert told == ["first", "a", "b", "c", "last"]


def test_tryfirst_and_trylast_work_for_scheduled_retries_and_the_command_line(make_client):
    plugins, told = rows("retry_scheduled")
    make_client(Wire.of(down(), ok_answer()), plugins=[again(), *plugins]).get(1)
    assert told == ["first", "a", "b", "c", "last"]
    plugins, told = rows("register_exporters")
    Plugins(plugins, {}).hooks.register_exporters()
    assert told == ["first", "a", "b", "c", "last"]


def test_trylast_comes_after_the_built_in_retries(make_client, slept):
    late = plugin("late", decide_retry=hookimpl(trylast=True)(lambda: gi.RetryDecision(7.0)))
    client = make_client(Wire.of(answer({}, 404), ok_answer()), plugins=[late], retry=gi.RetryPolicy())
    assert client.get(1).id == 1
    assert slept == [7.0], "the built-in has no opinion on 404"
    with pytest.raises(gi.InternalServerError):
        make_client(Wire.of(down()), plugins=[late], retry=gi.RetryPolicy(attempts=1)).get(1)
