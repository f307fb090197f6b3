"""Words made into sound: the text is in the request, the answer is the sound itself."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.dialects.openai_chat import deployment
from sekimori.wire.draft import Draft, as_dict, as_text, words
from sekimori.wire.media import describe, from_base64
from sekimori.wire.target import Target

_KNOWN = words(
    "apply_text_normalization enable_logging input instructions language language_code model model_id",
    "output_format pronunciation_dictionary_locators response_format sample_rate seed speed stream",
    "stream_format text transcript voice voice_id voice_settings next_text previous_text",
)
_USAGE = {"input_tokens": "input_tokens", "output_tokens": "output_tokens", "total_tokens": "total_tokens"}


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    if method != "POST" or not parts:
        return None
    spoken = target.ends("audio", "speech") or parts[-1] in ("tts", "speak") or target.ends("tts", "bytes")
    if not spoken and "text-to-speech" not in parts[-4:]:
        return None
    asked = target.asked("model") or target.asked("model_id")
    return Route("audio", deployment(target) or (asked[0] if asked else None))


def _models(body: dict[str, Any]) -> list[Any]:
    return [body[name] for name in ("model", "model_id") if body.get(name) is not None]


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.unknown(body, _KNOWN)
    draft.say("system", as_text(body.get("instructions")))
    for name in ("previous_text", "input", "text", "transcript", "next_text"):
        draft.say("user", as_text(body.get(name)))
    for name, value in as_dict(body.get("input")).items():
        # A service that has markup and text side by side puts them into an object.
        if name in ("text", "ssml", "markup"):
            draft.say("user", as_text(value))


def _whole(answer: Answer, body: Any) -> None:
    body = as_dict(body)
    data = next(
        (body[n] for n in ("audio", "audio_base64", "audioContent") if isinstance(body.get(n), str)), None
    )
    if data is None:
        answer.fail(body)
        return
    answer.understood = True
    answer.attach(from_base64(data, declared="audio/mpeg")[0])


def _event(answer: Answer, event: dict[str, Any]) -> None:
    kind = as_text(event.get("type"))
    answer.understood = answer.understood or kind.startswith("speech.audio.") or "audio" in event
    if kind == "speech.audio.done":
        answer.count(event.get("usage"), _USAGE)
    elif not answer.understood:
        answer.fail(event)


def _content(answer: Answer, body: bytes, media_type: str) -> None:
    answer.understood = True
    answer.attach(describe(body, declared=media_type)[0])


DIALECT = Dialect("speech", _route, _read, _whole, _event, models=_models, content=_content)
