"""Every row of the table of evasions, through the real program: what is not approved is not reached."""

from __future__ import annotations

import gzip
import json
import ssl

import pytest

from support.installation import secret
from support.rawclient import RawClient, Reply, basic

pytestmark = pytest.mark.e2e

API = "api.openai.com"
YAMADA = basic("yamada", secret("yamada"))


def chat(model: str = "gpt-x", text: str = "hello") -> bytes:
    return json.dumps({"model": model, "messages": [{"role": "user", "content": text}]}).encode()


def tunnel(house, host: str = API, authorization: str | None = YAMADA, sni: str | None = None) -> RawClient:
    client = RawClient(house.installation.gate)
    reply = client.connect(f"{host}:443", authorization)
    assert reply.status == 200, (reply.status, reply.headers)
    client.tls(host if sni is None else sni, house.root)
    return client


def post(
    client: RawClient, body: bytes, path: str = "/v1/chat/completions", *headers: str, host: str = API
) -> Reply:
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Content-Type: application/json"]
    lines += headers or [f"Content-Length: {len(body)}"]
    return client.request("\n".join(lines), body)


@pytest.fixture(autouse=True)
def nobody_reached_what_is_refused(house):
    """No test of this module may make the trap accept a connection."""
    before = house.trap.server.accepted
    yield
    assert house.trap.server.accepted == before


def seen(house) -> int:
    return len(house.service.server.seen)


# --- names and ports -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("127.0.0.1:443", id="dotted"),
        pytest.param("2130706433:443", id="decimal"),
        pytest.param("0x7f000001:443", id="hexadecimal"),
        pytest.param("0x7f.1:443", id="mixed"),
        pytest.param("127.1:443", id="short"),
        pytest.param("[::1]:443", id="IPv6"),
        pytest.param("[::ffff:8.8.8.8]:443", id="mapped"),
        pytest.param("8.8.8.8:443", id="public"),
        pytest.param("169.254.169.254:80", id="metadata"),
    ],
)
def test_an_address_in_any_notation_is_refused_at_connect(house, target):
    with RawClient(house.installation.gate) as client:
        reply = client.connect(target, YAMADA)
        assert (reply.status, reply.reason) == (403, "DENY_IP_LITERAL")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        pytest.param(f"{API}:8443", "DENY_PORT", id="an AI host on another port"),
        pytest.param("www.example.jp:22", "DENY_PORT", id="another host on a port that is not allowed"),
    ],
)
def test_a_port_that_is_not_allowed_is_refused(house, target, reason):
    with RawClient(house.installation.gate) as client:
        reply = client.connect(target, YAMADA)
        assert (reply.status, reply.reason) == (403, reason)


@pytest.mark.parametrize("host", ["API.OpenAI.com", "api.openai.com.", "API.OPENAI.COM."])
def test_a_name_is_decided_in_its_canonical_form(house, host):
    with RawClient(house.installation.gate) as client:
        assert client.connect(f"{host}:443", YAMADA).status == 200
        client.tls(API, house.root)
        assert post(client, chat()).status == 200


@pytest.mark.parametrize(
    "host", ["api%2eopenai.com", "user@api.openai.com", "api..openai.com", "api.openai.com:443@x"]
)
def test_a_malformed_name_is_a_bad_request(house, host):
    with RawClient(house.installation.gate) as client:
        assert client.connect(f"{host}:443", YAMADA).status == 400


def test_a_homograph_is_just_another_host_and_gets_no_certificate(house):
    before = seen(house)
    with RawClient(house.installation.gate) as client:
        assert client.connect("xn--pi-7kc.example.jp:443", YAMADA).status == 200
        with pytest.raises((ssl.SSLError, ConnectionError, TimeoutError)):
            client.tls("xn--pi-7kc.example.jp", None)
    assert seen(house) == before


# --- CONNECT, SNI, Host ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("connect", "sni"),
    [
        pytest.param("www.example.jp", "api.deepseek.com", id="the SNI is AI"),
        pytest.param("api.deepseek.com", "www.example.jp", id="the CONNECT is AI"),
        pytest.param(API, "api.anthropic.com", id="both are AI"),
    ],
)
def test_connect_and_sni_that_differ_are_refused_inside_the_tunnel_where_one_is_ai(house, connect, sni):
    before = seen(house)
    with RawClient(house.installation.gate) as client:
        assert client.connect(f"{connect}:443", YAMADA).status == 200
        client.tls(sni, None)
        reply = post(client, chat(), host=connect)
        assert (reply.status, reply.reason) == (403, "DENY_MISMATCH")
    assert seen(house) == before


def test_connect_and_sni_that_differ_are_closed_where_neither_is_ai(house):
    before = house.site.server.accepted
    with RawClient(house.installation.gate) as client:
        assert client.connect("www.example.jp:443", YAMADA).status == 200
        with pytest.raises((ssl.SSLError, ConnectionError)):
            client.tls("other.example.jp", None)
    assert house.site.server.accepted == before


def test_without_sni_an_ai_host_is_decided_by_connect(house):
    with RawClient(house.installation.gate) as client:
        assert client.connect(f"{API}:443", YAMADA).status == 200
        client.tls(None, None)
        assert post(client, chat()).status == 200


def test_without_sni_another_host_is_tunnelled(house):
    with RawClient(house.installation.gate) as client:
        assert client.connect("www.example.jp:443", YAMADA).status == 200
        client.tls(None, None)
        assert client.request("GET / HTTP/1.1\nHost: www.example.jp\nConnection: close").status == 200


@pytest.mark.parametrize(
    "head",
    [
        pytest.param("POST /v1/chat/completions HTTP/1.1\nHost: api.anthropic.com", id="another Host"),
        pytest.param(
            "POST https://api.deepseek.com/v1/chat/completions HTTP/1.1\nHost: api.openai.com",
            id="absolute form",
        ),
        pytest.param("POST /v1/chat/completions HTTP/1.1\nHost: api.openai.com:8443", id="another port"),
    ],
)
def test_a_host_that_is_not_the_tunnels_is_misdirected(house, head):
    before, body = seen(house), chat()
    with tunnel(house) as client:
        reply = client.request(f"{head}\nContent-Type: application/json\nContent-Length: {len(body)}", body)
        assert (reply.status, reply.reason) == (421, "DENY_MISDIRECTED")
    assert seen(house) == before


def test_plain_http_to_an_ai_host_is_refused_even_where_it_is_granted(house):
    before = seen(house)
    with RawClient(house.installation.gate) as client:
        reply = client.request(
            f"GET http://{API}/v1/models HTTP/1.1\nHost: {API}\nProxy-Authorization: {YAMADA}"
        )
        assert (reply.status, reply.reason) == (403, "DENY_PLAIN_HTTP")
    assert seen(house) == before


def test_bytes_that_are_not_tls_are_closed(house):
    with RawClient(house.installation.gate) as client:
        assert client.connect("www.example.jp:443", YAMADA).status == 200
        client.send(b"GET / HTTP/1.1\r\nHost: www.example.jp\r\n\r\n")
        assert client.read().status == 0


# --- ordinary sites --------------------------------------------------------------------------


@pytest.mark.req("MOU-1-1")
def test_an_ordinary_site_shows_its_own_certificate(house):
    with RawClient(house.installation.gate) as client:
        assert client.connect("www.example.jp:443", YAMADA).status == 200
        assert client.tls("www.example.jp", house.site_root) == "Stand-in test CA"
        assert client.request("GET /page HTTP/1.1\nHost: www.example.jp").status == 200


def test_an_ordinary_plain_site_passes_without_what_is_between_client_and_gate(house):
    with RawClient(house.installation.gate) as client:
        reply = client.request(
            "GET http://intranet.example.jp/x HTTP/1.1\nHost: intranet.example.jp\n"
            f"Proxy-Authorization: {YAMADA}\nX-Forwarded-For: 10.1.1.1\nX-Sekimori-Class: 2\nVia: 1.1 x"
        )
        assert reply.status == 200
    sent = house.plain.server.seen[-1].headers
    assert not [name for name in sent if name.startswith(("proxy-", "x-forwarded", "x-sekimori", "via"))]


def test_a_name_that_leads_to_a_private_address_is_not_connected_to(house):
    with RawClient(house.installation.gate) as client:
        client.connect("localhost.localdomain:443", YAMADA)
        with pytest.raises((ssl.SSLError, ConnectionError, TimeoutError)):
            client.tls("localhost.localdomain", None)


@pytest.mark.req("MOU-1-7", "DSN-A1-1")
@pytest.mark.parametrize("host", ["my-chatgpt-online.example.com", "free-llm-chat.example.net"])
def test_an_uncatalogued_name_that_looks_like_ai_is_refused(house, host):
    with RawClient(house.installation.gate) as client:
        reply = client.connect(f"{host}:443", YAMADA)
        assert (reply.status, reply.reason) == (403, "DENY_UNKNOWN_AI")


# --- identity --------------------------------------------------------------------------------


@pytest.mark.req("MOU-1-8", "DSN-A1-1")
@pytest.mark.parametrize("host", [API, "www.example.jp", "chatgpt.com"])
@pytest.mark.parametrize(
    ("authorization", "extra"),
    [
        pytest.param(None, (), id="nobody"),
        pytest.param(basic("yamada", "wrong"), (), id="a wrong password"),
        pytest.param(basic("yamada", ""), (), id="an empty password"),
        pytest.param(basic("nobody", "x"), (), id="an unknown name"),
        pytest.param(None, ("X-Authenticated-User: yamada",), id="another's header"),
        pytest.param(YAMADA, (f"Proxy-Authorization: {basic('suzuki', 'x')}",), id="two at once"),
    ],
)
def test_whoever_is_not_known_gets_407_for_every_site(house, host, authorization, extra):
    with RawClient(house.installation.gate) as client:
        reply = client.connect(f"{host}:443", authorization, *extra)
        assert reply.status == 407
        assert reply.headers["proxy-authenticate"].startswith("Basic")


# --- what a request says ---------------------------------------------------------------------


def test_an_approved_request_passes_and_leaves_without_what_is_the_gates(house):
    with tunnel(house) as client:
        reply = post(
            client,
            chat(),
            "/v1/chat/completions",
            f"Content-Length: {len(chat())}",
            "X-Sekimori-Purpose: %E4%BC%9A%E8%AD%B0%E9%8C%B2%E3%81%AE%E8%A6%81%E7%B4%84",
            "X-Sekimori-Class: 1",
            "X-Authenticated-User: somebody",
            "Proxy-Authorization: Basic eDp5",
        )
        assert reply.status == 200
        assert json.loads(reply.body)["choices"][0]["message"]["content"].startswith("会議")
    sent = house.service.server.seen[-1].headers
    assert not [name for name in sent if name.startswith(("proxy-", "x-sekimori", "x-authenticated"))]


DENIED_MODELS = [
    pytest.param(b'{"model":"gpt-x","model":"o3","messages":[]}', id="named twice"),
    pytest.param(b'{"mod\\u0065l":"o3","model":"gpt-x","messages":[]}', id="named twice by escape"),
    pytest.param(b'{"messages":[]}', id="not named"),
    pytest.param(chat("o3"), id="another model"),
    pytest.param(chat("o3").decode().encode("utf-16"), id="another in UTF-16"),
    pytest.param(b"\xff\xfe\x00", id="not text"),
    pytest.param(b'["gpt-x"]', id="not an object"),
]


@pytest.mark.parametrize("body", DENIED_MODELS)
def test_a_model_that_cannot_be_read_for_certain_is_refused(house, body):
    before = seen(house)
    with tunnel(house) as client:
        reply = post(client, body)
        assert reply.status == 403, reply.headers
    assert seen(house) == before


def test_a_model_in_utf_16_is_read_for_what_it_is(house):
    with tunnel(house) as client:
        assert post(client, chat("gpt-x").decode().encode("utf-16")).status == 200


@pytest.mark.parametrize(
    ("model", "status"), [pytest.param("gpt-x", 200, id="granted"), pytest.param("o3", 403, id="not granted")]
)
def test_a_model_in_a_compressed_body_is_read(house, model, status):
    body = gzip.compress(chat(model))
    with tunnel(house) as client:
        reply = post(
            client, body, "/v1/chat/completions", f"Content-Length: {len(body)}", "Content-Encoding: gzip"
        )
        assert reply.status == status


@pytest.mark.parametrize(
    ("model", "status"), [pytest.param("gpt-x", 200, id="granted"), pytest.param("o3", 403, id="not granted")]
)
def test_a_model_in_a_chunked_body_is_read(house, model, status):
    body = chat(model)
    chunked = b"".join(b"1\r\n" + body[i : i + 1] + b"\r\n" for i in range(len(body))) + b"0\r\n\r\n"
    with tunnel(house) as client:
        assert post(client, chunked, "/v1/chat/completions", "Transfer-Encoding: chunked").status == status


def test_the_second_request_of_a_connection_is_decided_anew(house):
    with tunnel(house) as client:
        assert post(client, chat("gpt-x")).status == 200
        assert post(client, chat("o3")).status == 403
        assert post(client, chat("gpt-x")).status == 200


# --- smuggling -------------------------------------------------------------------------------

_INNER = b"POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nContent-Length: 12\r\n\r\n"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param(("Content-Length: 5", "Transfer-Encoding: chunked"), b"0\r\n\r\n" + _INNER, id="CL+TE"),
        pytest.param(("Content-Length: 5", "Content-Length: 6"), b"hello!", id="two lengths"),
        pytest.param(("Transfer-Encoding: xchunked",), b"0\r\n\r\n", id="unknown TE"),
        pytest.param(
            ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"), b"0\r\n\r\n", id="two TE"
        ),
        pytest.param(("Transfer-Encoding : chunked",), b"0\r\n\r\n", id="a space before the colon"),
        pytest.param(("Transfer-Encoding: gzip, chunked",), b"0\r\n\r\n", id="a second coding"),
        pytest.param(("Content-Length: +5",), b"hello", id="a signed length"),
    ],
)
def test_ambiguous_framing_is_never_forwarded(house, headers, body):
    before = seen(house)
    with tunnel(house) as client:
        reply = post(client, body, "/v1/chat/completions", *headers)
        assert reply.status in {0, 400, 403}
    assert seen(house) == before


def test_pipelined_requests_are_each_decided(house):
    before = seen(house)
    with tunnel(house) as client:
        good, bad = chat("gpt-x"), chat("o3")
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
        client.send(head.format(len(good)).encode() + good + head.format(len(bad)).encode() + bad)
        assert client.read().status == 200
        second = client.read()
        assert second.status in {0, 403}
    assert seen(house) == before + 1


def test_http_1_0_is_not_spoken_inside_a_tunnel(house):
    body = chat("gpt-x")
    with tunnel(house) as client:
        reply = client.request(
            f"POST /v1/chat/completions HTTP/1.0\nHost: {API}\nContent-Type: application/json\nContent-Length: {len(body)}",
            body,
        )
        assert (reply.status, reply.reason) == (400, "DENY_MALFORMED")


def test_an_extended_connect_is_not_offered(house):
    import h2.connection
    import h2.settings

    with RawClient(house.installation.gate) as client:
        assert client.connect(f"{API}:443", YAMADA).status == 200
        client.tls(API, house.root, ["h2"])
        connection = h2.connection.H2Connection()
        connection.initiate_connection()
        client.send(connection.data_to_send())
        connection.receive_data(client.socket.recv(65536))
        assert not connection.remote_settings.enable_connect_protocol


# --- sizes -----------------------------------------------------------------------------------


def test_an_upload_beyond_the_limit_is_413(house):
    with tunnel(house) as client:
        reply = client.request(
            f"POST /v1/chat/completions HTTP/1.1\nHost: {API}\nContent-Length: {65 * 1024 * 1024}", b"x"
        )
        assert (reply.status, reply.reason) == (413, "DENY_TOO_LARGE")


def test_a_request_head_without_an_end_is_closed(house):
    with tunnel(house) as client:
        try:
            client.send(b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 20_000)
            reply = client.read()
        except (TimeoutError, ConnectionError, ssl.SSLError):
            return
        assert reply.status in {0, 431}
