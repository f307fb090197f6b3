"""The models that a message of a socket names, however it names them."""

from __future__ import annotations

import json

import pytest

from sekimori.wire.model import Head
from sekimori.wire.turns import TurnReader

HEAD = Head("GET", "api.openai.com", "/v1/realtime?model=gpt-realtime")


def event(value: object):
    return TurnReader(HEAD).client(json.dumps(value).encode(), True)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        pytest.param({"type": "session.update", "session": {"model": "o1"}}, {"o1"}, id="the session's"),
        pytest.param(
            {"type": "session.update", "session": {"input_audio_transcription": {"model": "whisper-1"}}},
            {"whisper-1"},
            id="the transcript's",
        ),
        pytest.param(
            {"type": "no.such.event", "deep": [{"a": {"model": "o1"}}]}, {"o1"}, id="in an unknown event"
        ),
        pytest.param({"type": "response.create"}, set(), id="none"),
    ],
)
def test_every_model_that_a_message_names_is_told(value, named):
    assert set(event(value).named) == named


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"type": "session.update", "Session": {"Model": "o1"}}, id="in other letters"),
        pytest.param({"type": "session.update", "session": {"model": ["o1"]}}, id="a list"),
        pytest.param({"type": "no.such.event", "MODEL": "o1"}, id="in an unknown event"),
    ],
)
def test_a_model_that_is_named_in_disguise_is_not_certain(value):
    assert not event(value).model_certain
