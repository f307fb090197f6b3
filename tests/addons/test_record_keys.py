"""Every record has a key of its own, and all its entries have the same one."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.test import tflow, tutils
from mitmproxy.websocket import WebSocketData, WebSocketMessage
from wsproto.frame_protocol import Opcode

from sekimori.addons.admit import Admit
from sekimori.addons.capture import CaptureAnswer
from sekimori.addons.exchange import Tunnel
from sekimori.addons.guard import Guard
from sekimori.addons.identity import Identity
from sekimori.addons.websocket import WebSocketTurns
from sekimori.ledger.evidence import envelope_of
from sekimori.ledger.record import RECORD_KEY_BYTES, Entry, Intent, Outcome, Part
from support.desks import Notebook, chat_flow, desk, judge
from support.policies import policy

CHAT = json.dumps({"model": "gpt-x", "messages": [{"role": "user", "content": "hello"}]}).encode()


class House:
    """A desk with true randomness, and the addons around it."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.notebook = Notebook()
        self.desk = desk(self.notebook)
        self.desk.random = os.urandom
        self.tunnels: dict[Any, Tunnel] = {}
        self.admit = Admit(self.desk, judge(pool), self.tunnels)
        self.capture = CaptureAnswer(self.desk, self.tunnels)
        self.turns = WebSocketTurns(self.desk, judge(pool), self.capture, close=lambda *_: None)

    async def handshake(self) -> http.HTTPFlow:
        """Open a session with a service whose dialect is known."""
        flow = chat_flow(b"", self.tunnels)
        flow.request.method, flow.request.path = "GET", "/v1/realtime?model=gpt-x"
        await self.admit.request(flow)
        assert flow.response is None
        flow.response = http.Response.make(101)
        flow.websocket = WebSocketData()
        await self.capture.response(flow)
        await self.turns.websocket_start(flow)
        return flow

    async def say(self, flow: http.HTTPFlow, message: dict[str, Any], *, client: bool = True) -> None:
        """Send one message through the session."""
        assert flow.websocket is not None
        text = json.dumps(message).encode()
        flow.websocket.messages.append(WebSocketMessage(Opcode.TEXT, client, text))
        await self.turns.websocket_message(flow)


class Doorman:
    """Takes everybody for the same person."""

    async def identify(self, presented: str, address: str) -> Identity:
        person = policy().people.get("yamada")
        assert person is not None
        return Identity(person, "basic")


@pytest.fixture
def house() -> Iterator[House]:
    with ThreadPoolExecutor(1) as pool:
        yield House(pool)


def keys(entries: list[Entry]) -> dict[str, bytes]:
    """Return the key of each record; every entry has one, and all entries of a record the same."""
    found = defaultdict(set)
    for n, entry in enumerate(entries, 1):
        assert len(entry.key) == RECORD_KEY_BYTES
        found[entry.rid].add(entry.key)
        envelope_of(entry, "w1-1", n)
    assert all(len(each) == 1 for each in found.values())
    assert len({key for each in found.values() for key in each}) == len(found)
    return {rid: key for rid, (key,) in found.items()}


async def test_an_answer_has_the_key_and_the_policy_of_its_request(house):
    for _ in range(2):
        flow = chat_flow(CHAT, house.tunnels)
        await house.admit.request(flow)
        flow.response = tutils.tresp(content=b"answer")
        await house.capture.response(flow)
    assert [type(entry) for entry in house.notebook.entries] == [Intent, Outcome] * 2
    assert len(keys(house.notebook.entries)) == 2
    assert len({entry.policy for entry in house.notebook.entries}) == 1
    assert house.notebook.entries[0].policy


async def test_an_interrupted_exchange_has_one_key(house):
    flow = chat_flow(CHAT, house.tunnels)
    await house.admit.request(flow)
    await house.capture.error(flow)
    assert [type(entry) for entry in house.notebook.entries] == [Intent, Outcome]
    assert len(keys(house.notebook.entries)) == 1


@pytest.mark.parametrize(
    ("user", "version"),
    [pytest.param("ito", "HTTP/1.1", id="decided"), pytest.param("yamada", "HTTP/1.0", id="unread")],
)
async def test_a_refused_request_has_a_key(house, user, version):
    flow = chat_flow(CHAT, house.tunnels, user=user)
    flow.request.http_version = version
    await house.admit.request(flow)
    assert flow.response is not None
    assert [entry.decision for entry in house.notebook.entries] == ["deny"]
    assert len(keys(house.notebook.entries)) == 1


async def test_a_request_that_the_protocol_refused_has_a_key(house):
    flow = chat_flow(CHAT, house.tunnels)
    flow.error = tflow.terr("HTTP/2 protocol error")
    await house.admit.error(flow)
    assert len(keys(house.notebook.entries)) == 1


async def test_a_refused_tunnel_has_a_key(house):
    flow = tflow.tflow()
    flow.request.method = "CONNECT"
    flow.request.host, flow.request.port = "192.0.2.1", 443
    flow.request.headers["proxy-authorization"] = "Basic eWFtYWRhOnNlY3JldA=="
    knows: Any = Doorman()
    await Guard(house.desk, knows, public_peer=lambda *_: True, abort=lambda _: None).http_connect(flow)
    assert [entry.mode for entry in house.notebook.entries] == ["connect"]
    assert len(keys(house.notebook.entries)) == 1


async def test_every_turn_of_a_session_has_a_key_of_its_own(house):
    flow = await house.handshake()
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
    for _ in range(2):
        await house.say(flow, {"type": "conversation.item.create", "item": item})
        await house.say(flow, {"type": "response.create"})
        await house.say(flow, {"type": "response.done", "response": {"status": "completed"}}, client=False)
    await house.say(flow, {"type": "session.updated"}, client=False)
    kinds = [type(entry) for entry in house.notebook.entries]
    assert kinds == [Intent, Outcome, *[Intent, Part, Outcome] * 2, Intent, Outcome]
    assert len(keys(house.notebook.entries)) == 4
    assert len({entry.policy for entry in house.notebook.entries}) == 1


async def test_a_refused_message_of_a_session_has_a_key_of_its_own(house):
    flow = await house.handshake()
    item = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "【機密性２】予算"}],
    }
    await house.say(flow, {"type": "conversation.item.create", "item": item})
    assert house.notebook.entries[-1].decision == "deny"
    assert len(keys(house.notebook.entries)) == 2
