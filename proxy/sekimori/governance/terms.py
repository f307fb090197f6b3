"""Changed terms: other bytes than were read before, waiting for an authority.

While a change is pending nothing new is approved; when the grace period ends unconfirmed, or an authority
refuses it, every use of the service stops [DSN-A2-8]. ``stopped`` says so for an instant, whether or not
the clock's own transition has run yet. What is done about a change is in ``rereading``.
"""

from __future__ import annotations

from typing import ClassVar

from sekimori.governance.service import TermsDocument
from sekimori.governance.state import Aggregate, State


class TermsChange(Aggregate, frozen=True, kw_only=True):
    """That the terms of a service are other bytes than before; ``due_us`` ends the grace period."""

    noun: ClassVar[str] = "terms_change"

    service: str
    before: TermsDocument | None
    after: TermsDocument
    found_by: str
    due_us: int
    decided_by: str = ""
    note: str = ""


def pending(state: State, service: str) -> list[TermsChange]:
    """List the changes of a service's terms that nobody has accepted."""
    return [each for each in state.all(TermsChange) if each.service == service and each.status != "CONFIRMED"]


def stops(change: TermsChange, at_us: int) -> bool:
    """Say whether a change stops every use of its service at an instant."""
    return change.status != "CONFIRMED" and (change.status != "PENDING" or at_us >= change.due_us)


def stopped(state: State, service: str, at_us: int) -> bool:
    """Say whether a change of terms stops every use of a service at an instant."""
    return any(stops(each, at_us) for each in pending(state, service))
