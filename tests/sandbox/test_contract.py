from __future__ import annotations

import schemathesis
from hypothesis import HealthCheck, settings
from sandbox.asking import CONTRACT, KEY, STORE
from schemathesis.specs.openapi.checks import negative_data_rejection

from gcore_invoices.sandbox import create_app

schema = schemathesis.openapi.from_path(CONTRACT)
schema.app = create_app(STORE)


# A limit of 1000 is cut and an unknown parameter ignored, as the API does: neither is refused.
@schema.parametrize()
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_the_sandbox_keeps_the_contract(case):
    # A copy: it adds headers of its own.
    case.call_and_validate(headers=dict(KEY), excluded_checks=[negative_data_rejection])
