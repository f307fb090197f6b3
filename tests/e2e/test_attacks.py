"""Attacks that once worked, or would on a proxy that trusts its parser."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.installation import secret
from support.rawclient import RawClient, basic

pytestmark = pytest.mark.e2e

API = "api.openai.com"
YAMADA = basic("yamada", secret("yamada"))


def chat(model: str = "gpt-x") -> bytes:
    return json.dumps({"model": model, "messages": [{"role": "user", "content": "hello"}]}).encode()


def tunnel(house, user: str = "yamada", host: str = API, alpn: list[str] | None = None) -> RawClient:
    client = RawClient(house.installation.gate)
    assert client.connect(f"{host}:443", basic(user, secret(user))).status == 200
    client.tls(host, house.root, alpn)
    return client


def post(client: RawClient, body: bytes, *headers: str, path: str = "/v1/chat/completions"):
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {API}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    return client.request("\n".join([*lines, *headers]), body)


def worker_mb(house) -> float:
    pid = house.installation.children()["gate"]
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.fixture(autouse=True)
def the_worker_lives(house) -> Iterator[None]:
    before = house.installation.children()["gate"]
    yield
    assert house.installation.children()["gate"] == before


@pytest.mark.parametrize(
    "field",
    ["X-A: b\r\n Transfer-Encoding: chunked", "X-A: b\rX-B: c", "X-A: b\0c"],
    ids=["a folded line", "a bare CR", "a NUL"],
)
def test_a_header_that_two_parsers_read_differently_is_refused(house, field):
    before = len(house.service.server.seen)
    with tunnel(house) as client:
        body = chat()
        client.send(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {API}\r\n{field}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        assert client.read().status in {0, 400}
    assert len(house.service.server.seen) == before


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/2.0", "HTTP/9.9"])
def test_a_version_that_ends_answers_by_closing_is_refused(house, version):
    with tunnel(house) as client:
        body = chat()
        reply = client.request(
            f"POST /v1/chat/completions {version}\nHost: {API}\nContent-Length: {len(body)}", body
        )
        assert reply.status in {0, 400}


def test_a_latin_1_byte_in_a_path_or_header_changes_nothing(house):
    with tunnel(house) as client:
        body = chat()
        client.send(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nX-Name: caf\xe9\r\n"
            + f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        assert client.read().status == 200
    assert house.installation.records("--limit", "1")[-1]["state"] == "complete"


def test_a_small_body_that_decodes_to_millions_of_elements_stalls_nobody(house):
    bomb = gzip.compress(b'{"model":"gpt-x","messages":[' + b'{"role":"user"},' * 2_000_000 + b"{}]}", 9)
    slowest = 0.0
    done = threading.Event()

    def attack() -> None:
        with tunnel(house) as client:
            assert post(client, bomb, "Content-Encoding: gzip").status == 403
        done.set()

    attacker = threading.Thread(target=attack)
    attacker.start()
    with tunnel(house) as client:
        while not done.is_set():
            started = time.monotonic()
            assert post(client, chat()).status == 200
            slowest = max(slowest, time.monotonic() - started)
    attacker.join()
    assert slowest < 10  # a bound against a hang (it was minutes); speed is measured in bench/


def test_a_bomb_of_somebody_without_a_grant_is_not_even_opened(house):
    bomb = gzip.compress(b" " * 100_000_000, 9)
    with tunnel(house, "ito") as client:
        reply = post(client, bomb, "Content-Encoding: gzip")
        assert (reply.status, reply.reason) == (403, "DENY_USER_OUT_OF_SCOPE")


@pytest.mark.parametrize("known", [False, True], ids=["nobody", "somebody without a grant"])
def test_a_chunk_line_without_an_end_takes_no_memory(house, known):
    before = worker_mb(house)
    try:
        if known:
            client = tunnel(house, "ito")
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {API}\r\n"
        else:
            client = RawClient(house.installation.gate)
            head = "POST http://www.example.jp/ HTTP/1.1\r\nHost: www.example.jp\r\n"
        client.send((head + "Transfer-Encoding: chunked\r\n\r\n5;").encode())
        for _ in range(400):
            client.send(b"a" * 100_000)
    except (ConnectionError, ssl.SSLError, TimeoutError):
        pass
    finally:
        client.socket.close()
    assert worker_mb(house) - before < 25


def test_a_large_body_of_a_hopeless_request_is_read_to_its_end_and_not_kept(house):
    before = worker_mb(house)
    body = chat() + b" " * 30_000_000
    with tunnel(house, "ito") as client:
        reply = post(client, body)
        assert (reply.status, reply.reason) == (403, "DENY_USER_OUT_OF_SCOPE")
    assert worker_mb(house) - before < 25


def test_a_body_over_http_2_without_a_length_is_framed_when_it_goes_on(house):
    import h2.connection
    import h2.events

    with tunnel(house, alpn=["h2"]) as client:
        connection = h2.connection.H2Connection()
        connection.initiate_connection()
        headers = [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", API),
            (":path", "/v1/chat/completions"),
        ]
        connection.send_headers(1, [*headers, ("content-type", "application/json")])
        connection.send_data(1, chat(), end_stream=True)
        client.send(connection.data_to_send())
        status = ""
        while not status:
            for event in connection.receive_data(client.socket.recv(65536)):
                if isinstance(event, h2.events.ResponseReceived):
                    status = dict(event.headers or [])[b":status"].decode()
    assert status == "200"
    assert house.service.server.seen[-1].headers["content-length"] == str(len(chat()))


@pytest.mark.parametrize("target", ["http://evil.example/v1/chat/completions", "v1/chat/completions"])
def test_an_http_2_path_that_is_no_path_is_misdirected(house, target):
    import h2.config
    import h2.connection
    import h2.events

    before = len(house.service.server.seen)
    with tunnel(house, alpn=["h2"]) as client:
        loose = h2.config.H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False)
        connection = h2.connection.H2Connection(loose)
        connection.initiate_connection()
        connection.send_headers(
            1, [(":method", "POST"), (":scheme", "https"), (":authority", API), (":path", target)]
        )
        connection.send_data(1, chat(), end_stream=True)
        client.send(connection.data_to_send())
        seen = b""
        while True:
            data = client.socket.recv(65536)
            events = connection.receive_data(data) if data else []
            statuses = [
                dict(e.headers or [])[b":status"] for e in events if isinstance(e, h2.events.ResponseReceived)
            ]
            if statuses or not data or any(isinstance(e, h2.events.StreamReset) for e in events):
                seen = statuses[0] if statuses else b""
                break
    assert seen in {b"", b"400", b"421"}
    assert len(house.service.server.seen) == before


def test_a_client_hello_with_two_server_names_is_not_tunnelled_unread(house):
    before = house.site.server.accepted
    with RawClient(house.installation.gate) as client:
        assert client.connect("www.example.jp:443", YAMADA).status == 200
        hello = _hello_with_names(b"chatgpt.com", b"www.example.jp")
        client.send(hello)
        try:
            answer = client.socket.recv(100)
        except (ConnectionError, TimeoutError):
            answer = b""
        assert not answer.startswith(b"\x16")
    assert house.site.server.accepted == before


def _hello_with_names(*names: bytes) -> bytes:
    entries = b"".join(b"\0" + len(name).to_bytes(2, "big") + name for name in names)
    server_name = len(entries).to_bytes(2, "big") + entries
    extensions = b"\0\0" + len(server_name).to_bytes(2, "big") + server_name
    body = b"\x03\x03" + bytes(32) + b"\0" + b"\0\x02\x13\x01" + b"\x01\0"
    body += len(extensions).to_bytes(2, "big") + extensions
    handshake = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + len(handshake).to_bytes(2, "big") + handshake


def test_whoever_is_not_known_leaves_no_record(house):
    before = len(house.installation.records())
    for _ in range(20):
        with RawClient(house.installation.gate) as client:
            assert client.connect("127.0.0.1:443", None).status == 407
    assert len(house.installation.records()) == before


def test_open_tunnels_end_with_the_password_that_opened_them(house):
    house.installation.user("mori")
    with RawClient(house.installation.gate) as blind, RawClient(house.installation.gate) as read:
        mori = basic("mori", secret("mori"))
        assert blind.connect("www.example.jp:443", mori).status == 200
        blind.tls("www.example.jp", house.site_root)
        assert blind.request("GET / HTTP/1.1\nHost: www.example.jp").status == 200
        assert read.connect(f"{API}:443", mori).status == 200
        read.tls(API, house.root)
        house.installation.run(
            "user", "passwd", "mori", "--proxy", "--proxy-password-stdin", stdin="another-secret-9\n"
        )
        time.sleep(2.5)
        for client in (blind, read):
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                assert client.request("GET / HTTP/1.1\nHost: www.example.jp").status == 0
