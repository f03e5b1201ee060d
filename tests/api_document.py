"""The JSON API against its own OpenAPI document, with whatever schemathesis thinks of sending."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)


def keeps_to_its_document(url: str, token: str, *, only: str = "") -> list[str]:
    """
    Ask the site at *url* for everything that it offers, and check the answers; the operations.

    only: those with this in their names, such as `schedules`.
    """
    headers = {"authorization": f"Bearer {token}"}
    document = schemathesis.openapi.from_url(f"{url}/api/openapi.json", headers=headers)
    names = []
    for found in document.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if only not in operation.label:
            continue
        names.append(operation.label)

        @given(case=operation.as_strategy())
        @settings(
            max_examples=12,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def check(case: Any) -> None:
            case.call_and_validate(
                headers=headers,
                checks=[
                    not_a_server_error,
                    status_code_conformance,
                    content_type_conformance,
                    response_schema_conformance,
                ],
            )

        check()
    return names
