"""What a change of the contract does to the façade: it flows through, or one test names what to write."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from support_contract import ROOT, contract, generate, python

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist")


def facade_tests(document: dict[str, Any], folder: Path) -> dict[str, str]:
    """Generate from a contract, run the façade's tests on the result: each that failed, with its message."""
    spec, output, report = folder / "changed.yaml", folder / "generated", folder / "report.xml"
    spec.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    done = generate("--spec", spec, "--output", output)
    assert done.returncode == 0, done.stderr
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment = inherited | {"PYTHONPATH": str(output), "PYTHONDONTWRITEBYTECODE": "1"}
    # The path comes before the editable install, whose finder is the last to be asked.
    where = python("-c", "import gcore_erp_api as it; print(it.__file__)", env=environment, cwd=ROOT)
    assert where.stdout.strip() == str(output / "gcore_erp_api" / "__init__.py")
    run = python(
        *PYTEST, f"--junitxml={report}", "tests/contract/test_facade_contract.py", env=environment, cwd=ROOT
    )
    assert run.returncode in {0, 1}, run.stdout + run.stderr
    cases = list(ET.parse(report).getroot().iter("testcase"))  # noqa: S314 - our own report
    assert len(cases) > 15
    return {
        case.attrib["name"]: "".join(problem.itertext())
        for case in cases
        for problem in [*case.iter("failure"), *case.iter("error")]
    }


@pytest.fixture
def document() -> dict[str, Any]:
    return contract()


def test_an_unchanged_contract_fails_nothing(document: dict[str, Any], tmp_path: Path):
    assert facade_tests(document, tmp_path) == {}


def test_a_new_filter_is_missed_in_the_query(document: dict[str, Any], tmp_path: Path):
    document["paths"]["/billing/org/v1/erp-invoices"]["get"]["parameters"].append(
        {"name": "paid_at__from", "in": "query", "schema": {"type": "string", "format": "date"}}
    )
    failed = facade_tests(document, tmp_path)
    assert list(failed) == ["test_the_query_has_every_filter_of_the_contract"]
    (message,) = failed.values()
    assert "the contract has a filter `paid_at_from` that InvoiceQuery lacks" in message
    assert (
        "add a field `paid_at_from: dt.date | None` to InvoiceQuery and to QueryFields in "
        "gcore_invoices/query.py" in message
    )


def test_a_new_state_of_payment_decodes_and_is_missed_in_the_enum(document: dict[str, Any], tmp_path: Path):
    states = document["components"]["schemas"]["PaymentState"]
    states["enum"].append("blocked")
    states["x-enum-varnames"].append("BLOCKED")
    failed = facade_tests(document, tmp_path)
    # That it decodes is one of the tests that pass.
    assert list(failed) == ["test_an_enum_has_the_members_of_the_contract[PaymentState]"]
    (message,) = failed.values()
    assert "the contract has PaymentState `blocked`" in message
    assert 'add `BLOCKED = "blocked"` to PaymentState in gcore_invoices/models.py' in message


@pytest.mark.parametrize(("required", "kind"), [(True, "Decimal"), (False, "Decimal | None")])
def test_a_new_field_arrives_as_extra_and_is_missed_in_the_invoice(
    document: dict[str, Any], tmp_path: Path, *, required: bool, kind: str
):
    invoice = document["components"]["schemas"]["ErpInvoice"]
    invoice["properties"]["amount_residual"] = {"$ref": "#/components/schemas/Amount"}
    if required:
        invoice["required"].append("amount_residual")
    failed = facade_tests(document, tmp_path)
    # That an unknown field arrives in `extra` is one of the tests that pass.
    assert list(failed) == ["test_the_invoice_has_every_field_of_the_contract"]
    (message,) = failed.values()
    assert "the contract has a field `amount_residual` that Invoice lacks" in message
    assert f"add `amount_residual: {kind}` to Invoice in gcore_invoices/models.py" in message


def test_a_sort_key_that_went_is_one_too_many_in_the_facade(document: dict[str, Any], tmp_path: Path):
    for enum in ("Ordering", "OrderBy"):
        schema = document["components"]["schemas"][enum]
        pairs = zip(schema["enum"], schema["x-enum-varnames"], strict=True)
        kept = [(value, name) for value, name in pairs if not name.startswith("NAME")]
        assert len(kept) == len(schema["enum"]) - 2
        schema["enum"], schema["x-enum-varnames"] = map(list, zip(*kept, strict=True))
    failed = facade_tests(document, tmp_path)
    assert list(failed) == ["test_the_sort_keys_are_those_of_the_contract"]
    (message,) = failed.values()
    assert "SortKey.NAME is no sort key of the contract" in message
    assert "remove it from SortKey in gcore_invoices/ordering.py" in message
