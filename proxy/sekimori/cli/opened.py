"""The store and its keys, opened the way most commands need them."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sekimori.cli.places import Places
from sekimori.errors import KeyAccessError, StateError
from sekimori.ledger.files import read_plain

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlmodel import Session

    from sekimori.store.holding import StoreKeys
    from sekimori.store.log import LogReader
    from sekimori.store.tokens import Tokens
    from sekimori.vault.content import ContentCipher
    from sekimori.vault.names import NameSeal
    from sekimori.vault.published import PolicySeal

_MOST_NAME = 256


def now_us() -> int:
    """Read the wall clock, in microseconds."""
    return time.time_ns() // 1000


def new_id() -> str:
    """Make the id of a record that a command writes."""
    from sekimori.addons.exchange import new_reference

    return new_reference(now_us(), secrets.token_bytes)


@contextmanager
def store(places: Places) -> Iterator[Engine]:
    """Open the database for a while."""
    from sekimori.store.engine import open_store

    engine = open_store(places.store)
    try:
        _seal_names(places, engine)
        yield engine
    finally:
        engine.dispose()


def _seal_names(places: Places, engine: Engine) -> None:
    """Seal what an older release left readable, as far as this process holds the keys."""
    from sekimori.store.naming import PEOPLE_WORK, POLICIES_WORK, readable, seal_names

    if not (left := readable(engine)):
        return
    try:
        if PEOPLE_WORK in left:
            seal_names(engine, PEOPLE_WORK, people_names(places))
        # The web server has no key of these, and reads none of them.
        if POLICIES_WORK in left and os.access(places.keys / "archive", os.X_OK):
            seal_names(engine, POLICIES_WORK, policy_names(places))
    except KeyAccessError as error:
        raise StateError(
            f"The upgrade is not finished, since names are to be sealed: {error.message}",
            hint="Run once, with the whole keys folder: sekimori init",
        ) from error


def people_names(places: Places) -> NameSeal:
    """Take the key of the accounts and set-up links."""
    from sekimori.vault.keys import KeyRing
    from sekimori.vault.names import NameSeal

    return NameSeal(KeyRing.load_people(places.keys))


def policy_names(places: Places) -> NameSeal:
    """Take the key of the applied files and snapshots."""
    from sekimori.vault.keys import KeyRing
    from sekimori.vault.names import NameSeal

    return NameSeal(KeyRing.load_store(places.keys))


def policy_files(places: Places) -> PolicySeal:
    """Take the key of what is published for the gate workers."""
    from sekimori.vault.keys import KeyRing
    from sekimori.vault.published import PolicySeal

    return PolicySeal(KeyRing.load_policy(places.keys))


@contextmanager
def store_session(places: Places) -> Iterator[Session]:
    """Give a session; what was done commits at the end, or not at all."""
    from sekimori.store.engine import session

    with store(places) as engine, session(engine) as opened:
        yield opened


def store_keys(places: Places) -> StoreKeys:
    """Take the keys that open what the database keeps, and what signs what is said about it."""
    from sekimori.cli.keeper import provider
    from sekimori.ledger.tlog.keys import KeySigner
    from sekimori.ledger.tlog.leaf import LeafSigner
    from sekimori.store.holding import OldKey, StoreKeys
    from sekimori.vault.keys import KeyRing

    keys = KeyRing.load_archive(places.keys)
    return StoreKeys(
        store_key=keys.store_key,
        kek=provider(places),
        signing=LeafSigner(KeySigner(keys.signing_key)),
        living=keys.living,
        old=None if keys.data_key is None else OldKey(keys.data_key, keys.data_key_file),
    )


def cipher(places: Places) -> ContentCipher:
    """Take the key that opens counters and lists."""
    from sekimori.vault.content import ContentCipher
    from sekimori.vault.keys import KeyRing

    return ContentCipher(KeyRing.load_archive(places.keys).store_key)


def tokens(places: Places) -> Tokens:
    """Take the key that finds records by user or service."""
    from sekimori.store.tokens import Tokens
    from sekimori.vault.keys import KeyRing

    return Tokens.under(KeyRing.load_archive(places.keys).store_key)


def node(places: Places) -> str:
    """Name this machine among those that share a database; drawn once, kept in the data folder."""
    if not places.url:
        return "1"
    try:
        return read_plain(places.node, _MOST_NAME).decode("ascii").strip()
    except FileNotFoundError:
        name = secrets.token_hex(4)
    with os.fdopen(os.open(places.node, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{name}\n")
        file.flush()
        os.fsync(file.fileno())
    return name


@contextmanager
def log_reader(places: Places) -> Iterator[LogReader]:
    """Open the log."""
    from sekimori.store.log import LogReader

    keys = store_keys(places)
    with store(places) as engine:
        yield LogReader(engine, keys, clock=now_us, new_id=new_id)
