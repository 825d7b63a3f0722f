"""What the library says in Python's words, a person at the command line reads in options."""

from __future__ import annotations

import re
import signal

import pytest
from support_export import invoice

from gcore_invoices import APIConnectionError, UsageError
from gcore_invoices.cli.explain import sentence
from gcore_invoices.errors import InvoicesError
from gcore_invoices.export import Csv, Jsonl, export

PYTHON = re.compile(
    r"max_items|page_size|order_by|(invoice_date|billing_period)_(from|to)\b|\w+=(True|False)|\bclient_id takes"
    r"|payer_id takes|api_key|bearer_token|base_url|ca_bundle|Csv\(|checkpoint|(?<!-)\bconcurrency takes"
)
CASES = [
    (["list", "--limit", "0"], "--limit takes an integer of 1 or more, not 0."),
    (["list", "--concurrency", "33"], "--concurrency takes an integer from 1 to 32, not 33."),
    (["pdf", "--all", "--concurrency", "0"], "--concurrency takes an integer from 1 to 32, not 0."),
    (["list", "--client-id", "2147483648"], "--client-id takes an integer from -2147483648 to 2147483647, not 2147483648."),
    (["list", "--currency", "euro"], "--currency takes a code of three letters such as 'EUR', not 'EURO'."),
    (["list", "--since", "2026-05", "--until", "2026-04"], "--since (2026-05-01) is later than --until (2026-04-30): no invoice can match. Were they swapped?"),
    (["export", "a.csv", "--period-from", "2026-Q2", "--period-to", "2026-03"], "--period-from (2026-04-01) is later than --period-to (2026-03-31): no invoice can match. Were they swapped?"),
    (["list", "--base-url", "ftp://x"], "--base-url must be an https:// address, because the key is sent there; http:// is for loopback (127.0.0.1, localhost) alone. Given: 'ftp://x'."),
    (["list", "--base-url", "https://a:b"], "--base-url is no URL: "),
    (["list", "--base-url", "https://a?b"], "--base-url takes scheme, host, port and path alone, without user, query or fragment."),
    (["list", "--sort", "id,id"], "The sort key 'id' is given twice; give each key once."),
    (["list", "--sort", ","], "A sort key is missing in ','. Example: '-amount_total,id'."),
    (["list", "--sort", "nmae"], "Unknown sort key 'nmae'. Did you mean 'name'?"),
    (["list", "--sort-parameter", "order"], "Unknown sort parameter 'order'. Did you mean 'ordering'?"),
    (["list", "--columns", "id,id"], "The column 'id' comes twice."),
    (["get", "INV/2026/00001"], "ID takes the id of an invoice, a whole number as in the column id of a list, not its number.\n"),
    (["list", "--limit", "x"], "--limit takes a whole number.\n"),
    (["check", "--overdue-days", "-1"], "--overdue-days takes a whole number of 0 or more.\n"),
    (["sandbox", "--max-seconds", "x"], "--max-seconds takes a number.\n"),
    (["list", "--since", ""], "--since takes a day, a month, a quarter or a year, not ''."),
    (["pdf", "--all", "--period", ""], "--period takes a day, a month, a quarter or a year, not ''."),
    (["list", "--state", ""], "Unknown payment state ''."),
    (["list", "--type", ""], "Unknown type ''."),
    (["list", "--currency", ""], "--currency takes a code of three letters such as 'EUR', not ''."),
    (["list", "--sort", ""], "A sort key is missing in ''."),
    (["list", "--format", ""], "Unknown format ''."),
    (["get", "5", "--format", ""], "Unknown format ''."),
    (["list", "--columns", ""], "Unknown column ''."),
    (["export", "a.csv", "--columns", ""], "Unknown column ''."),
    (["export", "a"], "a has no ending to say its format. Valid: csv, jsonl, parquet, xlsx."),
    (["export", "there.csv/a.csv"], "there.csv: Not a directory.\n"),
    (["list", "--base-url", ""], "--base-url must be an https:// address"),
    (["get", "0"], "An invoice id is a positive integer, not 0."),
    (["pdf", "-5"], None),
    (["pdf", "5", "--into", "there.csv"], "--into takes a folder, and there.csv is a file."),
    (["export", "there.csv"], "there.csv is already there: give --overwrite to replace it, or another name."),
    (["export", "there.csv", "--resume"], "there.csv is already there: give --overwrite to replace it, or another name."),
    (["sandbox", "--port", "65536"], "A port is a number from 0 to 65535, not 65536."),
    (["sandbox", "--host", "0.0.0.0"], "The sandbox listens on 127.0.0.1 or ::1 only, not on '0.0.0.0'."),  # noqa: S104 - refused
    (["sandbox", "--invoices", "-1"], "The number of invoices cannot be negative, and it is -1."),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"), CASES, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_a_sentence_names_the_option(program, arguments, words):
    (program.folder / "there.csv").write_text("mine")
    handler = signal.getsignal(signal.SIGINT)  # the sandbox takes it
    done = program.inside(*arguments)
    signal.signal(signal.SIGINT, handler)
    assert (done.code, done.out) == (2, "")
    assert words is None or done.err.startswith(f"gcore-invoices: {words}")
    said = done.err.partition("Valid: ")[0]
    assert not PYTHON.search(said)
    assert len(done.err.splitlines()) <= 2


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("apikey 1$a", "The key takes the token alone, without the word before it."),
        ("1$a b", "The key holds a space, a line break, or a character that is not printable ASCII"),
    ],
)
def test_a_key_in_a_file_that_is_none(program, key, words):
    path = program.folder / "key"
    path.write_text(key)
    path.chmod(0o600)
    done = program.inside("list", "--api-key-file", path)
    assert done.code == 2
    assert done.err.startswith(f"gcore-invoices: {words}")
    assert key not in done.err


def test_no_key_at_all(program):
    done = program("list", GCORE_API_KEY=None)
    assert done.err == (
        "gcore-invoices: No API key: set the environment variable GCORE_API_KEY (in single quotes, because keys "
        "hold a $), or give --api-key-file.\n"
    )


def test_what_the_environment_says_of_the_network(program):
    done = program("list", GCORE_BASE_URL="https://api.invalid", HTTPS_PROXY="foo://x")
    assert done.code == 2
    assert done.err.startswith("gcore-invoices: HTTPS_PROXY or ALL_PROXY cannot be used: Unknown scheme")


def test_a_warning_is_a_line_too(program):
    done = program("get", 90002, GCORE_LOG="verbose")
    assert done.code == 0
    assert done.err == "gcore-invoices: Unknown GCORE_LOG level 'verbose'. Valid: debug, info.\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--excel"], "The unfinished file was begun in another dialect: give --excel as then, or begin anew without --resume."),
        (["--columns", "id"], "The unfinished file has the columns id, name: give the same --columns, or begin anew without --resume."),
        (["--currency", "EUR"], "The unfinished file was begun with other filters: give the same, or begin anew without --resume."),
        (["--sort", "name"], "--resume goes on in the order of id, not of name: leave --sort away, or begin anew without --resume."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_what_is_kept_and_does_not_fit(program, options, words):
    columns = ["id", "name"]
    place = _place(program)

    def broken():
        yield from (invoice(number) for number in range(1, 151))
        raise APIConnectionError("gone")

    with pytest.raises(APIConnectionError):
        export(broken(), program.folder / "a.csv", Csv(), columns=columns, place=lambda: place)
    given = options if "--columns" in options else ["--columns", "id,name", *options]
    done = program.inside("export", "a.csv", "--resume", *given)
    assert (done.code, done.err) == (2, f"gcore-invoices: {words}\n")


def _place(program):
    """The checkpoint of a list without filters."""
    from gcore_invoices import InvoicesClient  # noqa: PLC0415 - beside its use
    from gcore_invoices.sandbox import API_KEY  # noqa: PLC0415

    with InvoicesClient(api_key=API_KEY, base_url=program.url) as client:
        pager = client.list()
        for number, _ in enumerate(pager):
            if number == 150:
                break
        return str(pager.checkpoint)


def test_notes_that_were_changed(program):
    def broken():
        yield from (invoice(number) for number in range(1, 151))
        raise APIConnectionError("gone")

    with pytest.raises(APIConnectionError):
        export(broken(), program.folder / "a.jsonl", Jsonl(), place=lambda: "nowhere")
    done = program.inside("export", "a.jsonl", "--resume")
    assert (done.code, done.err) == (
        2,
        "gcore-invoices: The notes beside the unfinished file were changed: restore them, or begin anew without "
        "--resume.\n",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('Try the other sort_parameter of the client, "order_by" or "ordering".', 'Try the other --sort-parameter, "order_by" or "ordering".'),
        ("Redirects are not followed; check base_url.", "Redirects are not followed; check GCORE_BASE_URL."),
        ("If it is meant to be so, pass the certificate of whoever signed it as ca_bundle=.", "If it is meant to be so, let SSL_CERT_FILE name the certificate of whoever signed it."),
    ],
)  # fmt: skip
def test_what_comes_of_a_call(text, words):
    assert sentence(InvoicesError(text)) == words


def test_what_the_api_says_of_a_field_stays(program):
    text = "The API answered 400 Bad Request: client_id takes a number."
    assert sentence(InvoicesError(text)) == text
    assert sentence(UsageError("Valid: client_id, currency")) == "Valid: client_id, currency"
