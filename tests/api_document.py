"""The JSON API against its own OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class ApiDocument:
    """The document of the site at *url*; an answer with a field that it lacks does not fit it."""

    def __init__(self, url: str, token: str) -> None:
        self._headers = {"authorization": f"Bearer {token}"}
        answer = httpx.get(f"{url}/api/openapi.json", headers=self._headers, timeout=20)
        self.text: dict[str, Any] = answer.raise_for_status().json()
        for schema in self.text["components"]["schemas"].values():
            if "properties" in schema:
                schema["additionalProperties"] = False
        self._schema = schemathesis.openapi.from_dict(self.text)
        self._schema.config.update(base_url=url)

    def undescribed(self) -> Iterator[str]:
        """Every type, field, parameter and operation without a description."""
        for name, schema in self.text["components"]["schemas"].items():
            yield from [name] * ("description" not in schema)
            for field, kind in schema.get("properties", {}).items():
                yield from [f"{name}.{field}"] * ("description" not in kind)
        for path, operations in self.text["paths"].items():
            for method, operation in operations.items():
                yield from [f"{method} {path}"] * (not operation["summary"])
                for parameter in operation["parameters"]:
                    yield from [f"{path}: {parameter['name']}"] * (not parameter["description"])

    def check(self, response: httpx.Response, path: str) -> None:
        """Fail unless *response* is what the document promises of *path*."""
        self._schema[path][response.request.method].validate_response(response)

    def check_all(self, *, only: str = "") -> list[str]:
        """
        Send whatever schemathesis thinks of, and check the answers; the operations.

        only: those with this in their names, such as `schedules`.
        """
        names = []
        for found in self._schema.get_all_operations():
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
                    headers=self._headers,
                    checks=[
                        not_a_server_error,
                        status_code_conformance,
                        content_type_conformance,
                        response_schema_conformance,
                    ],
                )

            check()
        return names
