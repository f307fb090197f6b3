"""What ``up`` says once it serves: all that a newcomer needs, and later one line an address."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sekimori.cli.tree import Addresses

READY = "Sekimori is ready."
_WIDTH = 15


@dataclass(frozen=True, slots=True)
class Administrator:
    """The first account. Secrets are here only where a terminal shows them once; ``link_file`` otherwise.

    With neither, the account was there before: a database that several machines share has one.
    """

    name: str
    password: str = ""
    proxy_password: str = ""
    link_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """How the program was called, so that what is printed works where it is pasted."""

    program: str = "sekimori"
    options: str = ""

    def line(self, words: str) -> str:
        """Give a command of the program as it has to be typed."""
        return f"{self.program} {words}{self.options}"

    @classmethod
    def of(cls, called: str, on_path: str | None, options: Mapping[str, Path | None]) -> Self:
        """Name the program as it was called, for its shell; ``options`` are those that were given."""
        by_path = "/" in called and not (on_path and Path(on_path).resolve() == Path(called).resolve())
        given = [part for name, value in options.items() if value is not None for part in (name, str(value))]
        return cls(
            shlex.quote(called) if by_path else "sekimori",
            "".join(f" {shlex.quote(part)}" for part in given),
        )


@dataclass(frozen=True, slots=True)
class Greeting:
    """Lines for standard output."""

    lines: tuple[str, ...]

    def show(self) -> None:
        """Print the lines."""
        print("\n".join(self.lines), flush=True)

    def made(self) -> Greeting:
        """Say the same without claiming that anything serves."""
        return Greeting(tuple(line for line in self.lines if line != READY))

    @classmethod
    def again(cls, addresses: Addresses, roles: tuple[str, ...]) -> Greeting:
        """Say where everything is, one line an address."""
        shown = {"gate": ("Proxy", addresses.proxy), "console": ("Web pages", addresses.web)}
        pairs = [shown[role] for role in ("gate", "console") if role in roles]
        return cls((*(_row(*pair) for pair in (*pairs, ("Metrics", addresses.metrics))), READY))

    @classmethod
    def first(
        cls,
        addresses: Addresses,
        ca_file: Path,
        administrator: Administrator,
        *,
        caller: Caller,
        proxy_ca: str = "",
    ) -> Greeting:
        """Say where everything is and exactly what to do next, each command so that it can be pasted.

        ``proxy_ca`` is what lets a client trust the listener itself, where that speaks TLS.
        """
        return cls(
            (
                _row("Proxy", addresses.proxy),
                _row("PAC file", f"{addresses.web}/proxy.pac"),
                _row("Web pages", addresses.web),
                _row("Metrics", addresses.metrics),
                _row("CA certificate", f"{ca_file} (also {addresses.web}/ca.pem)"),
                *_account(administrator),
                "",
                "What to do next",
                "  1. Try the gate. A refusal that says why is the right answer: nothing is approved yet.",
                *_attempt(addresses, ca_file, administrator, caller, proxy_ca),
                "  2. Add somebody who may use it (it asks for the passwords), and approve a service for them;",
                "     the help of `apply` shows the file that it takes:",
                f"       {caller.line('user add hanako')}",
                f"       {caller.program} apply --help",
                "  3. Let this machine's browsers and programs trust the CA certificate:",
                *(f"       {line}" for line in _trust_here(ca_file)),
                "     Firefox keeps a list of its own: Settings, Certificates.",
                "",
                READY,
            )
        )


def _row(name: str, value: str) -> str:
    return f"{name:{_WIDTH}} {value}"


def _account(administrator: Administrator) -> list[str]:
    if administrator.link_file is not None:
        where = f"{administrator.name}; its single-use set-up link is in {administrator.link_file}"
        return [_row("Administrator", where)]
    if not administrator.password:
        return [_row("Administrator", f"{administrator.name}, whose account this database has already")]
    return [
        _row("Administrator", administrator.name),
        _row("  password", f"{administrator.password}  (shown this once)"),
        _row(
            "  proxy password", f"{administrator.proxy_password}  (shown this once; it opens the proxy only)"
        ),
    ]


def _trust_here(ca_file: Path) -> list[str]:
    debian = shutil.which("trust") is None or shutil.which("update-ca-certificates") is not None
    return trust(ca_file, sys.platform, root=os.geteuid() == 0, debian=debian)


def trust(ca_file: Path, platform: str, *, root: bool, debian: bool = True) -> list[str]:
    """Say how the machine at hand is made to trust the certificate; ``root`` needs no sudo."""
    file, sudo = shlex.quote(str(ca_file)), "" if root else "sudo "
    if platform == "darwin":
        chain = "/Library/Keychains/System.keychain"
        return [f"{sudo}security add-trusted-cert -d -r trustRoot -k {chain} {file}"]
    if not debian:
        return [f"{sudo}trust anchor {file}"]
    there = "/usr/local/share/ca-certificates/sekimori.crt"
    return [f"{sudo}cp {file} {there} && {sudo}update-ca-certificates"]


def _attempt(
    addresses: Addresses, ca_file: Path, administrator: Administrator, caller: Caller, proxy_ca: str
) -> list[str]:
    user = administrator.name + (f":{administrator.proxy_password}" if administrator.proxy_password else "")
    listener = f"--proxy-cacert {shlex.quote(proxy_ca)} " if proxy_ca else ""
    curl = (
        f"       curl --proxy {addresses.proxy} {listener}--proxy-user {shlex.quote(user)} "
        f"--cacert {shlex.quote(str(ca_file))} https://chatgpt.com/"
    )
    if administrator.proxy_password:
        return [curl]
    return [
        "     Set the administrator's proxy password; curl then asks for it:",
        f"       {caller.line(f'user passwd {administrator.name} --proxy')}",
        curl,
    ]
