"""When the clock has something to do with a thing: so that a store need not look at all of them each minute.

Says the same as ``tick``, ``lapse_tasks``, ``press_sheets`` and ``lapse_documents``, of one thing: nothing
happens before.
"""

from __future__ import annotations

from datetime import timedelta

from sekimori.governance.calendar import jst_us
from sekimori.governance.grant import LIVE, Grant, warning_instants
from sekimori.governance.provided import ProvidedDocument, ends_us, reminded_us
from sekimori.governance.review_sheet import ReviewSheet
from sekimori.governance.state import Aggregate
from sekimori.governance.terms import TermsChange
from sekimori.governance.triage import TriageTask
from sekimori.governance.use_rules import UseRules

NOUNS = (Grant.noun, TermsChange.noun, TriageTask.noun, ReviewSheet.noun, ProvidedDocument.noun)
"""What the clock does anything with."""

_NEXT_DAY = timedelta(days=1)


def due_us(value: Aggregate, rules: UseRules) -> int | None:
    """Give the instant from which the clock has something to do; None where it never will."""
    match value:
        case Grant():
            return _of_grant(value, rules)
        case TermsChange():
            return value.due_us if value.status == "PENDING" else None
        case TriageTask():
            return None if value.late or value.status == "RESOLVED" else jst_us(value.due_on + _NEXT_DAY)
        case ReviewSheet():
            return _of_sheet(value, rules)
        case ProvidedDocument():
            return _of_document(value)
        case _:
            return None


def _of_grant(grant: Grant, rules: UseRules) -> int | None:
    if grant.status not in (*LIVE, "SUSPENDED"):
        return None
    fewest = min(grant.warned, default=None)
    instants = [grant.period.end_us]
    instants += [
        instant for days, instant in warning_instants(grant, rules).items() if fewest is None or days < fewest
    ]
    if grant.status == "SCHEDULED":
        instants.append(grant.period.start_us)
    return min(instants)


def _of_document(kept: ProvidedDocument) -> int | None:
    if kept.expires_on is None or kept.status not in ("KEPT", "REMINDED"):
        return None
    return reminded_us(kept.expires_on) if kept.status == "KEPT" else ends_us(kept.expires_on)


def _of_sheet(sheet: ReviewSheet, rules: UseRules) -> int | None:
    days = {"PREPARED": rules.reviews.reminder_days, "REMINDED": rules.reviews.escalation_days}.get(
        sheet.status
    )
    return None if days is None else jst_us(sheet.due_on + timedelta(days=days))
