"""Gemini's live sessions (BidiGenerateContent), on the Gemini API, on Vertex and behind gateways."""

from __future__ import annotations

import json
from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.draft import as_dict, as_list, as_text
from sekimori.wire.media import elsewhere, from_base64
from sekimori.wire.sockets.socket import Said, SocketDialect
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_SETUP, _CONTENT = frozenset({"setup"}), frozenset({"clientContent", "client_content"})
_INPUT, _RESULT = frozenset({"realtimeInput", "realtime_input"}), frozenset({"toolResponse", "tool_response"})
_BLOBS = frozenset({"audio", "video", "inlineData", "inline_data"})
_SIGNALS = frozenset(
    {"activityStart", "activity_start", "activityEnd", "activity_end", "audioStreamEnd", "audio_stream_end"}
)
_USAGE = {
    "promptTokenCount": "input_tokens",
    "responseTokenCount": "output_tokens",
    "candidatesTokenCount": "output_tokens",
    "totalTokenCount": "total_tokens",
    "cachedContentTokenCount": "cached_tokens",
    "thoughtsTokenCount": "reasoning_tokens",
}


def _handshake(target: Target) -> bool:
    return bool(target.segments) and "BidiGenerateContent" in target.segments[-1]


def _shows(value: Any) -> bool:
    found = as_dict(value)
    setup = as_dict(found.get("setup"))
    return isinstance(setup.get("model"), str) or "setupComplete" in found


def _client(value: Any) -> Said | None:
    event = as_dict(value)
    said = Said()
    for key, held in event.items():
        if key in _SETUP:
            _setup(said, as_dict(held))
        elif key in _CONTENT:
            _turns(said, as_dict(held))
        elif key in _INPUT:
            _input(said, as_dict(held))
        elif key in _RESULT:
            for result in map(
                as_dict, as_list(_either(as_dict(held), "functionResponses", "function_responses"))
            ):
                said.say("tool", json.dumps(result.get("response"), ensure_ascii=False))
        else:
            return None
    said.control = bool(event) and all(key in _SETUP for key in event)
    return said if event else None


def _setup(said: Said, setup: dict[str, Any]) -> None:
    model = setup.get("model")
    if model is not None:
        bare = model.rpartition("/models/")[2].removeprefix("models/") if isinstance(model, str) else model
        said.models.append(bare)
    said.say("system", _parts(said, as_dict(_either(setup, "systemInstruction", "system_instruction"))))
    for tool in map(as_dict, as_list(setup.get("tools"))):
        declared = tool.get("functionDeclarations", tool.get("function_declarations"))
        said.tools += [as_text(as_dict(one).get("name")) for one in as_list(declared)]


def _either(holder: dict[str, Any], camel: str, snake: str) -> Any:
    return holder.get(camel) if camel in holder else holder.get(snake)


def _turns(said: Said, content: dict[str, Any]) -> None:
    for turn in map(as_dict, as_list(content.get("turns"))):
        role = as_text(turn.get("role")) or "user"
        said.say("assistant" if role == "model" else role, _parts(said, turn))


def _parts(said: Said, turn: dict[str, Any]) -> str:
    texts: list[str] = []
    for part in map(as_dict, as_list(turn.get("parts"))):
        for key, held in part.items():
            if key == "text":
                texts.append(as_text(held))
            elif key in _BLOBS:
                _blob(said, as_dict(held))
            elif key in ("fileData", "file_data"):
                reference = as_dict(held).get("fileUri", as_dict(held).get("file_uri"))
                said.attachments.append(elsewhere(as_text(reference)))
            elif bears_text(held):
                said.skipped.append(f"parts.{key}"[:80])
    return "".join(texts)


def _blob(said: Said, blob: dict[str, Any]) -> None:
    declared = as_text(blob.get("mimeType", blob.get("mime_type")))
    said.attachments.append(from_base64(as_text(blob.get("data")), declared=declared)[0])


def _input(said: Said, held: dict[str, Any]) -> None:
    for key, value in held.items():
        if key == "text":
            said.say("user", value)
        elif key in _BLOBS:
            _blob(said, as_dict(value))
        elif key in ("mediaChunks", "media_chunks"):
            for chunk in map(as_dict, as_list(value)):
                _blob(said, chunk)
        elif key not in _SIGNALS and bears_text(value):
            said.skipped.append(f"realtimeInput.{key}"[:80])


def _server(answer: Answer, value: Any) -> bool:
    event = as_dict(value)
    content = as_dict(event.get("serverContent"))
    answer.understood = answer.understood or bool(event)
    answer.count(event.get("usageMetadata"), _USAGE)
    for at, call in enumerate(map(as_dict, as_list(as_dict(event.get("toolCall")).get("functionCalls")))):
        key = as_text(call.get("id")) or f"{at}"
        arguments = json.dumps(call.get("args") or {}, ensure_ascii=False)
        answer.call(key, id=call.get("id"), name=call.get("name"), arguments=arguments)
    for part in map(as_dict, as_list(as_dict(content.get("modelTurn")).get("parts"))):
        (answer.think if part.get("thought") is True else answer.say)(part.get("text"))
    answer.say(as_dict(content.get("outputTranscription")).get("text"))
    heard = as_dict(content.get("inputTranscription")).get("text")
    if isinstance(heard, str) and heard:
        answer.scratch.setdefault("heard", []).append(heard)
    if content.get("turnComplete") is True:
        answer.finish_reason = as_text(content.get("turnCompleteReason")) or "turnComplete"
    elif content.get("interrupted") is True:
        answer.finish_reason = "interrupted"
    return content.get("turnComplete") is True


DIALECT = SocketDialect("gemini-live", _handshake, _shows, _client, _server, (b"turnComplete",))
