"""Renewal (更新): a new application from an old grant, which keeps its own end; no gap is filled."""

from __future__ import annotations

import msgspec

from sekimori.governance.actors import Actor
from sekimori.governance.application import Application
from sekimori.governance.change import Change, Changing
from sekimori.governance.grant import MACHINE, Grant
from sekimori.governance.machine import Case
from sekimori.governance.plan import UsagePlan
from sekimori.governance.rules import Rules
from sekimori.governance.state import State


class RenewGrant(msgspec.Struct, frozen=True):
    """Begin the renewal of a grant as the application ``application``."""

    id: str
    application: str


def renew_grant(state: State, command: RenewGrant, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Begin a renewal: the plan is copied without what has to be found out again."""
    grant = state.get(Grant, command.id)
    status = MACHINE.move("begin_renewal", Case(state, grant, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    application = Application(
        tenant=state.tenant,
        id=command.application,
        status="DRAFT",
        applicant=actor.name,
        unit=grant.unit,
        plan=_again(state.get(Application, grant.application).plan),
        renewal_of=grant.id,
    )
    changing.new("draft", application)
    changing.edit("begin_renewal", grant, status=status, renewal=application.id)
    return changing.done()


def _again(plan: UsagePlan) -> UsagePlan:
    fresh = UsagePlan()
    return msgspec.structs.replace(
        plan, usage_period=None, terms_check=fresh.terms_check, checklist=fresh.checklist
    )


def drop_renewal(changing: Changing, application: Application) -> None:
    """Say in the old grant that its renewal came to nothing."""
    grant = changing.state.find(Grant, application.renewal_of)
    if grant is None or grant.renewal != application.id:
        return
    after = [row.target for row in MACHINE.rows_of(grant.status, "drop_renewal")]
    if after:
        changing.edit("drop_renewal", grant, status=after[0], renewal="")
