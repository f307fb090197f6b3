"""Who acts at the command line: somebody who signs in, or where the profile allows it whoever runs the system.

What they may do is then asked of the tables of governance, as it is of everybody.
"""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING

from sekimori.cli.places import Places
from sekimori.cli.whoami import system_user
from sekimori.errors import UsageError

if TYPE_CHECKING:
    from sekimori.cli.config import Config
    from sekimori.governance.actors import Actor
    from sekimori.governance.state import State
    from sekimori.store.people import Account

_OS_PROFILE = "enterprise"


def signed_in(places: Places, account: str) -> Account:
    """Ask for the account's password; raises UsageError unless it is the right one."""
    from sekimori.cli.opened import people_names, store_session
    from sekimori.store.people import PersonRepo
    from sekimori.vault.passwords import NOBODY, verify_password

    password = getpass.getpass(f"Password of {account}: ") if sys.stdin.isatty() else sys.stdin.readline()
    with store_session(places) as session:
        found = PersonRepo(session, people_names(places)).get(account)
    # One answer for all: who has an account is nobody's business here.
    stored = found.password if found and not found.disabled else None
    if not verify_password(stored or NOBODY, password.rstrip("\r\n")) or found is None or stored is None:
        raise UsageError(f"{account} could not sign in.", hint="Is it the account's own password?")
    return found


def may_act_unnamed(config: Config) -> bool:
    """Say whether the profile lets whoever runs the system act without signing in."""
    return config.profile == _OS_PROFILE


def acting(places: Places, config: Config, account: str | None) -> Account | None:
    """Sign in whom ``--as`` names; None is whoever runs the system, where the profile lets them act."""
    if account is not None:
        return signed_in(places, account)
    if not may_act_unnamed(config):
        raise UsageError(
            "In this profile the operating system's user may not act here.",
            hint="Sign in as somebody who may: --as USER.",
        )
    return None


def actor(who: Account | None, state: State, at_us: int) -> Actor:
    """Give the actor that somebody is now; whoever runs the system administers it."""
    from sekimori.governance.acting import actor_of
    from sekimori.governance.actors import SYSTEM_ADMINISTRATOR

    if who is None:
        return actor_of(state, f"os: {system_user()}", "", at_us, roles=(SYSTEM_ADMINISTRATOR,))
    return actor_of(state, who.name, unit_of(who), at_us, roles=who.roles)


def unit_of(who: Account) -> str:
    """Name the department of an account: the first of its groups."""
    return who.groups[0] if who.groups else ""
