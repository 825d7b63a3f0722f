"""Compare the contract with a published OpenAPI file: what drifted, and what of it README.md declares.

    make spec-drift UPSTREAM=published.yaml [FORMAT=json]
    python openapi/drift.py https://example.com/openapi.json --format json

Of a file of any size it takes the operations of the contract, and whatever else stands below their paths,
and all that these refer to. OpenAPI 3.0 or 3.1, JSON or YAML, in one file. It compares facts, not
notation: a field that may be null is the same in all of OpenAPI's spellings of it, and so is a schema that
is spelt out, referred to, or put together by `allOf`.

Exit code: 0 no drift but the declared, 1 drift, 2 the file cannot be read. (`make` makes 2 of both.)
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote

import httpx
import yaml

HERE = Path(__file__).resolve().parent
LARGEST = 64 * 1024 * 1024
PATIENCE = 30.0  # seconds for an address to send anything, and for all of it
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
# What is said of a value besides its type, its enum, and whether it may be null.
CONSTRAINTS = (
    *("format", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "default", "deprecated"),
)

Place: TypeAlias = tuple[str, ...]
Facts: TypeAlias = dict[Place, dict[str, Any]]


THE_FILE = "Give the path or the address of the file itself, not of a page that shows it."


class UnreadableError(Exception):
    """A document that cannot be compared; says why, and what to do."""


# -- from a path or an address to a document


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML 1.2's idea of a scalar: `no` is a word, and 2026-01-01 is a string."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rows if not tag.endswith((":bool", ":timestamp"))]
    for first, rows in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"true|false"), list("tf"))


def fetch(source: str) -> str:
    """The text of a file or of an address."""
    try:
        asked = source.lower().startswith(("https://", "http://"))
        return (_download(source) if asked else Path(source).read_bytes()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"it is no text in UTF-8: {error}.") from error
    except httpx.TimeoutException as error:
        raise UnreadableError(f"it did not answer within {PATIENCE:g} seconds.") from error
    except OSError as error:
        raise UnreadableError(f"it cannot be read: {error.strerror or error}.") from error
    except (ValueError, httpx.HTTPError, httpx.InvalidURL) as error:
        raise UnreadableError(f"it cannot be read: {error}") from error


def _download(address: str) -> bytes:
    until = time.monotonic() + PATIENCE
    body = bytearray()
    with httpx.stream("GET", address, follow_redirects=True, timeout=PATIENCE) as response:
        if not response.is_success:
            raise UnreadableError(f"the answer is {response.status_code} {response.reason_phrase}.")
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > LARGEST:
                raise UnreadableError(f"it is larger than {LARGEST >> 20} MiB.")
            if time.monotonic() > until:
                raise UnreadableError(f"it was not complete after {PATIENCE:g} seconds. Download it first.")
    return bytes(body)


def load(source: str) -> dict[str, Any]:
    """An OpenAPI document."""
    text = fetch(source)
    begin = text.lstrip()[:1]
    if begin == "<":
        raise UnreadableError(f"it is a page in HTML or XML. {THE_FILE}")
    try:
        # A JSON file may hold tabs, which YAML refuses.
        loaded = json.loads(text) if begin == "{" else yaml.load(text, _Loader)  # noqa: S506 - it makes no objects
    except (ValueError, yaml.YAMLError) as error:
        raise UnreadableError(f"it is neither JSON nor YAML: {error}") from error
    if loaded is None:
        raise UnreadableError("it is empty.")
    if not isinstance(loaded, dict) or not str(loaded.get("openapi", "")).startswith("3."):
        raise UnreadableError(
            f"it is no OpenAPI 3 file, since it has no `openapi: 3.…` at its top. {THE_FILE} "
            "Convert a Swagger 2 file first."
        )
    return loaded


# -- from a document to facts


def mapping(value: object, what: str) -> dict[str, Any]:
    """A mapping with strings for keys; nothing is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UnreadableError(f"{what} is no mapping.")
    return {str(key): item for key, item in value.items()}


def sequence(value: object, what: str) -> list[Any]:
    """A list; nothing is an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise UnreadableError(f"{what} is no list.")
    return value


def shown(place: Place) -> str:
    """A place for a reader: `list_erp_invoices, response 200, application/json: results[].id`."""
    inside = [part for part in place if part[0] in ".[ "]
    outside = ", ".join(place[: len(place) - len(inside)])
    return f"{outside}: {''.join(inside).removeprefix('.').lstrip()}" if inside else outside


class Reader:
    """Writes down what a document says about some operations, place by place."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.facts: Facts = {}
        self.steps = 0

    def operation(self, name: str, item: dict[str, Any], method: str) -> None:
        """One operation: its parameters, its security and its answers."""
        where = (name,)
        operation = mapping(item[method], name)
        self.facts[where] = {"what": "operation", "deprecated": bool(operation.get("deprecated"))}
        named: dict[Place, dict[str, Any]] = {}
        for parameter in sequence(item.get("parameters"), name) + sequence(operation.get("parameters"), name):
            found, _ = self.resolve(parameter, name)
            named[(*where, f"parameter {found.get('name')} ({found.get('in')})")] = found
        for place, found in named.items():
            self.parameter(place, found)
        for alternative in sequence(operation.get("security", self.document.get("security")), name):
            schemes = " and ".join(sorted(map(self.scheme, mapping(alternative, name)))) or "none"
            self.facts[(*where, f"security {schemes}")] = {"what": "security"}
        if "requestBody" in operation:
            self.facts[(*where, "request body")] = {"what": "request body"}
            self.content((*where, "request body"), self.resolve(operation["requestBody"], name)[0])
        for status, response in mapping(operation.get("responses"), name).items():
            place = (*where, f"response {status}")
            self.facts[place] = {"what": "response"}
            self.content(place, self.resolve(response, shown(place))[0])

    def content(self, where: Place, holder: dict[str, Any]) -> None:
        """The headers and media types of a body."""
        for name, header in mapping(holder.get("headers"), shown(where)).items():
            place = (*where, f"header {name}")
            self.schema(place, self.resolve(header, shown(place))[0].get("schema"), what="header")
        for media, body in mapping(holder.get("content"), shown(where)).items():
            place = (*where, media.partition(";")[0].strip().lower())
            self.schema(place, mapping(body, shown(place)).get("schema"), what="content")

    def parameter(self, place: Place, found: dict[str, Any]) -> None:
        """One parameter, with how a list is written in it."""
        schema = found.get("schema")
        for body in mapping(found.get("content"), shown(place)).values():
            schema = mapping(body, shown(place)).get("schema")
        self.schema(place, schema, what="parameter")
        facts = self.facts[place]
        facts["required"] = bool(found.get("required"))
        facts["deprecated"] = bool(found.get("deprecated")) or facts["deprecated"]
        if facts["type"] in ("array", "object"):
            facts["style"] = found.get("style") or ("form" if found.get("in") == "query" else "simple")
            facts["explode"] = bool(found.get("explode", facts["style"] == "form"))

    def scheme(self, name: str) -> str:
        """A security scheme by what it is, whatever it is called."""
        schemes = mapping(mapping(self.document.get("components"), "components").get("securitySchemes"), name)
        found, _ = self.resolve(schemes.get(name), f"security scheme {name}")
        detail = (found.get("in"), found.get("name")) if found.get("type") == "apiKey" else ()
        return " ".join(str(word) for word in (found.get("type"), found.get("scheme"), *detail) if word)

    def schema(self, where: Place, node: object, what: str, above: tuple[frozenset[str], ...] = ()) -> None:
        """A schema and all below it."""
        schema, refs = self.simple(node, shown(where))
        facts = self.facts[where] = {"what": what, "type": schema.get("type"), "enum": schema.get("enum")}
        if refs and refs in above:
            facts["type"] = "the same as above"  # a schema that holds itself
            return
        above = (*above, refs)
        facts["nullable"] = bool(schema.get("nullable"))
        facts |= {name: schema.get(name) for name in CONSTRAINTS}
        facts["deprecated"] = bool(facts["deprecated"])
        required = sequence(schema.get("required"), shown(where))
        for name, field in mapping(schema.get("properties"), shown(where)).items():
            self.schema((*where, f".{name}"), field, "field", above)
            self.facts[(*where, f".{name}")]["required"] = name in required
        if "items" in schema:
            self.schema((*where, "[]"), schema["items"], "items", above)
        more = schema.get("additionalProperties")
        facts["additionalProperties"] = more is not False
        if isinstance(more, dict) and more:
            self.schema((*where, ".*"), more, "field", above)
        for number, choice in enumerate(sequence(schema.get("anyOf"), shown(where)), start=1):
            self.schema((*where, f" (choice {number})"), choice, "choice", above)

    def resolve(self, node: object, what: str) -> tuple[dict[str, Any], frozenset[str]]:
        """What a node is after following its `$ref`s, whose addresses come with it."""
        self.steps += 1
        if self.steps > 50_000:
            raise UnreadableError(f"{what} refers to more than can be followed.")
        refs: list[str] = []
        bare = {True: {}, False: {"type": "none"}}  # the two schemas that are a word
        found = dict(bare[node]) if isinstance(node, bool) else mapping(node, what)
        while "$ref" in found:
            ref = str(found.pop("$ref"))
            if ref in refs:
                raise UnreadableError(f"{ref} refers to itself.")
            refs.append(ref)
            found = mapping(self.lookup(ref), ref) | found  # what stands beside a $ref overrides
        return found, frozenset(refs)

    def lookup(self, ref: str) -> object:
        """What stands at `#/…`."""
        if not ref.startswith("#"):
            raise UnreadableError(f"{ref} is in another file: bundle the document into one first.")
        node: object = self.document
        for part in unquote(ref[1:]).split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(node, list):  # bundlers refer to where a thing was first: …/parameters/0
                node = dict(enumerate(node)).get(int(name)) if name.isdecimal() else None
            else:
                node = mapping(node, ref).get(name)
        if node is None or not ref.startswith("#/"):
            raise UnreadableError(f"{ref} leads nowhere: no place in the file is called so.")
        return node

    def simple(
        self, node: object, what: str, open_refs: frozenset[str] = frozenset()
    ) -> tuple[dict[str, Any], frozenset[str]]:
        """A schema without `$ref`, `allOf`, `oneOf`, `const` or any notation of null but `nullable`."""
        schema, refs = self.resolve(node, what)
        if refs & open_refs:
            raise UnreadableError(f"{min(refs & open_refs)} is made of itself.")
        open_refs |= refs
        for part in sequence(schema.pop("allOf", None), what):
            base, more = self.simple(part, what, open_refs)
            refs |= more
            schema = base | schema | _joined(base, schema, what)
        choices = sequence(schema.pop("oneOf", None), what) + sequence(schema.pop("anyOf", None), what)
        simple = [self.simple(choice, what, open_refs) for choice in choices]
        useful = [(choice, more) for choice, more in simple if not _is_null(choice)]
        if len(useful) < len(simple):
            schema["nullable"] = True
        if useful and all(choice.get("enum") for choice, _ in useful):
            values = [value for choice, _ in useful for value in choice["enum"]]
            useful = [(useful[0][0] | {"enum": values}, frozenset().union(*(more for _, more in useful)))]
        if len(useful) == 1:
            ((only, more),) = useful
            schema, refs = only | schema, refs | more
            schema["nullable"] = bool(schema.get("nullable") or only.get("nullable"))
        elif useful:
            # By what they are, since their order says nothing.
            schema["anyOf"] = sorted((choice for choice, _ in useful), key=_kind)
        return _plain(schema, what), refs


def _joined(base: dict[str, Any], schema: dict[str, Any], what: str) -> dict[str, Any]:
    """What two parts of an `allOf` say together."""
    properties = mapping(base.get("properties"), what) | mapping(schema.get("properties"), what)
    required = sequence(base.get("required"), what) + sequence(schema.get("required"), what)
    return ({"properties": properties} if properties else {}) | ({"required": required} if required else {})


def _kind(schema: dict[str, Any]) -> str:
    names = sorted(mapping(schema.get("properties"), "properties"))
    return f"{schema.get('type')} {schema.get('format')} {names}"


def _is_null(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "null" or (schema.get("nullable") is True and schema.get("enum") == [])


def _plain(schema: dict[str, Any], what: str) -> dict[str, Any]:
    """The type as one word, the enum without null, bounds as OpenAPI 3.1 writes them."""
    types = schema.get("type")
    if isinstance(types, list):
        others = sorted(str(one) for one in types if one != "null")
        schema["type"] = "|".join(others) or "null"
        schema["nullable"] = bool(schema.get("nullable")) or ("null" in types and bool(others))
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    if (values := schema.get("enum")) is not None:
        schema["enum"] = [value for value in sequence(values, what) if value is not None]
        schema["nullable"] = bool(schema.get("nullable")) or None in values
    for bound in ("minimum", "maximum"):
        exclusive = f"exclusive{bound.capitalize()}"
        if schema.get(exclusive) is True:
            schema[exclusive] = schema.pop(bound, None)
        elif schema.get(exclusive) is False:
            del schema[exclusive]
    if schema.get("type") is None:
        guess = {"properties": "object", "items": "array"}
        schema["type"] = next((kind for key, kind in guess.items() if key in schema), None)
        if schema.get("enum") and all(isinstance(value, str) for value in schema["enum"]):
            schema["type"] = "string"
    return schema


def prefixes(servers: object) -> list[str]:
    """What servers put before every path, with their variables filled in."""
    found = []
    for node in sequence(servers, "servers"):
        server = mapping(node, "servers")
        url = str(server.get("url", ""))
        for name, variable in mapping(server.get("variables"), "servers").items():
            url = url.replace(f"{{{name}}}", str(mapping(variable, "servers").get("default", "")))
        found.append(re.sub(r"^(\w+:)?//[^/]*", "", url).rstrip("/"))
    return found or [""]


Operations: TypeAlias = dict[tuple[str, str], tuple[dict[str, Any], str]]


def addresses(document: dict[str, Any], path: str, node: object) -> list[str]:
    """Whole paths of a path, one a server; how path variables are called is left out."""
    own = node.get("servers") if isinstance(node, dict) else None
    found = prefixes(own or document.get("servers"))
    return [re.sub(r"\{[^}]*\}", "{}", before + path).rstrip("/") for before in found]


def operations(document: dict[str, Any], trunk: str = "") -> Operations:
    """Operations at or below a path, by method and whole path."""
    found: Operations = {}
    for path, node in mapping(document.get("paths"), "paths").items():
        for whole in addresses(document, path, node):
            if f"{whole}/".startswith(f"{trunk}/"):
                item, _ = Reader(document).resolve(node, path)
                found |= {(method, whole): (item, path) for method in METHODS if method in item}
                break
    return found


def both(published: dict[str, Any], contract: dict[str, Any]) -> tuple[Facts, Facts]:
    """The facts of the contract's operations, and of those beside them, in either document."""
    ours = operations(contract)
    trunk = min((whole for _, whole in ours), key=len)
    names = {key: str(item[key[0]].get("operationId")) for key, (item, _) in ours.items()}
    readers = Reader(published), Reader(contract)
    for reader in readers:
        for (method, whole), (item, path) in operations(reader.document, trunk).items():
            reader.operation(names.get((method, whole), f"{method.upper()} {path}"), item, method)
    return readers[0].facts, readers[1].facts


# -- from facts to changes


@dataclass(frozen=True)
class Change:
    """One difference: `added` is in the published reference alone, `removed` in the contract alone."""

    kind: str
    what: str
    where: str
    published: Any
    here: Any

    def __str__(self) -> str:
        if self.kind == "changed":
            said = f"published {_said(self.published)}, here {_said(self.here)}"
        else:
            said = _said(self.published if self.kind == "added" else self.here)
        return f"{self.kind:<8} {self.what:<12} {self.where}{': ' if said else ''}{said}"


UNTOLD = frozenset(("what", "additionalProperties"))


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(key if item is True else f"{key} {_said(item)}" for key, item in value.items())
    if isinstance(value, str):
        return f'"{value}"'
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def compare(published: Facts, here: Facts) -> list[Change]:
    """Every difference; of a place that is on one side alone, the place and nothing below it."""
    changes = []
    for place in sorted(published.keys() | here.keys()):
        if place in published and place in here:
            changes += _differences(shown(place), published[place], here[place])
            continue
        kind, one, other = ("added", published, here) if place in published else ("removed", here, published)
        if place[:-1] in other or len(place) == 1:  # else it is missing since that is
            told = {key: item for key, item in one[place].items() if item and key not in UNTOLD}
            sides = (told, None) if kind == "added" else (None, told)
            changes.append(Change(kind, one[place]["what"], shown(place), *sides))
    return changes


def _differences(where: str, published: dict[str, Any], here: dict[str, Any]) -> list[Change]:
    changes = []
    for aspect in sorted((published.keys() | here.keys()) - {"what"}):
        theirs, ours = published.get(aspect), here.get(aspect)
        if aspect == "enum" and theirs and ours:
            changes += [Change("added", "enum value", where, one, None) for one in theirs if one not in ours]
            changes += [
                Change("removed", "enum value", where, None, one) for one in ours if one not in theirs
            ]
        elif theirs != ours:
            changes.append(Change("changed", aspect, where, theirs, ours))
    return changes


# -- what README.md declares

NOTHING = (None,)
LIST, ONE, DOWNLOAD = "list_erp_invoices", "get_erp_invoice", "download_erp_invoice"
# Key, place, what; for a change of a value: what may be published, and what is here. A value that is
# published since the row was written is drift again.
RULES: tuple[tuple[str, str, str, tuple[Any, ...], Any], ...] = (
    ("client-id-integer", rf"{LIST}, parameter client_id \(query\)", "type", ("number",), "integer"),
    ("client-id-integer", rf"{LIST}, parameter client_id \(query\)", "format", NOTHING, "int32"),
    ("payer-id-integer", rf"{LIST}, parameter payer_id \(query\)", "type", ("number",), "integer"),
    ("amount-pattern", r".*\bamount_\w+", "pattern", (r"^\d{1,3}\.\d{12}$",), None),
    ("amount-pattern", r".*\bamount_\w+", "format", NOTHING, "decimal"),
    ("order-by-added", rf"{LIST}, parameter order_by \(query\)", "parameter", NOTHING, ...),
    ("ordering-not-deprecated", rf"{LIST}, parameter ordering \(query\)", "deprecated", (True,), False),
    ("list-400", rf"{LIST}, response 400", "response", NOTHING, ...),
    ("all-429", r"\w+, response 429", "response", NOTHING, ...),
    ("all-429", r"\w+, response 429, header Retry-After", "header", NOTHING, ...),
    ("download-404", rf"{DOWNLOAD}, response 404", "response", NOTHING, ...),
    ("download-502-body", rf"{DOWNLOAD}, response 502, application/json", "content", NOTHING, ...),
    ("download-binary", rf"{DOWNLOAD}, response 200, application/pdf", "type", NOTHING, "string"),
    ("download-binary", rf"{DOWNLOAD}, response 200, application/pdf", "format", NOTHING, "binary"),
    ("bearer-security", r"\w+, security http bearer", "security", NOTHING, ...),
    ("limit-bounds", rf"{LIST}, parameter (limit|offset) \(query\)", "minimum", (0, 1), None),
    ("limit-bounds", rf"{LIST}, parameter limit \(query\)", "maximum", (100,), None),
    ("limit-bounds", rf"{LIST}, parameter (limit|offset) \(query\)", "default", (0, 20), None),
    ("error-body", r"\w+, response [45]\d\d, application/json", "content", NOTHING, ...),
    ("path-id-minimum", r"\w+, parameter id \(path\)", "minimum", NOTHING, 1),
    ("count-minimum", rf"{LIST}, response 200, application/json: count", "minimum", NOTHING, 0),
)
# Rows about how a thing is written: facts have no notation, so these never show.
NOTATION = (
    *("security-per-operation", "enum-varnames", "enum-shared", "null-type-arrays", "currency-no-enum"),
    *("own-names", "own-words"),
)


def declared_keys(readme: str) -> list[str]:
    """The keys of the table of deviations."""
    section = readme.partition("\n## Deviations\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([a-z0-9-]+)` \|", section, re.MULTILINE)


def declared_as(change: Change, keys: list[str]) -> str | None:
    """The key of the row that declares a change."""
    for key, where, what, published, here in RULES:
        if key in keys and what == change.what and re.fullmatch(where, change.where):
            same = change.here is not None if here is ... else change.here == here
            # 1 and true are equal, and not the same.
            if same and any(
                (change.published, type(change.published)) == (one, type(one)) for one in published
            ):
                return key
    return None


def report(published: dict[str, Any], contract: dict[str, Any], readme: str) -> dict[str, Any]:
    """Drift, declared deviations, and rows that this file does not deviate by."""
    keys = declared_keys(readme)
    sides = both(published, contract)
    if not sides[0].keys() & {place for place in sides[1] if len(place) == 1}:
        raise UnreadableError(f"it has none of the contract's operations. {_elsewhere(published, contract)}")
    drift: list[Change] = []
    declared: dict[str, list[Change]] = {}
    for change in compare(*sides):
        if key := declared_as(change, keys):
            declared.setdefault(key, []).append(change)
        else:
            drift.append(change)
    return {
        "drift": drift,
        "declared": {key: declared[key] for key in keys if key in declared},
        "stale": [key for key in keys if key not in declared and key not in NOTATION],
        "notation": [key for key in keys if key in NOTATION],
    }


def _elsewhere(published: dict[str, Any], contract: dict[str, Any]) -> str:
    """Where the operations may be instead."""
    path = min(mapping(contract.get("paths"), "paths"), key=len)
    nodes = mapping(published.get("paths"), "paths").items()
    found = [whole for other, node in nodes for whole in addresses(published, other, node)]
    near = [whole for whole in found if path.rpartition("/")[2] in whole.split("/") and whole != path]
    if not near:
        return f"Nothing in it ends like {path}: is it the right file?"
    return (
        f"{path} is called {min(near, key=len)} in it, its server's path included. If the API has moved, "
        "change the paths of the contract; if `servers` is wrong in this file, mend a copy of it."
    )


def as_text(found: dict[str, Any], source: str) -> str:
    """A report for a person."""
    lines = [f"The contract against {source}", "", f"Drift: {len(found['drift']) or 'none'}"]
    lines += [f"  {change}" for change in found["drift"]]
    lines += ["", f"Declared in openapi/README.md: {len(found['declared']) or 'none'}"]
    for key, changes in found["declared"].items():
        lines += [f"  {key}", *(f"    {change}" for change in changes)]
    if found["stale"]:
        lines += ["", "Declared, but this file does not deviate so (stale, if no published edition does):"]
        lines += [f"  {key}" for key in found["stale"]]
    lines += ["", f"Not compared, since notation only: {', '.join(found['notation'])}"]
    if found["drift"]:
        lines += ["", "What to do with each: docs/regenerate.md"]
    return "\n".join(lines)


def _jsonable(value: object) -> object:
    return asdict(value) if isinstance(value, Change) else str(value)


def main(arguments: list[str] | None = None) -> int:
    """Compare, print, and say by the exit code."""
    parser = argparse.ArgumentParser(description="Compare the contract with a published OpenAPI file.")
    parser.add_argument("upstream", help="a path or an address")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: %(default)s")
    options = parser.parse_args(arguments)
    try:
        contract = load(str(HERE / "erp-invoices.yaml"))
        found = report(load(options.upstream), contract, (HERE / "README.md").read_text(encoding="utf-8"))
    except (UnreadableError, RecursionError) as error:
        why = error if isinstance(error, UnreadableError) else "it is nested too deeply."
        print(f"Cannot compare with {options.upstream}: {why}", file=sys.stderr)
        return 2
    if options.format == "json":
        document = {"upstream": options.upstream} | found
        print(json.dumps(document, indent=2, default=_jsonable, ensure_ascii=False))
    else:
        print(as_text(found, options.upstream))
    return 1 if found["drift"] else 0


if __name__ == "__main__":
    sys.exit(main())
