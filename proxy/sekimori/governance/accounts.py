"""What was done to accounts: kept beside the accounts themselves, so that each act is an event of the ledger.

An account's own row is replaced by every change and remembers none. Here stands what it said last, without
anything that opens it: of a password, a key or a token a hash of what is kept of it, which tells that it was
replaced and by no means what it is. Whoever changes an account notes it in the same transaction; what nobody
noted (an older release, a process without the keys, a stranger) is noted when it is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from sekimori.governance.actors import Actor
from sekimori.governance.change import Change, Changing
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.rules import Rules
from sekimori.governance.state import Aggregate, State, Value


class Opener(Value, frozen=True):
    """A key or a token of an account: its id, what it is good for, and the mark of what is kept of it."""

    id: str
    mark: str
    of: tuple[str, ...] = ()
    ends_us: int = 0


class AccountKept(Aggregate, frozen=True, kw_only=True):
    """An account as it was noted last; its id is the name."""

    noun: ClassVar[str] = "account"

    groups: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    password: str = ""
    proxy_password: str = ""
    keys: tuple[Opener, ...] = ()
    tokens: tuple[Opener, ...] = ()
    changed_us: int = 0


_CHANGES = (
    "set_roles",
    "set_password",
    "set_proxy_password",
    "make_key",
    "revoke_key",
    "make_token",
    "end_token",
)
MACHINE = Machine(
    AccountKept.noun,
    [
        Transition(START, "make", "OPEN"),
        *(Transition("OPEN", verb, "OPEN") for verb in _CHANGES),
        Transition("OPEN", "disable", "DISABLED"),
        *(Transition("DISABLED", verb, "DISABLED") for verb in _CHANGES),
        Transition("DISABLED", "enable", "OPEN"),
    ],
    {},
)


def note_accounts(
    state: State,
    accounts: Iterable[AccountKept],
    actor: Actor,
    at_us: int,
    rules: Rules,
    *,
    found: bool = False,
) -> Change:
    """Note how accounts are now: an event for each thing that was done to one, none where nothing was."""
    changing = Changing(state, actor, at_us)
    for account in accounts:
        for verb, value, about in _acts(changing.state.find(AccountKept, account.id), account):
            before = changing.state.find(AccountKept, account.id)
            case = Case(changing.state, before or _new(state, account), None, actor, at_us, rules)
            status = MACHINE.move(verb, case)
            facts: dict[str, Any] = {
                **({"about": about} if about else {}),
                **({"found": True} if found else {}),
            }
            fields = {**value, "status": status, "changed_us": account.changed_us}
            changing.edit(verb, case.subject, facts, **fields)
    return changing.done()


def is_older(held: AccountKept | None, account: AccountKept) -> bool:
    """Tell whether an account's row was put back to what it was before it was last noted."""
    return held is not None and account.changed_us < held.changed_us


def _new(state: State, account: AccountKept) -> AccountKept:
    return AccountKept(tenant=state.tenant, id=account.id, status=START)


def _acts(before: AccountKept | None, after: AccountKept) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
    """Give what was done to an account: the verb, the fields that are new, the ids of keys and tokens it is about."""
    if before is None:
        yield "make", {name: getattr(after, name) for name in _FIELDS}, []
    else:
        yield from _changed(before, after)
    was = "OPEN" if before is None else before.status
    if after.status != was:
        yield "disable" if after.status == "DISABLED" else "enable", {}, []


_FIELDS = ("groups", "roles", "password", "proxy_password", "keys", "tokens")


def _changed(before: AccountKept, after: AccountKept) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
    if (before.groups, before.roles) != (after.groups, after.roles):
        yield "set_roles", {"groups": after.groups, "roles": after.roles}, []
    for field in ("password", "proxy_password"):
        if getattr(before, field) != getattr(after, field):
            yield f"set_{field}", {field: getattr(after, field)}, []
    yield from _openers("keys", "make_key", "revoke_key", before.keys, after.keys)
    yield from _openers("tokens", "make_token", "end_token", before.tokens, after.tokens)


def _openers(
    field: str, made: str, ended: str, before: tuple[Opener, ...], after: tuple[Opener, ...]
) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
    gone = [each for each in before if each not in after]
    new = [each for each in after if each not in before]
    if gone:
        yield ended, {field: tuple(each for each in before if each in after)}, [each.id for each in gone]
    if new:
        yield made, {field: after}, [each.id for each in new]
