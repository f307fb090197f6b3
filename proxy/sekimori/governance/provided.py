"""What a provider supplied, kept with its hash: terms, data processing agreements, attestations, model cards.

Kept is what a document is, the SHA-256 of the copy and where that lies, when it came and until when it holds. Before
it ends somebody is reminded, and a document that ended stays to be looked up [ABG-U7-4].
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import ClassVar, Literal

import msgspec

from sekimori.governance.actors import (
    APPROVAL_AUTHORITY,
    CLOCK_ROLE,
    CLOUD_SERVICE_ADMINISTRATOR,
    SECURITY_OFFICER,
    SYSTEM_ADMINISTRATOR,
    Actor,
)
from sekimori.governance.calendar import jst_date, jst_us
from sekimori.governance.change import Change, Changing
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.refusals import Missing, refuse
from sekimori.governance.service import RegisteredService
from sekimori.governance.state import Aggregate, State
from sekimori.governance.use_rules import UseRules

REMINDED_DAYS = 30
_KEEPERS = (CLOUD_SERVICE_ADMINISTRATOR, APPROVAL_AUTHORITY, SECURITY_OFFICER, SYSTEM_ADMINISTRATOR)
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ProvidedDocument(Aggregate, frozen=True, kw_only=True):
    """A document of a provider about a service; ``reference`` is where the copy is kept."""

    noun: ClassVar[str] = "provided_document"
    indexed_by: ClassVar[tuple[tuple[str, ...], ...]] = (("service",),)

    service: str
    what: Literal["TERMS", "DPA", "ATTESTATION", "MODEL_CARD", "INSTRUCTIONS", "OTHER"]
    title: str
    reference: str
    sha256: str
    received_on: date
    expires_on: date | None = None
    kept_by: str = ""
    reason: str = ""


class KeepDocument(msgspec.Struct, frozen=True):
    """Keep a document that a provider supplied."""

    id: str
    service: str
    what: Literal["TERMS", "DPA", "ATTESTATION", "MODEL_CARD", "INSTRUCTIONS", "OTHER"]
    title: str
    reference: str
    sha256: str
    received_on: date
    expires_on: date | None = None


class SupersedeDocument(msgspec.Struct, frozen=True):
    """Say that a document holds no more, and why: a newer one came, or it was wrong."""

    id: str
    reason: str


def _is_a_copy(case: Case[ProvidedDocument]) -> None:
    kept, today = case.subject, jst_date(case.at_us)
    case.state.get(RegisteredService, kept.service)
    missing = []
    if not kept.title.strip() or not kept.reference.strip():
        missing.append(
            Missing("title", "名称と保管場所を記載してください。", "needs a title and a reference")
        )
    if not _SHA256.fullmatch(kept.sha256):
        missing.append(Missing("sha256", "写しのSHA-256が必要です。", "is no SHA-256"))
    if kept.received_on > today:
        missing.append(Missing("received_on", "受領日が先の日付です。", "is in the future"))
    if kept.expires_on is not None and kept.expires_on < kept.received_on:
        missing.append(Missing("expires_on", "有効期限が受領日より前です。", "is before it was received"))
    if missing:
        raise refuse("incomplete", missing=missing)


def _says_why(case: Case[ProvidedDocument]) -> None:
    if not case.command.reason.strip():
        raise refuse("reason-missing")


MACHINE = Machine(
    ProvidedDocument.noun,
    [
        Transition(START, "keep", "KEPT", ("is_a_copy",), _KEEPERS),
        Transition("KEPT", "remind", "REMINDED", (), (CLOCK_ROLE,)),
        Transition("KEPT", "expire", "EXPIRED", (), (CLOCK_ROLE,)),
        Transition("REMINDED", "expire", "EXPIRED", (), (CLOCK_ROLE,)),
        *(
            Transition(status, "supersede", "SUPERSEDED", ("says_why",), _KEEPERS)
            for status in ("KEPT", "REMINDED", "EXPIRED")
        ),
    ],
    {"is_a_copy": _is_a_copy, "says_why": _says_why},
)


def keep_document(state: State, command: KeepDocument, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Keep a document."""
    fields = msgspec.structs.asdict(command)
    value = ProvidedDocument(tenant=state.tenant, status=START, kept_by=actor.name, **fields)
    status = MACHINE.move("keep", Case(state, value, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.new("keep", msgspec.structs.replace(value, status=status), sha256=command.sha256)
    return changing.done()


def supersede_document(
    state: State, command: SupersedeDocument, actor: Actor, at_us: int, rules: UseRules
) -> Change:
    """Say that a document holds no more; its entry stays."""
    before = state.get(ProvidedDocument, command.id)
    status = MACHINE.move("supersede", Case(state, before, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.edit("supersede", before, status=status, reason=command.reason)
    return changing.done()


def lapse_documents(state: State, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Remind 30 days before a document ends, and let it end; ``actor`` is the clock. Each happens once."""
    changing = Changing(state, actor, at_us)
    for kept in list(state.due(ProvidedDocument, at_us)):
        verb = _due(kept, at_us)
        if verb and any(MACHINE.rows_of(kept.status, verb)):
            status = MACHINE.move(verb, Case(state, kept, None, actor, at_us, rules))
            told = {"expires_on": kept.expires_on, "to": _told(state, kept)}
            changing.edit(verb, kept, told, status=status)
    return changing.done()


def _due(kept: ProvidedDocument, at_us: int) -> str:
    if kept.expires_on is None:
        return ""
    if at_us >= ends_us(kept.expires_on):
        return "expire"
    return "remind" if at_us >= reminded_us(kept.expires_on) else ""


def reminded_us(expires_on: date) -> int:
    """Give the instant from which somebody is reminded of a document's end."""
    return jst_us(expires_on - timedelta(days=REMINDED_DAYS))


def ends_us(expires_on: date) -> int:
    """Give the first instant after a document's last day."""
    return jst_us(expires_on + timedelta(days=1))


def _told(state: State, kept: ProvidedDocument) -> tuple[str, ...]:
    """Name who is told: whoever keeps the log of the service, and whoever put the document here."""
    service = state.find(RegisteredService, kept.service)
    owner = service.log_plan.owner if service is not None else ""
    return tuple(dict.fromkeys(filter(None, (owner, kept.kept_by))))


def documents_of(state: State, service: str) -> Iterator[ProvidedDocument]:
    """Walk what is kept of a service, the newest first."""
    found = state.matching(ProvidedDocument, service=service)
    yield from sorted(found, key=lambda each: (each.received_on, each.id), reverse=True)
