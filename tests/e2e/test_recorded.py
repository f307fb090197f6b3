"""What is left in the log of an exchange, as its reader sees it."""

from __future__ import annotations

import gzip
import hashlib
import json
import time

import pytest

from support.installation import secret
from support.rawclient import RawClient, basic
from support.standin.answers import TEXT

pytestmark = pytest.mark.e2e

API = "api.openai.com"
YAMADA = basic("yamada", secret("yamada"))
KEY = "sk-proj-" + "a1B2c3D4" * 6


def body_of(text: str, **more: object) -> bytes:
    return json.dumps({"model": "gpt-x", "messages": [{"role": "user", "content": text}], **more}).encode()


def ask(house, body: bytes, *headers: str, path: str = "/v1/chat/completions", user: str = "yamada"):
    with RawClient(house.installation.gate) as client:
        assert client.connect(f"{API}:443", basic(user, secret(user))).status == 200
        client.tls(API, house.root)
        lines = [f"POST {path} HTTP/1.1", f"Host: {API}", "Content-Type: application/json"]
        lines += [f"Content-Length: {len(body)}", *headers]
        return client.request("\n".join(lines), body)


def last(house):
    return house.installation.records("--limit", "1")[-1]


@pytest.mark.req("MOU-2-7", "MOU-1-8")
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_approved_exchange_is_in_the_log_with_its_prompt_and_answer(house, stream):
    body = body_of("会議録を要約して", stream=stream)
    reply = ask(house, body)
    assert reply.status == 200
    record = last(house)
    assert reply.headers["x-sekimori-reference"] == record["id"]
    assert record["user"] == "yamada"
    assert record["service"] == "openai-api"
    assert record["model"] == "gpt-x"
    assert (record["decision"], record["state"], record["parse"]) == ("allow", "complete", "parsed")
    assert record["grant"] == "g-openai"
    assert record["purpose"] == "会議録の要約"
    assert record["prompt_sha256"] == hashlib.sha256(body).hexdigest()
    assert record["prompt_bytes"] == len(body)
    assert record["output_sha256"] == hashlib.sha256(reply.body).hexdigest()
    shown = house.installation.content(record["id"])
    assert shown["prompt"] == "会議録を要約して"
    assert shown["output"] == TEXT


@pytest.mark.parametrize(
    ("path", "body", "host"),
    [
        pytest.param("/v1/responses", {"model": "gpt-x", "input": "翻訳して"}, API, id="responses"),
        pytest.param(
            "/v1/responses",
            {"model": "gpt-x", "input": "翻訳して", "stream": True},
            API,
            id="responses streamed",
        ),
        pytest.param(
            "/v1/messages",
            {"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "翻訳して"}]},
            "api.anthropic.com",
            id="messages",
        ),
        pytest.param(
            "/v1/messages",
            {
                "model": "claude-x",
                "max_tokens": 9,
                "stream": True,
                "messages": [{"role": "user", "content": "翻訳して"}],
            },
            "api.anthropic.com",
            id="messages streamed",
        ),
        pytest.param(
            "/v1beta/models/gemini-x:generateContent",
            {"contents": [{"role": "user", "parts": [{"text": "翻訳して"}]}]},
            "generativelanguage.googleapis.com",
            id="gemini",
        ),
        pytest.param(
            "/v1beta/models/gemini-x:streamGenerateContent?alt=sse",
            {"contents": [{"role": "user", "parts": [{"text": "翻訳して"}]}]},
            "generativelanguage.googleapis.com",
            id="gemini events",
        ),
        pytest.param(
            "/v1beta/models/gemini-x:streamGenerateContent",
            {"contents": [{"role": "user", "parts": [{"text": "翻訳して"}]}]},
            "generativelanguage.googleapis.com",
            id="gemini array",
        ),
    ],
)
def test_each_dialect_is_read_as_text(house, path, body, host):
    data = json.dumps(body).encode()
    with RawClient(house.installation.gate) as client:
        assert client.connect(f"{host}:443", YAMADA).status == 200
        client.tls(host, house.root)
        reply = client.request(
            f"POST {path} HTTP/1.1\nHost: {host}\nContent-Type: application/json\nContent-Length: {len(data)}",
            data,
        )
        assert reply.status == 200
    record = last(house)
    assert record["parse"] == "parsed"
    shown = house.installation.content(record["id"])
    assert (shown["prompt"], shown["output"]) == ("翻訳して", TEXT)


def test_a_compressed_answer_is_read(house):
    reply = ask(house, body_of("hello"), path="/zipped/chat/completions")
    assert reply.status == 200
    assert json.loads(gzip.decompress(reply.body))["choices"]
    record = last(house)
    assert record["output_sha256"] == hashlib.sha256(reply.body).hexdigest()
    assert house.installation.content(record["id"])["output"] == TEXT


def test_a_reading_of_content_is_itself_a_record(house):
    ask(house, body_of("hello"))
    record = last(house)["id"]
    house.installation.content(record)
    readings = [
        row
        for row in house.installation.records()
        if "read" in json.dumps(row).lower() and row["id"] != record
    ]
    assert readings


@pytest.mark.req("MOU-1-2")
def test_a_marked_text_is_refused_and_only_masked_text_is_kept(house):
    before = len(house.service.server.seen)
    reply = ask(house, body_of("【機密性２】\n来年度の予算 123456789012 の件"))
    assert reply.status == 403
    assert len(house.service.server.seen) == before
    record = last(house)
    assert (record["decision"], record["state"]) == ("deny", "blocked")
    assert record["class"] == 2
    shown = json.dumps(house.installation.content(record["id"]), ensure_ascii=False)
    assert "123456789012" not in shown


@pytest.mark.req("MOU-1-5", "MOU-2-5")
@pytest.mark.parametrize(
    ("user", "reason"), [("suzuki", "DENY_PLAN_EXPIRED"), ("ito", "DENY_USER_OUT_OF_SCOPE")]
)
def test_whoever_has_no_live_grant_is_refused_without_a_connection(house, user, reason):
    before = house.service.server.accepted
    reply = ask(house, body_of("hello"), user=user)
    assert (reply.status, reply.reason) == (403, reason)
    assert house.service.server.accepted == before
    assert last(house)["reasons"][0] == reason


def test_an_operation_that_no_grant_lists_is_refused(house):
    assert ask(house, b"{}", path="/v1/files").status == 403


@pytest.mark.req("MOU-1-3")
def test_a_purpose_that_is_not_the_grants_is_refused_with_the_purposes_listed(house):
    reply = ask(house, body_of("hello"), "X-Sekimori-Purpose: 別の目的")
    assert (reply.status, reply.reason) == (403, "DENY_PURPOSE_OUT_OF_SCOPE")
    assert "会議録の要約" in reply.body.decode()


@pytest.mark.parametrize(("declared", "status"), [("1", 200), ("2", 403), ("3", 403), ("0", 400), ("x", 400)])
def test_a_declared_class_is_believed_upwards_only(house, declared, status):
    assert ask(house, body_of("hello"), f"X-Sekimori-Class: {declared}").status == status


def test_credentials_are_cut_from_what_is_stored_and_told_apart(house):
    body = body_of(f"my key is {KEY} ok")
    reply = ask(house, body, f"Authorization: Bearer {KEY}")
    assert reply.status == 200
    assert house.service.server.seen[-1].body == body
    record = last(house)
    assert record["prompt_sha256"] == hashlib.sha256(body).hexdigest()
    assert record["redacted"]
    shown = house.installation.content(record["id"])
    assert KEY not in json.dumps(shown)


def test_nothing_secret_lies_readable_under_the_data_folder(house):
    mark = "himitsu-no-aikotoba-7731"
    ask(house, body_of(f"{mark} {KEY}"), f"Authorization: Bearer {KEY}")
    time.sleep(1.0)
    for path in house.installation.data.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert mark.encode() not in data, path
            assert KEY.encode() not in data, path
            assert secret("yamada").encode() not in data, path


def test_a_large_answer_with_a_length_passes_whole_and_is_hashed_to_its_end(house):
    size = 24 * 1024 * 1024
    reply = ask(house, body_of("hello"), f"X-Standin-Size: {size}", path="/big/chat/completions")
    assert reply.status == 200
    assert len(reply.body) == size
    record = last(house)
    assert record["output_bytes"] == size
    assert record["output_sha256"] == hashlib.sha256(reply.body).hexdigest()
    assert record["state"] == "partial"


def test_verify_finds_everything_intact(house):
    ask(house, body_of("hello"))
    last(house)
    result = house.installation.run("verify", "--json")
    report = json.loads(result.stdout)
    assert report["ok"] is True, report
