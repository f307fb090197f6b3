"""What happens because time passes: grants start and expire, warnings fall due, changed terms lapse.

Run every minute or after a day's outage, it gives the same end: each step is due at an instant of its own
and happens once. Nothing that the gate refuses waits for it.
"""

from __future__ import annotations

from sekimori.governance.actors import clock
from sekimori.governance.authority import authorities_for
from sekimori.governance.change import Change, Changing
from sekimori.governance.grant import LIVE, MACHINE, Grant, warning_instants
from sekimori.governance.machine import Case
from sekimori.governance.rereading import lapse_terms
from sekimori.governance.rules import Rules
from sekimori.governance.state import State
from sekimori.governance.terms import TermsChange


def tick(state: State, at_us: int, rules: Rules) -> Change:
    """Carry out everything that is due by ``at_us``."""
    actor = clock(state.tenant)
    changing = Changing(state, actor, at_us)
    for change in list(state.due(TermsChange, at_us)):
        if change.status == "PENDING" and at_us >= change.due_us:
            lapse_terms(changing, change, Case(changing.state, change, None, actor, at_us, rules))
    for grant in list(changing.state.due(Grant, at_us)):
        if grant.status in (*LIVE, "SUSPENDED"):
            _pass(changing, grant, at_us, rules)
    return changing.done()


def _pass(changing: Changing, grant: Grant, at_us: int, rules: Rules) -> None:
    case = Case(changing.state, grant, None, clock(grant.tenant), at_us, rules)
    if at_us >= grant.period.end_us:
        changing.edit("expire", grant, status=MACHINE.move("expire", case))
        return
    if grant.status == "SCHEDULED" and at_us >= grant.period.start_us:
        grant = changing.edit("start", grant, status=MACHINE.move("start", case))
    _warn(changing, grant, at_us, rules)


def _warn(changing: Changing, grant: Grant, at_us: int, rules: Rules) -> None:
    """Warn once, with the fewest days left: after an outage nobody gets three warnings at once."""
    due = sorted(days for days, instant in warning_instants(grant, rules).items() if at_us >= instant)
    if not due or due[0] in grant.warned:
        return
    case = Case(changing.state, grant, None, clock(grant.tenant), at_us, rules)
    told = {"days": due[0], "end": grant.period.end, "to": recipients(changing.state, grant, at_us)}
    warned = tuple(sorted({*grant.warned, *due}, reverse=True))
    changing.edit("warn", grant, told, status=MACHINE.move("warn", case), warned=warned)


def recipients(state: State, grant: Grant, at_us: int) -> dict[str, tuple[str, ...]]:
    """Name who is told about a grant: its users, its administrator, its authorities."""
    authorities = authorities_for(state, grant.service, grant.unit, at_us)
    return {
        "users": tuple(dict.fromkeys((grant.applicant, *grant.users))),
        "groups": grant.groups,
        "administrator": (grant.administrator,) if grant.administrator else (),
        "authority": tuple(dict.fromkeys(each.holder for each in authorities)),
    }
