"""Who reads content at the command line, and whether the profile lets him."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING

from sekimori.cli.places import Places
from sekimori.cli.whoami import system_user
from sekimori.errors import UsageError

if TYPE_CHECKING:
    from sekimori.cli.config import Config
    from sekimori.store.reading_desk import Reader

_OS_PROFILE = "enterprise"


def reader(places: Places, config: Config, *, account: str | None, reason: str) -> Reader:
    """Return who reads: an account that signs in, or where the profile allows it the system's user."""
    from sekimori.store.reading_desk import Reader

    if not reason.strip():
        raise UsageError("Reading content needs a reason, which is recorded.", hint="Give --reason TEXT.")
    if account is not None:
        return Reader(_signed_in(places, account), "account", reason)
    if config.profile != _OS_PROFILE:
        raise UsageError(
            "In this profile the operating system's user may not read content.",
            hint="Sign in as somebody who may: --as USER.",
        )
    return Reader(system_user(), "os", reason)


def _signed_in(places: Places, account: str) -> str:
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
    return found.name
