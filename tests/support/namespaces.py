"""Other users for a test: their ids, and a view of the file system in which they reach the interpreter.

A Python in a closed home folder cannot be run by another user. In a mount namespace of its own a
process may see that folder open, without anything of the machine being changed.
"""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest


def needs_root() -> None:
    """Skip a test that has to become several users."""
    if os.geteuid() != 0:
        pytest.skip("only root can become several users")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        pytest.skip("no mount namespace can be made here")


def seeing_python(aside: Path, command: list[str]) -> list[str]:
    """Return ``command`` wrapped so that it, whoever runs it, reaches this interpreter and this repository."""
    needed = sorted({Path(sys.prefix), Path(sys.base_prefix).resolve(), Path(__file__).parents[2]})
    hidden = {path: closed for path in needed if (closed := _closed_above(path)) is not None}
    places = {path: aside / str(number) for number, path in enumerate(hidden)}
    steps = [f"mkdir -p {place}; mount --bind {path} {place}" for path, place in places.items()]
    steps += [f"mount -t tmpfs -o mode=755 tmpfs {closed}" for closed in sorted(set(hidden.values()))]
    steps += [f"mkdir -p {path}; mount --bind {place} {path}" for path, place in places.items()]
    return ["unshare", "--mount", "sh", "-ec", "; ".join([*steps, f"exec {shlex.join(command)}"])]


def _closed_above(path: Path) -> Path | None:
    """Return the topmost folder on the way to ``path`` that others may not pass through."""
    for folder in reversed([path, *path.parents]):
        if not folder.stat().st_mode & stat.S_IXOTH:
            return folder
    return None
