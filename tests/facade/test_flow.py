"""A call by hand: the flow says what to do next, nothing is sent anywhere."""

from __future__ import annotations

import json

import httpx
import pytest
from support import KEY, wire_invoice

from gcore_invoices import (
    AuthenticationError,
    Invoice,
    RetryPolicy,
    Timeouts,
    UsageError,
    _flow,
    _operations,
)
from gcore_invoices._config import resolve
from gcore_invoices._operations import Answer
from gcore_invoices.plugins.manager import Plugins


def session(**options):
    given = {"api_key": None, "bearer_token": None, "base_url": None, "sort_parameter": "ordering"} | options
    return _flow.Session(resolve(**given), Plugins([], {}).hooks, Timeouts(), RetryPolicy())


def answered(body, status=200):
    return Answer(status, httpx.Headers({"content-type": "application/json"}), json.dumps(body).encode())


def finish(flow, answer):
    with pytest.raises(StopIteration) as end:
        flow.send(answer)
    return end.value.value


def test_a_call_sends_once_and_returns_the_value():
    flow = _flow.call(_operations.get(42), session(api_key=KEY))
    step = next(flow)
    assert isinstance(step.do, _flow.Send)
    assert str(step.do.request.url) == "https://api.gcore.com/billing/org/v1/erp-invoices/42"
    assert "authorization" not in step.do.request.headers
    invoice = finish(flow, answered(wire_invoice(42)))
    assert isinstance(invoice, Invoice)
    assert invoice.id == 42


def test_a_token_that_has_yet_to_be_asked_for_is_asked_for_first():
    configured = session(bearer_token=lambda: "unused: the driver's")
    flow = _flow.call(_operations.get(42), configured)
    assert next(flow).do == _flow.RenewToken(0)
    configured.settings.credential.renew("jwt.one")
    assert isinstance(flow.send(None).do, _flow.Send)
    assert flow.send(answered({}, 401)).do == _flow.RenewToken(1)
    configured.settings.credential.renew("jwt.two")
    assert isinstance(flow.send(None).do, _flow.Send)
    with pytest.raises(AuthenticationError):
        flow.send(answered({}, 401))


def test_a_refusal_names_the_generation_that_was_sent_not_a_newer_one():
    configured = session(bearer_token=lambda: "unused")
    configured.settings.credential.renew("jwt.one")
    flow = _flow.call(_operations.get(42), configured)
    assert isinstance(next(flow).do, _flow.Send)
    configured.settings.credential.renew("jwt.two")  # another call's doing, while this one was under way
    assert flow.send(answered({}, 401)).do == _flow.RenewToken(1)


def test_a_key_is_not_renewed():
    flow = _flow.call(_operations.get(42), session(api_key=KEY))
    next(flow)
    with pytest.raises(AuthenticationError):
        flow.send(answered({}, 401))


def test_a_usage_error_thrown_in_carries_the_operation():
    flow = _flow.call(_operations.get(42), session(bearer_token=lambda: ""))
    next(flow)
    with pytest.raises(UsageError) as caught:
        flow.throw(UsageError("no token"))
    assert (caught.value.operation, caught.value.attempts) == ("get", 0)
