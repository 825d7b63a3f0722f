"""Formats come through a hook, the built-in ones too."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import support
from attrs import frozen
from support_export import invoice

from gcore_invoices import AsyncInvoicesClient, InvoicesClient, UsageError, hookimpl
from gcore_invoices.export import (
    BuiltInExporters,
    Csv,
    Exporter,
    Jsonl,
    Parquet,
    Xlsx,
    export,
    exporter_for,
    exporters,
)
from gcore_invoices.plugins.manager import Plugins

BUILT_IN = {"csv": Csv(), "jsonl": Jsonl(), "parquet": Parquet(), "xlsx": Xlsx()}


@frozen
class Ids:
    """A format of somebody else's: an id a line."""

    appends = True

    @contextmanager
    def open(self, file, columns, *, append=False):
        yield lambda invoices: file.writelines(f"{each.id}\n".encode() for each in invoices)


def bringing(given, name="theirs"):
    class Theirs:
        @hookimpl
        def register_exporters(self):
            return given

    Theirs.name = name
    return Theirs()


def hooks(*given):
    return Plugins([bringing(each, f"plugin-{n}") for n, each in enumerate(given)], {}).hooks


def test_the_built_in_formats_come_from_a_plugin():
    assert BuiltInExporters().register_exporters() == BUILT_IN
    assert exporters() == BUILT_IN
    assert Plugins([BuiltInExporters()], {}).hooks.register_exporters() == [BUILT_IN]


def test_every_built_in_format_is_an_exporter():
    for exporter in BUILT_IN.values():
        assert isinstance(exporter, Exporter)
        assert type(exporter).__doc__


@pytest.mark.parametrize("kind", [InvoicesClient, AsyncInvoicesClient])
def test_plugins_of_a_client_add_formats(kind, tmp_path):
    client = kind(api_key=support.KEY, plugins=[bringing({"ids": Ids()})])
    found = exporters(client)
    assert found == BUILT_IN | {"ids": Ids()}
    export([invoice(1), invoice(2)], tmp_path / "a.ids", exporter_for("a.ids", found))
    assert (tmp_path / "a.ids").read_text() == "1\n2\n"


def test_a_client_that_was_given_the_built_in_plugin_has_each_format_once():
    client = InvoicesClient(api_key=support.KEY, plugins=[BuiltInExporters()])
    assert exporters(client) == BUILT_IN
    client.close()


def test_a_client_without_plugins_has_the_built_in_formats():
    with InvoicesClient(api_key=support.KEY) as client:
        assert exporters(client) == BUILT_IN
    assert exporters(hooks()) == exporters(hooks({})) == BUILT_IN


def test_two_exporters_for_one_ending_are_an_error_that_names_both():
    with pytest.raises(UsageError) as caught:
        exporters(hooks({"csv": Ids()}))
    assert str(caught.value).startswith("Both gcore_invoices.export._csv.Csv and ")
    assert "test_exporters.Ids write files that end in .csv: disable a plugin" in str(caught.value)
    with pytest.raises(UsageError, match=r"write files that end in \.ids"):
        exporters(hooks({"ids": Ids()}, {"IDS": Csv()}))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({".ids": Ids()}, "without a dot in front, such as 'csv', not '.ids'"),
        ({"": Ids()}, "not ''"),
        ({3: Ids()}, "not 3"),
        ({"ids": Ids}, "The exporter for .ids, <class"),
        ({"ids": print}, "is none: see gcore_invoices.export.Exporter"),
        (["csv"], "returns a mapping from file ending to exporter, not ['csv']"),
    ],
)
def test_what_is_no_exporter_is_refused(given, words):
    with pytest.raises(UsageError) as caught:
        exporters(hooks(given))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("target", "ending"),
    [
        ("a.csv", "csv"),
        ("A.CSV", "csv"),
        ("folder.jsonl/a.csv", "csv"),
        (Path("a.b.parquet"), "parquet"),
        ("a.sap.csv", "sap.csv"),
        ("a.SAP.csv", "sap.csv"),
    ],
)
def test_the_ending_of_a_file_is_its_format(target, ending):
    formats = exporters(hooks({"sap.csv": Ids()}))
    assert exporter_for(target, formats) is formats[ending]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("a.cvs", "Unknown file ending 'cvs'. Did you mean 'csv'?"),
        ("a", "a has no ending to say its format. Valid: csv, jsonl, parquet, xlsx."),
        ("csv", "csv has no ending to say its format."),
    ],
)
def test_an_unknown_ending_names_the_known_ones(target, words):
    with pytest.raises(UsageError) as caught:
        exporter_for(target, BUILT_IN)
    assert words in str(caught.value)
    assert str(caught.value).endswith("Valid: csv, jsonl, parquet, xlsx.")


# -- what is not installed


@pytest.mark.parametrize(
    ("exporter", "library", "extra"), [(Parquet(), "pyarrow", "parquet"), (Xlsx(), "xlsxwriter", "xlsx")]
)
def test_a_missing_library_is_a_sentence_with_the_remedy(exporter, library, extra, tmp_path, monkeypatch):
    class Missing:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] == library:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name.partition(".")[0])

    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    asked = []
    with pytest.raises(UsageError) as caught:
        export((asked.append(1) for _ in [1]), tmp_path / "a", exporter)
    sentence = f"To write this format, install its library: pip install 'gcore-invoices[{extra}]'."
    assert str(caught.value) == sentence
    assert caught.value.__suppress_context__
    assert asked == list(tmp_path.iterdir()) == []


def test_a_library_that_is_there_and_broken_says_so_itself(tmp_path, monkeypatch):
    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == "xlsxwriter":
                raise ModuleNotFoundError("No module named 'zlib'", name="zlib")

    for name in [name for name in sys.modules if name.partition(".")[0] == "xlsxwriter"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(ModuleNotFoundError, match="zlib"):
        export([], tmp_path / "a", Xlsx())
    assert list(tmp_path.iterdir()) == []


def test_knowing_the_formats_loads_no_library():
    code = (
        "import sys; from gcore_invoices.export import exporters; exporters();"
        "print([m for m in ('pyarrow', 'xlsxwriter', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
