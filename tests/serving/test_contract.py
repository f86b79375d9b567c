"""What /docs.json says of every route, held against what the routes answer, by schemathesis."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

pytestmark = pytest.mark.slow
_SHORT = re.compile(r"/v1/[a-z]")
"""Other addresses of routes that are tried already."""
OpenClient = Callable[..., Any]
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
)
EXAMPLES = 10
"""Per operation and way of generating; more by hand: st run http://127.0.0.1:3000/docs.json --checks all."""
ASKED_ANYTHING = "/debug/mp/collect"
"""GA4's validation: it answers what is wrong with a body, with status 200."""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=str)
def test_every_route_answers_as_it_is_described_and_refuses_all_else(
    open_client: OpenClient, mode: schemathesis.GenerationMode
) -> None:
    client, _ = open_client()
    schema = schemathesis.openapi.from_asgi("/docs.json", client.app)
    tried = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        if _SHORT.fullmatch(operation.path):
            continue
        # Any text is an address, so only a body can be wrong.
        if mode is schemathesis.GenerationMode.NEGATIVE and (not operation.body or operation.path == ASKED_ANYTHING):
            continue

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        )
        def hold(case: schemathesis.Case) -> None:
            case.call_and_validate(checks=list(CHECKS))

        hold()
        tried += 1
    assert tried >= 10
