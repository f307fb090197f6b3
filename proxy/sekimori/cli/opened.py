"""The store and its keys, opened the way most commands need them."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sekimori.cli.places import Places

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlmodel import Session

    from sekimori.store.log import LogReader
    from sekimori.store.tokens import Tokens
    from sekimori.vault.content import ContentCipher


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
        yield engine
    finally:
        engine.dispose()


@contextmanager
def store_session(places: Places) -> Iterator[Session]:
    """Give a session; what was done commits at the end, or not at all."""
    from sekimori.store.engine import session

    with store(places) as engine, session(engine) as opened:
        yield opened


def cipher(places: Places) -> ContentCipher:
    """Take the key that opens what the database keeps."""
    from sekimori.vault.content import ContentCipher
    from sekimori.vault.keys import KeyRing

    return ContentCipher(KeyRing.load_archive(places.keys).data_key)


def tokens(places: Places) -> Tokens:
    """Take the key that finds records by user or service."""
    from sekimori.store.tokens import Tokens
    from sekimori.vault.keys import KeyRing

    return Tokens.under(KeyRing.load_archive(places.keys).data_key)


def node(places: Places) -> str:
    """Name this machine among those that share a database; drawn once, kept in the data folder."""
    if not places.url:
        return "1"
    try:
        return places.node.read_text(encoding="ascii").strip()
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

    key, search = cipher(places), tokens(places)
    with store(places) as engine:
        yield LogReader(engine, key, tokens=search, clock=now_us, new_id=new_id)
