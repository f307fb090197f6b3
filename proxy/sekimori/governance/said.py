"""What people said at the gate, as it stands in a record until it is carried out: a notice read, an answer.

A gate worker knows no database. It writes a record of its own kind (``KIND``) whose one detail is this,
durable before the person goes on; the archivist's process reads it back and performs the command.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from sekimori.governance.use_rules import AnswerKind
from sekimori.policy.subject import Source

KIND = "governance"
"""The operation of such records: ``log list`` shows them, nothing counts them as use of a service."""


class SaidRead(msgspec.Struct, frozen=True, tag="read"):
    """Notices, or a trial's text, that somebody said to have read: id, version and hash of each."""

    notices: tuple[tuple[str, int, str], ...]
    channel: Literal["page", "header"] = "page"


class SaidAnswer(msgspec.Struct, frozen=True, tag="answer"):
    """One answer, on the first of these conversations, covering the others; its text is the record's body."""

    service: str
    conversations: tuple[str, ...]
    answer: AnswerKind


Said = SaidRead | SaidAnswer


def subject_of(user: str, user_source: str) -> str:
    """Give whose duties a request falls under: the person's, or those of the agent whose key was shown."""
    source = Source.read(user_source)
    return f"{source.kind}/{source.detail}" if source.agent else user


def owner_of(user: str, user_source: str) -> str:
    """Give the person behind an agent, nothing for a person."""
    return user if Source.read(user_source).agent else ""


_DECODER: msgspec.json.Decoder[Said] = msgspec.json.Decoder(SaidRead | SaidAnswer)


def write(said: Said) -> str:
    """Write it as the detail of a record."""
    return msgspec.json.encode(said).decode()


def read(detail: str) -> Said:
    """Read it back; raises ``msgspec.DecodeError`` on anything else."""
    return _DECODER.decode(detail.encode())
