"""Time and failures of a call by hand: a clock that stands still, and what is thrown in where a driver stood."""

from __future__ import annotations

import json
import ssl
from contextlib import nullcontext
from types import SimpleNamespace

import httpx
import pytest
from support import KEY, PDF, wire_invoice

import gcore_invoices as gi
from gcore_invoices import RetryPolicy, Timeouts, _flow, _operations
from gcore_invoices._body import MAX_ERROR_BODY
from gcore_invoices._config import resolve
from gcore_invoices._operations import Answer
from gcore_invoices.plugins.manager import Plugins

HEADERS = httpx.Headers({"content-type": "application/json", "x-request-id": f"r-{KEY}"})


class Clock:
    """`time.monotonic` of the flow."""

    def __init__(self, now):
        self.now = now

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock(1000.0)
    monkeypatch.setattr(_flow, "time", clock)
    return clock


def session(*plugins, deadline=10, attempts=1, api_key=KEY, bearer_token=None):
    settings = resolve(api_key=api_key, bearer_token=bearer_token, base_url=None, sort_parameter="ordering")
    timeouts = Timeouts(deadline=deadline)
    built_in = {"gcore_invoices.retries": _Retries()} if attempts > 1 else {}
    return _flow.Session(settings, Plugins(plugins, built_in).hooks, timeouts, RetryPolicy(attempts=attempts))


class _Retries:
    """One more attempt after a second, whatever went wrong."""

    @gi.hookimpl
    def decide_retry(self, attempt):
        return gi.RetryDecision(1.0) if attempt.number == 1 else None


def begin(configured, **options):
    flow = _flow.call(_operations.get(42), configured, **options)
    return flow, next(flow)


def ends(flow, thrown):
    """The error that comes of this one in the place of an answer."""
    with pytest.raises(gi.InvoicesError) as caught:
        flow.throw(thrown)
    return caught.value


def hooks(**functions):
    return SimpleNamespace(**{name: gi.hookimpl(function) for name, function in functions.items()})


# -- one deadline for all that a call does


def test_every_step_of_a_call_has_its_deadline(clock):
    configured = session(api_key=None, bearer_token=lambda: "the driver's", attempts=2)
    flow, step = begin(configured)
    assert (step.do, step.deadline) == (_flow.RenewToken(0), 1010)
    configured.settings.credential.renew("jwt.one")
    clock.now += 1
    step = flow.send(None)
    assert isinstance(step.do, _flow.Send)
    assert step.deadline == 1010
    step = flow.throw(httpx.ReadError("reset"))
    assert (step.do, step.deadline) == (_flow.Sleep(1.0), 1010)


def test_a_deadline_counts_from_where_a_call_is_said_to_have_begun(clock):
    _, step = begin(session(), began=995.0)
    assert step.deadline == 1005


def test_a_download_to_a_folder_has_one_deadline(clock, tmp_path):
    flow = _flow.download(42, tmp_path, session(), overwrite=False)
    assert isinstance(next(flow).do, _flow.Block)
    clock.now += 1
    assert flow.send(True).deadline == 1010
    clock.now += 1
    body = json.dumps(wire_invoice(42)).encode()
    step = flow.send(Answer(200, HEADERS, body))
    clock.now += 1
    step = flow.send(step.do.work())
    assert isinstance(step.do, _flow.Send)
    assert step.deadline == 1010
    flow.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("left", "sent"), [(0.5, True), (0.0, False), (-1.0, False)])
def test_a_request_is_sent_while_there_is_time_and_not_later(clock, left, sent):
    def before_send(call):
        clock.now = 1010 - left

    flow = _flow.call(_operations.get(42), session(hooks(before_send=before_send)))
    if sent:
        assert isinstance(next(flow).do, _flow.Send)
        return
    with pytest.raises(gi.APITimeoutError, match="get did not finish within its deadline of 10 seconds"):
        next(flow)


@pytest.mark.parametrize("thrown", [_flow.DeadlinePassed(), httpx.ReadTimeout("slow")])
def test_what_is_late_at_the_deadline_is_its_error(clock, thrown):
    flow, _ = begin(session())
    clock.now = 1010
    error = ends(flow, thrown)
    assert type(error) is gi.APITimeoutError
    assert str(error) == "get did not finish within its deadline of 10 seconds."
    assert (error.operation, error.attempts, error.elapsed) == ("get", 1, 10)


def test_a_timeout_before_the_deadline_is_its_own(clock):
    flow, _ = begin(session())
    clock.now = 1009.5
    error = ends(flow, httpx.ReadTimeout("slow"))
    assert str(error) == "https://api.gcore.com did not answer in time (slow)."


def test_a_wait_that_the_deadline_ends_is_late(clock):
    flow, _ = begin(session(attempts=2))
    assert isinstance(flow.throw(httpx.ReadError("reset")).do, _flow.Sleep)
    assert "within its deadline of 10 seconds" in str(ends(flow, _flow.DeadlinePassed()))


def test_a_token_that_is_late_is_late():
    flow, _ = begin(session(api_key=None, bearer_token=lambda: ""))
    assert "within its deadline of 10 seconds" in str(ends(flow, _flow.DeadlinePassed()))


def test_no_phase_of_a_request_may_take_longer_than_is_left(clock):
    flow, step = begin(session(deadline=4, attempts=2))
    assert step.do.request.extensions["timeout"]["read"] == 4
    clock.now += 2
    flow.throw(httpx.ReadError("reset"))
    clock.now += 1
    assert flow.send(None).do.request.extensions["timeout"]["read"] == 1


def test_hooks_are_told_how_long_an_attempt_took(clock):
    told = []

    def note(elapsed):
        told.append(elapsed)

    observer = hooks(after_response=note, after_error=note)
    for outcome in (
        lambda flow: flow.send(Answer(404, HEADERS, b"{}")),
        lambda flow: ends(flow, httpx.ReadError("x")),
    ):
        flow, _ = begin(session(observer))
        clock.now += 2
        try:
            outcome(flow)
        except gi.NotFoundError as error:
            assert "decode" not in functions(error)  # noqa: PT017 - one of two kinds of end
    assert told == [2, 2]


def around(call):
    return nullcontext()


@pytest.mark.parametrize("plugins", [[], [hooks(call_context=around)]])
def test_who_asks_is_told_of_each_attempt(clock, plugins):
    told = []
    configured = session(*plugins, attempts=2)
    flow, _ = begin(configured, told=lambda error, began: told.append((type(error), began)))
    clock.now += 1
    flow.throw(httpx.ReadError("reset"))
    clock.now += 1
    step = flow.send(None)
    assert isinstance(step.do, _flow.Send)
    with pytest.raises(StopIteration):
        flow.send(Answer(200, HEADERS, json.dumps(wire_invoice(42)).encode()))
    assert told == [(gi.APIConnectionError, 1000), (type(None), 1002)]


def test_a_wrapper_of_throttle_that_returns_something_else_is_said():
    @gi.hookimpl(wrapper=True)
    def throttle():
        yield
        return 5

    with pytest.raises(gi.UsageError) as caught:
        begin(session(SimpleNamespace(throttle=throttle), hooks(throttle=lambda: 1)))
    assert str(caught.value) == (
        "A wrapper of throttle returned 5; it takes the list of waits that it wraps."
    )


def test_a_throttle_waits_until_the_deadline_at_most(clock):
    _, step = begin(session(hooks(throttle=lambda: 5), deadline=50))
    assert step == _flow.Step(_flow.Sleep(5), 1050)


def test_a_throttle_beyond_the_deadline_tells_of_the_attempt_before_it(clock):
    waits = iter([None, 60])
    flow, _ = begin(session(hooks(throttle=lambda: next(waits)), deadline=50, attempts=2))
    step = flow.send(Answer(503, HEADERS, b'{"detail": "busy"}'))
    assert step.do == _flow.Sleep(1.0)
    with pytest.raises(gi.APITimeoutError) as caught:
        flow.send(None)
    assert str(caught.value) == (
        "get was not sent: a plugin's throttle asks for a wait of 60 seconds, and the call's deadline of "
        "50 seconds comes first. The attempt before failed: The API answered 503 Service Unavailable: busy. "
        "This is the API's side; try again later."
    )
    assert isinstance(caught.value.__cause__, gi.InternalServerError)
    assert caught.value.attempts == 1


# -- what had come when it broke


def test_an_error_in_the_middle_of_an_answer_is_told_what_had_come():
    flow, step = begin(session())
    step.do.open(200, HEADERS).body.feed(b'{"id": "' + KEY.encode())
    error = ends(flow, gi.APIResponseValidationError("too large"))
    assert (error.request_id, error.content_type, error.excerpt) == (
        "r-***",
        "application/json",
        '{"id": "***',
    )


def test_a_broken_connection_is_told_only_the_request_id():
    flow, step = begin(session())
    step.do.open(200, HEADERS).body.feed(b"{")
    assert ends(flow, httpx.ReadError("reset")).request_id == "r-***"


@pytest.mark.parametrize(("now", "kind"), [(1009.5, gi.InternalServerError), (1010, gi.APITimeoutError)])
def test_an_error_status_counts_though_its_body_breaks_off_until_the_deadline(clock, now, kind):
    flow, step = begin(session())
    step.do.open(503, HEADERS)
    clock.now = now
    assert type(ends(flow, httpx.ReadTimeout("slow"))) is kind


@pytest.mark.parametrize("status", [199, 300, 301, 500])
def test_an_error_body_is_read_up_to_its_limit_and_cut(status):
    seen = []
    observer = hooks(after_response=lambda response: seen.append(response.body))
    flow, step = begin(session(observer))
    reader = step.do.open(status, HEADERS)
    reader.body.feed(b"x" * (MAX_ERROR_BODY - 5) + KEY.encode() + b"y" * 100)
    with pytest.raises(gi.InvoicesError):
        flow.send(reader.answer())
    (body,) = seen
    # What is left of the key at the cut is no part of it that should be shown.
    assert body.decode() == "x" * (MAX_ERROR_BODY - 5) + "***"


def test_hooks_see_headers_without_the_key():
    seen = []
    observer = hooks(after_response=lambda response: seen.append(response.headers))
    headers = httpx.Headers(
        [(b"content-type", b"application/json"), (b"x-echo", f"é {KEY}".encode()), (b"x-echo", b"b")],
        encoding="utf-8",
    )
    flow, _ = begin(session(observer))
    with pytest.raises(gi.NotFoundError):
        flow.send(Answer(404, headers, b"{}"))
    assert seen[0].multi_items() == [
        ("content-type", "application/json"),
        ("x-echo", "é ***"),
        ("x-echo", "b"),
    ]
    assert seen[0].encoding == "utf-8"


def test_hooks_see_errors_without_the_key():
    seen = []

    def after_error(error):
        cause = error.__cause__
        seen.append((str(error), cause.args, cause.__traceback__))

    flow, _ = begin(session(hooks(after_error=after_error)))
    ends(flow, raised(httpx.ReadError(f"{KEY}: reset")))
    assert seen == [("The connection to https://api.gcore.com broke: ***: reset.", ("***: reset",), None)]


@pytest.mark.parametrize("status", [200, 299])
def test_a_whole_answer_is_never_cut(status):
    _, step = begin(session())
    reader = step.do.open(status, HEADERS)
    reader.body.feed(b"x" * (MAX_ERROR_BODY + 1))
    assert len(reader.answer().body) == MAX_ERROR_BODY + 1


@pytest.mark.parametrize("size", [0, 1, 2047, 2048, 2049, 3000, 9000])
@pytest.mark.parametrize("step", [1, 700, 2048, 10_000])
def test_of_a_document_its_two_ends_are_kept(size, step):
    data = bytes(number % 251 for number in range(size))
    memory = _flow._Memory()
    edges = _flow._Edges(memory)
    for at in range(0, size, step):
        edges.write(data[at : at + step])
    assert memory.getvalue() == data
    assert edges.kept == (data if size <= 2048 else data[:1024] + data[-1024:])


def test_a_document_in_memory_is_forgotten_when_it_comes_anew():
    flow = _flow.download_bytes(42, session(attempts=2))
    headers = httpx.Headers({"content-type": "application/pdf"})
    next(flow).do.open(200, headers).body.feed(b"%PDF-1.4 and no more of it" * 1000)
    flow.throw(httpx.ReadError("reset"))
    reader = flow.send(None).do.open(200, headers)
    reader.body.feed(PDF)
    with pytest.raises(StopIteration) as end:
        flow.send(reader.answer())
    assert end.value.value == PDF


# -- what is thrown in


def refused_certificate():
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize("depth", [1, 2])
def test_a_certificate_that_is_refused_is_found_below_what_came_of_it(depth):
    flow, _ = begin(session())
    outer, middle = httpx.ConnectError("verify failed"), OSError("verify failed")
    outer.__cause__ = middle if depth == 2 else refused_certificate()
    middle.__context__ = refused_certificate()
    error = ends(flow, outer)
    assert str(error) == (
        "The certificate of https://api.gcore.com, or of a proxy before it, is not trusted: "
        "self-signed certificate. "
        "If it is meant to be so, pass the certificate of whoever signed it as ca_bundle=."
    )
    assert error.permanent is True


@pytest.mark.parametrize(
    ("cause", "cls", "sentence"),
    [
        (
            httpx.ConnectTimeout("slow"),
            gi.APITimeoutError,
            "No connection to https://api.gcore.com in time (slow). Check the network and base_url.",
        ),
        (
            httpx.PoolTimeout("full"),
            gi.APITimeoutError,
            "No connection of the client's pool came free in time: too many calls at once.",
        ),
        (
            httpx.UnsupportedProtocol("gopher"),
            gi.APIConnectionError,
            "No connection to https://api.gcore.com: gopher. Check the network, DNS and base_url.",
        ),
        (
            httpx.CloseError("gone"),
            gi.APIConnectionError,
            "No connection to https://api.gcore.com: gone. Check the network, DNS and base_url.",
        ),
        (
            httpx.WriteError("pipe"),
            gi.APIConnectionError,
            "The connection to https://api.gcore.com broke: pipe.",
        ),
        (
            httpx.ProxyError("403"),
            gi.APIConnectionError,
            "The proxy refused to connect to https://api.gcore.com: 403",
        ),
    ],
)
def test_what_breaks_below_has_its_sentence(cause, cls, sentence):
    flow, _ = begin(session())
    error = ends(flow, cause)
    assert (type(error), str(error), error.permanent) == (cls, sentence, False)
    assert error.__cause__ is cause


def test_an_intercepted_body_has_the_limits_of_one_that_was_sent(monkeypatch):
    monkeypatch.setattr(_flow, "MAX_BODY", 10)
    response = gi.Response(200, httpx.Headers({"x-request-id": "r-9"}), b"x" * 11)
    flow = _flow.call(_operations.get(42), session(hooks(intercept=lambda: response)))
    with pytest.raises(gi.APIResponseValidationError, match="larger than") as caught:
        next(flow)
    assert caught.value.request_id == "r-9"


def test_headers_of_an_intercepted_answer_keep_their_encoding():
    seen = []
    headers = httpx.Headers([(b"x-name", "é".encode())], encoding="utf-8")
    response = gi.Response(404, headers, b"{}")
    plugin = hooks(intercept=lambda: response, after_response=lambda response: seen.append(response.headers))
    with pytest.raises(gi.NotFoundError):
        next(_flow.call(_operations.get(42), session(plugin)))
    assert seen[0].encoding == "utf-8"
    assert seen[0]["x-name"] == "é"


def test_what_is_said_below_is_cut_and_masked():
    flow, _ = begin(session())
    error = ends(flow, httpx.ReadError(f"{KEY} {'x' * 5000}"))
    assert str(error) == f"The connection to https://api.gcore.com broke: *** {'x' * 288}."


def test_what_says_nothing_is_told_by_its_cause_or_its_name():
    empty = httpx.ReadError("")
    flow, _ = begin(session())
    assert str(ends(flow, empty)).endswith("broke: ReadError.")
    empty.__context__ = OSError("below")
    flow, _ = begin(session())
    assert str(ends(flow, empty)).endswith("broke: below.")


# -- nothing of the key stays in what is raised


def raised(error):
    try:
        raise error  # noqa: TRY301 - for its traceback
    except BaseException as caught:  # noqa: BLE001 - of any kind
        return caught


def test_an_error_and_all_it_came_of_are_cleaned():
    credential = session().settings.credential
    undecodable = UnicodeDecodeError("utf-8", KEY.encode(), 0, 1, KEY)
    first, second, third = (raised(LookupError(f"{name} {KEY}", KEY.encode(), 7)) for name in "abc")
    first.__cause__ = second
    second.__context__ = third
    third.__cause__ = raised(undecodable)
    third.__context__ = first  # round and round
    member = raised(ValueError(KEY))
    member.__cause__ = raised(KeyError(KEY))
    group = BaseExceptionGroup("all", [first, member, ValueError("plain")])
    _flow.clean(group, credential)
    for error, args in [
        (first, ("a ***", b"", 7)),
        (second, ("b ***", b"", 7)),
        (third, ("c ***", b"", 7)),
        (member, ("***",)),
        (member.__cause__, ("***",)),
    ]:
        assert error.__traceback__ is None
        assert error.args == args
    assert undecodable.__traceback__ is None
    assert undecodable.object == b""
    assert KEY not in str(undecodable.args)


def test_an_error_of_ours_keeps_what_it_says():
    ours = raised(gi.UsageError(f"a {KEY}"))
    _flow.clean(ours, session().settings.credential)
    assert ours.args == (f"a {KEY}",)  # masked where it is made
    assert ours.__traceback__ is None


@pytest.mark.parametrize("thrown", [gi.UsageError("no token"), KeyboardInterrupt(), RuntimeError(KEY)])
def test_what_ends_a_call_from_below_is_cleaned(thrown):
    flow, _ = begin(session())
    below = raised(OSError(KEY))
    thrown.__cause__ = below
    with pytest.raises(type(thrown)):
        flow.throw(thrown)
    assert below.__traceback__ is None
    assert below.args == ("***",)
    if isinstance(thrown, RuntimeError):
        assert thrown.args == ("***",)


def functions(error):
    """The functions whose frames, and so their locals, an error leads to."""
    found, step = set(), error.__traceback__
    while step:
        found.add(step.tb_frame.f_code.co_name)
        step = step.tb_next
    return found


@pytest.mark.parametrize("options", [{}, {"api_key": None, "bearer_token": lambda: ""}])
def test_an_error_of_a_step_does_not_lead_to_the_frames_below(options):
    flow, _ = begin(session(**options))
    thrown = raised(gi.UsageError("no token"))
    assert functions(thrown) == {"raised"}
    with pytest.raises(gi.UsageError) as caught:
        flow.throw(thrown)
    assert "attempts" in " ".join(functions(caught.value))  # under mutmut its name is longer
    assert "raised" not in functions(caught.value)


def test_a_token_function_that_fails_is_cleaned():
    configured = session(api_key=None, bearer_token=lambda: "")
    configured.settings.credential.renew("jwt.secret")
    flow, _ = begin(configured)
    flow.send(Answer(401, HEADERS, b"{}"))
    below = raised(OSError("jwt.secret"))
    thrown = gi.UsageError("no token")
    thrown.__cause__ = below
    with pytest.raises(gi.UsageError):
        flow.throw(thrown)
    assert below.args == ("***",)
    assert below.__traceback__ is None


@pytest.mark.parametrize(
    ("status", "cls"),
    [
        (200, gi.APIConnectionError),
        (299, gi.APIConnectionError),
        (300, gi.UnexpectedRedirectError),
        (404, gi.NotFoundError),
        (503, gi.InternalServerError),
    ],
)
def test_the_head_of_an_error_counts_though_its_body_breaks_off(status, cls):
    flow, step = begin(session())
    step.do.open(status, httpx.Headers({"x-request-id": "r-9"})).body.feed(b"so far " + KEY[:6].encode())
    error = ends(flow, httpx.ReadError("reset"))
    assert isinstance(error, cls)
    assert error.request_id == "r-9"
    if status >= 300:
        assert (error.status_code, error.body) == (status, "so far ***")  # the key may begin at the cut
