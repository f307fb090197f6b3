"""Operating rules (運用規程): sections ア to エ of 統一基準 4.2.3(1)(a), versioned, reviewed every year.

Section ア is the very list of work scopes that applications may name, and イ the authorities that decide:
the rules and what is enforced cannot drift apart [UK-423-1a, MOU-0-3].
"""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar

import msgspec

from sekimori.governance.actors import APPROVAL_AUTHORITY, SECURITY_OFFICER, Actor, same
from sekimori.governance.authority import ApprovalAuthority
from sekimori.governance.calendar import jst_date, months_later
from sekimori.governance.change import Change, Changing
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.refusals import Missing, refuse
from sekimori.governance.rules import Rules
from sekimori.governance.scope import WorkScope
from sekimori.governance.state import Aggregate, State, Value, digest

SECTIONS = {
    "ア": "クラウドサービスを利用可能な業務の範囲",
    "イ": "クラウドサービスの利用申請の許可権限者と利用手続",
    "ウ": "クラウドサービス管理者の指名とクラウドサービスの利用状況の管理",
    "エ": "クラウドサービスの利用の運用規程",
}


class Article(Value, frozen=True):
    """One article: its number is what block pages cite."""

    number: str
    text: str


class Sections(Value, frozen=True):
    """What the rules say: ア the scopes, イ the authorities and steps, ウ the administrator, エ the rules for use."""

    scopes: tuple[str, ...] = ()
    authorities: tuple[str, ...] = ()
    procedure: tuple[str, ...] = ()
    processing_days: int = 0
    appointment: str = ""
    duties: tuple[str, ...] = ()
    report_cycle: str = ""
    articles: tuple[Article, ...] = ()


class OperatingRules(Aggregate, frozen=True, kw_only=True):
    """One version; ``id`` is the version that decisions name. A published one never changes."""

    noun: ClassVar[str] = "operating_rules"

    sections: Sections
    effective_on: date
    next_review_on: date
    author: str = ""
    approver: str = ""
    sha256: str = ""


class DraftRules(msgspec.Struct, frozen=True):
    """Write a version, or change one that is not published."""

    id: str
    sections: Sections
    effective_on: date
    next_review_on: date


class PublishRules(msgspec.Struct, frozen=True):
    """Put a version in force from its day on."""

    id: str


class WithdrawRules(msgspec.Struct, frozen=True):
    """Drop a version that was not published."""

    id: str


def _did_not_write_them(case: Case[OperatingRules]) -> None:
    if same(case.subject.author, case.actor.name):
        raise refuse("own-change")


def _are_complete(case: Case[OperatingRules]) -> None:
    if missing := list(section_faults(case.subject.sections)):
        raise refuse("rules-incomplete", missing=missing)


def _name_what_there_is(case: Case[OperatingRules]) -> None:
    sections, missing = case.subject.sections, []
    for code in sections.scopes:
        scope = case.state.find(WorkScope, code)
        if scope is None or scope.status != "PUBLISHED":
            missing.append(
                Missing(f"ア.{code}", "公開された業務区分ではありません。", "is not a published work scope")
            )
    for name in sections.authorities:
        authority = case.state.find(ApprovalAuthority, name)
        if authority is None or not authority.living(max(authority.start, jst_date(case.at_us))):
            missing.append(
                Missing(f"イ.{name}", "有効な許可権限者ではありません。", "is not a living authority")
            )
    if missing:
        raise refuse("rules-incomplete", missing=missing)


def _are_reviewed_within_a_year(case: Case[OperatingRules]) -> None:
    rules = case.subject
    latest = months_later(rules.effective_on, case.rules.review_months)
    if not rules.effective_on <= rules.next_review_on <= latest:
        text = Missing(
            "next_review_on", f"{latest.isoformat()}までの日です。", f"must lie before {latest.isoformat()}"
        )
        raise refuse("rules-incomplete", missing=[text])


_WRITERS = (SECURITY_OFFICER,)
MACHINE = Machine(
    OperatingRules.noun,
    [
        Transition(START, "draft", "DRAFT", (), _WRITERS),
        Transition("DRAFT", "draft", "DRAFT", (), _WRITERS),
        Transition("DRAFT", "withdraw", "WITHDRAWN", (), _WRITERS),
        Transition(
            "DRAFT",
            "publish",
            "PUBLISHED",
            ("did_not_write_them", "are_complete", "name_what_there_is", "are_reviewed_within_a_year"),
            (SECURITY_OFFICER, APPROVAL_AUTHORITY),
        ),
    ],
    {
        "did_not_write_them": _did_not_write_them,
        "are_complete": _are_complete,
        "name_what_there_is": _name_what_there_is,
        "are_reviewed_within_a_year": _are_reviewed_within_a_year,
    },
)


def draft_rules(state: State, command: DraftRules, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Write a version."""
    fields: dict[str, Any] = {**msgspec.structs.asdict(command), "author": actor.name}
    before = state.find(OperatingRules, command.id) or OperatingRules(
        tenant=state.tenant, status=START, **fields
    )
    status = MACHINE.move("draft", Case(state, before, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.edit("draft", before, status=status, **fields)
    return changing.done()


def publish_rules(state: State, command: PublishRules, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Put a version in force; its hash is what staff acknowledge."""
    before = state.get(OperatingRules, command.id)
    status = MACHINE.move("publish", Case(state, before, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.edit("publish", before, status=status, approver=actor.name, sha256=digest(before.sections))
    return changing.done()


def withdraw_rules(state: State, command: WithdrawRules, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Drop a draft."""
    before = state.get(OperatingRules, command.id)
    status = MACHINE.move("withdraw", Case(state, before, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.edit("withdraw", before, status=status)
    return changing.done()


def rules_in_force(state: State, at_us: int) -> OperatingRules | None:
    """Give the version in force: the published one that came into effect last."""
    day = jst_date(at_us)
    held = [
        each for each in state.all(OperatingRules) if each.status == "PUBLISHED" and each.effective_on <= day
    ]
    return max(held, key=lambda each: (each.effective_on, each.id), default=None)


def review_overdue(state: State, at_us: int) -> bool:
    """Say whether the rules in force should have been reviewed by now; there being none counts."""
    held = rules_in_force(state, at_us)
    return held is None or held.next_review_on < jst_date(at_us)


def section_faults(sections: Sections) -> list[Missing]:
    """Say which of ア to エ is not there."""
    wanted = {
        "ア": bool(sections.scopes),
        "イ": bool(sections.authorities and sections.procedure and sections.processing_days > 0),
        "ウ": bool(sections.appointment and sections.duties and sections.report_cycle),
        "エ": bool(sections.articles and all(each.number and each.text for each in sections.articles)),
    }
    return [
        Missing(key, f"{SECTIONS[key]}が未記載です。", "is not complete")
        for key, there in wanted.items()
        if not there
    ]
