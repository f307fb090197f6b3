"""Who reads content at the command line: whoever may by their role, or by the profile the system's user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sekimori.cli.acting import may_act_unnamed, signed_in
from sekimori.cli.places import Places
from sekimori.cli.whoami import system_user
from sekimori.errors import UsageError

if TYPE_CHECKING:
    from sekimori.cli.config import Config
    from sekimori.store.reading_desk import Reader


def reader(places: Places, config: Config, *, account: str | None, reason: str) -> Reader:
    """Return who reads: an account that signs in and may, or where the profile allows it the system's user."""
    from sekimori.store.reading_desk import Reader

    if not reason.strip():
        raise UsageError("Reading content needs a reason, which is recorded.", hint="Give --reason TEXT.")
    if account is not None:
        return Reader(_permitted(places, config, account), "account", reason)
    if not may_act_unnamed(config):
        raise UsageError(
            "In this profile the operating system's user may not read content.",
            hint="Sign in as somebody who may: --as USER.",
        )
    return Reader(system_user(), "os", reason)


def _permitted(places: Places, config: Config, account: str) -> str:
    """Sign somebody in and ask governance whether they may read; a refusal names the roles that may."""
    from sekimori.cli.acting import actor
    from sekimori.cli.governed import governed_at
    from sekimori.cli.opened import now_us
    from sekimori.cli.permitted import expect_reader

    who = signed_in(places, account)
    with governed_at(places, config) as opened, opened.governing.state() as state:
        expect_reader(actor(who, state, now_us()))
    return who.name
