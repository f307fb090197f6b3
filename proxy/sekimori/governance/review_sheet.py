"""Review sheets: the log of a service, looked at every week (or day) and signed [UPD-U5-1].

The clock prepares a sheet with the anomalies; a reviewer answers each and signs. Whoever an anomaly is
about doesn't sign. A sheet that is not signed in time is reminded of, then escalated, and from then on
only a security officer signs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any, ClassVar, Literal

import msgspec

from sekimori.governance.actors import (
    CLOCK_ROLE,
    CLOUD_SERVICE_ADMINISTRATOR,
    REVIEWER,
    SECURITY_OFFICER,
    Actor,
    among,
)
from sekimori.governance.anomalies import Anomaly, Counts, Oddity, anomalies
from sekimori.governance.calendar import business_days_later, jst_date, jst_us
from sekimori.governance.change import Change, Changing
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.refusals import Missing
from sekimori.governance.state import Aggregate, State, Value
from sekimori.governance.use_refusals import refuse_use
from sekimori.governance.use_rules import UseRules

_SIGNERS = (REVIEWER, CLOUD_SERVICE_ADMINISTRATOR, SECURITY_OFFICER)
Cycle = Literal["WEEKLY", "DAILY"]


class Remark(Value, frozen=True):
    """What the reviewer says of one anomaly; one that is followed up names its report."""

    anomaly: str
    verdict: Literal["EXPLAINED", "FOLLOWED_UP"]
    note: str
    report: str = ""


class ReviewSheet(Aggregate, frozen=True, kw_only=True):
    """The sheet of a service for the days from ``start`` to ``end``."""

    noun: ClassVar[str] = "review_sheet"

    service: str
    cycle: Cycle
    start: date
    end: date
    due_on: date
    counts: Counts
    anomalies: tuple[Anomaly, ...] = ()
    remarks: tuple[Remark, ...] = ()
    signed_by: str = ""
    signed_us: int = 0


class SignSheet(msgspec.Struct, frozen=True):
    """Sign a sheet, with a remark on each anomaly."""

    id: str
    remarks: tuple[Remark, ...] = ()


def _answers_every_anomaly(case: Case[ReviewSheet]) -> None:
    remarks = {each.anomaly: each for each in case.command.remarks}
    missing = []
    for anomaly in case.subject.anomalies:
        remark = remarks.pop(anomaly.key, None)
        if remark is None or not remark.note.strip():
            missing.append(Missing(anomaly.key, "所見を記載してください。", "has no finding"))
        elif remark.verdict == "FOLLOWED_UP" and not remark.report.strip():
            missing.append(Missing(anomaly.key, "報告を作成してください。", "names no report"))
    missing += [Missing(key, "この異常はありません。", "is not on the sheet") for key in remarks]
    if missing:
        raise refuse_use("anomaly-unanswered", missing=missing)


def _is_in_no_anomaly(case: Case[ReviewSheet]) -> None:
    about = [each.about for each in case.subject.anomalies if each.kind is Oddity.USER_VOLUME]
    if among(case.actor.name, tuple(about)):
        raise refuse_use("own-anomaly")


_SIGNED = ("is_in_no_anomaly", "answers_every_anomaly")
MACHINE = Machine(
    ReviewSheet.noun,
    [
        Transition(START, "prepare", "PREPARED", (), (CLOCK_ROLE,)),
        Transition("PREPARED", "remind", "REMINDED", (), (CLOCK_ROLE,)),
        Transition("PREPARED", "escalate", "ESCALATED", (), (CLOCK_ROLE,)),
        Transition("REMINDED", "escalate", "ESCALATED", (), (CLOCK_ROLE,)),
        Transition("PREPARED", "sign", "SIGNED", _SIGNED, _SIGNERS),
        Transition("REMINDED", "sign", "SIGNED", _SIGNED, _SIGNERS),
        Transition("ESCALATED", "sign", "SIGNED", _SIGNED, (SECURITY_OFFICER,)),
    ],
    {"is_in_no_anomaly": _is_in_no_anomaly, "answers_every_anomaly": _answers_every_anomaly},
)


def span_before(day: date, cycle: Cycle) -> tuple[date, date]:
    """Give the last whole week (Monday to Sunday), or the day, before ``day``."""
    if cycle == "DAILY":
        return day - timedelta(days=1), day - timedelta(days=1)
    monday = day - timedelta(days=day.weekday())
    return monday - timedelta(days=7), monday - timedelta(days=1)


def sheet_id(service: str, cycle: Cycle, start: date) -> str:
    """Give the id of a sheet: there is one a service and span."""
    return f"{service}:{cycle.lower()}:{start.isoformat()}"


def prepare_sheet(
    state: State,
    service: str,
    cycle: Cycle,
    counts: Counts,
    before: Sequence[Counts],
    actor: Actor,
    at_us: int,
    rules: UseRules,
) -> Change:
    """Prepare the sheet of the last span; ``actor`` is the clock. One that is there stays as it is."""
    changing = Changing(state, actor, at_us)
    start, end = span_before(jst_date(at_us), cycle)
    id_ = sheet_id(service, cycle, start)
    if state.find(ReviewSheet, id_) is not None:
        return changing.done()
    value = ReviewSheet(
        tenant=state.tenant,
        id=id_,
        status=START,
        service=service,
        cycle=cycle,
        start=start,
        end=end,
        due_on=business_days_later(end, rules.reviews.sign_days),
        counts=counts,
        anomalies=anomalies(counts, before, rules.reviews),
    )
    status = MACHINE.move("prepare", Case(state, value, None, actor, at_us, rules))
    changing.new("prepare", msgspec.structs.replace(value, status=status))
    return changing.done()


def sign_sheet(state: State, command: SignSheet, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Sign a sheet."""
    before = state.get(ReviewSheet, command.id)
    status = MACHINE.move("sign", Case(state, before, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    fields: dict[str, Any] = {"remarks": command.remarks, "signed_by": actor.name, "signed_us": at_us}
    changing.edit("sign", before, status=status, **fields)
    return changing.done()


def press_sheets(state: State, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Remind of what was not signed, then escalate it; ``actor`` is the clock. Each happens once."""
    changing = Changing(state, actor, at_us)
    for sheet in list(state.due(ReviewSheet, at_us)):
        verb = _pressing(sheet, at_us, rules)
        if verb and any(MACHINE.rows_of(sheet.status, verb)):
            status = MACHINE.move(verb, Case(state, sheet, None, actor, at_us, rules))
            changing.edit(verb, sheet, {"due_on": sheet.due_on}, status=status)
    return changing.done()


def _pressing(sheet: ReviewSheet, at_us: int, rules: UseRules) -> str:
    if at_us >= jst_us(sheet.due_on + timedelta(days=rules.reviews.escalation_days)):
        return "escalate"
    return "remind" if at_us >= jst_us(sheet.due_on + timedelta(days=rules.reviews.reminder_days)) else ""


def signed_sheets(state: State, service: str) -> Iterator[ReviewSheet]:
    """Walk the evidence that the log of a service was reviewed, by date."""
    signed = (each for each in state.all(ReviewSheet) if each.status == "SIGNED" and each.service == service)
    yield from sorted(signed, key=lambda each: (each.start, each.id))
