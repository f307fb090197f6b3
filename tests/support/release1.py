"""A store as release 1 wrote it: everything under one data key, no leaf, no place, no record key.

Written from the formats of that release and not from today's code, which must go on reading them.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, text

from sekimori.ledger.record import Entry, Intent, Outcome
from sekimori.store import engine as module
from sekimori.store.months import month_of
from sekimori.store.postgres import Parts
from sekimori.store.readings import read_answer
from sekimori.store.rows import Answer, index_intent, index_outcome, index_unanswered, reading_row
from sekimori.store.tokens import values_of
from sekimori.vault.content import ContentCipher
from sekimori.vault.keyfile import key_to_text

DATA_KEY = bytes(range(200, 232))
KINDS: dict[type, str] = {Intent: "intent", Outcome: "outcome"}


class Kept(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What release 1 sealed of an entry."""

    entry: Entry
    content: str = ""
    answer: Answer | None = None


def place(table: str, lane: str, n: int, rid: str) -> bytes:
    """Name the place of a seal."""
    return f"{table}\0{lane}\0{n}\0{rid}".encode()


def seal_entry(
    cipher: ContentCipher, lane: str, n: int, entry: Entry, answer: Answer | None = None
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the rows of ``entry`` and, where a body was stored, of ``content``."""
    bare = msgspec.structs.replace(entry, key=b"", body=msgspec.structs.replace(entry.body, stored=b""))
    where = {"lane": lane, "n": n, "rid": entry.rid, "time_us": entry.time_us}
    content: dict[str, Any] | None = None
    if entry.body.stored:
        sealed = cipher.seal(entry.body.stored, place("content", lane, n, entry.rid))
        part = "response" if isinstance(entry, Outcome) else "request"
        sha256 = hashlib.sha256(sealed).hexdigest()
        content = where | {"part": part, "sealed_sha256": sha256, "sealed": sealed}
    kept = Kept(entry=bare, content=content["sealed_sha256"] if content else "", answer=answer)
    sealed = cipher.seal(msgspec.msgpack.encode(kept), place("entry", lane, n, entry.rid))
    return where | {"kind": KINDS.get(type(entry), "part"), "sealed": sealed}, content


def seal_lanes(
    cipher: ContentCipher, lanes: Mapping[str, Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], bytes]:
    """Return the rows of ``lane`` and the sealed list of all of them."""
    rows = [
        {
            "name": name,
            **figures,
            "sealed": cipher.seal(msgspec.msgpack.encode(figures), place("lane", name, 0, "")),
        }
        for name, figures in lanes.items()
    ]
    return rows, cipher.seal(msgspec.msgpack.encode(sorted(lanes)), place("lane_list", "", 0, ""))


def write_store(
    database: Path | str, lanes: Mapping[str, Sequence[Entry]], data_key: bytes = DATA_KEY
) -> None:
    """Make a store of release 1 with these entries in it."""
    engine = made(database, "0002")
    Parts(engine).ready({entry.time_us for entries in lanes.values() for entry in entries})
    with engine.begin() as connection:
        _fill(connection, ContentCipher(data_key), data_key, lanes)
    engine.dispose()


def made(database: Path | str, revision: str) -> Engine:
    """Make the tables of an older revision."""
    url = f"sqlite:///{database}" if isinstance(database, Path) else database.replace(":", "+psycopg:", 1)
    engine = create_engine(url)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(module._MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    return engine


def write_data_key(folder: Path, data_key: bytes = DATA_KEY) -> Path:
    """Lay the old key where it lay, beside the keys of today."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "data.key"
    path.write_bytes(key_to_text("data", data_key))
    path.chmod(0o600)
    return path


def insert(connection: Connection, table: str, row: Mapping[str, Any]) -> None:
    """Insert one row, whatever columns today's table has."""
    names = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), dict(row))


def _fill(
    connection: Connection, cipher: ContentCipher, data_key: bytes, lanes: Mapping[str, Sequence[Entry]]
) -> None:
    intents: dict[str, Intent] = {}
    for lane, entries in lanes.items():
        for n, entry in enumerate(entries, 1):
            answer = read_answer(intents[entry.rid], entry).answer if isinstance(entry, Outcome) else None
            row, content = seal_entry(cipher, lane, n, entry, answer)
            insert(connection, "entry", row)
            if content:
                insert(connection, "content", content)
            if isinstance(entry, Intent):
                intents[entry.rid] = entry
                insert(connection, "record", index_intent(lane, n, entry) | index_unanswered(entry))
                _tokens(connection, data_key, entry)
                if entry.mode == "reading":
                    insert(connection, "reading", reading_row(entry))
            elif isinstance(entry, Outcome) and answer:
                columns = index_outcome(lane, n, entry, answer)
                changes = ", ".join(f"{name} = :{name}" for name in columns)
                connection.execute(
                    text(f"UPDATE record SET {changes} WHERE rid = :rid"), columns | {"rid": entry.rid}
                )
    figures = {"opened_us": 1, "closed_us": None, "torn_bytes": 0, "position": "", "node": ""}
    rows, listed = seal_lanes(
        cipher, {name: {"last_n": len(entries), **figures} for name, entries in lanes.items()}
    )
    for row in rows:
        insert(connection, "lane", row)
    insert(connection, "lane_list", {"id": 1, "sealed": listed})


def _tokens(connection: Connection, data_key: bytes, intent: Intent) -> None:
    """Insert the tokens under the data key; the names of these tests are canonical already."""
    key = hmac.digest(data_key, b"sekimori/v1/search-key", "sha256")
    month = month_of(intent.time_us).name.encode()
    for field, value in values_of(intent).items():
        if value:
            message = b"\0".join((b"sekimori/v1/search", month, field.encode(), value.encode()))
            token = hmac.digest(key, message, "sha256")[:16]
            row = {"rid": intent.rid, "field": field, "time_us": intent.time_us, "token": token}
            insert(connection, "search", row)
