"""What ``up`` says once it serves: all that a newcomer needs, and later one line an address."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

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
    def first(cls, addresses: Addresses, ca_file: Path, administrator: Administrator) -> Greeting:
        """Say where everything is and exactly what to do next."""
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
                "  1. Let this machine trust the CA certificate:",
                *(f"       {line}" for line in trust(ca_file, sys.platform)),
                "  2. Try the gate. A refusal that says why is the right answer: nothing is approved yet.",
                *(f"       {line}" for line in _attempt(addresses, ca_file, administrator)),
                "  3. Approve a service, and add the people who may use it:",
                "       sekimori apply FILE          (sekimori apply --help shows such a file)",
                "       sekimori user add NAME",
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


def trust(ca_file: Path, platform: str) -> list[str]:
    """Say how the machine at hand is made to trust the certificate."""
    file = shlex.quote(str(ca_file))
    if platform == "darwin":
        chain = "/Library/Keychains/System.keychain"
        return [f"sudo security add-trusted-cert -d -r trustRoot -k {chain} {file}"]
    return [
        f"sudo cp {file} /usr/local/share/ca-certificates/sekimori.crt && sudo update-ca-certificates",
        f"(Fedora, RHEL: sudo trust anchor {file}. Firefox keeps a list of its own: Settings, Certificates.)",
    ]


def _attempt(addresses: Addresses, ca_file: Path, administrator: Administrator) -> list[str]:
    user = administrator.name + (f":{administrator.proxy_password}" if administrator.proxy_password else "")
    curl = (
        f"curl --proxy {addresses.proxy} --proxy-user {shlex.quote(user)} "
        f"--cacert {shlex.quote(str(ca_file))} https://chatgpt.com/"
    )
    if administrator.proxy_password:
        return [curl]
    return [f"sekimori user passwd {administrator.name} --proxy", f"{curl}   (asks for that proxy password)"]
