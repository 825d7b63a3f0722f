"""Each template override is the installed original with one small change, spelt out here.

When an upgrade of the generator fails this file, take its new original, put the change below into it, and
store the new diff.
"""

from __future__ import annotations

import difflib

import pytest
from support_contract import OPENAPI, in_generator

pytestmark = pytest.mark.slow

CHANGES = {
    # A list in the query goes out as one comma-separated value, an empty one not at all.
    "endpoint_macros.py.jinja": """\
@@ -49 +49,3 @@
-    {%- if not property.json_is_dict %}
+    {%- if property.template == "list_property.py.jinja" %}
+params["{{ property.name | in_double_quote_literal }}"] = UNSET \
if isinstance({{ destination }}, Unset) else ",".join(map(str, {{ destination }})) or UNSET
+    {%- elif not property.json_is_dict %}
""",
    # An unknown string becomes a member of its own.
    "str_enum.py.jinja": """\
@@ -9,0 +10,9 @@
+
+    @classmethod
+    def _missing_(cls, value: object) -> "{{ enum.class_info.name }} | None":
+        # A value this contract does not know yet stays usable, as a member of its own.
+        if not isinstance(value, str):
+            return None
+        member = str.__new__(cls, value)
+        member._name_ = member._value_ = value
+        return member
""",
}


def test_only_these_two_templates_are_overridden():
    templates = OPENAPI / "templates"
    assert sorted(path.relative_to(templates).as_posix() for path in templates.rglob("*")) == sorted(CHANGES)


@pytest.mark.parametrize("name", CHANGES)
def test_an_override_is_the_original_with_its_named_change(name: str):
    original = in_generator(
        "from importlib.resources import files;"
        f"print((files('openapi_python_client') / 'templates' / {name!r}).read_text('utf-8'), end='')"
    )
    ours = (OPENAPI / "templates" / name).read_text(encoding="utf-8")
    found = difflib.unified_diff(original.splitlines(), ours.splitlines(), n=0, lineterm="")
    assert "\n".join(list(found)[2:]) + "\n" == CHANGES[name]
