"""openapi/drift.py finds what a published file changes, knows what README.md declares, and refuses the rest."""

from __future__ import annotations

import contextlib
import copy
import json
import re
import socket
import threading
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support_contract import OPENAPI, ROOT, python, recording
from support_scripts import script

PUBLISHED = ROOT / "tests" / "contract" / "drift" / "published.yaml"
README = (OPENAPI / "README.md").read_text(encoding="utf-8")
LIST = "/org/v1/erp-invoices/"
ONE = "/org/v1/erp-invoices/{invoice}"
DOWNLOAD = "/org/v1/erp-invoices/{id}/download"


drift = script("openapi/drift.py")
CONTRACT = drift.load(str(OPENAPI / "erp-invoices.yaml"))
FIXTURE = drift.load(str(PUBLISHED))


def report(published, readme=README):
    return drift.report(published, CONTRACT, readme)


def published():
    """The fixture, to be changed."""
    return copy.deepcopy(FIXTURE)


def drifts(document, readme=README):
    """What the fixture drifts by once it is changed, and did not before."""
    found = report(document, readme)["drift"]
    return [re.sub(r"  +", " ", str(change)) for change in found if change not in BEFORE]


# Nothing, but while the contract is ahead of the fixture: one test says so, and it is enough.
BEFORE = report(FIXTURE)["drift"]


def parameters(document, path=LIST):
    return {one["name"]: one for one in document["paths"][path]["get"]["parameters"]}


def row(document):
    return document["components"]["schemas"]["Row"]


def ours():
    """The contract, to be changed, with one deviation that is declared."""
    document = copy.deepcopy(CONTRACT)
    document["components"]["parameters"]["PayerId"]["schema"]["type"] = "number"
    return document


def written(tmp_path, document, name="published.json"):
    path = tmp_path / name
    path.write_text(json.dumps(document), encoding="utf-8")
    return str(path)


# -- what is declared


def test_each_row_of_the_readme_has_a_rule_and_each_rule_a_row():
    keys = drift.declared_keys(README)
    assert len(keys) == len(set(keys))
    assert {rule[0] for rule in drift.RULES} | set(drift.NOTATION) == set(keys)
    assert not {rule[0] for rule in drift.RULES} & set(drift.NOTATION)


def test_a_reference_that_deviates_only_as_declared_has_no_drift():
    found = report(FIXTURE)
    stands = f"{PUBLISHED.relative_to(ROOT)} stands for the published reference."
    lines = "\n".join(map(str, BEFORE))
    assert not BEFORE, f"{stands} Change it as the contract has changed:\n{lines}"
    assert not found["stale"], f"{stands} Let it deviate as these rows say: {', '.join(found['stale'])}"
    assert list(found["declared"]) == [
        key for key in drift.declared_keys(README) if key not in drift.NOTATION
    ]


def test_the_contract_does_not_drift_from_itself_and_makes_every_row_stale():
    found = report(CONTRACT)
    assert (found["drift"], found["declared"]) == ([], {})
    assert set(found["stale"]) == {rule[0] for rule in drift.RULES}


@pytest.mark.parametrize("key", report(FIXTURE)["declared"])
def test_without_its_row_a_deviation_is_drift(key):
    without = re.sub(rf"^\| `{key}` .*\n", "", README, flags=re.MULTILINE)
    assert without != README
    found = report(FIXTURE, without)
    # The 502's body is also an error's body, and so is each of a 429's.
    assert drifts(FIXTURE, without) or (key, "error-body" in found["declared"]) == ("download-502-body", True)
    assert key not in found["declared"]


def test_a_row_is_stale_when_the_published_file_has_come_round():
    document = published()
    parameters(document)["client_id"]["schema"] = {"type": "integer", "format": "int32"}
    came_round = set(report(document)["stale"]) - set(report(FIXTURE)["stale"])
    assert (drifts(document), came_round) == ([], {"client-id-integer"})


def test_a_declared_place_drifts_again_when_it_is_published_otherwise():
    document = published()
    parameters(document)["client_id"]["schema"] = {"type": "string"}
    parameters(document)["limit"]["schema"]["maximum"] = 50
    assert drifts(document) == [
        'changed type list_erp_invoices, parameter client_id (query): published "string", here "integer"',
        "changed maximum list_erp_invoices, parameter limit (query): published 50, here nothing",
    ]


# -- what drifts


def change(function):
    return pytest.param(function, id=function.__name__)


def parameter_added(document):
    document["paths"][LIST]["get"]["parameters"].append(
        {"name": "new__from", "in": "query", "schema": {"type": "string", "format": "date-time"}}
    )
    return 'added parameter list_erp_invoices, parameter new__from (query): type "string", format "date-time"'


def parameter_removed(document):
    kept = [one for one in parameters(document).values() if one["name"] != "currency"]
    document["paths"][LIST]["get"]["parameters"] = kept
    return 'removed parameter list_erp_invoices, parameter currency (query): type "string"'


def parameter_required(document):
    parameters(document)["currency"]["required"] = True
    return "changed required list_erp_invoices, parameter currency (query): published true, here false"


def list_written_otherwise(document):
    del parameters(document)["ordering"]["explode"]
    return "changed explode list_erp_invoices, parameter ordering (query): published true, here false"


def enum_value_added(document):
    document["components"]["schemas"]["State"]["enum"].append("unheard_of")
    return [
        f'added enum value {where}payment_state: "unheard_of"'
        for where in (
            "get_erp_invoice, response 200, application/json: ",
            "list_erp_invoices, response 200, application/json: results[].",
        )
    ]


def enum_value_removed(document):
    parameters(document)["ordering"]["schema"]["items"]["enum"].remove("-name")
    return 'removed enum value list_erp_invoices, parameter ordering (query): []: "-name"'


def enum_gone(document):
    parameters(document)["move_type"]["schema"] = {"type": "string"}
    return (
        "changed enum list_erp_invoices, parameter move_type (query): "
        'published nothing, here ["out_invoice", "out_refund"]'
    )


def field_added(document):
    document["paths"][ONE]["get"]["responses"][200] = {"$ref": "#/components/responses/New"}
    new = {"type": "object", "properties": {"news": {"type": "array", "items": {"type": "object"}}}}
    schema = {"allOf": [{"$ref": "#/components/schemas/Row"}, new]}
    document["components"]["responses"]["New"] = {"content": {"application/json": {"schema": schema}}}
    return 'added field get_erp_invoice, response 200, application/json: news: type "array"'


def field_removed(document):
    page = document["paths"][LIST]["get"]["responses"][200]["content"]["application/json; charset=utf-8"]
    del page["schema"]["properties"]["previous"]
    return (
        "removed field list_erp_invoices, response 200, application/json: previous: "
        'type "string", nullable, format "uri"'
    )


def field_no_longer_required(document):
    row(document)["required"].remove("name")
    return [
        f"changed required {where}name: published false, here true"
        for where in (
            "get_erp_invoice, response 200, application/json: ",
            "list_erp_invoices, response 200, application/json: results[].",
        )
    ]


def field_nullable(document):
    row(document)["properties"]["updated_at"] = {
        "anyOf": [{"type": "string", "format": "date-time"}, {"enum": [None]}]
    }
    return [
        f"changed nullable {where}updated_at: published true, here false"
        for where in (
            "get_erp_invoice, response 200, application/json: ",
            "list_erp_invoices, response 200, application/json: results[].",
        )
    ]


def field_of_another_type(document):
    row(document)["properties"]["payer_id"] = {"type": "string"}
    return [
        f'changed type {where}payer_id: published "string", here "integer"'
        for where in (
            "get_erp_invoice, response 200, application/json: ",
            "list_erp_invoices, response 200, application/json: results[].",
        )
    ]


def field_of_two_types(document):
    row(document)["properties"]["payer_id"] = {"oneOf": [{"type": "string"}, {"type": "integer"}]}
    for operation, place in (("get_erp_invoice", ""), ("list_erp_invoices", "results[].")):
        where = f"{operation}, response 200, application/json: {place}payer_id"
        yield f'changed type {where}: published nothing, here "integer"'
        yield f'added choice {where} (choice 1): type "integer"'
        yield f'added choice {where} (choice 2): type "string"'


def response_added(document):
    document["paths"][DOWNLOAD]["get"]["responses"][202] = {
        "content": {"application/json": {"schema": {"type": "object"}}}
    }
    return "added response download_erp_invoice, response 202"


def response_removed(document):
    del document["paths"][ONE]["get"]["responses"][403]
    return "removed response get_erp_invoice, response 403"


def media_type_changed(document):
    content = document["paths"][DOWNLOAD]["get"]["responses"][200]["content"]
    content["application/octet-stream"] = content.pop("application/pdf")
    return [
        "added content download_erp_invoice, response 200, application/octet-stream",
        'removed content download_erp_invoice, response 200, application/pdf: type "string", format "binary"',
    ]


def security_changed(document):
    document["components"]["securitySchemes"]["Token"] |= {"name": "X-Api-Key"}
    for name in ("download_erp_invoice", "get_erp_invoice", "list_erp_invoices"):
        yield f"removed security {name}, security apiKey header Authorization"
        yield f"added security {name}, security apiKey header X-Api-Key"


def operation_deprecated(document):
    document["paths"][ONE]["get"]["deprecated"] = True
    return "changed deprecated get_erp_invoice: published true, here false"


def operation_removed(document):
    del document["paths"][DOWNLOAD]
    return "removed operation download_erp_invoice"


def operation_added(document):
    document["paths"][f"{LIST}{{id}}/news"] = {"get": {"responses": {"200": {}}}}
    document["paths"][ONE]["delete"] = {"deprecated": True, "requestBody": {"content": {"text/plain": {}}}}
    return [
        "added operation DELETE /org/v1/erp-invoices/{invoice}: deprecated",
        "added operation GET /org/v1/erp-invoices/{id}/news",
    ]


@pytest.mark.parametrize(
    "function",
    [
        change(parameter_added),
        change(parameter_removed),
        change(parameter_required),
        change(list_written_otherwise),
        change(enum_value_added),
        change(enum_value_removed),
        change(enum_gone),
        change(field_added),
        change(field_removed),
        change(field_no_longer_required),
        change(field_nullable),
        change(field_of_another_type),
        change(field_of_two_types),
        change(response_added),
        change(response_removed),
        change(media_type_changed),
        change(security_changed),
        change(operation_deprecated),
        change(operation_removed),
        change(operation_added),
    ],
)
def test_a_change_of_the_published_file_is_told_in_one_sentence_a_place(function):
    document = published()
    said = function(document)
    said = [said] if isinstance(said, str) else list(said)
    assert drifts(document) == said


# -- notation


@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["string", "null"], "format": "date"},
        {"type": "string", "format": "date", "nullable": True},
        {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        {"oneOf": [{"type": "null"}, {"type": "string", "format": "date"}]},
        {"anyOf": [{"$ref": "#/components/schemas/Day"}, {"enum": [None]}]},
        {"allOf": [{"$ref": "#/components/schemas/Day"}], "nullable": True},
        {"$ref": "#/components/schemas/Day", "nullable": True},
        {"$ref": "#/components/schemas/a~1b%20c"},
        {"$ref": "#/components/schemas/Many/anyOf/0"},
    ],
)
def test_null_is_the_same_in_every_notation(schema):
    document = published()
    document["components"]["schemas"] |= {
        "Day": {"type": "string", "format": "date"},
        "a/b c": {"type": ["null", "string"], "format": "date"},
        "Many": {"anyOf": [{"type": ["null", "string"], "format": "date"}, {"type": "string"}]},
    }
    document["components"]["schemas"]["Dates"]["properties"]["invoice_date"] = schema
    assert drifts(document) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"enum": ["a", "b", None]}, {"type": ["string", "null"], "enum": ["b", "a"]}),
        ({"oneOf": [{"const": "a"}, {"enum": ["b"]}]}, {"type": "string", "enum": ["a", "b"]}),
        ({"minimum": 1, "exclusiveMinimum": True}, {"exclusiveMinimum": 1}),
        ({"maximum": 1, "exclusiveMaximum": False}, {"maximum": 1}),
        ({"properties": {"a": {}}}, {"type": "object", "properties": {"a": True}}),
        (
            {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            {"oneOf": [{"type": "integer"}, {"type": "string"}]},
        ),
        ({"title": "A", "description": "B", "examples": [1], "x-c": 1}, {}),
        ({"additionalProperties": True}, {"additionalProperties": {}}),
    ],
)
def test_facts_have_no_notation(one, other):
    facts = []
    for schema in (one, other):
        reader = drift.Reader({})
        reader.schema(("x",), schema, "field")
        facts.append(reader.facts)
    assert drift.compare(*facts) == []


def test_schemas_that_hold_themselves_end():
    tree = {
        "type": "object",
        "properties": {"children": {"type": "array", "items": {"$ref": "#/components/schemas/T"}}},
    }
    reader = drift.Reader({"components": {"schemas": {"T": tree}}})
    reader.schema(("x",), {"$ref": "#/components/schemas/T"}, "field")
    assert reader.facts["x", ".children", "[]"]["type"] == "the same as above"


# -- files that cannot be compared


def refused(document):
    with pytest.raises(drift.UnreadableError) as caught:
        report(document)
    return str(caught.value)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (
            {"$ref": "other.yaml#/Row"},
            "other.yaml#/Row is in another file: bundle the document into one first.",
        ),
        *(
            ({"$ref": ref}, f"{ref} leads nowhere: no place in the file is called so.")
            for ref in (
                "#/components/schemas/Nobody",
                "#/components/schemas/Row/required/99",
                "#/components/schemas/Row/required/-1",
                "#name",
            )
        ),
        ({"$ref": "#/components/schemas/Loop"}, "#/components/schemas/Loop refers to itself."),
        ({"$ref": "#/components/schemas/Made"}, "#/components/schemas/Made is made of itself."),
        (
            {"properties": []},
            "list_erp_invoices, response 200, application/json: results[].currency is no mapping.",
        ),
        ("text", "list_erp_invoices, response 200, application/json: results[].currency is no mapping."),
        ({"enum": "a"}, "list_erp_invoices, response 200, application/json: results[].currency is no list."),
    ],
)
def test_a_schema_that_cannot_be_followed_is_refused(schema, words):
    document = published()
    document["components"]["schemas"] |= {
        "Loop": {"$ref": "#/components/schemas/Loop"},
        "Made": {"allOf": [{"$ref": "#/components/schemas/Made"}]},
    }
    row(document)["properties"]["currency"] = schema
    assert refused(document) == words


def test_a_schema_that_unfolds_without_end_is_given_up():
    schemas = {f"S{n}": {"allOf": [{"$ref": f"#/components/schemas/S{n + 1}"}] * 2} for n in range(40)}
    document = published()
    document["components"]["schemas"] |= schemas | {"S40": {}}
    row(document)["properties"]["currency"] = {"$ref": "#/components/schemas/S0"}
    assert refused(document).endswith("refers to more than can be followed.")


def test_a_file_about_something_else_is_refused():
    document = published() | {"paths": {"/cloud/v1/servers": {"get": {}}}}
    assert refused(document) == (
        "it has none of the contract's operations. Nothing in it ends like /billing/org/v1/erp-invoices: "
        "is it the right file?"
    )


def test_operations_that_stand_elsewhere_are_pointed_to():
    document = published() | {"servers": [{"url": "https://api.gcore.com"}]}
    document["paths"]["/unrelated"] = {"$ref": "elsewhere.yaml#/not/ours"}
    assert refused(document) == (
        "it has none of the contract's operations. /billing/org/v1/erp-invoices is called "
        "/org/v1/erp-invoices in it, its server's path included. If the API has moved, change the paths of "
        "the contract; if `servers` is wrong in this file, mend a copy of it."
    )


@pytest.mark.parametrize(
    "servers",
    [
        [{"url": "https://staging.example.com/none"}, {"url": "https://api.gcore.com/billing"}],
        [{"url": "//api.gcore.com/billing/"}],
        [{"url": "/billing"}],
        [
            {
                "url": "{host}/{product}",
                "variables": {"host": {"default": "https://a.b"}, "product": {"default": "billing"}},
            }
        ],
    ],
)
@pytest.mark.parametrize("of_the_path", [False, True])
def test_the_path_of_any_server_counts(servers, of_the_path):
    document = published()
    if of_the_path:
        document["servers"] = [{"url": "https://api.gcore.com"}]
        for path in (LIST, ONE, DOWNLOAD):
            document["paths"][path]["servers"] = servers
    else:
        document["servers"] = servers
    assert drifts(document) == []


def places(node, at=()):
    """Every place of a document below our paths and components."""
    yield at
    if isinstance(node, dict | list):
        for key in node if isinstance(node, dict) else range(len(node)):
            yield from places(node[key], (*at, key))


JUNK = st.one_of(
    *(st.none(), st.booleans(), st.integers(0, 3), st.text(max_size=3), st.just([]), st.just({})),
    st.sampled_from(
        [["null"], [{}], [[]], {"$ref": 1}, {"": None}, {"type": {}}, {"enum": [[]]}, {"get": []}]
    ),
)


@given(place=st.sampled_from([one for one in places(FIXTURE) if one]), junk=JUNK)
def test_whatever_stands_in_the_file_it_is_compared_or_refused(place, junk):
    document = published()
    node = document
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = junk
    try:
        found = report(document)
    except drift.UnreadableError:
        return
    assert drift.as_text(found, "x")
    assert json.dumps(found, default=drift._jsonable)


# -- the command


def test_the_command_tells_no_drift_by_0(tmp_path, capsys):
    assert drift.main([written(tmp_path, ours())]) == 0
    shown = capsys.readouterr().out
    assert "Drift: none" in shown
    assert "Declared in openapi/README.md: 1\n  payer-id-integer\n    changed  type " in shown


def test_the_command_tells_drift_by_1_and_where_to_read_on(tmp_path, capsys):
    document = ours()
    document["components"]["parameters"]["Currency"]["required"] = True
    assert drift.main([written(tmp_path, document)]) == 1
    shown = capsys.readouterr().out
    assert "Drift: 1\n  changed  required     list_erp_invoices, parameter currency (query): " in shown
    assert shown.endswith("What to do with each: docs/regenerate.md\n")


def test_the_command_names_stale_rows_and_does_not_fail_for_them(capsys):
    assert drift.main([str(OPENAPI / "erp-invoices.yaml")]) == 0
    shown = capsys.readouterr().out
    assert "does not deviate so (stale, if no published edition does):\n  client-id-integer\n" in shown


def test_as_json_it_says_the_same(tmp_path, capsys):
    document = ours()
    document["components"]["parameters"]["Currency"]["required"] = True
    assert drift.main([written(tmp_path, document), "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["drift"] == [
        {
            "kind": "changed",
            "what": "required",
            "where": "list_erp_invoices, parameter currency (query)",
            "published": True,
            "here": False,
        }
    ]
    assert found["upstream"].endswith("published.json")
    assert found["declared"]["payer-id-integer"][0]["published"] == "number"
    assert "client-id-integer" in found["stale"]
    assert "payer-id-integer" not in found["stale"]
    assert "own-words" in found["notation"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "it is neither JSON nor YAML: "),
        ("a: [", "it is neither JSON nor YAML: "),
        ("", "it is empty."),
        ("\n# nothing\n", "it is empty."),
        (
            "Reference",
            "it is no OpenAPI 3 file, since it has no `openapi: 3.…` at its top. Give the path or ",
        ),
        (
            "\ufeff <!doctype html>\n<p>a: b",
            "it is a page in HTML or XML. Give the path or the address of the file ",
        ),
        ("swagger: '2.0'", "Convert a Swagger 2 file first."),
        ("[1]", "it is no OpenAPI 3 file"),
        ("openapi: 3.1.0", "it has none of the contract's operations"),
        ("openapi: 3.1.0\npaths: []", "paths is no mapping."),
        ('{"openapi": "3.1.0", "a": ' + "[" * 100_000, "it is nested too deeply."),
        (b"\xff\xfe", "it is no text in UTF-8: "),
    ],
)
def test_what_cannot_be_read_is_told_by_2(text, words, tmp_path, capsys):
    path = tmp_path / "published.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert drift.main([str(path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"Cannot compare with {path}: ")
    assert words in said.err


def test_a_file_that_is_not_there_or_no_file_is_told_by_2(tmp_path, capsys):
    for path, why in ((tmp_path / "nowhere.yaml", "No such file or directory"), (tmp_path, "Is a directory")):
        assert drift.main([str(path)]) == 2
        assert capsys.readouterr().err == f"Cannot compare with {path}: it cannot be read: {why}.\n"


def test_an_address_is_read_like_a_file(capsys):
    with recording() as server:
        server.content_type, server.body = "application/yaml", (OPENAPI / "erp-invoices.yaml").read_bytes()
        assert drift.main([f"{server.url}/openapi.yaml"]) == 0
        assert server.target == "/openapi.yaml"
        assert drift.main([f"{server.url}/openapi.yaml".replace("http", "HTTP", 1)]) == 0
        server.status = 404
        assert drift.main([f"{server.url}/openapi.yaml"]) == 2
    assert capsys.readouterr().err.endswith("/openapi.yaml: the answer is 404 Not Found.\n")
    assert drift.main([f"{server.url}/openapi.yaml"]) == 2
    assert "it cannot be read: " in capsys.readouterr().err
    assert drift.main(["http://[/"]) == 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([], "it did not answer within 0.4 seconds."),
        (
            [b"HTTP/1.1 200 OK\r\n\r\n"] + [b"# a comment\n"] * 60,
            "it was not complete after 0.4 seconds. Download it first.",
        ),
    ],
    ids=["silence", "a trickle"],
)
def test_an_answer_that_does_not_end_is_not_waited_for(answer, words, monkeypatch, capsys):
    monkeypatch.setattr(drift, "PATIENCE", 0.4)
    over = threading.Event()

    def speak(listener):
        client, _ = listener.accept()
        with client:
            client.recv(4096)
            with contextlib.suppress(OSError):
                for part in answer:
                    client.sendall(part)
                    over.wait(0.1)
            over.wait(30)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        speaker = threading.Thread(target=speak, args=(listener,))
        speaker.start()
        began = time.monotonic()
        try:
            assert drift.main([f"http://127.0.0.1:{listener.getsockname()[1]}/"]) == 2
        finally:
            over.set()
            speaker.join()
    assert time.monotonic() - began < 5
    assert words in capsys.readouterr().err


def test_an_answer_without_end_is_cut_off(monkeypatch, capsys):
    monkeypatch.setattr(drift, "LARGEST", 1 << 20)
    with recording() as server:
        server.body = b"#" * (2 << 20)
        assert drift.main([server.url]) == 2
    assert "it is larger than 1 MiB." in capsys.readouterr().err


def test_yaml_words_stay_words(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("openapi: 3.1.0\nenum: [no, on, 2026-01-01, true, False]\n200: {}", encoding="utf-8")
    assert drift.load(str(path))["enum"] == ["no", "on", "2026-01-01", True, "False"]


def test_a_file_of_ten_thousand_lines_is_read_in_seconds(tmp_path):
    document = copy.deepcopy(CONTRACT)
    (listing, *_) = document["paths"].values()
    for number in range(250):
        document["paths"][f"/cloud/v1/things/{number}"] = copy.deepcopy(listing)
    path = tmp_path / "large.yaml"
    path.write_text(yaml.dump(document, Dumper=getattr(yaml, "CDumper", yaml.Dumper)), encoding="utf-8")
    assert path.read_text("utf-8").count("\n") > 10_000
    done = python(OPENAPI / "drift.py", path, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
