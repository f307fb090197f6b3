"""Request bodies that are no plain JSON text: forms that hold JSON, envelopes, protobuf messages.

Each becomes an object that a dialect can read: the fields of a form under their names, as text; the messages
of envelopes, or a bare protobuf message, under ``frames``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sekimori.errors import WireError
from sekimori.wire.certain import read_certain
from sekimori.wire.envelopes import END, EnvelopeDecoder, is_enveloped
from sekimori.wire.form import FORM_TYPES, read_form
from sekimori.wire.jsontext import read_json
from sekimori.wire.model import Attachment
from sekimori.wire.protobuf import read_message
from sekimori.wire.target import media_type
from sekimori.wire.texts import texts_of

FRAMES = "frames"
_PROTO = frozenset({"application/proto", "application/x-protobuf", "application/protobuf"})


@dataclass(slots=True)
class Unpacked:
    """A body taken apart; ``sure`` is false where a server might take it apart otherwise."""

    value: dict[str, Any]
    texts: list[str]
    sure: bool = False
    twice: tuple[str, ...] = ()
    attachments: list[Attachment] = field(default_factory=list)


def unpack(body: bytes, content_type: str) -> Unpacked | None:
    """Take a body apart; ``None`` where it is to be read as JSON. Raises WireError where it is broken."""
    kind = media_type(content_type)
    if kind in FORM_TYPES:
        return _form(body, content_type)
    if is_enveloped(kind):
        return _frames(body, kind)
    if kind in _PROTO:
        value = {FRAMES: [read_message(body)]}
        texts: list[str] = []
        texts_of(value, texts)
        return Unpacked(value, texts)
    return None


def _form(body: bytes, content_type: str) -> Unpacked:
    form = read_form(body, content_type)
    texts = list(form.texts)
    # A field may be JSON, or a text that looks like it: which one, its dialect knows.
    texts_of(list(form.fields.values()), texts)
    return Unpacked(dict(form.fields), texts, form.sure, (), form.attachments)


def opened(text: Any) -> Any:
    """Read the JSON text that stands in a string; ``None`` where there is none."""
    try:
        return read_json(text) if isinstance(text, str) else None
    except WireError:
        return None


def _frames(body: bytes, kind: str) -> Unpacked:
    decoder = EnvelopeDecoder(kind)
    events = decoder.feed(body) + decoder.finish()
    if decoder.fault:
        raise WireError(decoder.fault)
    frames: list[Any] = []
    texts: list[str] = []
    twice: list[str] = []
    for event in events:
        if event.kind == END:
            continue
        if kind.endswith("json"):
            read = read_certain(event.data if isinstance(event.data, bytes) else event.data.encode())
            texts += read.texts
            twice += read.twice
            frames.append(read.value)
        else:
            frames.append(read_json(event.data))
            texts_of(frames[-1], texts)
    return Unpacked({FRAMES: frames}, texts, True, tuple(twice))
