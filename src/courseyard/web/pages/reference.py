"""The reference of the REST interface, made from its OpenAPI document. Works without any other server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from courseyard.web.context import find_caller, services
from courseyard.web.pages.rendering import page

Schema = Mapping[str, Any]


def reference_route(api: FastAPI) -> Route:
    """The route of the page; it must come before the interface's own mount."""

    async def show(request: Request) -> Response:
        await find_caller(request)
        document = api.openapi()
        return page(
            request, "reference.html", api=document, groups=groups(document), origin=services(request).origins.app
        )

    return Route("/api/docs", show, methods=["GET"])


def groups(document: Schema) -> dict[str, list[dict[str, Any]]]:
    """The operations by their tag, in the order of the document."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            found.setdefault(operation["tags"][0], []).append(_operation(document, path, method, operation))
    return found


def _operation(document: Schema, path: str, method: str, operation: Schema) -> dict[str, Any]:
    content: dict[str, Schema] = operation.get("requestBody", {}).get("content", {})
    media_type, body = next(iter(content.items()), ("", {}))
    answers = {
        status: {
            "description": answer["description"],
            "fields": list(_fields(document, _json_schema(answer))) if status.startswith("2") else [],
        }
        for status, answer in operation["responses"].items()
    }
    return {
        "anchor": operation["operationId"],
        "method": method.upper(),
        "path": f"/api{path}",
        "summary": operation["summary"],
        "description": operation.get("description", ""),
        "parameters": [
            {
                "name": p["name"],
                "where": p["in"],
                "required": p.get("required", False),
                "type": type_name(document, p["schema"]),
                "description": p.get("description", ""),
            }
            for p in operation.get("parameters", [])
        ],
        "media_type": media_type,
        "body": list(_fields(document, body.get("schema", {}))),
        "answers": answers,
    }


def _json_schema(answer: Schema) -> Schema:
    schema: Schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return schema


def _fields(document: Schema, schema: Schema, prefix: str = "") -> Iterator[dict[str, Any]]:
    """The fields of an object, nested ones by their path. Two levels are as much as anybody reads in a table."""
    target = _resolve(document, schema)
    if target.get("type") == "array":
        target = _resolve(document, target["items"])
    for name, field in target.get("properties", {}).items():
        known = _resolve(document, field)
        yield {
            "name": f"{prefix}{name}",
            "required": name in target.get("required", []),
            "type": type_name(document, field),
            "description": field.get("description") or known.get("description", ""),
        }
        if "properties" in known and not prefix:
            yield from _fields(document, known, f"{name}.")


def type_name(document: Schema, schema: Schema) -> str:
    """A type in a word or two."""
    target = _resolve(document, schema)
    if "enum" in target:
        return " | ".join(str(value) for value in target["enum"])
    if "const" in target:
        return str(target["const"])
    if target.get("type") == "array":
        return f"list of {type_name(document, target['items'])}"
    return str(target.get("format") or target.get("type") or "any")


def _resolve(document: Schema, schema: Schema) -> Schema:
    """Follow a reference, and pass over the "or null" of an optional field."""
    if "$ref" in schema:
        return _resolve(document, document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
    kinds = [s for s in schema.get("anyOf", []) if s.get("type") != "null"]
    return _resolve(document, kinds[0]) if kinds else schema
