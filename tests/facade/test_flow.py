"""A call by hand: the flow says what to do next, nothing is sent anywhere."""

from __future__ import annotations

import json

import httpx
import pytest
from support import KEY, wire_invoice

from gcore_invoices import AuthenticationError, Invoice, UsageError, _flow, _operations
from gcore_invoices._config import resolve
from gcore_invoices._operations import Answer


def settings(**options):
    given = {"api_key": None, "bearer_token": None, "base_url": None, "sort_parameter": "ordering"} | options
    return resolve(**given)


def answered(body, status=200):
    return Answer(status, httpx.Headers({"content-type": "application/json"}), json.dumps(body).encode())


def finish(flow, answer):
    with pytest.raises(StopIteration) as end:
        flow.send(answer)
    return end.value.value


def test_a_call_sends_once_and_returns_the_value():
    flow = _flow.call(_operations.get(42), settings(api_key=KEY))
    step = next(flow)
    assert isinstance(step, _flow.Send)
    assert str(step.request.url) == "https://api.gcore.com/billing/org/v1/erp-invoices/42"
    assert "authorization" not in step.request.headers
    invoice = finish(flow, answered(wire_invoice(42)))
    assert isinstance(invoice, Invoice)
    assert invoice.id == 42


def test_a_token_that_has_yet_to_be_asked_for_is_asked_for_first():
    configured = settings(bearer_token=lambda: "unused: the driver's")
    flow = _flow.call(_operations.get(42), configured)
    assert next(flow) == _flow.RenewToken(0)
    configured.credential.renew("jwt.one")
    assert isinstance(flow.send(None), _flow.Send)
    assert flow.send(answered({}, 401)) == _flow.RenewToken(1)
    configured.credential.renew("jwt.two")
    assert isinstance(flow.send(None), _flow.Send)
    with pytest.raises(AuthenticationError):
        flow.send(answered({}, 401))


def test_a_refusal_names_the_generation_that_was_sent_not_a_newer_one():
    configured = settings(bearer_token=lambda: "unused")
    configured.credential.renew("jwt.one")
    flow = _flow.call(_operations.get(42), configured)
    assert isinstance(next(flow), _flow.Send)
    configured.credential.renew("jwt.two")  # another call's doing, while this one was under way
    assert flow.send(answered({}, 401)) == _flow.RenewToken(1)


def test_a_key_is_not_renewed():
    flow = _flow.call(_operations.get(42), settings(api_key=KEY))
    next(flow)
    with pytest.raises(AuthenticationError):
        flow.send(answered({}, 401))


def test_a_usage_error_thrown_in_carries_the_operation():
    flow = _flow.call(_operations.get(42), settings(bearer_token=lambda: ""))
    next(flow)
    with pytest.raises(UsageError) as caught:
        flow.throw(UsageError("no token"))
    assert (caught.value.operation, caught.value.attempts) == ("get", 0)
