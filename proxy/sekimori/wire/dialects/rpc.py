"""What coding assistants that speak protobuf share: messages by field numbers, the rest named as skipped.

Their schemas are not published. What is known of them is read; every other text that a message holds is
in the texts for the detector, and makes the reading partial.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Framing
from sekimori.wire.draft import Draft, as_dict, as_list, as_text
from sekimori.wire.envelopes import EnvelopeDecoder, is_enveloped
from sekimori.wire.protobuf import TEXT
from sekimori.wire.texts import bears_text
from sekimori.wire.unpack import FRAMES

_SMALL = 64  # bytes that are a hash or a key, and no picture


def frames(body: dict[str, Any]) -> list[dict[str, Any]]:
    """List the messages of a body."""
    return [as_dict(frame) for frame in as_list(body.get(FRAMES))]


def no_models(body: dict[str, Any]) -> list[Any]:  # noqa: ARG001
    """Find no model where the field that names it is not known."""
    return []


def skip_rest(draft: Draft | Answer, message: Any, known: frozenset[str]) -> None:
    """Name the fields outside the known paths that hold text, or more bytes than a hash has."""
    for path, text in _texts(message, "", known):
        if not text or bears_text([text]):
            draft.skip(f"field {path}")


def _texts(value: Any, path: str, known: frozenset[str]) -> Iterator[tuple[str, str]]:
    if path in known:
        return
    if isinstance(value, str) and value:
        yield path, value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, path, known)
    elif isinstance(value, dict):
        size = value.get("bytes")
        if isinstance(size, int) and size > _SMALL:
            yield path, ""
        # What is known to be a message is not a text as well.
        message = path in _holders(known)
        for name, item in value.items():
            if name == TEXT and message:
                continue
            yield from _texts(item, path if name == TEXT else f"{path}.{name}".lstrip("."), known)


@cache
def _holders(known: frozenset[str]) -> frozenset[str]:
    """Find the places above the known ones: messages."""
    return frozenset(place[:at] for place in known for at, mark in enumerate(place) if mark == ".")


def framing(begin: bytes, media_type: str) -> Framing | None:
    """Choose the decoder of envelopes, where an answer has them."""
    return EnvelopeDecoder(media_type) if is_enveloped(media_type) and begin[:1] != b"{" else None


def ended(answer: Answer, value: Any) -> None:
    """Take the error that the end of a stream may bring: Connect's JSON, or gRPC's trailers."""
    end = as_dict(value)
    answer.understood = True
    status = as_text(end.get("grpc-status"))
    if status and status != "0":
        answer.error = as_text(end.get("grpc-message")) or f"grpc-status {status}"
    answer.fail(end)


def whole(answer: Answer, body: Any) -> None:
    """Read an answer that is no row of envelopes: an error in JSON."""
    found = as_dict(body)
    if isinstance(found.get("message"), str) and "code" in found:
        answer.error, answer.understood = found["message"], True
    else:
        answer.fail(found)
