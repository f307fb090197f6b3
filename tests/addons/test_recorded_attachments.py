"""What travels with a prompt is on the record by its content: type, size, hash, and whether anybody read it."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor

from mitmproxy.connection import Client

from sekimori.addons.admit import Admit
from sekimori.addons.exchange import Tunnel
from sekimori.ledger.record import Intent
from support.desks import Notebook, chat_flow, desk, judge

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(9)
NOTE = "部外秘ではない".encode()


def chat(parts: list[dict[str, object]]) -> bytes:
    return json.dumps({"model": "gpt-x", "messages": [{"role": "user", "content": parts}]}).encode()


def picture() -> dict[str, object]:
    # Declared as something else: what counts is the content.
    return {
        "type": "image_url",
        "image_url": {"url": f"data:text/plain;base64,{b64encode(PICTURE).decode()}"},
    }


def file() -> dict[str, object]:
    data = f"data:text/plain;base64,{b64encode(NOTE).decode()}"
    return {"type": "file", "file": {"filename": "secret name.txt", "file_data": data}}


async def recorded(parts: list[dict[str, object]]) -> Intent:
    tunnels: dict[Client, Tunnel] = {}
    book = Notebook()
    flow = chat_flow(chat(parts), tunnels)
    with ThreadPoolExecutor(1) as pool:
        await Admit(desk(book), judge(pool), tunnels).request(flow)
    (intent,) = (entry for entry in book.entries if isinstance(entry, Intent))
    return intent


async def test_attachments_are_recorded_by_their_content():
    intent = await recorded([picture(), file()])
    assert [(one.media_type, one.size, one.sha256, one.read) for one in intent.attachments] == [
        ("image/png", len(PICTURE), hashlib.sha256(PICTURE).hexdigest(), False),
        ("text/plain", len(NOTE), hashlib.sha256(NOTE).hexdigest(), True),
    ]


async def test_a_long_list_of_attachments_does_not_fill_the_spool():
    assert len((await recorded([picture()] * 1000)).attachments) == 256
