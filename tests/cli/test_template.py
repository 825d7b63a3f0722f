from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_export import DRAFT, HOSTILE, invoice

from gcore_invoices import UsageError
from gcore_invoices.cli.template import FIELDS, Template

INVOICE = invoice(42, name="INV/2026/00042", client_id=-412, amount_total="0E-12")


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{name}.pdf", "INV-2026-00042.pdf"),
        ("{name}", "INV-2026-00042.pdf"),
        ("{invoice_date:%Y-%m}/{name}.pdf", "2026-04/INV-2026-00042.pdf"),
        ("{invoice_date:%Y/%m}/{id}", "2026-04/42.pdf"),  # a / of a value makes no folder
        ("{invoice_date}/{currency}-{id:06}", "2026-04-02/EUR-000042.pdf"),
        ("{client_id}", "_412.pdf"),  # neither an option nor 412
        ("{amount_total}", "0.000000000000.pdf"),
        ("{amount_untaxed:.2f}", "100.00.pdf"),
        ("{created_at}", "2026-04-02T061409Z.pdf"),
        ("{payment_state}/{move_type}", "not_paid/out_invoice.pdf"),
        ("{{{id}}}", "_42.pdf"),
        ("../../{name}", "INV-2026-00042.pdf"),
        ("/etc/{id}", "etc/42.pdf"),
        ("a//./b/{id}", "a/b/42.pdf"),
        ("C:\\x\\{id}", "C-x-42.pdf"),
        ("con/{id}", "con-/42.pdf"),
        ("NUL", "NUL-.pdf"),
        ("lpt1.txt/{id}", "lpt1.txt-/42.pdf"),
        ("", "invoice-42.pdf"),
        ("...", "invoice-42.pdf"),
        ("Größe {id} …", "Gr-e 42.pdf"),
    ],
)
def test_a_path(template, path):
    assert Template(template).path(INVOICE).as_posix() == path


def test_a_draft_has_a_name_too():
    draft = invoice(7, **DRAFT)
    assert Template("{name}.pdf").path(draft).as_posix() == "invoice-7.pdf"
    assert Template("{invoice_date:%Y-%m}/{name}").path(draft).as_posix() == "none/invoice-7.pdf"


def test_every_field_can_be_named():
    for name in FIELDS:
        assert Template(f"x{{{name}}}").path(INVOICE).suffix == ".pdf"


def test_a_long_name_is_cut_and_keeps_its_ending():
    name = Template("{name}").path(invoice(1, name="a" * 300)).name
    assert (len(name), name[-4:]) == (124, ".pdf")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_number_is_one_safe_name(name):
    path = Template("folder/{name}.pdf").path(invoice(5, name=name))
    assert len(path.parts) == 2
    assert_safe(path)


def assert_safe(path):
    assert not path.is_absolute()
    for part in path.parts:
        assert part not in {"", ".", ".."}
        assert not part.startswith("-")
        assert not part.endswith((" ", "."))
        assert set(part) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.() -")


@given(
    st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"])),
    st.text(st.characters(exclude_categories=["Cs"])),
)
def test_no_template_leads_out_of_its_folder(text, name):
    assert_safe(Template(text + "{name}").path(invoice(5, name=name)))


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("{nmae}", "Unknown field of --name 'nmae'. Did you mean 'name'?"),
        ("{}", "Unknown field of --name ''."),
        ("{0}", "Unknown field of --name '0'."),
        ("{name!r}", "--name '{name!r}': {name!r} does not work: leave !r away."),
        ("{client_id:%Y}", "--name '{client_id:%Y}': {client_id:%Y} does not work: Invalid format specifier"),
        (
            "{invoice_date_due:5}{payment_state:d}",
            "--name '{invoice_date_due:5}{payment_state:d}': {payment_state:d} does not work",
        ),
        ("{name.upper}", "Unknown field of --name 'name.upper'."),
        ("{extra}", "Unknown field of --name 'extra'."),
        ("{name", "--name '{name' cannot be read: expected '}' before end of string."),
        ("name}", "--name 'name}' cannot be read: Single '}' encountered in format string."),
    ],
)
def test_a_template_that_is_none(template, sentence):
    with pytest.raises(UsageError) as caught:
        Template(template)
    assert str(caught.value).startswith(sentence)


def test_a_form_that_does_not_fit_its_field():
    with pytest.raises(UsageError, match=r"^--name '\{id:%Y\}': \{id:%Y\} does not work: "):
        Template("{id:%Y}").path(INVOICE)
