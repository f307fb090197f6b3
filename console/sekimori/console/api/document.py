"""The OpenAPI document, made of the routes that are served: what it says and what is done cannot part."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import msgspec

from sekimori.console.api.bodies import NEW_ID
from sekimori.console.api.permissions import table
from sekimori.console.api.problems import MEDIA, Problem, known
from sekimori.console.api.routes import Route

_REF = "#/components/schemas/{name}"
_NAMES = re.compile(r"\{([a-z]+)\}")
_DESCRIPTION = """\
生成AIの利用を統制するための操作。認証はセッション（画面）、APIトークン、OIDCのいずれか。
Every refusal is a problem (RFC 9457) with a stable `code`, in Japanese and English.
Writes take an `Idempotency-Key`; what replaces the work of others takes `If-Match` with the ETag that was read.
"""
_HEADERS: dict[str, dict[str, Any]] = {
    "Idempotency-Key": {
        "description": "同じ値での再送は最初の結果を返す。A repetition gives the first answer.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
    },
    "If-Match": {
        "description": "読んだ版のETag。The version that was read.",
        "schema": {"type": "string", "pattern": r'^("[0-9]{1,15}"|\*)$'},
    },
}


def document_of(routes: Sequence[Route], *, version: str) -> dict[str, Any]:
    """Describe the routes."""
    schemas, components = _schemas(routes)
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Sekimori API", "version": version, "description": _DESCRIPTION},
        "servers": [{"url": "/api/v1"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {
                str(status): {"description": codes, "content": {MEDIA: {"schema": schemas[id(Problem)]}}}
                for status, codes in _refusals()
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "API token or OIDC."},
                "session": {"type": "apiKey", "in": "cookie", "name": "__Host-sekimori"},
            },
        },
    }


def _schemas(routes: Iterable[Route]) -> tuple[dict[Any, Any], dict[str, Any]]:
    types: list[Any] = [Problem]
    for route in routes:
        types += [each for each in (route.body, route.reply) if each is not None]
        types += [param.type for param in route.query]
    made, components = msgspec.json.schema_components(types, ref_template=_REF)
    return {id(kind): schema for kind, schema in zip(types, made, strict=True)}, dict(components)


def _operation(route: Route, schemas: dict[Any, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": _id(route),
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": _parameters(route, schemas),
        "responses": _responses(route, schemas),
        "security": [] if route.kind == "open" else [{"bearer": []}, {"session": []}],
    }
    if route.kind != "open":
        row = table()[route.key]
        told["x-roles"] = {"any": sorted(row.any), "own": sorted(row.own)}
    if route.body is not None:
        content = {"application/json": {"schema": schemas[id(route.body)]}}
        told["requestBody"] = {"required": True, "content": content}
    return told


def _id(route: Route) -> str:
    words = [word for word in re.split(r"[^A-Za-z]+", route.path) if word]
    return "_".join([route.method.lower(), *words])


def _parameters(route: Route, schemas: dict[Any, Any]) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _NEW if route.makes else _PATH}
        for name in _NAMES.findall(route.path)
    ]
    told += [
        {
            "name": param.name,
            "in": "query",
            "required": False,
            "description": param.description,
            "schema": _without_null(schemas[id(param.type)]),
        }
        for param in route.query
    ]
    names = [*(["Idempotency-Key"] if route.once else []), *(["If-Match"] if route.conditional else [])]
    return [*told, *({"name": name, "in": "header", "required": False, **_HEADERS[name]} for name in names)]


_PATH = {"type": "string", "minLength": 1, "maxLength": 200}
_NEW = {"type": "string", "pattern": f"^{NEW_ID}$"}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Leave null out of a query's schema: a query has a value or is not there."""
    choices = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if choices:
        return choices[0] if len(choices) == 1 else {"anyOf": choices}
    if None in schema.get("enum", ()):
        return {**schema, "enum": [each for each in schema["enum"] if each is not None]}
    return schema


def _responses(route: Route, schemas: dict[Any, Any]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "できた。Done."}
    if route.reply is not None:
        good["content"] = {"application/json": {"schema": schemas[id(route.reply)]}}
    if route.etag:
        good["headers"] = {"ETag": {"schema": {"type": "string"}, "description": "版。The version."}}
    refused = {str(status): {"$ref": f"#/components/responses/{status}"} for status, _ in _refusals()}
    return {str(route.status): good, **refused}


@cache
def _refusals() -> tuple[tuple[int, str], ...]:
    """List the codes of each status."""
    by_status: dict[int, list[str]] = {}
    for code, text in known().items():
        by_status.setdefault(text.status, []).append(code)
    return tuple((status, ", ".join(codes)) for status, codes in sorted(by_status.items()))
