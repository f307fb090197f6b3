"""WebSocket sessions divided into user turns, one record each.

The dialects that are known are in ``sekimori.wire.sockets``: there a turn starts with what the user says, and
a message of the service ends it. A session whose target shows none of them may still show one by a message.
Of any other nothing is assumed: every message is a turn of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sekimori.errors import WireError
from sekimori.wire.answer import Answer
from sekimori.wire.certain import Certain, read_certain
from sekimori.wire.jsontext import read_json
from sekimori.wire.media import inline
from sekimori.wire.model import Attachment, Head, Message, Parse, ResponseReading
from sekimori.wire.signalr import SEPARATOR, SignalRDecoder
from sekimori.wire.sockets import Said, socket_at, socket_named, socket_shown
from sekimori.wire.target import read_target

Part = Literal["starts_turn", "joins_turn", "control"]
REALTIME = "openai-realtime"
_MAX_SHOWN = 1 << 20  # bytes of a message of an unknown service that may show its dialect
UNCERTAIN = "?"
"""Stands among the models of a message for one that is named in disguise; no grant names it."""
_TRIES = 8  # messages of an unknown service that are looked at


@dataclass(frozen=True, slots=True)
class ClientEvent:
    """A message of the client: what it does to the turn, and what it says.

    ``model`` is the model that it asks for, if it names one; it is certain unless ``model_certain`` is false.
    ``named`` are all models that it names, at any depth: that of a transcript is another.
    ``skipped`` names what bears text and was not understood.
    """

    part: Part
    texts: tuple[str, ...] = ()
    prompt: str = ""
    model: str | None = None
    model_certain: bool = True
    attachments: tuple[Attachment, ...] = ()
    parse: Parse = "unparsed"
    kind: str = ""
    messages: tuple[Message, ...] = ()
    tools: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    named: tuple[str, ...] = ()


class TurnReader:
    """Reads one WebSocket session; no method raises.

    With ``answers`` it also reads what the service says, for ``answer``: the gate does without.
    ``dialect`` is empty where every message is a turn of its own; ``name`` tells the dialect also then.
    """

    def __init__(self, head: Head, dialect_hint: str = "", *, answers: bool = False) -> None:
        target = read_target(head)
        self._socket = socket_named(dialect_hint) or (None if target.odd else socket_at(target))
        self._open = False
        self._answers = answers
        self._answer = Answer()
        self._tries = _TRIES

    @property
    def name(self) -> str:
        """The dialect that is spoken, empty where it is not known."""
        return self._socket.name if self._socket else ""

    @property
    def dialect(self) -> str:
        """The dialect whose turns are known, empty where every message is a turn of its own."""
        return self._socket.name if self._socket and not self._socket.pushes else ""

    def client(self, payload: bytes, is_text: bool) -> ClientEvent:  # noqa: FBT001 - as WebSocket libraries call it
        """Read a message of the client."""
        try:
            # Some services send JSON as binary messages, in both directions.
            read = self._messages(payload) if is_text or payload[:1] in (b"{", b"[") else []
        except WireError:
            read = []
        if not read:
            return self._unread(payload)
        if self._socket is None:
            self._socket = next(filter(None, (socket_shown(one.value) for one in read)), None)
        said = [self._said(one.value) for one in read]
        texts = tuple(text for one in read for text in one.texts)
        kind = _kind(read[-1].value)
        known = [one for one in said if one is not None]
        if self._socket is None or len(known) < len(said):
            named, _ = _named([one.value for one in read])
            return ClientEvent(self._part(control=False), texts, model_certain=False, kind=kind, named=named)
        return self._event(known, read, texts, kind)

    def server(self, payload: bytes, is_text: bool) -> bool:  # noqa: FBT001
        """Read a message of the service; tell whether it ends the turn."""
        if self._socket is None:
            self._look(payload)
        socket = self._socket
        if socket is None:
            return True
        text = is_text or payload[:1] in (b"{", b"[")
        if not text or not (self._answers or any(mark in payload for mark in socket.marks)):
            return socket.pushes
        answer = self._answer if self._answers else Answer()
        ends = False
        try:
            for piece in _pieces(payload) if socket.separated else [payload]:
                ends = socket.server(answer, read_json(piece)) or ends
        except WireError:
            answer.skip("a message that is no JSON text")
        except Exception as fault:  # noqa: BLE001 - a reader's own mistake must not stop a session
            answer.skip(f"reader: {type(fault).__name__}")
        self._open = self._open and not ends
        return ends or socket.pushes

    def answer(self) -> ResponseReading:
        """Return what the service said since the last call, where the reader was made to read it."""
        answer, self._answer = self._answer, Answer()
        self._answer.model = answer.model  # told once, at the beginning of a session
        if self._socket is not None and self._socket.finish is not None:
            self._socket.finish(answer)
        return answer.reading()

    def heard(self) -> str:
        """Tell what the service understood of the user's speech since the last ``answer``."""
        return "".join(self._answer.scratch.get("heard", ()))

    def _said(self, value: Any) -> Said | None:
        try:
            return self._socket.client(value) if self._socket is not None else None
        except Exception:  # noqa: BLE001 - what the reader stumbles over is unread, and the grant decides
            return None

    def _messages(self, payload: bytes) -> list[Certain]:
        separated = SEPARATOR in payload and (self._socket is None or self._socket.separated)
        return [read_certain(piece) for piece in (_pieces(payload) if separated else [payload])]

    def _look(self, payload: bytes) -> None:
        """Look whether a message of an unknown service shows its dialect."""
        if self._tries > 0 and len(payload) <= _MAX_SHOWN and payload[:1] in (b"{", b"["):
            self._tries -= 1
            try:
                self._socket = socket_shown(read_json(payload))
            except WireError:
                return

    def _event(self, said: list[Said], read: list[Certain], texts: tuple[str, ...], kind: str) -> ClientEvent:
        models = [model for one in said for model in one.models]
        model = models[0] if models and isinstance(models[0], str) else None
        twice = any(one.twice for one in read)
        named, plain = _named([one.value for one in read])
        certain = all(one.sure for one in read) and not twice and plain
        certain = certain and all(value == model for value in models)
        messages = tuple(message for one in said for message in one.messages)
        skipped = tuple(what for one in said for what in one.skipped)
        return ClientEvent(
            self._part(control=all(one.control for one in said)),
            texts,
            next((told.text for told in reversed(messages) if told.role == "user"), ""),
            model,
            certain,
            tuple(attachment for one in said for attachment in one.attachments),
            "partial" if twice or skipped else "parsed",
            kind,
            messages,
            tuple(name for one in said for name in one.tools),
            skipped,
            named,
        )

    def _unread(self, payload: bytes) -> ClientEvent:
        text = payload.decode("utf-8", "replace")
        texts = () if "�" in text else (text,)
        attachments = () if texts else (inline(payload),)
        return ClientEvent(self._part(control=False), texts, model_certain=False, attachments=attachments)

    def _part(self, *, control: bool) -> Part:
        if self.dialect and control:
            return "control"
        if self.dialect and self._open:
            return "joins_turn"
        self._open = True
        return "starts_turn"


def _named(values: list[Any]) -> tuple[tuple[str, ...], bool]:
    """Collect every model that a message names at any depth, and tell whether all are named plainly.

    ``Model`` or a list of models may be read by the service as what we would not take it for.
    """
    found: dict[str, None] = {}
    plain = True
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            for key, member in value.items():
                if str(key).casefold() != "model":
                    waiting.append(member)
                elif key == "model" and isinstance(member, str):
                    found[member] = None
                elif member is not None:
                    plain = False
                    found[UNCERTAIN] = None
    return tuple(found), plain


def _pieces(payload: bytes) -> list[bytes]:
    """Cut a WebSocket message into those that it holds."""
    decoder = SignalRDecoder()
    return [bytes(event.data) for event in decoder.feed(payload) + decoder.finish()]  # type: ignore[arg-type]


def _kind(value: Any) -> str:
    """Give the name of an event, by whichever member holds it."""
    if not isinstance(value, dict):
        return ""
    for key in ("type", "event", "command"):
        if isinstance(value.get(key), str):
            return str(value[key])[:64]
    return next((str(key)[:64] for key in value), "")
