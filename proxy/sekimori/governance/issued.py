"""Documents that were handed out (交付): what each was about, and the SHA-256 of its very bytes.

Whoever holds a copy can be told whether it is what the organisation handed out. A 利用計画書 for submission is
refused here too while anything that applies lacks its evidence, so that no door leads around the form [MOU-2-10].
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import ClassVar, Literal

import msgspec

from sekimori.governance import notice_paper, plan_paper, register_paper, usage_report
from sekimori.governance.actors import (
    APPROVAL_AUTHORITY,
    AUDITOR,
    CLOUD_SERVICE_ADMINISTRATOR,
    REVIEWER,
    ROLES,
    SECURITY_OFFICER,
    SYSTEM_ADMINISTRATOR,
    Actor,
    same,
)
from sekimori.governance.application import Application
from sekimori.governance.change import Change, Changing
from sekimori.governance.form import form_faults
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.refusals import Missing, refuse
from sekimori.governance.state import Aggregate, State
from sekimori.governance.use_rules import UseRules

Format = Literal["xlsx", "docx", "pdf", "json"]
KINDS = (plan_paper.KIND, register_paper.KIND, usage_report.KIND, notice_paper.KIND)
_READERS = (
    *(APPROVAL_AUTHORITY, CLOUD_SERVICE_ADMINISTRATOR, REVIEWER),
    *(AUDITOR, SECURITY_OFFICER, SYSTEM_ADMINISTRATOR),
)
_SHA256 = re.compile(r"[0-9a-f]{64}")


class IssuedDocument(Aggregate, frozen=True, kw_only=True):
    """One document; ``about`` is an application, a day or a month, ``basis`` the hash of what it was made of."""

    noun: ClassVar[str] = "issued_document"
    indexed_by: ClassVar[tuple[tuple[str, ...], ...]] = (("sha256",),)

    kind: str
    about: str
    format: Format
    sha256: str
    size: int
    for_submission: bool = False
    basis: str = ""
    issued_by: str = ""
    issued_us: int = 0


class IssueDocument(msgspec.Struct, frozen=True):
    """Say that a document was made, before it leaves."""

    id: str
    kind: str
    about: str
    format: Format
    sha256: str
    size: int
    for_submission: bool = False
    basis: str = ""


def _is_a_document(case: Case[IssuedDocument]) -> None:
    found = case.subject
    missing = []
    if found.kind not in KINDS or not found.about.strip():
        missing.append(Missing("kind", "文書の種類と対象が必要です。", "names no document of ours"))
    if not _SHA256.fullmatch(found.sha256) or found.size < 1:
        missing.append(Missing("sha256", "SHA-256と大きさが必要です。", "is no SHA-256 of a file"))
    if missing:
        raise refuse("incomplete", missing=missing)


def _may_read_it(case: Case[IssuedDocument]) -> None:
    if case.actor.has(*_READERS):
        return
    application = case.state.find(Application, case.subject.about)
    if case.subject.kind != plan_paper.KIND or application is None:
        raise refuse("role", roles=", ".join(_READERS))
    if not same(application.applicant, case.actor.name):
        raise refuse("not-yours", who=application.applicant)


def _is_complete(case: Case[IssuedDocument]) -> None:
    document = case.subject
    if document.kind != plan_paper.KIND:
        return
    application = case.state.get(Application, document.about)
    if document.basis != application.plan_hash:
        raise refuse("stale")
    if document.for_submission:
        missing = tuple(form_faults(application, case.state, case.at_us, case.rules))
        if missing:
            raise refuse("incomplete", missing=missing)


MACHINE = Machine(
    IssuedDocument.noun,
    [Transition(START, "issue", "ISSUED", ("is_a_document", "may_read_it", "is_complete"), ROLES)],
    {"is_a_document": _is_a_document, "may_read_it": _may_read_it, "is_complete": _is_complete},
)


def issue_document(state: State, command: IssueDocument, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Record a document that is handed out."""
    value = IssuedDocument(
        tenant=state.tenant,
        status=START,
        issued_by=actor.name,
        issued_us=at_us,
        **msgspec.structs.asdict(command),
    )
    status = MACHINE.move("issue", Case(state, value, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.new("issue", msgspec.structs.replace(value, status=status), sha256=command.sha256)
    return changing.done()


def copies(state: State, sha256: str) -> Iterator[IssuedDocument]:
    """Walk the documents with these very bytes; a store answers by an index."""
    return state.matching(IssuedDocument, sha256=sha256.lower())


def month_of(text: str) -> date:
    """Read a month as 2026-10; raises ``ValueError``."""
    found = re.fullmatch(r"([0-9]{4})-([0-9]{2})", text)
    if found is None:
        raise ValueError(f"{text!r} is no month like 2026-10")
    return date(int(found[1]), int(found[2]), 1)
