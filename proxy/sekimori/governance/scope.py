"""Work scopes (業務区分): the work for which a service may be used, fixed before anybody applies [MOU-1-3]."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from sekimori.governance.actors import APPROVAL_AUTHORITY, SECURITY_OFFICER, Actor, same
from sekimori.governance.change import Change, Changing
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.refusals import Missing, refuse
from sekimori.governance.risks import REGISTER, RISK_KEYS, RiskRegister
from sekimori.governance.rules import Rules
from sekimori.governance.state import Aggregate, State, Value

EVERY_SERVICE = "*"
_WRITERS = (SECURITY_OFFICER,)


class ScopeRule(Value, frozen=True):
    """Whether a scope may be worked on with a service (``*``: any without a rule of its own)."""

    service: str
    verdict: Literal["ALLOWED", "FORBIDDEN", "CONDITIONAL"]
    risk_note: str
    condition: str = ""


class WorkScope(Aggregate, frozen=True, kw_only=True):
    """A kind of work; ``id`` is the code that applications and requests name."""

    noun: ClassVar[str] = "work_scope"

    ja: str
    en: str = ""
    description: str = ""
    affects_person: bool = False
    rules: tuple[ScopeRule, ...] = ()
    editor: str = ""

    def rule_for(self, service: str) -> ScopeRule | None:
        """Give the rule for a service: its own, or the one for any."""
        named = {rule.service: rule for rule in self.rules}
        return named.get(service) or named.get(EVERY_SERVICE)


def admits(scope: WorkScope, service: str) -> bool:
    """Say whether a published scope lets a service be used, if only on a condition."""
    rule = scope.rule_for(service)
    return scope.status == "PUBLISHED" and rule is not None and rule.verdict != "FORBIDDEN"


class WriteScope(msgspec.Struct, frozen=True):
    """Draft a scope, or change a draft."""

    id: str
    ja: str
    rules: tuple[ScopeRule, ...]
    en: str = ""
    description: str = ""
    affects_person: bool = False


class PublishScope(msgspec.Struct, frozen=True):
    """Let applications name the scope."""

    id: str


class RetireScope(msgspec.Struct, frozen=True):
    """Let no more applications name the scope; grants keep what they were given."""

    id: str


class ReviseScope(msgspec.Struct, frozen=True):
    """Take a scope back to a draft, to be written and published again."""

    id: str


def _did_not_write_it(case: Case[WorkScope]) -> None:
    if same(case.subject.editor, case.actor.name):
        raise refuse("own-change")


def _says_what_it_allows(case: Case[WorkScope]) -> None:
    missing = []
    if not case.subject.rules:
        missing.append(Missing("rules", "サービスごとの可否を記載してください。", "names no service"))
    for rule in case.subject.rules:
        if not rule.risk_note.strip():
            missing.append(Missing(f"rules.{rule.service}", "リスクを記載してください。", "has no risk note"))
        if rule.verdict == "CONDITIONAL" and not rule.condition.strip():
            missing.append(Missing(f"rules.{rule.service}", "条件を記載してください。", "has no condition"))
    if missing:
        raise refuse("incomplete", missing=missing)


def _risks_are_disposed_of(case: Case[WorkScope]) -> None:
    register = case.state.find(RiskRegister, REGISTER)
    undecided = RISK_KEYS if register is None else register.open
    if undecided:
        raise refuse(
            "risks-open", missing=[Missing(key, "未処置です。", "is not disposed of") for key in undecided]
        )


MACHINE = Machine(
    WorkScope.noun,
    [
        Transition(START, "write", "DRAFT", (), _WRITERS),
        Transition("DRAFT", "write", "DRAFT", (), _WRITERS),
        Transition(
            "DRAFT",
            "publish",
            "PUBLISHED",
            ("did_not_write_it", "says_what_it_allows", "the_ten_risks_are_disposed_of"),
            (SECURITY_OFFICER, APPROVAL_AUTHORITY),
        ),
        Transition("PUBLISHED", "revise", "DRAFT", (), _WRITERS),
        Transition("DRAFT", "retire", "RETIRED", (), _WRITERS),
        Transition("PUBLISHED", "retire", "RETIRED", (), _WRITERS),
    ],
    {
        "did_not_write_it": _did_not_write_it,
        "says_what_it_allows": _says_what_it_allows,
        "the_ten_risks_are_disposed_of": _risks_are_disposed_of,
    },
)


def write_scope(state: State, command: WriteScope, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Draft a scope or change a draft; whoever wrote last does not publish."""
    fresh = WorkScope(tenant=state.tenant, id=command.id, status=START, ja="")
    before = state.find(WorkScope, command.id) or fresh
    status = MACHINE.move("write", Case(state, before, command, actor, at_us, rules))
    if not command.id or not command.ja.strip():
        raise refuse("incomplete", missing=[Missing("ja", "名称を記載してください。", "is missing")])
    changing = Changing(state, actor, at_us)
    fields = {name: getattr(command, name) for name in ("ja", "en", "description", "affects_person", "rules")}
    changing.edit("write", before, status=status, editor=actor.name, **fields)
    return changing.done()


def publish_scope(state: State, command: PublishScope, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Publish a scope: somebody else wrote it, and all ten risks are disposed of [DSN-A2-0]."""
    return _move("publish", state, command, actor, at_us, rules)


def retire_scope(state: State, command: RetireScope, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Take a scope out of the catalogue."""
    return _move("retire", state, command, actor, at_us, rules)


def revise_scope(state: State, command: ReviseScope, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Open a published scope for changes; while it is a draft nobody can apply for it."""
    return _move("revise", state, command, actor, at_us, rules)


def _move(verb: str, state: State, command: Any, actor: Actor, at_us: int, rules: Rules) -> Change:
    scope = state.get(WorkScope, command.id)
    status = MACHINE.move(verb, Case(state, scope, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.edit(verb, scope, status=status)
    return changing.done()
