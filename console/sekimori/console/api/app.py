"""Serves the routes: who asks, may they, what did they send; then runs one and writes its answer.

In this order, so that nobody learns from a body's faults what they may not ask. What nobody expected is logged
without its message, which may quote what somebody wrote, and answered as a problem like any other.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any

import msgspec
from fastapi import Depends, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from sekimori.console.api import accounts, answering, governed, knowledge, reading_room
from sekimori.console.api.bodies import read
from sekimori.console.api.callers import Caller, Callers, check_csrf
from sekimori.console.api.document import document_of
from sekimori.console.api.permissions import table
from sekimori.console.api.ports import ApiPorts
from sekimori.console.api.problems import Refused, answer
from sekimori.console.api.routes import Call, Reply, Route
from sekimori.console.api.sessions import Sessions
from sekimori.errors import where
from sekimori.governance.actors import Actor
from sekimori.governance.refusals import Forbidden
from sekimori.store.governing import OnceConflict, VersionConflict

_NOBODY = Caller(Actor(""), "session")
_KEY = re.compile(r"[!-~]{1,128}")
_LOG = logging.getLogger("sekimori.api")
_LONGEST_ID = 200
VERSION = "1"


def create_api(ports: ApiPorts) -> FastAPI:
    """Return the API, to be mounted under /api/v1."""
    sessions = Sessions(ports.random)
    api = FastAPI(
        title="Sekimori API", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    served = routes_of(sessions)
    desk = _Desk(ports, Callers(ports, sessions))
    for route in served:
        api.add_api_route(route.path, _endpoint(desk, route), methods=[route.method], include_in_schema=False)
    api.add_exception_handler(HTTPException, _no_such)
    return api


def routes_of(sessions: Sessions) -> tuple[Route, ...]:
    """List every route; the document over them is made when somebody asks for it."""

    @cache
    def document() -> dict[str, Any]:
        return document_of(found, version=VERSION)

    found = (
        *accounts.routes(sessions),
        *governed.routes(),
        *answering.routes(),
        *reading_room.routes(),
        *knowledge.routes(document),
    )
    return found


async def _body(request: Request) -> bytes:
    return await request.body()


def _endpoint(desk: _Desk, route: Route) -> Callable[..., Response]:
    def endpoint(request: Request, raw: Annotated[bytes, Depends(_body)]) -> Response:
        return desk.serve(route, request, raw)

    return endpoint


class _Desk:
    """Lets one request in, or not."""

    def __init__(self, ports: ApiPorts, callers: Callers) -> None:
        self._ports = ports
        self._callers = callers

    def serve(self, route: Route, request: Request, raw: bytes) -> Response:
        """Answer one request."""
        language = request.headers.get("accept-language", "")
        try:
            return _written(route.run(self._call(route, request, raw)))
        except (Refused, Forbidden) as refused:
            return answer(refused, language)
        except VersionConflict:
            return answer(Refused("version"), language)
        except OnceConflict:
            return answer(Refused("key-reused"), language)
        except Exception as error:  # noqa: BLE001 - the last resort, which answers and says where
            _LOG.error("%s failed: %s", route.key, where(error))
            return answer(Refused("internal"), language)

    def _call(self, route: Route, request: Request, raw: bytes) -> Call:
        now_us, headers = self._ports.clock_us(), request.headers
        if any(len(part) > _LONGEST_ID for part in request.path_params.values()):
            raise Refused("no-route")
        if headers.get("if-match") == "":
            raise Refused("if-match-form")
        caller, only_own = _NOBODY, False
        if route.kind != "open":
            caller = self._callers.of(headers, request.cookies, now_us)
            only_own = admit(route, caller)
            if route.method != "GET":
                check_csrf(caller, headers)
            if only_own and route.owns is not None:
                _check_own(route.owns(self._ports, caller.actor.name, request.path_params["id"]))
        return Call(
            caller=caller,
            ports=self._ports,
            at_us=now_us,
            path=request.path_params,
            query=route.read_query(request.query_params.multi_items()),
            body=_read(route, headers, raw),
            if_match=headers.get("if-match", ""),
            once=_once(headers, caller, route),
            client=request.client.host if request.client else "",
            only_own=only_own,
        )


def admit(route: Route, caller: Caller) -> bool:
    """Let a caller in whom the table names; say whether only to what is theirs."""
    row = table().get(route.key)
    if row is None or not caller.roles & (row.any | row.own):
        raise Refused("permission", roles=", ".join(row.roles()) if row else "-")
    if route.kind != "account" and not caller.in_scope(route.tag, route.kind):
        raise Refused("scope", scope=f"{route.tag}:{route.kind}")
    return not caller.roles & row.any


def _check_own(theirs: bool) -> None:  # noqa: FBT001
    if not theirs:
        raise Refused("somebody-elses")


def _read(route: Route, headers: Mapping[str, str], raw: bytes) -> Any:
    if route.body is None:
        return None
    # A form of another site can't send this type without being asked first.
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused("not-json")
    return read(raw, route.body)


def _once(headers: Mapping[str, str], caller: Caller, route: Route) -> str:
    """Bind the key to whoever sends it and to the route, so that no two people share one."""
    key = headers.get("idempotency-key")
    if key is None or not route.once:
        return ""
    if not _KEY.fullmatch(key):
        raise Refused("idempotency-key")
    told = f"api\0{caller.actor.tenant}\0{caller.actor.name}\0{key}"
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()


def _written(reply: Reply) -> Response:
    if reply.value is None:
        return Response(None, reply.status, dict(reply.headers))
    body = msgspec.json.encode(reply.value, enc_hook=str)
    return Response(body, reply.status, dict(reply.headers), "application/json")


async def _no_such(request: Request, exc: Exception) -> Response:
    status = exc.status_code if isinstance(exc, HTTPException) else 500
    code = {404: "no-route", 405: "method"}.get(status, "unreadable")
    headers = dict(exc.headers or {}) if isinstance(exc, HTTPException) else {}
    return answer(Refused(code, headers=headers), request.headers.get("accept-language", ""))
