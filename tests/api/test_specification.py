"""The service keeps what its OpenAPI document says, for requests made from that document."""

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi import checks

from tests.api.clients import BEARER, served
from ttt.api.document import document
from ttt.errors import BusyError
from ttt.jobs.supervisor import Supervisor
from ttt.lib import strict_json

KEPT = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]
"""Not that whatever fits the schema is accepted: whether there is a session of that name, and what
two fields allow together, no schema says."""
EXAMPLES = settings().max_examples // 5
ENDLESS = "/events"
LONG = ("/api/nano/base",)
"""Pretrains for seconds whatever it is sent, unless it is refused."""
POSITIVE, NEGATIVE = schemathesis.GenerationMode


def cases():
    """Each operation, with what fits its schema, and with what does not where anything is sent."""
    for path, methods in strict_json.loads(document())["paths"].items():
        for method, operation in methods.items():
            if not path.endswith(ENDLESS) and path not in LONG:
                yield method, path, POSITIVE
                takes = [one for one in operation.get("parameters", ()) if one["in"] == "query"]
                if takes or "requestBody" in operation:
                    yield method, path, NEGATIVE


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """Its operations, as a session, a message and the two own models stand behind them."""

    def refuses(*_args):
        raise BusyError("No work is begun in this test.")

    load_all_checks()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Supervisor, "submit", refuses)
        with served(tmp_path_factory.mktemp("tree") / "root") as base:
            sessions = f"{base}/api/text/sessions"
            requests.post(sessions, json={"session_id": "ada"}, headers=BEARER, timeout=20)
            yield schemathesis.openapi.from_url(f"{base}/openapi.json", headers=BEARER)


@pytest.mark.parametrize(("method", "path", "mode"), list(cases()))
def test_an_operation_keeps_what_the_document_says(service, method, path, mode):
    operation = service[path][method]

    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.filter_too_much],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def keeps(case):
        case.call_and_validate(headers=BEARER, checks=KEPT, timeout=20)

    keeps()
