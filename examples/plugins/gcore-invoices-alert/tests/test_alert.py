"""The alert, sync and async, against a webhook on this machine."""
# ruff: noqa: ANN001, ANN002, ANN003, ANN201, ANN202, D102, D103, PLC0415, S101, SLF001

from __future__ import annotations

import asyncio
import json
import logging
import threading
from datetime import date
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import gcore_invoices_alert
import httpx
import pytest
from gcore_invoices_alert import OverdueAlert, _Told

from gcore_invoices import AsyncInvoicesClient, InvoicesClient, UsageError

TODAY = date(2026, 5, 14)


def invoice(number, **changes):
    return {
        "id": number,
        "name": f"INV/2026/{number:05}",
        "move_type": "out_invoice",
        "currency": "EUR",
        "invoice_date": "2026-04-02",
        "invoice_date_due": "2026-05-02",
        "billing_period_from": None,
        "billing_period_to": None,
        "amount_untaxed": "100.000000000000",
        "amount_tax": "21.000000000000",
        "amount_total": "121.000000000000",
        "payment_state": "not_paid",
        "client_id": 1,
        "payer_id": 2,
        "invoice_id": None,
        "created_at": "2026-04-02T06:14:09Z",
        "updated_at": "2026-04-02T06:14:09Z",
    } | changes


class Webhook:
    """A chat on loopback: keeps what was posted, answers with `status`, and waits while `held`."""

    def __init__(self) -> None:
        self.texts = []
        self.status = 200
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.asked = threading.Event()
        chat = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                assert self.headers["content-type"] == "application/json"
                chat.asked.set()
                chat.may_answer.wait(10)
                if chat.status == 200:
                    chat.texts.append(json.loads(body)["text"])
                self.send_response(chat.status)
                if chat.status == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self):
                chat.texts.append("redirected")
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                """Say nothing on stderr."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/services/T0P/S3CRET"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self):
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def webhook():
    chat = Webhook()
    yield chat
    chat.close()


@pytest.fixture
def make(webhook, tmp_path):
    made = []

    def make(**options):
        options = {
            "webhook": webhook.url,
            "state": tmp_path / "deep" / "told.json",
            "today": lambda: TODAY,
        } | options
        made.append(OverdueAlert(**options))
        return made[-1]

    yield make
    webhook.may_answer.set()
    for alert in made:
        alert.close()


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch, tmp_path):
    monkeypatch.delenv(gcore_invoices_alert.WEBHOOK, raising=False)
    monkeypatch.delenv(gcore_invoices_alert.STATE, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(params=["sync", "async"])
def read(request):
    """Reads a list of these rows with either client."""

    def respond(rows):
        def answer(asked):
            limit, offset = int(asked.url.params["limit"]), int(asked.url.params["offset"])
            body = {
                "count": len(rows),
                "next": None,
                "previous": None,
                "results": rows[offset : offset + limit],
            }
            headers = {"content-type": "application/json"}
            return httpx.Response(200, headers=headers, stream=httpx.ByteStream(json.dumps(body).encode()))

        return httpx.MockTransport(answer)

    def read(alert, *rows, **fields):
        options = {"api_key": "1234$abcdef", "transport": respond(rows), "plugins": [alert]}

        async def later():
            async with AsyncInvoicesClient(**options) as client:
                return [item async for item in client.list(**fields)]

        if request.param == "async":
            return asyncio.run(later())
        with InvoicesClient(**options) as client:
            return list(client.list(**fields))

    return read


def test_a_newly_overdue_invoice_is_told_of(make, read, webhook):
    alert = make()
    read(alert, invoice(42))
    assert alert.flush()
    assert webhook.texts == [
        "1 invoice is overdue: 121.00 EUR\n• INV/2026/00042 (id 42): 121.00 EUR, due 2026-05-02, 12 days ago"
    ]


def test_each_is_told_of_once_also_after_a_restart(make, read, webhook):
    alert = make()
    read(alert, invoice(1), invoice(2))
    alert.flush()
    read(alert, invoice(1), invoice(2), invoice(3))
    alert.close()
    _Told._known.clear()
    restarted = make()
    read(restarted, invoice(1), invoice(2), invoice(3), invoice(4))
    restarted.close()
    told = " ".join(webhook.texts)
    assert [told.count(f"(id {number})") for number in (1, 2, 3, 4)] == [1, 1, 1, 1]


NOT_OVERDUE = {
    "due today": {"invoice_date_due": "2026-05-14"},
    "due later": {"invoice_date_due": "2026-06-01"},
    "no due date": {"invoice_date_due": None},
    "paid": {"payment_state": "paid"},
    "in payment": {"payment_state": "in_payment"},
    "reversed": {"payment_state": "reversed"},
    "a state that is not known": {"payment_state": "blocked"},
    "refund": {"move_type": "out_refund"},
    "part-paid refund": {"move_type": "out_refund", "payment_state": "partial"},
    "a kind that is not known": {"move_type": "out_receipt"},
}


@pytest.mark.parametrize("changes", NOT_OVERDUE.values(), ids=NOT_OVERDUE)
def test_what_is_not_overdue_is_not_told_of(make, read, webhook, changes):
    alert = make()
    read(alert, invoice(1, **changes))
    assert alert.flush()
    assert webhook.texts == []
    assert alert._poster._thread is None, "no thread before there is something to post"


def test_part_paid_counts_and_money_is_exact_and_kept_apart_by_currency(make, read, webhook):
    alert = make()
    read(
        alert,
        invoice(1, amount_total="0.100000000000", payment_state="partial", invoice_date_due="2026-05-13"),
        invoice(2, amount_total="0.200000000000"),
        invoice(3, amount_total="1234567.000000000001", currency="USD"),
    )
    alert.flush()
    (text,) = webhook.texts
    assert text.splitlines() == [
        "3 invoices are overdue: up to 0.30 EUR, 1,234,567.000000000001 USD",
        "• INV/2026/00001 (id 1): 0.10 EUR, part-paid, due 2026-05-13, 1 day ago",
        "• INV/2026/00002 (id 2): 0.20 EUR, due 2026-05-02, 12 days ago",
        "• INV/2026/00003 (id 3): 1,234,567.000000000001 USD, due 2026-05-02, 12 days ago",
    ]


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("0", "0.00"), ("0E-12", "0.00"), ("1E+3", "1,000.00"), ("12.5", "12.50"), ("0.001", "0.001")],
)
def test_amounts_are_never_rounded(amount, shown):
    assert gcore_invoices_alert._money(Decimal(amount), "EUR") == f"{shown} EUR"


def test_a_long_page_is_cut_and_says_so(make, read, webhook):
    alert = make()
    read(alert, *[invoice(number) for number in range(1, 51)], page_size=100)
    alert.flush()
    (text,) = webhook.texts
    assert text.startswith("50 invoices are overdue: 6,050.00 EUR\n")
    assert text.endswith("\n… and 30 more")


def test_names_are_no_markup(make, read, webhook):
    alert = make()
    read(alert, invoice(1, name="<!channel> & <https://x|y>\n"))
    alert.flush()
    assert "• &lt;!channel&gt; &amp; &lt;https://x|y&gt; (id 1)" in webhook.texts[0]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_what_could_not_be_told_is_told_the_next_time(make, read, webhook, caplog, status):
    alert = make()
    webhook.status = status
    read(alert, invoice(1))
    assert alert.flush()
    assert webhook.texts == []
    assert f"The webhook answered {status}" in caplog.text
    webhook.status = 200
    read(alert, invoice(1))
    assert alert.flush()
    assert len(webhook.texts) == 1


def test_a_chat_that_is_gone_costs_a_line_without_the_address(make, read, webhook, caplog):
    caplog.set_level(logging.DEBUG)
    webhook.close()
    alert = make()
    assert [found.id for found in read(alert, invoice(1))] == [1]
    assert alert.flush()
    assert "The webhook cannot be reached (URLError)." in caplog.text
    assert "S3CRET" not in caplog.text + repr(alert)


def test_hooks_never_wait_for_the_chat(make, read, webhook):
    alert = make()
    webhook.may_answer.clear()
    assert len(read(alert, invoice(1))) == 1
    assert webhook.asked.wait(10)
    assert len(read(alert, invoice(1), invoice(2))) == 2
    assert not alert.flush(timeout=0.01)
    webhook.may_answer.set()
    assert alert.flush()
    assert [text.count("(id ") for text in webhook.texts] == [1, 1]


def test_hooks_never_wait_for_the_disk(make, read, webhook, monkeypatch):
    write, in_time = _Told._write, []
    writing, may_write = threading.Event(), threading.Event()

    def slowly(told):
        writing.set()
        in_time.append(may_write.wait(5))
        write(told)

    monkeypatch.setattr(_Told, "_write", slowly)
    alert = make()
    read(alert, invoice(1))
    assert writing.wait(10)
    read(alert, invoice(1), invoice(2))
    may_write.set()
    assert alert.flush()
    assert in_time == [True, True]
    assert [text.count("(id ") for text in webhook.texts] == [1, 1]


def test_the_plugins_of_several_clients_tell_of_each_once(make, read, webhook, tmp_path):
    first, second = make(), make()
    read(first, invoice(1))
    read(second, invoice(1), invoice(2))
    read(first, invoice(2), invoice(3))
    assert first.flush()
    assert second.flush()
    told = " ".join(webhook.texts)
    assert [told.count(f"(id {number})") for number in (1, 2, 3)] == [1, 1, 1]
    assert sorted(json.loads((tmp_path / "deep" / "told.json").read_text())["told"]) == [1, 2, 3]


def test_what_waits_is_bounded_and_what_is_dropped_is_told_another_time(
    make, read, webhook, monkeypatch, caplog
):
    monkeypatch.setattr(gcore_invoices_alert, "_WAITING", 1)
    alert = make()
    webhook.may_answer.clear()
    read(alert, invoice(1))
    assert webhook.asked.wait(10)
    read(alert, invoice(2))
    read(alert, invoice(3))
    assert "1 overdue invoices are told of another time: too much waits." in caplog.text
    webhook.may_answer.set()
    assert alert.flush()
    read(alert, invoice(3))
    assert alert.flush()
    assert [f"(id {number})" in text for number, text in zip((1, 2, 3), webhook.texts, strict=True)] == [
        True
    ] * 3


def test_what_is_remembered_is_bounded(make, read, monkeypatch, tmp_path):
    monkeypatch.setattr(gcore_invoices_alert, "_REMEMBERED", 3)
    alert = make()
    read(alert, *[invoice(number) for number in range(1, 6)])
    alert.close()
    assert json.loads((tmp_path / "deep" / "told.json").read_text()) == {"told": [3, 4, 5]}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["told.json"]


def test_close_posts_what_waits_and_ends_the_thread(make, read, webhook):
    alert = make()
    read(alert, invoice(1))
    alert.close()
    alert.close()
    assert len(webhook.texts) == 1
    assert "overdue-alert" not in [thread.name for thread in threading.enumerate()]
    read(alert, invoice(2))
    assert len(webhook.texts) == 1


def test_a_plugin_that_goes_without_close_posts_what_waits(webhook, read, tmp_path):
    import gc

    alert = OverdueAlert(webhook.url, state=tmp_path / "told.json", today=lambda: TODAY)
    read(alert, invoice(1))
    del alert
    gc.collect()
    assert len(webhook.texts) == 1
    assert "overdue-alert" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("content", ["", "no json", "[]", '{"told": 7}', '{"told": ["a"]}'])
def test_a_state_file_that_cannot_be_read_is_begun_anew(make, read, webhook, tmp_path, content):
    path = tmp_path / "told.json"
    path.write_text(content)
    alert = make(state=path)
    read(alert, invoice(1))
    alert.close()
    assert len(webhook.texts) == 1
    assert json.loads(path.read_text()) == {"told": [1]}


def test_a_state_file_that_cannot_be_written_is_a_line(make, read, webhook, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    alert = make(state=tmp_path / "file" / "told.json")
    read(alert, invoice(1))
    alert.close()
    assert len(webhook.texts) == 1
    assert "cannot be written" in caplog.text


def test_settings_come_from_the_environment_too(monkeypatch, read, webhook, tmp_path):
    monkeypatch.setenv(gcore_invoices_alert.WEBHOOK, webhook.url)
    monkeypatch.setenv(gcore_invoices_alert.STATE, str(tmp_path / "from environment.json"))
    alert = OverdueAlert(today=lambda: TODAY)
    read(alert, invoice(1))
    alert.close()
    assert len(webhook.texts) == 1
    assert (tmp_path / "from environment.json").exists()
    monkeypatch.delenv(gcore_invoices_alert.STATE)
    alert = OverdueAlert(today=lambda: TODAY)
    read(alert, invoice(1))
    alert.close()
    assert (tmp_path / ".local" / "state" / "gcore-invoices-alert.json").exists()


def test_without_a_webhook_it_says_what_to_set():
    with pytest.raises(UsageError, match="set the environment variable GCORE_INVOICES_ALERT_WEBHOOK"):
        OverdueAlert()


@pytest.mark.parametrize(
    "address", ["hooks.example/S3CRET", "file:///etc/S3CRET", "https:///S3CRET", "http://S3CRET]"]
)
def test_an_address_that_cannot_be_right_is_refused_and_not_shown(address):
    with pytest.raises(UsageError, match="is no http:// or https:// address") as caught:
        OverdueAlert(address)
    assert "S3CRET" not in str(caught.value)


def test_every_client_finds_it_once_it_is_installed(monkeypatch, webhook, make):
    with InvoicesClient(api_key="1234$abcdef") as client:
        (info,) = client.inactive_plugins
        assert (info.name, info.distribution, info.state) == (
            "overdue-alert",
            "gcore-invoices-alert 0.1.0",
            "failed",
        )
        assert "set the environment variable GCORE_INVOICES_ALERT_WEBHOOK" in info.reason
    monkeypatch.setenv(gcore_invoices_alert.WEBHOOK, webhook.url)
    with InvoicesClient(api_key="1234$abcdef") as client:
        assert "overdue-alert" in [info.name for info in client.plugins]
    with InvoicesClient(api_key="1234$abcdef", plugins=[make()]) as client:
        assert [info.source for info in client.plugins if info.name == "overdue-alert"] == ["explicit"]
