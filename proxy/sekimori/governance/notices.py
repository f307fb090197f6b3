"""Notices to staff (周知): written by one, published by another, each version with its number and hash.

A notice goes to the users of one service, of every 約款型 service, or of all. Revising one leaves the
version before it in force until the next is published. The text with which the public is asked to take
part in a trial is a notice too (``TRIAL``). Who has read what is in ``acknowledgement``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import msgspec

from sekimori.governance.actors import (
    APPROVAL_AUTHORITY,
    CLOUD_SERVICE_ADMINISTRATOR,
    SECURITY_OFFICER,
    Actor,
    same,
)
from sekimori.governance.change import Change, Changing
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.refusals import Missing, refuse
from sekimori.governance.service import RegisteredService
from sekimori.governance.state import Aggregate, State, Value
from sekimori.governance.use_refusals import refuse_use
from sekimori.governance.use_rules import UseRules

ALL = "*"
TOS = "*TERMS_OF_SERVICE"
Frequency = Literal["FIRST_USE", "DAILY"]
Kind = Literal["NOTICE", "TRIAL"]
# What the public must be told, word for word [MOU-2-9].
TRIAL_WORDS = "検証段階"

_EDITORS = (CLOUD_SERVICE_ADMINISTRATOR, SECURITY_OFFICER, APPROVAL_AUTHORITY)
_PUBLISHERS = (SECURITY_OFFICER, APPROVAL_AUTHORITY)


class NoticeText(Value, frozen=True):
    """One version as people read it."""

    title: str
    ja: str
    en: str = ""
    frequency: Frequency = "FIRST_USE"

    @property
    def sha256(self) -> str:
        """Give the hash that an acknowledgement names."""
        packed = msgspec.json.encode([self.title, self.ja, self.en])
        return hashlib.sha256(packed).hexdigest()


class Notice(Aggregate, frozen=True, kw_only=True):
    """A notice and its versions: ``current`` is in force as number ``number``, ``draft`` comes next."""

    noun: ClassVar[str] = "notice"

    service: str
    audience: Kind = "NOTICE"
    number: int = 0
    current: NoticeText | None = None
    draft: NoticeText | None = None
    editor: str = ""
    published_us: int = 0


class WriteNotice(msgspec.Struct, frozen=True):
    """Write a notice, or its next version; ``service`` and ``audience`` stay what they first were."""

    id: str
    service: str
    text: NoticeText
    audience: Kind = "NOTICE"


class PublishNotice(msgspec.Struct, frozen=True):
    """Put the draft in force; ``sha256`` is the text that was read."""

    id: str
    sha256: str


class WithdrawNotice(msgspec.Struct, frozen=True):
    """Show it to nobody any more."""

    id: str
    reason: str


def _says_something(case: Case[Notice]) -> None:
    text = case.command.text
    missing = []
    if not text.title.strip():
        missing.append(Missing("title", "表題を記載してください。", "is missing"))
    if not text.ja.strip():
        missing.append(Missing("ja", "本文を記載してください。", "is missing"))
    if missing:
        raise refuse("incomplete", missing=missing)
    if case.subject.audience == "TRIAL" and TRIAL_WORDS not in text.ja:
        raise refuse_use("notice-verbatim", words=TRIAL_WORDS)


def _keeps_its_place(case: Case[Notice]) -> None:
    command, notice = case.command, case.subject
    if (command.service, command.audience) != (notice.service, notice.audience):
        raise refuse("incomplete", missing=[Missing("service", "対象は変更できません。", "cannot change")])
    if notice.service not in (ALL, TOS):
        case.state.get(RegisteredService, notice.service)
    elif notice.audience == "TRIAL":
        message = "サービスを指定してください。"
        raise refuse("incomplete", missing=[Missing("service", message, "names no single service")])


def _did_not_write_it(case: Case[Notice]) -> None:
    if same(case.subject.editor, case.actor.name):
        raise refuse("own-change")


def _was_read(case: Case[Notice]) -> None:
    draft = case.subject.draft
    if draft is None or draft.sha256 != case.command.sha256:
        raise refuse_use("notice-differs")


def _gives_a_reason(case: Case[Notice]) -> None:
    if not case.command.reason.strip():
        raise refuse("reason-missing")


_WRITTEN = ("says_something", "keeps_its_place")
_PUBLISHED = ("did_not_write_it", "was_read")
_WHY = ("gives_a_reason",)
MACHINE = Machine(
    Notice.noun,
    [
        Transition(START, "write", "DRAFT", _WRITTEN, _EDITORS),
        Transition("DRAFT", "write", "DRAFT", _WRITTEN, _EDITORS),
        Transition("DRAFT", "publish", "PUBLISHED", _PUBLISHED, _PUBLISHERS),
        Transition("DRAFT", "withdraw", "WITHDRAWN", _WHY, _EDITORS),
        Transition("PUBLISHED", "write", "REVISING", _WRITTEN, _EDITORS),
        Transition("REVISING", "write", "REVISING", _WRITTEN, _EDITORS),
        Transition("REVISING", "publish", "PUBLISHED", _PUBLISHED, _PUBLISHERS),
        Transition("PUBLISHED", "withdraw", "WITHDRAWN", _WHY, _PUBLISHERS),
        Transition("REVISING", "withdraw", "WITHDRAWN", _WHY, _PUBLISHERS),
    ],
    {
        "says_something": _says_something,
        "keeps_its_place": _keeps_its_place,
        "did_not_write_it": _did_not_write_it,
        "was_read": _was_read,
        "gives_a_reason": _gives_a_reason,
    },
)


def write_notice(state: State, command: WriteNotice, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Write a draft; whoever wrote last does not publish."""
    fresh = Notice(
        tenant=state.tenant, id=command.id, status=START, service=command.service, audience=command.audience
    )
    before = state.find(Notice, command.id) or fresh
    status = MACHINE.move("write", Case(state, before, command, actor, at_us, rules))
    _check_id(command.id)
    changing = Changing(state, actor, at_us)
    changing.edit("write", before, status=status, draft=command.text, editor=actor.name)
    return changing.done()


def _check_id(id_: str) -> None:
    # The id travels in a header of API clients.
    if not (id_.isascii() and id_.replace("-", "").isalnum() and len(id_) <= _LONGEST_ID):
        message = "英数字とハイフン、64文字以内です。"
        raise refuse("incomplete", missing=[Missing("id", message, "takes 64 letters, digits, hyphens")])


_LONGEST_ID = 64


def publish_notice(state: State, command: PublishNotice, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Put the draft in force: from now everybody concerned has to read it again."""
    before = state.get(Notice, command.id)
    fields = {
        "number": before.number + 1,
        "current": before.draft,
        "draft": None,
        "published_us": at_us,
    }
    return _move("publish", state, command, actor, at_us, rules, {"sha256": command.sha256}, **fields)


def withdraw_notice(
    state: State, command: WithdrawNotice, actor: Actor, at_us: int, rules: UseRules
) -> Change:
    """Show it to nobody any more."""
    return _move("withdraw", state, command, actor, at_us, rules, {"reason": command.reason}, draft=None)


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
    before = state.get(Notice, command.id)
    status = MACHINE.move(verb, Case(state, before, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.edit(verb, before, told, status=status, **fields)
    return changing.done()


def in_force(state: State, service: str, audience: Kind = "NOTICE") -> Iterator[Notice]:
    """Walk the notices that the users of ``service`` have to have read, by id."""
    entry = state.find(RegisteredService, service)
    # What is not in the register counts as 約款型: unknown is the safest.
    tos = entry is None or entry.facts.contract_type == "TERMS_OF_SERVICE"
    places = {ALL, service, TOS} if tos else {ALL, service}
    for notice in sorted(state.all(Notice), key=lambda each: each.id):
        shown = notice.status in ("PUBLISHED", "REVISING") and notice.audience == audience
        if shown and notice.service in places:
            yield notice
