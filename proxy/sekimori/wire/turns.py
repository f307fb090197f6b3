"""WebSocket sessions divided into user turns, one record each.

OpenAI's realtime events are known: a turn starts with what the user says, and ``response.done`` ends it. Of
any other dialect nothing is assumed: every message is a turn of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sekimori.errors import WireError
from sekimori.wire.certain import read_certain
from sekimori.wire.draft import as_dict, as_list, as_text
from sekimori.wire.jsontext import read_json
from sekimori.wire.media import from_base64, from_url, inline
from sekimori.wire.model import Attachment, Head, Parse
from sekimori.wire.target import read_target

Part = Literal["starts_turn", "joins_turn", "control"]
REALTIME = "openai-realtime"

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


@dataclass(frozen=True, slots=True)
class ClientEvent:
    """A message of the client: what it does to the turn, and what it says.

    ``model`` is the model that it asks for, if it names one; it is certain unless ``model_certain`` is false.
    """

    part: Part
    texts: tuple[str, ...] = ()
    prompt: str = ""
    model: str | None = None
    model_certain: bool = True
    attachments: tuple[Attachment, ...] = ()
    parse: Parse = "unparsed"
    kind: str = ""


class TurnReader:
    """Reads one WebSocket session; neither method raises."""

    def __init__(self, head: Head, dialect_hint: str = "") -> None:
        segments = read_target(head).segments
        self.dialect = REALTIME if dialect_hint == REALTIME or segments[-1:] == ("realtime",) else ""
        self._open = False

    def client(self, payload: bytes, is_text: bool) -> ClientEvent:  # noqa: FBT001 - as WebSocket libraries call it
        """Read a message of the client."""
        try:
            read = read_certain(payload) if is_text else None
        except WireError:
            read = None
        if read is None:
            return self._unread(payload)
        kind = as_text(as_dict(read.value).get("type"))
        if not self.dialect or kind not in _SAID | _CONTROL:
            return ClientEvent(self._part(kind), tuple(read.texts), model_certain=False, kind=kind)
        part, event = self._part(kind), as_dict(read.value)
        named = [value for value in _models(event) if value is not None]
        model = named[0] if named and isinstance(named[0], str) else None
        certain = read.sure and not read.twice and all(value == model for value in named)
        parse: Parse = "partial" if read.twice else "parsed"
        return ClientEvent(
            part, tuple(read.texts), _said(event), model, certain, tuple(_attached(event)), parse, kind
        )

    def server(self, payload: bytes, is_text: bool) -> bool:  # noqa: FBT001
        """Read a message of the service; tell whether it ends the turn."""
        if not self.dialect:
            return True
        if not is_text or b"response.done" not in payload:
            return False
        try:
            ends = as_dict(read_json(payload)).get("type") == "response.done"
        except WireError:
            ends = False
        self._open = self._open and not ends
        return ends

    def _unread(self, payload: bytes) -> ClientEvent:
        text = payload.decode("utf-8", "replace")
        texts = () if "�" in text else (text,)
        attachments = () if texts else (inline(payload),)
        return ClientEvent(self._part(""), texts, model_certain=False, attachments=attachments)

    def _part(self, kind: str) -> Part:
        if self.dialect and kind in _CONTROL:
            return "control"
        if self.dialect and self._open:
            return "joins_turn"
        self._open = True
        return "starts_turn"


def _models(event: dict[str, Any]) -> list[Any]:
    """List each place in which an event can name the model that answers."""
    return [as_dict(event.get("session")).get("model"), as_dict(event.get("response")).get("model")]


def _said(event: dict[str, Any]) -> str:
    """Find the words of the user in an event."""
    item = as_dict(event.get("item"))
    if item.get("type") != "message" or item.get("role") != "user":
        return ""
    parts = [as_dict(part) for part in as_list(item.get("content"))]
    return "".join(as_text(part.get("text")) or as_text(part.get("transcript")) for part in parts)


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
