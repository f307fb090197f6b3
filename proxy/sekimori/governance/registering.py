"""The life of a service in the register: registered, described, activated, suspended, retired.

A change of a fact that decisions hang on takes two people; a service does not go active before its log
plan is complete and a published work scope admits it [MOU-1-1, MOU-1-3, MOU-2-1, UPD-U2-3].
"""

from __future__ import annotations

from typing import Any

import msgspec

from sekimori.governance.actors import (
    APPROVAL_AUTHORITY,
    CLOUD_SERVICE_ADMINISTRATOR,
    SECURITY_OFFICER,
    SYSTEM_ADMINISTRATOR,
    Actor,
    among,
    same,
)
from sekimori.governance.change import Change, Changing
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.refusals import Missing, refuse
from sekimori.governance.rules import Rules
from sekimori.governance.scope import WorkScope, admits
from sekimori.governance.service import (
    FOUR_EYES,
    ContractType,
    Facts,
    LogPlan,
    Proposal,
    RegisteredService,
    TermsDocument,
    stopped_by_hand,
)
from sekimori.governance.state import State, digest

_EDITORS = (CLOUD_SERVICE_ADMINISTRATOR, SECURITY_OFFICER, SYSTEM_ADMINISTRATOR)
_DECIDERS = (APPROVAL_AUTHORITY, SECURITY_OFFICER)
_STOPPERS = (CLOUD_SERVICE_ADMINISTRATOR, APPROVAL_AUTHORITY, SECURITY_OFFICER)


class RegisterService(msgspec.Struct, frozen=True):
    """Enter a service; it starts as 約款型, whatever ``facts`` say."""

    id: str
    facts: Facts
    terms: TermsDocument | None = None
    owner_file: str = ""


class DescribeService(msgspec.Struct, frozen=True):
    """Change facts that no decision hangs on."""

    id: str
    facts: Facts


class ProposeFacts(msgspec.Struct, frozen=True):
    """Ask for facts that decisions hang on: the contract type, the contract, flags, locations, hosts."""

    id: str
    facts: Facts
    reason: str


class ApproveFacts(msgspec.Struct, frozen=True):
    """Approve the proposal with this fingerprint: what was read is what is approved."""

    id: str
    proposal: str


class RefuseFacts(msgspec.Struct, frozen=True):
    """Drop a proposal."""

    id: str
    reason: str


class SetLogPlan(msgspec.Struct, frozen=True):
    """Say how the use of the service is logged."""

    id: str
    plan: LogPlan


class ActivateService(msgspec.Struct, frozen=True):
    """Let applications for the service be approved."""

    id: str


class SuspendService(msgspec.Struct, frozen=True):
    """Stop every use of the service now."""

    id: str
    reason: str


class ResumeService(msgspec.Struct, frozen=True):
    """Let a suspended service be used again."""

    id: str
    reason: str


class RetireService(msgspec.Struct, frozen=True):
    """Take the service out of use for good."""

    id: str
    reason: str


def _by_hand(case: Case[RegisteredService]) -> None:
    if case.subject.owner_file:
        raise refuse("owned-by-file", file=case.subject.owner_file)


def _was_stopped_by_hand(case: Case[RegisteredService]) -> None:
    # A file that says "suspended", or says the service no more, is answered by another file.
    if case.subject.owner_file and not stopped_by_hand(case.subject):
        _by_hand(case)


def _keeps_four_eyes_facts(case: Case[RegisteredService]) -> None:
    changed = [
        name
        for name in sorted(FOUR_EYES)
        if getattr(case.command.facts, name) != getattr(case.subject.facts, name)
    ]
    if changed:
        raise refuse("own-change", missing=[_approval_needed(name) for name in changed])


def _is_not_the_editor(case: Case[RegisteredService]) -> None:
    proposal = case.subject.proposal
    if proposal is not None and same(proposal.by, case.actor.name):
        raise refuse("own-change")


def _did_not_describe_it(case: Case[RegisteredService]) -> None:
    # Whoever describes a draft after its registrar has seen, and may not have changed, what decisions hang on.
    if among(case.actor.name, (case.subject.editor, case.subject.brought_by)):
        raise refuse("own-change")


def _is_proposed(case: Case[RegisteredService]) -> None:
    if case.subject.proposal is None:
        raise refuse("transition", status=case.subject.status, verb="approve_facts")


def _gives_a_reason(case: Case[RegisteredService]) -> None:
    if not case.command.reason.strip():
        raise refuse("reason-missing")


def _is_described(case: Case[RegisteredService]) -> None:
    if missing := list(fact_faults(case.subject.facts)):
        raise refuse("register-incomplete", missing=missing)


def _contract_is_complete(case: Case[RegisteredService]) -> None:
    if missing := contract_faults(case.subject.facts):
        raise refuse("contract-incomplete", missing=missing)


def _log_plan_is_complete(case: Case[RegisteredService]) -> None:
    if missing := case.subject.log_plan.missing:
        fields = [Missing(f"log_plan.{name}", "記載してください。", "is missing") for name in missing]
        raise refuse("log-plan", missing=fields)


def _scope_admits_it(case: Case[RegisteredService]) -> None:
    if not any(admits(scope, case.subject.id) for scope in case.state.all(WorkScope)):
        raise refuse("scope-missing")


GUARDS = {
    "is_kept_by_hand": _by_hand,
    "was_stopped_by_hand": _was_stopped_by_hand,
    "keeps_the_facts_that_need_two_people": _keeps_four_eyes_facts,
    "has_a_proposal": _is_proposed,
    "is_not_the_editor": _is_not_the_editor,
    "did_not_describe_it": _did_not_describe_it,
    "gives_a_reason": _gives_a_reason,
    "is_described": _is_described,
    "contract_is_complete": _contract_is_complete,
    "log_plan_is_complete": _log_plan_is_complete,
    "a_published_scope_admits_it": _scope_admits_it,
}
_READY = ("is_described", "contract_is_complete", "log_plan_is_complete", "a_published_scope_admits_it")
_HAND, _WHY, _STOPPED = "is_kept_by_hand", "gives_a_reason", "was_stopped_by_hand"


def _kept(verb: str, guards: tuple[str, ...], roles: tuple[str, ...]) -> list[Transition]:
    return [Transition(name, verb, name, guards, roles) for name in ("DRAFT", "ACTIVE", "SUSPENDED")]


MACHINE = Machine(
    RegisteredService.noun,
    [
        Transition(START, "register", "DRAFT", (), _EDITORS),
        *_kept("describe", (_HAND, "keeps_the_facts_that_need_two_people"), _EDITORS),
        *_kept("propose_facts", (_HAND, _WHY), _EDITORS),
        *_kept("approve_facts", (_HAND, "has_a_proposal", "is_not_the_editor"), _DECIDERS),
        *_kept("refuse_facts", (_HAND, "has_a_proposal", _WHY), _DECIDERS),
        *_kept("set_log_plan", (), _EDITORS),
        Transition("DRAFT", "activate", "ACTIVE", ("did_not_describe_it", *_READY), _DECIDERS),
        Transition("ACTIVE", "suspend", "SUSPENDED", (_WHY,), _STOPPERS),
        # What a file brings was decided with the file; here it is only started again.
        Transition("SUSPENDED", "resume", "ACTIVE", (_WHY, _STOPPED), _DECIDERS, when="a_file_owns_it"),
        Transition("SUSPENDED", "resume", "ACTIVE", (_WHY, *_READY), _DECIDERS),
        Transition("DRAFT", "retire", "RETIRED", (_WHY,), _DECIDERS),
        Transition("ACTIVE", "retire", "RETIRED", (_WHY,), _DECIDERS),
        Transition("SUSPENDED", "retire", "RETIRED", (_WHY,), _DECIDERS),
    ],
    GUARDS,
    {"a_file_owns_it": lambda case: bool(case.subject.owner_file)},
)


def register_service(
    state: State, command: RegisterService, actor: Actor, at_us: int, rules: Rules
) -> Change:
    """Enter a service as a draft, as 約款型 until two people say otherwise."""
    facts = msgspec.structs.replace(command.facts, contract_type=ContractType.TERMS_OF_SERVICE, contract=None)
    service = RegisteredService(
        tenant=state.tenant,
        id=command.id,
        status=START,
        facts=facts,
        terms=command.terms,
        editor=actor.name,
        brought_by=actor.name,
        owner_file=command.owner_file,
    )
    status = MACHINE.move("register", Case(state, service, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.new("register", msgspec.structs.replace(service, status=status))
    return changing.done()


def describe_service(
    state: State, command: DescribeService, actor: Actor, at_us: int, rules: Rules
) -> Change:
    """Change facts that no decision hangs on."""
    return _move("describe", state, command, actor, at_us, rules, facts=command.facts, editor=actor.name)


def propose_facts(state: State, command: ProposeFacts, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Keep a proposal beside the facts in force."""
    if missing := [*fact_faults(command.facts), *contract_faults(command.facts)]:
        raise refuse("incomplete", missing=missing)
    proposal = Proposal(facts=command.facts, by=actor.name, at_us=at_us, reason=command.reason)
    return _move("propose_facts", state, command, actor, at_us, rules, proposal=proposal)


def approve_facts(state: State, command: ApproveFacts, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Put a proposal in force; the approver is not its editor, and approves what they read."""
    service = state.get(RegisteredService, command.id)
    fields: dict[str, Any] = {"proposal": None}
    if service.proposal is not None:
        if digest(service.proposal) != command.proposal:
            raise refuse("stale")
        by = service.proposal.by
        fields |= {"facts": service.proposal.facts, "editor": by, "brought_by": by}
    return _move("approve_facts", state, command, actor, at_us, rules, **fields)


def refuse_facts(state: State, command: RefuseFacts, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Drop a proposal, with a reason."""
    return _move("refuse_facts", state, command, actor, at_us, rules, proposal=None)


def set_log_plan(state: State, command: SetLogPlan, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Keep the log plan; an active service keeps a complete one."""
    before = state.get(RegisteredService, command.id)
    if before.status != "DRAFT" and command.plan.missing:
        raise refuse(
            "log-plan", missing=[Missing(name, "必要です。", "is missing") for name in command.plan.missing]
        )
    return _move("set_log_plan", state, command, actor, at_us, rules, log_plan=command.plan)


def activate_service(
    state: State, command: ActivateService, actor: Actor, at_us: int, rules: Rules
) -> Change:
    """Make the service available for applications."""
    return _move("activate", state, command, actor, at_us, rules)


def suspend_service(state: State, command: SuspendService, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Stop every use now: no grant for the service admits anything while it is suspended."""
    return _move("suspend", state, command, actor, at_us, rules, suspended_for=command.reason)


def resume_service(state: State, command: ResumeService, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Let the service be used again."""
    return _move("resume", state, command, actor, at_us, rules, suspended_for="")


def retire_service(state: State, command: RetireService, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Take the service out of use; its grants admit nothing from then on."""
    return _move("retire", state, command, actor, at_us, rules, suspended_for=command.reason)


def _move(
    verb: str, state: State, command: Any, actor: Actor, at_us: int, rules: Rules, **fields: Any
) -> Change:
    service = state.get(RegisteredService, command.id)
    status = MACHINE.move(verb, Case(state, service, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    reason = getattr(command, "reason", "")
    changing.edit(verb, service, {"reason": reason} if reason else None, status=status, **fields)
    return changing.done()


def fact_faults(facts: Facts) -> list[Missing]:
    """Say what no service can be without."""
    needed = ("name", "provider", "hosts", "governing_law", "data_locations", "retention", "policy_languages")
    found = [_needed(name) for name in needed if not getattr(facts, name)]
    if "ja" not in facts.policy_languages and facts.policy_languages and not _summarised(facts):
        found.append(
            Missing(
                "ja_summary",
                "日本語の要約と確認者が必要です。",
                "a Japanese summary checked by a second person",
            )
        )
    if not 1 <= facts.class_floor <= 3:
        found.append(Missing("class_floor", "1〜3です。", "must be 1, 2 or 3"))
    return found


def contract_faults(facts: Facts) -> list[Missing]:
    """Say what an individual contract lacks [MOU-1-1, MOU-2-1]."""
    if facts.contract_type is not ContractType.INDIVIDUAL_CONTRACT:
        return []
    if facts.contract is None:
        return [_needed("contract")]
    needed = ("number", "counterparty", "start", "end", "training_clause", "deletion_clause", "evidence")
    found = [_needed(f"contract.{name}") for name in needed if not getattr(facts.contract, name)]
    if facts.contract.start and facts.contract.end and facts.contract.start > facts.contract.end:
        found.append(Missing("contract.end", "開始日より前です。", "lies before the start"))
    if not facts.subprocessors:
        found.append(_needed("subprocessors"))
    return found


def _summarised(facts: Facts) -> bool:
    summary = facts.ja_summary
    return (
        summary is not None
        and bool(summary.text.strip())
        and bool(summary.reviewer)
        and not same(summary.author, summary.reviewer)
    )


def _needed(name: str) -> Missing:
    return Missing(name, "記載してください。", "is missing")


def _approval_needed(name: str) -> Missing:
    return Missing(name, "別の人の承認が必要です。", "needs a proposal and the approval of another person")
