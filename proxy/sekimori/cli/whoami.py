"""Whose process this is, as the operating system knows it: not what an environment variable says."""

from __future__ import annotations

import os
import pwd


def system_user() -> str:
    """Return the account's name, or its number where it has none."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"


def executing(by: str) -> str:
    """Return who carries a thing out: always the operating system's user, and whom that one names."""
    user = system_user()
    return f"{by} (os: {user})" if by else f"os: {user}"
