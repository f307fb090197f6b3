"""A host that nobody knows and that policy has decrypted: AI traffic is refused and says why, the rest passes."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from mitmproxy import connection, http

from sekimori.addons.admit import Admit
from sekimori.addons.exchange import Tunnel
from sekimori.ledger.record import Intent
from support.desks import Notebook, chat_flow, desk, judge

HOST = "assistant.example.net"
CHAT = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hello"}]}).encode()


async def passed(path: str, body: bytes) -> tuple[http.HTTPFlow, list[Intent]]:
    tunnels: dict[connection.Client, Tunnel] = {}
    flow = chat_flow(body, tunnels, host=HOST)
    flow.request.path = path
    tunnels[flow.client_conn].kind = "inspect"
    book = Notebook()
    with ThreadPoolExecutor(1) as pool:
        the_desk = desk(book, uncatalogued="inspect", inspect_hosts=(HOST,))
        await Admit(the_desk, judge(pool), tunnels).request(flow)
    return flow, [entry for entry in book.entries if isinstance(entry, Intent)]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("/", b"", id="nothing"),
        pytest.param("/v1/orders", b'{"customer":"c","items":[1,2]}', id="an order"),
        pytest.param("/form", b"name=a&text=hello+world", id="a form"),
    ],
)
async def test_traffic_without_a_sign_of_ai_passes_and_is_not_recorded(path, body):
    flow, entries = await passed(path, body)
    assert flow.response is None
    assert entries == []


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/ask"])
async def test_ai_traffic_is_refused_and_the_record_says_what_gave_it_away(path):
    flow, (intent,) = await passed(path, CHAT)
    assert flow.response is not None
    assert flow.response.headers["x-sekimori-reason"] == "DENY_UNKNOWN_AI"
    assert intent.decision == "deny"
    assert "reads as openai-chat" in intent.details
