from __future__ import annotations

import json
import struct
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.addons.reply import Refusal, close_code, stream_event
from sekimori.addons.reply.streams import event_stream_frame
from sekimori.policy.reasons import Reason

REFUSAL = Refusal(Reason.PLAN_EXPIRED, "7Q2K-9MXD", "api.openai.com")


def data_of(event: bytes):
    (line,) = [line for line in event.decode().splitlines() if line.startswith("data: ")]
    return json.loads(line.removeprefix("data: "))


@pytest.mark.parametrize(
    ("shape", "named", "code"),
    [
        pytest.param("openai", False, lambda data: data["error"]["code"], id="openai"),
        pytest.param("gemini", False, lambda data: data["error"]["details"][0]["reason"], id="gemini"),
        pytest.param("anthropic", True, lambda data: data["error"]["reasons"][0], id="anthropic"),
        pytest.param("problem", True, lambda data: data["reasons"][0], id="others"),
    ],
)
def test_a_stream_ends_with_an_error_event_of_its_own_format(shape, named, code):
    event = stream_event(REFUSAL, shape)
    assert code(data_of(event)) == "DENY_PLAN_EXPIRED"
    assert (b"\nevent: error\n" in event) is named
    assert event.replace(b"\r\n", b"\n").endswith(b"\n\n")


def test_a_half_line_does_not_swallow_the_error():
    assert data_of(b": keep-ali" + stream_event(REFUSAL, "openai"))["error"]["code"] == "DENY_PLAN_EXPIRED"


def test_an_empty_aws_message_is_the_sixteen_bytes_of_its_specification():
    assert event_stream_frame(b"", b"").hex() == "000000100000000005c248eb7d98c8ff"


def test_a_bedrock_stream_ends_with_an_exception_message():
    frame = stream_event(REFUSAL, "bedrock")
    total, header_length, prelude_crc = struct.unpack("!III", frame[:12])
    assert total == len(frame)
    assert prelude_crc == crc32(frame[:8])
    assert struct.unpack("!I", frame[-4:])[0] == crc32(frame[:-4])
    assert b"\x0f:exception-type\x07\x00\x15accessDeniedException" in frame[12 : 12 + header_length]
    assert "DENY_PLAN_EXPIRED" in json.loads(frame[12 + header_length : -4])["message"]


@given(reference=st.text(max_size=200), code=st.sampled_from(list(Reason)))
def test_a_close_frame_holds_the_reason_and_is_never_cut_within_a_character(reference, code):
    number, reason = close_code(Refusal(code, reference, "api.openai.com"))
    assert number == 1008
    assert len(reason) <= 123
    assert reason.decode().startswith(code.value)
