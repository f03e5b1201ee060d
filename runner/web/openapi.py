"""The OpenAPI document of the JSON API, made from its types and their docstrings."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic.json_schema import JsonSchemaMode
    from pydantic_core.core_schema import DataclassSchema

    from runner.web.endpoint import Endpoint

_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.+(?:\n {5,}.+)*)", re.MULTILINE)
"""An entry under `Attributes:`, which may go on for several lines."""

_ERRORS = {
    "400": "The request cannot be read, or asks for what is impossible.",
    "401": "The token is missing or unknown.",
    "403": "The token may look, but change nothing.",
    "404": "What the path names does not exist.",
    "503": "Redis does not answer.",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """
    Why a request failed.

    Attributes:
        error: The reason, in a sentence.
    """

    error: str


def openapi(endpoints: Sequence[Endpoint], version: str) -> dict[str, Any]:
    """Describe *endpoints*."""
    types: list[tuple[Endpoint | None, JsonSchemaMode, TypeAdapter[Any]]] = [
        (None, "serialization", TypeAdapter(Problem)),
        *[(one, "serialization", TypeAdapter(one.answer)) for one in endpoints],
        *[(one, "validation", TypeAdapter(one.body)) for one in endpoints if one.body is not None],
    ]
    schemas, shared = TypeAdapter.json_schemas(
        types, ref_template="#/components/schemas/{model}", schema_generator=_Schemas
    )
    errors = {
        status: _response(reason, schemas[None, "serialization"])
        for status, reason in _ERRORS.items()
    }
    paths: dict[str, dict[str, Any]] = {}
    for one in endpoints:
        operation = {
            "summary": one.summary,
            "parameters": [_parameter(one, *each) for each in one.parameters.items()],
            "responses": {"200": _response("The answer.", schemas[one, "serialization"]), **errors},
        }
        if one.body is not None:
            content = _content(schemas[one, "validation"])
            operation["requestBody"] = {"required": True, "content": content}
        paths.setdefault(one.shown_path, {})[one.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pipeline", "version": version or "0"},
        "paths": paths,
        "components": {
            "schemas": shared["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


class _Schemas(GenerateJsonSchema):
    """Answers have all of their fields, docstrings describe them, and they have no titles."""

    def dataclass_schema(self, schema: DataclassSchema) -> dict[str, Any]:
        found = super().dataclass_schema(schema)
        doc = inspect.cleandoc(schema["cls"].__doc__ or "")
        found["description"], _, attributes = doc.partition("\n\nAttributes:\n")
        for name, text in _ATTRIBUTE.findall(attributes):
            if name in found["properties"]:
                found["properties"][name]["description"] = " ".join(text.split())
        return found

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def field_is_required(self, field: Any, total: bool) -> bool:  # noqa: FBT001
        return self.mode == "serialization" or super().field_is_required(field, total)


def _parameter(one: Endpoint, name: str, kind: Any) -> dict[str, Any]:
    schema = TypeAdapter(kind).json_schema()
    in_path = f"{{{name}}}" in one.shown_path
    return {
        "name": name,
        "in": "path" if in_path else "query",
        "required": in_path,
        "description": schema.pop("description"),
        "schema": schema,
    }


def _response(reason: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": reason, "content": _content(schema)}


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
