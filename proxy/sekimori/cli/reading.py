"""Who reads content at the command line, and whether the profile lets him."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sekimori.cli.acting import signed_in
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
        return Reader(signed_in(places, account).name, "account", reason)
    if config.profile != _OS_PROFILE:
        raise UsageError(
            "In this profile the operating system's user may not read content.",
            hint="Sign in as somebody who may: --as USER.",
        )
    return Reader(system_user(), "os", reason)
