"""Secondary use (二次利用): who answers for an output that is used again, from its hash back to its prompt.

Inside the organisation a record is enough; what goes outside was verified by a person and is reviewed by
somebody else than its author. Answerable is the person whom the grant names [MOU-2-4].
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import msgspec

from sekimori.governance.actors import APPROVAL_AUTHORITY, REVIEWER, ROLES, Actor, same
from sekimori.governance.change import Change, Changing
from sekimori.governance.grant import Grant
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.refusals import Missing, refuse
from sekimori.governance.state import Aggregate, State
from sekimori.governance.use_refusals import refuse_use
from sekimori.governance.use_rules import UseRules

_SHA256 = re.compile(r"[0-9a-f]{64}")


class SecondaryUse(Aggregate, frozen=True, kw_only=True):
    """One use of an output; ``exchange`` is the record that holds its prompt."""

    noun: ClassVar[str] = "secondary_use"
    indexed_by: ClassVar[tuple[tuple[str, ...], ...]] = (("output_sha256",),)

    output_sha256: str
    exchange: str
    grant: str
    service: str
    intended_use: str
    audience: Literal["INTERNAL", "EXTERNAL"]
    author: str
    recorded_us: int
    responsible: str
    human_verified: bool = False
    reviewer: str = ""
    reviewed_us: int = 0
    note: str = ""


class RecordSecondaryUse(msgspec.Struct, frozen=True):
    """Say that an output is used, what for, and for whom."""

    id: str
    output_sha256: str
    exchange: str
    grant: str
    intended_use: str
    audience: Literal["INTERNAL", "EXTERNAL"]
    human_verified: bool = False


class ReviewSecondaryUse(msgspec.Struct, frozen=True):
    """Let an output go outside, or not."""

    id: str
    approve: bool
    note: str


class WithdrawSecondaryUse(msgspec.Struct, frozen=True):
    """Say that it is used no more."""

    id: str
    reason: str


def output_hash(text: str) -> str:
    """Hash an output so that copying it through a window does not change its hash.

    Compositions are made one (NFC), line ends are one, spaces at the end of lines and text are dropped.
    """
    lines = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    plain = "\n".join(line.rstrip() for line in lines).strip()
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()


def _is_traceable(case: Case[SecondaryUse]) -> None:
    use = case.subject
    missing = []
    if not _SHA256.fullmatch(use.output_sha256):
        missing.append(Missing("output_sha256", "SHA-256が必要です。", "is no SHA-256"))
    if not use.exchange.strip():
        missing.append(Missing("exchange", "元の記録が必要です。", "names no record"))
    if not use.intended_use.strip():
        missing.append(Missing("intended_use", "利用目的を記載してください。", "is missing"))
    if missing:
        raise refuse("incomplete", missing=missing)


def _somebody_is_responsible(case: Case[SecondaryUse]) -> None:
    if not case.subject.responsible.strip():
        raise refuse_use("secondary-use-owner")


def _was_verified(case: Case[SecondaryUse]) -> None:
    if not case.subject.human_verified:
        raise refuse_use("not-verified")


def _is_not_the_author(case: Case[SecondaryUse]) -> None:
    if same(case.subject.author, case.actor.name):
        raise refuse_use("own-output")


def _may_review(case: Case[SecondaryUse]) -> None:
    named = same(case.subject.responsible, case.actor.name)
    if not named and not case.actor.has(REVIEWER, APPROVAL_AUTHORITY):
        raise refuse("role", roles=f"{REVIEWER}, {APPROVAL_AUTHORITY}")


def _says_why(case: Case[SecondaryUse]) -> None:
    if not (getattr(case.command, "note", "") or getattr(case.command, "reason", "")).strip():
        raise refuse("reason-missing")


def _is_the_author_or_responsible(case: Case[SecondaryUse]) -> None:
    use = case.subject
    if not (same(use.author, case.actor.name) or same(use.responsible, case.actor.name)):
        raise refuse("not-yours", who=use.author)


_RECORDED = ("is_traceable", "somebody_is_responsible")
_REVIEWED = ("is_not_the_author", "may_review", "says_why")
_WITHDRAWN = ("is_the_author_or_responsible", "says_why")
MACHINE = Machine(
    SecondaryUse.noun,
    [
        Transition(
            START, "record", "AWAITING_REVIEW", (*_RECORDED, "was_verified"), ROLES, when="it_goes_outside"
        ),
        Transition(START, "record", "RECORDED", _RECORDED, ROLES),
        Transition("AWAITING_REVIEW", "review", "APPROVED", _REVIEWED, when="it_is_approved"),
        Transition("AWAITING_REVIEW", "review", "REFUSED", _REVIEWED),
        *(
            Transition(status, "withdraw", "WITHDRAWN", _WITHDRAWN)
            for status in ("RECORDED", "AWAITING_REVIEW", "APPROVED")
        ),
    ],
    {
        "is_traceable": _is_traceable,
        "somebody_is_responsible": _somebody_is_responsible,
        "was_verified": _was_verified,
        "is_not_the_author": _is_not_the_author,
        "may_review": _may_review,
        "says_why": _says_why,
        "is_the_author_or_responsible": _is_the_author_or_responsible,
    },
    {
        "it_goes_outside": lambda case: case.subject.audience == "EXTERNAL",
        "it_is_approved": lambda case: case.command.approve,
    },
)


def record_secondary_use(
    state: State, command: RecordSecondaryUse, actor: Actor, at_us: int, rules: UseRules
) -> Change:
    """Record a use; what goes outside waits for a reviewer."""
    grant = state.get(Grant, command.grant)
    value = SecondaryUse(
        tenant=state.tenant,
        status=START,
        service=grant.service,
        author=actor.name,
        recorded_us=at_us,
        responsible=grant.secondary_use_owner,
        **msgspec.structs.asdict(command),
    )
    status = MACHINE.move("record", Case(state, value, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.new("record", msgspec.structs.replace(value, status=status))
    return changing.done()


def review_secondary_use(
    state: State, command: ReviewSecondaryUse, actor: Actor, at_us: int, rules: UseRules
) -> Change:
    """Let an output go outside, or not."""
    fields = {"reviewer": actor.name, "reviewed_us": at_us, "note": command.note}
    return _move("review", state, command, actor, at_us, rules, {}, **fields)


def withdraw_secondary_use(
    state: State, command: WithdrawSecondaryUse, actor: Actor, at_us: int, rules: UseRules
) -> Change:
    """Say that it is used no more; the record stays."""
    return _move("withdraw", state, command, actor, at_us, rules, {"reason": command.reason})


def _move(
    verb: str,
    state: State,
    command: Any,
    actor: Actor,
    at_us: int,
    rules: UseRules,
    told: dict[str, Any],
    **fields: Any,
) -> Change:
    before = state.get(SecondaryUse, command.id)
    status = MACHINE.move(verb, Case(state, before, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.edit(verb, before, told, status=status, **fields)
    return changing.done()


def uses_of(state: State, output_sha256: str) -> Iterator[SecondaryUse]:
    """Walk what is known of an output, each with the record of its prompt; a store answers by an index."""
    return state.matching(SecondaryUse, output_sha256=output_sha256.lower())
