import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.wire.model import Head
from sekimori.wire.turns import TurnReader

REALTIME = Head("GET", "host.example", "/v1/realtime?model=gpt-realtime")
OTHER = Head("GET", "host.example", "/ws")


def said(text: str) -> dict[str, object]:
    return {
        "type": "conversation.item.create",
        "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]},
    }


def play(reader: TurnReader, *script: tuple[str, object]) -> list[object]:
    results: list[object] = []
    for side, event in script:
        payload = json.dumps(event).encode()
        results.append(reader.client(payload, True).part if side == ">" else reader.server(payload, True))
    return results


def test_a_turn_runs_from_what_the_user_says_to_the_end_of_the_answer():
    assert play(
        TurnReader(REALTIME),
        (">", {"type": "session.update", "session": {"instructions": "Be short."}}),
        (">", said("hello you")),
        (">", {"type": "response.create"}),
        ("<", {"type": "response.created"}),
        (">", {"type": "response.cancel"}),
        ("<", {"type": "response.output_text.delta", "delta": '"response.done"'}),
        ("<", {"type": "response.done"}),
        (">", said("again")),
    ) == ["control", "starts_turn", "joins_turn", False, "control", False, True, "starts_turn"]


def test_sound_starts_a_turn_and_more_of_it_joins():
    reader = TurnReader(REALTIME)
    sound = {"type": "input_audio_buffer.append", "audio": base64.b64encode(bytes(64)).decode()}
    first = reader.client(json.dumps(sound).encode(), True)
    assert (first.part, first.attachments[0].media_type, first.attachments[0].size) == (
        "starts_turn",
        "audio/pcm",
        64,
    )
    assert not first.attachments[0].read
    assert reader.client(json.dumps(sound).encode(), True).part == "joins_turn"


def test_the_words_of_a_turn_are_read():
    event = TurnReader(REALTIME).client(json.dumps(said("部外秘 です")).encode(), True)
    assert (event.prompt, event.parse) == ("部外秘 です", "parsed")
    assert "部外秘 です" in event.texts


@pytest.mark.parametrize(
    ("payload", "model", "certain"),
    [
        pytest.param('{"type":"session.update","session":{"model":"a"}}', "a", True, id="named"),
        pytest.param('{"type":"session.update","session":{}}', None, True, id="not named"),
        pytest.param('{"type":"session.update","session":{"model":"a","model":"b"}}', "b", False, id="twice"),
        pytest.param(
            r'{"type":"session.update","session":{"model":"a","\u006dodel":"b"}}', "b", False, id="by escape"
        ),
        pytest.param('{"type":"session.update","session":{"model":["a"]}}', None, False, id="a list"),
    ],
)
def test_a_session_may_change_its_model_only_plainly(payload, model, certain):
    event = TurnReader(REALTIME).client(payload.encode(), True)
    assert (event.model, event.model_certain) == (model, certain)


def test_in_an_unknown_dialect_every_message_is_a_turn_of_its_own():
    reader = TurnReader(OTHER)
    first = reader.client('{"q":"社外秘 です"}'.encode(), True)
    assert (first.part, first.parse, first.texts) == ("starts_turn", "unparsed", ("社外秘 です",))
    assert reader.client(b"\x00\x01", False).part == "starts_turn"
    assert reader.server(b"x", True)


def test_a_hint_makes_an_unknown_path_realtime():
    assert TurnReader(OTHER, "openai-realtime").server(b"{}", True) is False


@pytest.mark.parametrize(
    ("payload", "is_text"),
    [
        pytest.param(b"\xff\xfe\x00", False, id="bytes"),
        pytest.param(b'{"type":"brand.new","words":"some words"}', True, id="an unknown event"),
        pytest.param(b"[1]", True, id="no object"),
        pytest.param(b"plain words", True, id="no JSON"),
    ],
)
def test_what_is_not_known_is_unparsed_and_its_model_uncertain(payload, is_text):
    event = TurnReader(REALTIME).client(payload, is_text)
    assert (event.parse, event.model_certain, event.part) == ("unparsed", False, "starts_turn")
    assert event.texts or event.attachments or payload == b"[1]"


@given(st.lists(st.tuples(st.binary(max_size=60), st.booleans(), st.booleans())), st.booleans())
def test_no_bytes_make_a_session_reader_raise(messages, realtime):
    reader = TurnReader(REALTIME if realtime else OTHER)
    for payload, is_text, ours in messages:
        reader.client(payload, is_text) if ours else reader.server(payload, is_text)
