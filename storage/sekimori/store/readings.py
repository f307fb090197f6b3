"""What the wire readers see in stored bytes. The only module of the store that asks ``wire``.

A stored body may be decoded where its original was not (a credential was cut inside it), so the
readers get the headers of what is stored, not of what crossed the barrier.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import asdict
from typing import NamedTuple

from sekimori.errors import where
from sekimori.ledger.record import Body, Intent, Outcome
from sekimori.store.rows import Answer
from sekimori.wire.model import Head, Headers, RequestReading, ResponseReading
from sekimori.wire.read import read_request, read_response

logger = logging.getLogger(__name__)

_MOST = 1 << 63
"""A service may answer any number; what no seal and no database takes would stop the lane for ever."""

_LENGTH = 8
"""Payloads of a WebSocket turn are each prefixed by their length, eight bytes, big-endian."""


def read_stored_request(intent: Intent, stored: bytes) -> RequestReading:
    """Read a stored request the way the gate read it when it passed."""
    return read_request(_head(intent), stored)


def stored_head(intent: Intent) -> Head:
    """Return the head of a request as the readers get it: its fields are those of what is stored."""
    return _head(intent)


def read_stored_response(
    intent: Intent, outcome: Outcome, stored: bytes, request: RequestReading | None = None
) -> ResponseReading:
    """Read a stored answer; what matters of the request is taken from the intent where it is not given."""
    known = request or _known_request(intent)
    headers = _headers(outcome.headers, outcome.body)
    return read_response(_head(intent), known, outcome.status, headers, stored)


class Answered(NamedTuple):
    """What an answer came to, and the text of it that a model wrote."""

    answer: Answer
    text: str = ""


def read_answer(intent: Intent, outcome: Outcome) -> Answered:
    """Sum an answer up as it is archived; ``outcome`` still carries its stored bytes."""
    if not outcome.body.stored or intent.mode in ("websocket", "turn"):
        return Answered(Answer(parse=intent.parse, error=outcome.error))
    try:
        reading = read_stored_response(intent, outcome, outcome.body.stored)
    except Exception as fault:  # noqa: BLE001
        # Readers promise not to raise. Should one do it, the evidence must still get into the store:
        # a spool that stops here would soon close the gate for everybody.
        logger.error("the wire reader failed on %s: %s", intent.rid, where(fault))  # noqa: TRY400
        return Answered(Answer(parse="unparsed", error=f"wire reader: {type(fault).__name__}"))
    counted = asdict(reading.usage) if reading.usage else {}
    answer = Answer(
        model=reading.model or "",
        parse=reading.parse,
        finish_reason=reading.finish_reason,
        usage={name: count for name, count in counted.items() if count is not None and abs(count) < _MOST},
        skipped=reading.skipped,
        error=outcome.error or reading.error,
    )
    return Answered(answer, reading.output)


def payloads(stored: bytes) -> Iterator[bytes]:
    """Take a turn's stored bytes apart again; what is left of a cut capture comes last."""
    at = 0
    while at + _LENGTH <= len(stored):
        end = at + _LENGTH + int.from_bytes(stored[at : at + _LENGTH])
        yield stored[at + _LENGTH : end]
        at = end


def _known_request(intent: Intent) -> RequestReading:
    return RequestReading(
        kind=intent.kind or "other-ai",  # type: ignore[arg-type]
        dialect=intent.dialect,
        parse=intent.parse,  # type: ignore[arg-type]
        model=intent.model or None,
        stream=intent.stream,
        conversation=intent.conversation,
    )


def _head(intent: Intent) -> Head:
    path = intent.target or intent.path
    return Head(intent.method, intent.host, path, _headers(intent.headers, intent.body))


def _headers(headers: Headers, body: Body) -> Headers:
    kept = [(name, value) for name, value in headers if name.lower() != "content-encoding"]
    if body.content_type and not any(name.lower() == "content-type" for name, _ in kept):
        kept.append(("content-type", body.content_type))
    if body.stored_encoding:
        kept.append(("content-encoding", body.stored_encoding))
    return tuple(kept)
