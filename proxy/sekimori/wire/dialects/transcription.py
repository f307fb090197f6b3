"""Sound made into words: a form with a file, the sound itself, or where to fetch it; the answer is text."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.dialects.openai_chat import deployment
from sekimori.wire.dialects.records import add_with_files
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.target import Target

_KNOWN = words(
    "audio_channels audio_url chunking_strategy context context_bias diarize file file_url format",
    "include input_audio keyterms known_speaker_names language language_code language_hints model model_id",
    "prompt provider response_format speech_model stream temperature timestamp_granularities url user",
)
_FORMATS = frozenset({"timestamp_granularities[]", "include[]", "known_speaker_names[]"})
_USAGE = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "total_tokens": "total_tokens",
}


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    if method != "POST" or not parts:
        return None
    spoken = target.ends("audio", "transcriptions") or target.ends("audio", "translations")
    if (
        not spoken
        and parts[-1] not in ("stt", "listen", "speech-to-text")
        and not target.ends("v2", "transcript")
    ):
        return None
    asked = target.asked("model") or target.asked("model_id")
    return Route("audio", deployment(target) or (asked[0] if asked else None))


def _models(body: dict[str, Any]) -> list[Any]:
    return [body[n] for n in ("model", "model_id", "speech_model") if body.get(n) is not None]


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.stream = body.get("stream") in (True, "true")
    draft.unknown(body, _KNOWN | _FORMATS)
    turn = Turn("user")
    turn.text.append(as_text(body.get("prompt")))
    for name in ("url", "audio_url", "file_url"):
        if isinstance(body.get(name), str):
            draft.attach_url(turn, body[name])
    sound = as_dict(body.get("input_audio"))
    if isinstance(sound.get("data"), str):
        draft.attach_base64(turn, sound["data"], declared=f"audio/{as_text(sound.get('format')) or 'wav'}")
    add_with_files(draft, turn)


def _raw(draft: Draft, body: bytes, media_type: str) -> None:
    turn = Turn("user")
    draft.attach_bytes(turn, body, declared=media_type)
    draft.add(turn)


def _whole(answer: Answer, body: Any) -> None:
    body = as_dict(body)
    channels = as_list(as_dict(body.get("results")).get("channels"))
    if isinstance(body.get("text"), str):
        answer.understood = True
        answer.say(body["text"])
    elif channels:
        answer.understood = True
        alternatives = as_list(as_dict(channels[0]).get("alternatives"))
        answer.say(as_dict(alternatives[0]).get("transcript") if alternatives else None)
    elif not answer.fail(body):
        answer.understood = "status" in body and "id" in body
        answer.finish_reason = as_text(body.get("status"))
    answer.model = as_text(body.get("model")) or None
    meta = as_dict(body.get("metadata"))
    answer.response_id = as_text(meta.get("request_id")) or as_text(body.get("id"))
    answer.count(body.get("usage"), _USAGE)


def _event(answer: Answer, event: dict[str, Any]) -> None:
    kind = as_text(event.get("type"))
    if kind in ("transcript.text.delta", "transcription.text.delta"):
        answer.understood = True
        answer.say(event.get("delta", event.get("text")))
    elif kind in ("transcript.text.done", "transcription.done"):
        answer.understood = True
        if not answer.output:
            answer.say(event.get("text"))
        answer.count(event.get("usage"), _USAGE)
    elif kind not in ("transcript.text.segment", "transcription.segment", "transcription.language"):
        answer.fail(event)


def _content(answer: Answer, body: bytes, media_type: str) -> None:
    """Take subtitles and plain text for what they are."""
    if media_type.startswith("text/") or media_type in ("application/x-subrip", ""):
        answer.understood = True
        answer.say(body.decode("utf-8", "replace"))


DIALECT = Dialect(
    "transcription", _route, _read, _whole, _event, models=_models, forms=True, raw=_raw, content=_content
)
