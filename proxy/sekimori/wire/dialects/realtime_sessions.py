"""Realtime sessions set up over HTTP: client secrets, WebRTC calls; what is said in them goes elsewhere."""

from __future__ import annotations

from typing import Any

from sekimori.errors import WireError
from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.dialects.records import give_back, one_event
from sekimori.wire.draft import Draft, as_dict, as_list, as_text, words
from sekimori.wire.jsontext import read_json
from sekimori.wire.target import Target

_KNOWN = words(
    "audio expires_after include input_audio_format input_audio_noise_reduction input_audio_transcription",
    "instructions max_output_tokens max_response_output_tokens modalities model output_audio_format",
    "output_modalities prompt sdp session speed temperature tool_choice tools tracing truncation",
    "turn_detection type voice",
)
_NAMES = frozenset({"sessions", "transcription_sessions", "client_secrets", "calls"})
_ENDS = frozenset({"accept", "hangup", "refer", "reject"})


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    if method != "POST" or "realtime" not in parts[-4:-1]:
        return None
    asked = target.asked("model")
    set_up = parts[-1] in _NAMES or (parts[-1] in _ENDS and "calls" in parts)
    return Route("realtime", asked[0] if asked else None) if set_up else None


def _session(body: dict[str, Any]) -> dict[str, Any]:
    held = body.get("session")
    if isinstance(held, str):
        try:
            held = read_json(held)
        except WireError:
            return body
    return as_dict(held) or body


def _models(body: dict[str, Any]) -> list[Any]:
    session = _session(body)
    heard = as_dict(session.get("input_audio_transcription")).get("model") if "model" not in session else None
    named = [body.get("model"), session.get("model"), heard]
    return [model for model in named if model is not None]


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.unknown(body, _KNOWN)
    session = _session(body)
    if session is not body:
        draft.unknown(session, _KNOWN, "session.")
    draft.say("system", as_text(session.get("instructions")))
    draft.name_tools(as_dict(tool).get("name") for tool in as_list(session.get("tools")))


def _content(answer: Answer, body: bytes, media_type: str) -> None:  # noqa: ARG001
    """Take the description of a WebRTC session, which nobody said."""
    answer.understood = body.startswith(b"v=0")


DIALECT = Dialect(
    "realtime-sessions", _route, _read, give_back, one_event, models=_models, forms=True, content=_content
)
