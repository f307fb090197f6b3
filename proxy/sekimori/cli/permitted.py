"""What somebody who signed in may do at the command line: what they may over HTTP, asked of the same tables.

Whoever runs the system is in no table: where the profile lets them act without signing in, they administer it,
and could read all of it by other means. Nobody is let in because there are no roles yet: the first are given at
the machine, with ``sekimori user add``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import typer

from sekimori.cli.terminal import say
from sekimori.governance.actors import APPROVAL_AUTHORITY, ROLES, SECURITY_OFFICER, STAFF
from sekimori.governance.content_reading import READERS
from sekimori.governance.refusals import Forbidden, refuse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sekimori.console.api.permissions import Row
    from sekimori.governance.actors import Actor

ERASURE_APPROVERS = (APPROVAL_AUTHORITY, SECURITY_OFFICER)
"""Who approves that records are erased; not who audits them."""

_REFUSED = 1
_HOW = (
    "Roles are given by governance (govern do propose-role, confirmed by somebody else), or at the machine: "
    "sekimori user add NAME --role ROLE."
)


def expect_reader(acts: Actor) -> None:
    """Let nobody read content who may not ask for it over HTTP, either."""
    if not acts.has(*READERS):
        _refuse_role(READERS)


def expect_erasure_approver(acts: Actor) -> None:
    """Let nobody approve an erasure whose role does not answer for the records."""
    if not acts.has(*ERASURE_APPROVERS):
        _refuse_role(ERASURE_APPROVERS)


def expect_all(acts: Actor, route: str) -> None:
    """Let in whom the API's table names for a route, with any thing and not their own alone."""
    row = _row(route)
    if not acts.roles & row.any:
        _refuse_role(role for role in row.roles() if role in row.any)


def expect_row(acts: Actor, route: str) -> bool:
    """Let in whom the API's table names for a route; say whether only to what is theirs."""
    row = _row(route)
    if not acts.roles & (row.any | row.own):
        _refuse_role(row.roles())
    return not acts.roles & row.any


def _row(route: str) -> Row:
    from sekimori.console.api.permissions import Row, table

    return table().get(route, Row())


def expect_noun_row(acts: Actor, noun: str) -> bool:
    """Let in whom the API's table lets read things of a kind; say whether only what is theirs.

    What the API has no route for takes a role beside staff.
    """
    from sekimori.console.api.nouns import NOUNS

    path = next((each.path for each in NOUNS if each.kind.noun == noun), None)
    if path is not None:
        return expect_row(acts, f"GET /{path}")
    if not acts.roles - {STAFF}:
        _refuse_role(role for role in ROLES if role != STAFF)
    return False


def refuse_somebody_elses() -> NoReturn:
    """Say that a thing is somebody else's, in the API's words."""
    from sekimori.console.api.problems import PROBLEMS

    text = PROBLEMS["somebody-elses"]
    _end(Forbidden("somebody-elses", text.ja, text.en))


def _refuse_role(roles: Iterable[str]) -> NoReturn:
    _end(refuse("role", roles=", ".join(roles) or "-"), hint=_HOW)


def _end(refusal: Forbidden, *, hint: str = "") -> NoReturn:
    say(" ".join(filter(None, (f"{refusal.code}: {refusal.ja} {refusal.en}", hint))))
    raise typer.Exit(_REFUSED)
