"""Where passwords come from: a pipe, a terminal, or a generator; never an argument, never a default."""

from __future__ import annotations

import getpass
import secrets
import sys

from sekimori.errors import UsageError

SHORTEST = 12
_LONGEST = 1024
_GENERATED_BYTES = 18


def generate() -> str:
    """Make a password that nobody guesses: 144 bits."""
    return secrets.token_urlsafe(_GENERATED_BYTES)


def from_pipe(what: str) -> str:
    """Read one line of standard input; where that is a terminal, ask, so that nobody waits or reads along."""
    if sys.stdin.isatty():
        return ask(what)
    line = sys.stdin.readline(_LONGEST + 2)
    return check(line.rstrip("\r\n"), what)


def ask(what: str) -> str:
    """Ask twice on the terminal, without echo."""
    first = check(getpass.getpass(f"{what}: "), what)
    if getpass.getpass(f"{what}, again: ") != first:
        raise UsageError("The two entries differ; nothing was changed.", hint="Run the command again.")
    return first


def check(password: str, what: str) -> str:
    """Refuse what is too short or too long."""
    if len(password) < SHORTEST:
        raise UsageError(f"The {what} is too short.", hint=f"Use at least {SHORTEST} characters.")
    if len(password.encode("utf-8", "surrogatepass")) > _LONGEST:
        raise UsageError(f"The {what} is too long.", hint=f"Use at most {_LONGEST} bytes.")
    return password
