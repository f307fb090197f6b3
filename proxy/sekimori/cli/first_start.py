"""The first start: keys, certificate authority, database, administrator; the file ``format`` comes last.

A crash on the way leaves a folder without ``format``, which the next start refuses as half made; keys
that were made by then are kept, since nothing says whether anybody already trusts that CA.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path

from sekimori.cli import keeping, secrets_in
from sekimori.cli.checks import FORMAT
from sekimori.cli.greeting import Administrator, Caller, Greeting
from sekimori.cli.noting import note
from sekimori.cli.opened import now_us, people_names, store_session
from sekimori.cli.places import Places
from sekimori.cli.serve import Installation
from sekimori.cli.tree import Addresses

ADMINISTRATOR = "admin"
ROLE = "administrator"
LINK_FILE = "setup-link"
_LINK_LIFE_US = 7 * 24 * 3600 * 1_000_000


def first_start(installation: Installation, addresses: Addresses, caller: Caller | None = None) -> Greeting:
    """Make the installation and say what to do with it."""
    places = installation.places
    make_keys(places)
    keeping.complete(places)
    administrator = _make_administrator(places, addresses, terminal=sys.stdout.isatty())
    places.spool.mkdir(mode=0o700, exist_ok=True)
    places.policy.mkdir(mode=0o700, exist_ok=True)
    _finish(places)
    certificate = installation.config.gate.tls.certificate_file
    return Greeting.first(
        addresses,
        (places.keys / "gate" / "ca.pem").resolve(),
        administrator,
        caller=caller or Caller(),
        proxy_ca=str(Path(certificate).resolve()) if certificate else "",
    )


def make_keys(places: Places) -> None:
    """Make the keys and the CA that aren't there yet."""
    from sekimori.gate.keyfiles import create_authority
    from sekimori.vault.keys import KeyRing

    if not KeyRing(places.keys).exists():
        KeyRing.create(places.keys, data=places.data)
    create_authority(places.keys, organisation=socket.gethostname(), now=datetime.now(UTC))


def _make_administrator(places: Places, addresses: Addresses, *, terminal: bool) -> Administrator:
    """Make the first account; its secrets are shown on a terminal or exchanged for a link, never stored."""
    from sekimori.store.people import InviteRepo, PersonRepo
    from sekimori.vault.passwords import hash_password

    password, proxy = (secrets_in.generate(), secrets_in.generate()) if terminal else ("", "")
    names = people_names(places)
    with store_session(places) as session:
        if PersonRepo(session, names).get(ADMINISTRATOR) is not None:
            return Administrator(ADMINISTRATOR)  # another machine that shares this database was first
        account = PersonRepo(session, names).add(
            ADMINISTRATOR,
            now_us=now_us(),
            roles=(ROLE,),
            password=hash_password(password) if terminal else None,
            proxy_password=hash_password(proxy) if terminal else None,
        )
        note(places, session, account)
        if terminal:
            return Administrator(ADMINISTRATOR, password, proxy)
        token = secrets.token_urlsafe(32)
        now = now_us()
        expires_us = now + _LINK_LIFE_US
        InviteRepo(session, names).add(token, name=ADMINISTRATOR, now_us=now, expires_us=expires_us)
    link = places.keys / LINK_FILE
    write_private(link, f"{addresses.web}/setup/{token}\n")
    return Administrator(ADMINISTRATOR, link_file=link.resolve())


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can ever read."""
    file.unlink(missing_ok=True)
    with os.fdopen(
        os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as opened:
        opened.write(text)


def _finish(places: Places) -> None:
    with places.format.open("x", encoding="ascii") as file:
        file.write(f"{FORMAT}\n")
        file.flush()
        os.fsync(file.fileno())
