"""The providers' own SDKs meet our refusals: they raise what they always raise, and say why."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types

from sekimori.addons.reply import Answer, Refusal, answer, stream_event
from sekimori.policy.reasons import Reason, explain

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "こんにちは"}]}


def refused(code: Reason, shape: str, **fields) -> Answer:
    refusal = Refusal(code, "7Q2K-9MXD", "api.example", apply_url="https://sekimori.example/apply", **fields)
    return answer(refusal, navigation=False, shape=shape)


def begun(first: bytes, shape: str) -> Answer:
    body = first + stream_event(Refusal(Reason.PLAN_EXPIRED, "7Q2K-9MXD", "api.example"), shape)
    headers = ((b"content-type", b"text/event-stream"), (b"content-length", str(len(body)).encode()))
    return Answer(200, headers, body)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_openai_raises_permission_denied_once_and_says_why(refuser, stream):
    refuser.answer = refused(Reason.NO_GRANT, "openai")
    with (
        openai.OpenAI(base_url=refuser.url, api_key="k") as client,
        pytest.raises(openai.PermissionDeniedError) as raised,
    ):
        client.chat.completions.create(**ASK, stream=stream)
    assert refuser.asked == 1
    assert raised.value.code == "DENY_NO_GRANT"
    assert explain(Reason.NO_GRANT).ja in str(raised.value)
    assert explain(Reason.NO_GRANT).en in str(raised.value)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_anthropic_raises_permission_denied_once_and_says_why(refuser, stream):
    refuser.answer = refused(Reason.TOS_CONFIDENTIAL, "anthropic")
    with (
        anthropic.Anthropic(base_url=refuser.url, api_key="k") as client,
        pytest.raises(anthropic.PermissionDeniedError) as raised,
    ):
        client.messages.create(**ASK, max_tokens=9, stream=stream)
    assert refuser.asked == 1
    assert raised.value.request_id == "7Q2K-9MXD"
    assert explain(Reason.TOS_CONFIDENTIAL).ja in str(raised.value)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_gemini_raises_a_client_error_once_and_says_why(refuser, stream):
    refuser.answer = refused(Reason.NO_GRANT, "gemini")
    client = genai.Client(api_key="k", http_options=genai_types.HttpOptions(base_url=refuser.url))
    ask = client.models.generate_content_stream if stream else client.models.generate_content
    with pytest.raises(genai_errors.ClientError) as raised:
        list(ask(model="m", contents="こんにちは"))
    client.close()
    assert refuser.asked == 1
    assert (raised.value.code, raised.value.status) == (403, "PERMISSION_DENIED")
    assert explain(Reason.NO_GRANT).ja in str(raised.value.message)


@pytest.mark.parametrize(
    "code", [Reason.TOO_LARGE, Reason.MISDIRECTED, Reason.MALFORMED, Reason.AUTH_REQUIRED]
)
def test_what_would_fail_again_is_not_sent_again(refuser, code):
    refuser.answer = refused(code, "openai")
    with openai.OpenAI(base_url=refuser.url, api_key="k") as client, pytest.raises(openai.APIStatusError):
        client.chat.completions.create(**ASK)
    assert refuser.asked == 1


def test_what_may_pass_later_is_tried_again(refuser):
    refuser.answer = refused(Reason.AUDIT_UNAVAILABLE, "openai", retry_after=0)
    with (
        openai.OpenAI(base_url=refuser.url, api_key="k", max_retries=1) as client,
        pytest.raises(openai.InternalServerError),
    ):
        client.chat.completions.create(**ASK)
    assert refuser.asked == 2


def test_openai_raises_in_the_middle_of_a_stream(refuser):
    refuser.answer = begun(b'data: {"id":"1","choices":[],"object":"chat.completion.chunk"}\n\n', "openai")
    with openai.OpenAI(base_url=refuser.url, api_key="k") as client:
        chunks = iter(client.chat.completions.create(**ASK, stream=True))
        assert next(chunks).id == "1"
        with pytest.raises(openai.APIError, match="DENY_PLAN_EXPIRED"):
            next(chunks)


def test_anthropic_raises_in_the_middle_of_a_stream(refuser):
    refuser.answer = begun(b'event: ping\ndata: {"type":"ping"}\n\n', "anthropic")
    with (
        anthropic.Anthropic(base_url=refuser.url, api_key="k") as client,
        pytest.raises(anthropic.APIStatusError, match="DENY_PLAN_EXPIRED"),
    ):
        list(client.messages.create(**ASK, max_tokens=9, stream=True))


def test_gemini_raises_in_the_middle_of_a_stream(refuser):
    part = b'data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}]}\r\n\r\n'
    refuser.answer = begun(part, "gemini")
    client = genai.Client(api_key="k", http_options=genai_types.HttpOptions(base_url=refuser.url))
    chunks = client.models.generate_content_stream(model="m", contents="こんにちは")
    assert next(chunks).text == "a"
    with pytest.raises(genai_errors.ClientError, match="DENY_PLAN_EXPIRED"):
        next(chunks)
    client.close()
