"""Who a name is here: the roles that were confirmed for it, and the unit it belongs to.

Everybody whom the installation knows is staff. Whoever holds a living authority, or stands in for one
today, acts as an approval authority without a role of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from sekimori.governance.actors import APPROVAL_AUTHORITY, ROLES, STAFF, Actor, same
from sekimori.governance.authority import ApprovalAuthority, RoleAssignment
from sekimori.governance.calendar import jst_date
from sekimori.governance.state import State


def actor_of(state: State, name: str, unit: str, at_us: int, *, roles: Iterable[str] = ()) -> Actor:
    """Give the actor that ``name`` is now; ``roles`` are those of its account, unknown ones left out.

    ``unit`` counts where no confirmed role names another.
    """
    held = [each for each in state.all(RoleAssignment) if each.status == "ACTIVE" and same(each.holder, name)]
    found = {STAFF, *(each.role for each in held), *(role for role in roles if role in ROLES)}
    if _decides(state, name, at_us):
        found.add(APPROVAL_AUTHORITY)
    named = sorted({each.unit for each in held if each.unit})
    return Actor(name, frozenset(found), named[0] if named else unit, state.tenant)


def _decides(state: State, name: str, at_us: int) -> bool:
    day = jst_date(at_us)
    return any(
        each.living(day) and (same(each.holder, name) or each.standing_in(name, day))
        for each in state.all(ApprovalAuthority)
    )
