from __future__ import annotations

import asyncio
from dataclasses import replace
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from sekimori.console import create_app
from sekimori.console.shield import Shield

EVERYWHERE = [
    "/",
    "/apply",
    "/healthz",
    "/proxy.pac",
    "/ca.pem",
    "/ca.cer",
    "/static/console.css",
    "/refusals/7Q2K-9MXD",
    "/setup/wrong",
    "/nowhere",
]


@pytest.mark.parametrize("path", EVERYWHERE)
def test_every_answer_carries_the_security_headers(client, path):
    headers = client.get(path).headers
    assert headers["content-security-policy"] == (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] in {"no-referrer", "same-origin"}
    assert "cache-control" in headers
    assert "set-cookie" not in headers


@pytest.mark.parametrize("path", EVERYWHERE)
def test_no_page_names_another_origin_to_load_from(client, path):
    body = client.get(path).text
    assert 'src="' not in body
    assert body.count("<link") in {0, 1}
    assert "<script" not in body


@pytest.mark.parametrize(
    ("host", "status"),
    [
        pytest.param("sekimori.example:8081", 200, id="its own name"),
        pytest.param("SEKIMORI.example:8081", 200, id="its own name in capitals"),
        pytest.param("sekimori.example", 421, id="another port"),
        pytest.param("evil.example", 421, id="a rebound name"),
        pytest.param("sekimori.example:8081.evil.example", 421, id="a longer name"),
        pytest.param("127.0.0.1:8081", 421, id="an address that was not configured"),
        pytest.param("", 421, id="empty"),
    ],
)
def test_only_configured_names_are_answered(client, host, status):
    answered = client.get("/healthz", headers={"host": host})
    assert answered.status_code == status
    assert "content-security-policy" in answered.headers


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
def test_there_is_no_generated_documentation(client, path):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/" + "a" * 3000, 414, id="path"),
        pytest.param("/apply?ref=" + "a" * 3000, 414, id="query"),
    ],
)
def test_a_long_address_is_refused(client, path, status):
    assert client.get(path).status_code == status


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(b"a" * 20_000, {}, id="declared"),
        pytest.param((b"a" * 1000 for _ in range(20)), {}, id="chunked"),
        pytest.param(b"a", {"content-length": "9" * 30}, id="absurd length"),
    ],
)
def test_a_large_body_is_refused(client, body, headers):
    assert client.post("/setup/x", content=body, headers=headers).status_code == 413


def test_a_length_that_is_no_number_is_refused(client):
    assert client.post("/setup/x", content=b"a", headers={"content-length": "-1"}).status_code == 400


def test_a_failing_page_tells_nothing_of_the_failure(client, house):
    house.health = RuntimeError("secret inside")
    answered = client.get("/healthz")
    assert answered.status_code == 500
    assert "secret inside" not in answered.text
    assert answered.headers["x-frame-options"] == "DENY"


def test_a_method_that_is_not_offered_is_refused_with_a_page(client):
    answered = client.delete("/healthz")
    assert answered.status_code == 405
    assert answered.headers["allow"]
    assert "<main>" in answered.text


def test_websockets_are_closed(client):
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/"):
        pass


async def asgi(app: ASGIApp, events: list[Message], *headers: tuple[bytes, bytes]) -> list[Message]:
    """Speak to an application without a server that would tidy up first."""
    sent: list[Message] = []

    async def receive() -> Message:
        return events.pop(0) if events else await asyncio.Future()

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/setup/x",
        "query_string": b"",
        "headers": list(headers),
    }
    await app(scope, receive, send)
    return sent


HOST = (b"host", b"sekimori.example:8081")
FIVE_BYTES = (b"content-length", b"5")


async def test_a_body_that_never_comes_is_given_up(house):
    app = create_app(replace(house.settings(), body_timeout_s=0.01))
    assert (await asgi(app, [], HOST, FIVE_BYTES))[0]["status"] == 408


async def test_a_client_that_breaks_off_sends_no_form(house):
    events: list[Message] = [
        {"type": "http.request", "body": b"pass", "more_body": True},
        {"type": "http.disconnect"},
    ]
    assert (await asgi(create_app(house.settings()), events, HOST, FIVE_BYTES))[0]["status"] == 400


@pytest.mark.parametrize("hosts", [pytest.param([], id="none"), pytest.param([HOST, HOST], id="two")])
async def test_a_request_names_exactly_one_host(house, hosts):
    assert (await asgi(create_app(house.settings()), [], *hosts))[0]["status"] == 400


async def test_an_answer_that_has_begun_is_not_begun_again(house):
    async def half(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("broke off")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [HOST]}
    with pytest.raises(RuntimeError, match="broke off"):
        await Shield(half, house.settings())(scope, asyncio.Future, send)
    assert [message["type"] for message in sent] == ["http.response.start"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(path=st.text(st.characters(codec="utf-8"), max_size=60), body=st.binary(max_size=200))
def test_no_path_and_no_body_breaks_the_console(client: TestClient, path, body):
    for answered in (
        client.get("/" + quote(path)),
        client.get("/refusals/" + quote(path, safe="")),
        client.get("/apply", params={"service": path, "ref": path}),
        client.post("/setup/" + quote(path, safe=""), content=body),
    ):
        assert answered.status_code < 500
