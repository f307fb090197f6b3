"""Real clients through the real gate: curl over HTTP/1.1 and HTTP/2, the providers' SDKs, WebSockets."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import shutil
import ssl
import subprocess
import time

import anthropic
import httpx2
import openai
import pytest
import websockets

from support.standin.answers import TEXT

pytestmark = pytest.mark.e2e

API = "api.openai.com"


def curl(house, *arguments: str, user: str = "yamada") -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("curl")
    assert program, "the system's curl is needed"
    return subprocess.run(
        [
            program,
            "--silent",
            "--show-error",
            "--max-time",
            "60",
            "--cacert",
            str(house.root),
            "--proxy",
            house.installation.proxy(user),
            *arguments,
        ],
        capture_output=True,
        env=house.installation.environment(),
    )


def http_client(house, user: str = "yamada") -> httpx2.Client:
    context = ssl.create_default_context(cafile=str(house.root))
    return httpx2.Client(proxy=house.installation.proxy(user), verify=context, timeout=30, trust_env=False)


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_curl_gets_its_answer(house, version, stream):
    body = json.dumps({"model": "gpt-x", "stream": stream, "messages": [{"role": "user", "content": "はい"}]})
    result = curl(
        house,
        version,
        *("-w", "\n%{http_version} %{http_code}", "-H", "Content-Type: application/json"),
        *("--data-binary", body, f"https://{API}/v1/chat/completions"),
    )
    assert result.returncode == 0, result.stderr
    answer, _, tail = result.stdout.rpartition(b"\n")
    assert tail.decode() == ("2 200" if version == "--http2" else "1.1 200")
    assert b"[DONE]" in answer if stream else b'"finish_reason":"stop"' in answer
    record = house.installation.records("--limit", "1")[-1]
    assert record["state"] == "complete"
    assert record["output_sha256"] == hashlib.sha256(answer).hexdigest()


@pytest.mark.req("DSN-A2-9")
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_curl_is_refused_without_the_service_being_reached(house, version):
    before = house.trap.server.accepted
    result = curl(
        house,
        version,
        "-i",
        "--suppress-connect-headers",
        "-H",
        "Sec-Fetch-Mode: navigate",
        "-H",
        "Accept: text/html",
        "https://chatgpt.com/",
    )
    assert result.returncode == 0, result.stderr
    text = result.stdout.decode()
    assert "403" in text.splitlines()[0]
    assert "x-sekimori-reason: deny_no_grant" in text.lower()
    assert 'lang="ja"' in text
    assert house.trap.server.accepted == before


def test_a_provider_that_is_flagged_is_refused_in_its_own_protocol(house):
    with http_client(house) as client, pytest.raises(openai.PermissionDeniedError) as refused:
        openai.OpenAI(
            api_key="x", base_url="https://api.deepseek.com", http_client=client
        ).chat.completions.create(model="deepseek-chat", messages=[{"role": "user", "content": "hello"}])
    assert refused.value.response.headers["x-sekimori-reason"].startswith("DENY_")
    assert "助言" in str(refused.value)


@pytest.mark.req("MOU-2-7")
def test_the_openai_sdk_streams_as_if_nothing_stood_in_between(house):
    with http_client(house) as client:
        sdk = openai.OpenAI(api_key="sk-test", http_client=client)
        arrivals, words = [], []
        stream = sdk.chat.completions.create(
            model="gpt-x",
            messages=[{"role": "user", "content": "hello"}],
            stream=True,
            extra_headers={"X-Standin-Pause": "0.15"},
        )
        for chunk in stream:
            arrivals.append(time.monotonic())
            words.append(chunk.choices[0].delta.content or "")
    assert "".join(words) == TEXT
    gaps = [later - earlier for earlier, later in itertools.pairwise(arrivals)]
    assert sum(gap > 0.05 for gap in gaps) >= 4, gaps


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_the_anthropic_sdk_raises_its_own_exception_for_a_refusal(house, stream):
    with http_client(house, "ito") as client, pytest.raises(anthropic.PermissionDeniedError) as refused:
        anthropic.Anthropic(api_key="x", http_client=client).messages.create(
            model="claude-x", max_tokens=5, messages=[{"role": "user", "content": "x"}], stream=stream
        )
    assert refused.value.response.headers["x-sekimori-reason"] == "DENY_USER_OUT_OF_SCOPE"


async def session(house, user: str = "yamada", path: str = "/v1/realtime?model=gpt-x"):
    context = ssl.create_default_context(cafile=str(house.root))
    return await websockets.connect(
        f"wss://{API}{path}", ssl=context, proxy=house.installation.proxy(user), max_size=2**24
    )


async def test_a_websocket_turn_is_one_record_under_its_session(house):
    house.service.server.frames.clear()
    socket = await session(house)
    sent = [
        json.dumps(
            {
                "type": "conversation.item.create",
                "item": {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "こんにちは"}],
                },
            }
        ),
        json.dumps({"type": "response.create"}),
    ]
    received = []
    await socket.send(sent[0])
    received.append(await socket.recv())
    await socket.send(sent[1])
    while json.loads(received[-1])["type"] != "response.done":
        received.append(await asyncio.wait_for(socket.recv(), 10))
    await socket.close()
    assert [frame.decode() for frame in house.service.server.frames] == sent
    rows = [row for row in house.installation.records("--limit", "10") if row["session"]]
    turn = rows[-1]
    assert turn["state"] == "complete"
    payloads = [message.encode() for message in sent]
    framed = b"".join(len(payload).to_bytes(8, "big") + payload for payload in payloads)
    assert turn["prompt_sha256"] == hashlib.sha256(framed).hexdigest()
    framed = b"".join(len(m.encode()).to_bytes(8, "big") + m.encode() for m in received)
    assert turn["output_sha256"] == hashlib.sha256(framed).hexdigest()
    opened = [row for row in house.installation.records() if row["id"] == turn["session"]]
    assert len(opened) == 1


@pytest.mark.req("MOU-1-2")
async def test_a_marked_message_never_leaves_a_websocket_and_closes_it(house):
    house.service.server.frames.clear()
    socket = await session(house)
    item = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "【機密性２】予算"}],
    }
    await socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
    with pytest.raises(websockets.ConnectionClosed) as closed:
        await asyncio.wait_for(socket.recv(), 10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert closed.value.rcvd.reason.startswith("DENY_")
    assert house.service.server.frames == []


async def test_a_websocket_is_refused_where_nothing_is_granted(house):
    with pytest.raises(websockets.InvalidStatus) as refused:
        await session(house, "ito")
    assert refused.value.response.status_code == 403
