"""OpenAI's realtime events, as spoken by OpenAI, Azure, Azure Voice Live and servers that follow them."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.draft import as_dict, as_list, as_text
from sekimori.wire.media import from_base64, from_url
from sekimori.wire.model import Attachment
from sekimori.wire.sockets.socket import Said, SocketDialect
from sekimori.wire.target import Target

_SAID = frozenset(
    {"conversation.item.create", "input_audio_buffer.append", "input_audio_buffer.commit", "response.create"}
)
_CONTROL = frozenset(
    {
        "session.update",
        "transcription_session.update",
        "conversation.item.delete",
        "conversation.item.retrieve",
        "conversation.item.truncate",
        "input_audio_buffer.clear",
        "output_audio_buffer.clear",
        "response.cancel",
        "session.avatar.connect",
    }
)
_USAGE = {"input_tokens": "input_tokens", "output_tokens": "output_tokens", "total_tokens": "total_tokens"}


def _handshake(target: Target) -> bool:
    return target.ends("realtime")


def _shows(value: Any) -> bool:
    kind = as_text(as_dict(value).get("type"))
    # ``response.create`` and the like are too common to tell; these open every session.
    return kind in ("session.created", "session.update", "transcription_session.update") and isinstance(
        as_dict(value).get("session"), dict
    )


def _client(value: Any) -> Said | None:
    event = as_dict(value)
    kind = as_text(event.get("type"))
    if kind not in _SAID | _CONTROL:
        return None
    named = [as_dict(event.get("session")).get("model"), as_dict(event.get("response")).get("model")]
    said = Said(
        control=kind in _CONTROL,
        models=[model for model in named if model is not None],
        attachments=_attached(event),
    )
    for holder in (as_dict(event.get("session")), as_dict(event.get("response"))):
        said.say("system", holder.get("instructions"))
        said.tools += [as_text(as_dict(tool).get("name")) for tool in as_list(holder.get("tools"))]
        for item in as_list(holder.get("input")):
            _item(said, as_dict(item))
    _item(said, as_dict(event.get("item")))
    return said


def _item(said: Said, item: dict[str, Any]) -> None:
    """Read an item of the conversation: words, or what a tool came to."""
    if item.get("type") == "message":
        parts = [as_dict(part) for part in as_list(item.get("content"))]
        text = "".join(as_text(part.get("text")) or as_text(part.get("transcript")) for part in parts)
        said.say(as_text(item.get("role")) or "user", text)
    elif as_text(item.get("type")).endswith("_output"):
        said.say("tool", item.get("output"))


def _attached(event: dict[str, Any]) -> list[Attachment]:
    """Find the sounds and pictures of an event."""
    found = (
        [from_base64(event["audio"], declared="audio/pcm")[0]] if isinstance(event.get("audio"), str) else []
    )
    for part in map(as_dict, as_list(as_dict(event.get("item")).get("content"))):
        if isinstance(part.get("audio"), str):
            found.append(from_base64(part["audio"], declared="audio/pcm")[0])
        if isinstance(part.get("image_url"), str):
            found.append(from_url(part["image_url"])[0])
    return found


def _server(answer: Answer, value: Any) -> bool:
    event = as_dict(value)
    kind = as_text(event.get("type"))
    if kind == "response.done":
        _done(answer, as_dict(event.get("response")))
    elif kind.endswith("input_audio_transcription.completed"):
        answer.scratch.setdefault("heard", []).append(as_text(event.get("transcript")))
    elif kind == "error":
        answer.fail(event)
    elif kind in ("session.created", "session.updated"):
        answer.model = as_text(as_dict(event.get("session")).get("model")) or answer.model
        answer.understood = True
    return kind == "response.done"


def _done(answer: Answer, response: dict[str, Any]) -> None:
    """Read a whole response: the events before it brought the same piece by piece."""
    answer.understood = True
    answer.response_id = as_text(response.get("id"))
    answer.finish_reason = as_text(response.get("status"))
    answer.count(response.get("usage"), _USAGE)
    failed = as_dict(as_dict(response.get("status_details")).get("error"))
    answer.error = as_text(failed.get("message")) or answer.error
    for at, item in enumerate(map(as_dict, as_list(response.get("output")))):
        if item.get("type") == "function_call":
            answer.call(at, id=item.get("call_id"), name=item.get("name"), arguments=item.get("arguments"))
        for part in map(as_dict, as_list(item.get("content"))):
            answer.say(as_text(part.get("text")) or as_text(part.get("transcript")))


DIALECT = SocketDialect("openai-realtime", _handshake, _shows, _client, _server, (b"response.done",))
