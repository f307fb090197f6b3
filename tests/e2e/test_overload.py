"""What a worker holds in memory is bounded for all of its clients together."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from e2e.conftest import APPROVED, POLICY, House
from support.installation import Installation, secret
from support.rawclient import RawClient, basic
from support.standin.certificates import make
from support.threads import StandinThread

pytestmark = pytest.mark.e2e

API = "api.openai.com"
_MIB = 1 << 20


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Start a gate that may hold 2 MiB of large bodies."""
    folder = tmp_path_factory.mktemp("small")
    ca, certificate = make(folder / "tls", list(APPROVED))
    service = StandinThread(certificate)
    config = '[gate]\nrecord_timeout = "10s"\nmax_upload = "2MiB"\nupload_budget = "2MiB"\n'
    installation = Installation(
        folder / "run", upstream_ca=ca, resolve=dict.fromkeys(APPROVED, service.address), config=config
    )
    installation.start()
    try:
        installation.user("yamada")
        installation.apply(POLICY)
        yield House(installation, service, service, service, service, installation.root(), ca)
    finally:
        installation.stop()
        service.stop()


def upload(house: House, size: int) -> tuple[RawClient, bytes]:
    client = RawClient(house.installation.gate)
    assert client.connect(f"{API}:443", basic("yamada", secret("yamada"))).status == 200
    client.tls(API, house.root, None)
    body = json.dumps(
        {"model": "gpt-x", "messages": [{"role": "user", "content": "a b " * (size // 4)}]}
    ).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {API}\r\nContent-Type: application/json\r\n"
    client.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:-10])
    return client, body[-10:]


def test_uploads_that_do_not_fit_together_are_refused_and_room_is_given_back(small):
    first, rest = upload(small, _MIB + _MIB // 2)
    second, rest_of_second = upload(small, _MIB)
    second.send(rest_of_second)
    reply = second.read()
    assert (reply.status, reply.reason) == (503, "DENY_OVERLOADED")
    assert reply.headers["retry-after"]

    first.send(rest)
    assert first.read().status == 200
    first.socket.close()
    second.socket.close()

    third, rest = upload(small, _MIB + _MIB // 2)
    third.send(rest)
    assert third.read().status == 200
    third.socket.close()


def test_small_requests_pass_while_the_room_is_taken(small):
    waiting, rest = upload(small, _MIB + _MIB // 2)
    little, rest_of_little = upload(small, 1000)
    little.send(rest_of_little)
    assert little.read().status == 200

    waiting.send(rest)
    assert waiting.read().status == 200
    for client in (waiting, little):
        client.socket.close()


def test_an_upload_that_is_given_up_gives_its_room_back(small):
    for _ in range(3):
        client, _ = upload(small, _MIB + _MIB // 2)
        client.socket.close()
    last, rest = upload(small, _MIB + _MIB // 2)
    last.send(rest)
    assert last.read().status == 200
    last.socket.close()
