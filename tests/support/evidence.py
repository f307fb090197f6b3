"""A small installation around a real database and real spool lanes, and exchanges to fill them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import Connection, NullPool, create_engine

from sekimori.ledger.files import LocalFiles
from sekimori.ledger.lane import LaneWriter
from sekimori.ledger.record import Body, Entry, Intent, Outcome
from sekimori.ledger.tlog.keys import KeySigner, known_writers
from sekimori.store.archivist import Archivist, Progress
from sekimori.store.engine import open_store
from sekimori.store.log import LogReader
from sekimori.store.logkeys import LogKeys
from sekimori.store.recent import Recent
from sekimori.store.rotating import rotate
from sekimori.store.statements import required
from sekimori.store.trees import Figures, TreeKeeper
from sekimori.store.verify import Report, Scope, markers, verify
from sekimori.store.verifying.memories import Outside
from sekimori.store.verifying.recalled import Recalled
from sekimori.vault.names import NameSeal
from sekimori.vault.rotation import Shredded
from sekimori.vault.sealing import SegmentOpener, SegmentSealer
from support.spool import commit, key_of
from support.storekeys import SIGNING_KEY, founded, lock_store, store_keys
from support.tlog import GATE

START_US = 1_775_012_345_678_901
PROMPT = "会議録を三行に要約してください。合言葉は月見草です。"
ANSWER = "要約: 予算は承認された。合言葉の返事は宵待草。"


class Ticks:
    """A clock that moves on by a microsecond whenever it is asked."""

    def __init__(self, at_us: int = START_US) -> None:
        self.at_us = at_us

    def __call__(self) -> int:
        self.at_us += 1
        return self.at_us


class Notes:
    """A watch that remembers what it was told."""

    def __init__(self) -> None:
        self.entries = 0
        self.given_up = 0
        self.torn_lanes: dict[str, int] = {}
        self.busy_rounds: list[str] = []
        self.alarms: list[str] = []
        self.figures: Figures | None = None

    def archived(self, entries: int, content_bytes: int) -> None:
        self.entries += entries

    def crashed(self, exchanges: int) -> None:
        self.given_up += exchanges

    def torn(self, lane: str, torn_bytes: int) -> None:
        self.torn_lanes[lane] = torn_bytes

    def busy(self, reason: str) -> None:
        self.busy_rounds.append(reason)

    def alarm(self, sentence: str) -> None:
        self.alarms.append(sentence)

    def ledger(self, figures: Figures) -> None:
        self.figures = figures


def body(stored: bytes, content_type: str = "application/json") -> Body:
    """Describe bytes that are stored as they crossed the barrier."""
    sha256 = hashlib.sha256(stored).hexdigest()
    return Body(
        sha256=sha256, size=len(stored), stored=stored, stored_sha256=sha256, content_type=content_type
    )


def asked(rid: str, *, prompt: str = PROMPT, **changes: Any) -> Intent:
    """Return an approved chat completion that is about to leave."""
    request = {"model": "gpt-x", "messages": [{"role": "user", "content": prompt}]}
    intent = Intent(
        rid=rid,
        key=key_of(rid),
        time_us=START_US,
        user="yamada",
        user_source="basic",
        client="192.0.2.7",
        service="openai-api",
        provider="openai",
        model="gpt-x",
        host="api.openai.com",
        method="POST",
        path="/v1/chat/completions",
        target="/v1/chat/completions",
        http_version="HTTP/2",
        purpose="会議録の要約",
        class_source="floor",
        decision="allow",
        grant="g-2026-001",
        kind="generate",
        dialect="openai-chat",
        parse="parsed",
        headers=(("content-type", "application/json"),),
        body=body(json.dumps(request, ensure_ascii=False).encode()),
    )
    return msgspec.structs.replace(intent, **changes)


def answered(rid: str, *, text: str = ANSWER, **changes: Any) -> Outcome:
    """Return the completed answer to ``asked``."""
    response = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-x-2026",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19},
    }
    outcome = Outcome(
        rid=rid,
        key=key_of(rid),
        time_us=START_US + 900_000,
        state="complete",
        status=200,
        headers=(("content-type", "application/json"),),
        first_byte_us=START_US + 400_000,
        body=body(json.dumps(response, ensure_ascii=False).encode()),
    )
    return msgspec.structs.replace(outcome, **changes)


def refused(rid: str, **changes: Any) -> Intent:
    """Return a request that was stopped; only its masked text is kept."""
    defaults: dict[str, Any] = {
        "decision": "deny",
        "reasons": ("DENY_NO_GRANT", "DENY_TOS_CONFIDENTIAL"),
        "grant": "",
        "masked": "機密性2情報 ******",
        "body": Body(sha256="5" * 64, size=345),
    }
    return asked(rid, **(defaults | changes))


class Installation:
    """Spool, trees and database of one machine, in a folder; the database may be a PostgreSQL elsewhere.

    Its keys lie beside the folder, in ``keyring``; machines that share a database share them.
    """

    def __init__(
        self,
        folder: Path,
        *,
        keys: bytes | None = None,
        keyring: Path | None = None,
        database: Path | str = "",
        node: str = "1",
        clock: Callable[[], int] | None = None,
        starts: bool = True,
    ) -> None:
        self.keys = keys or os.urandom(64)
        self.public = public_of(self.keys)
        self.opener = SegmentOpener(self.keys[:32])
        self.folder = folder
        self.spool = folder / "spool"
        self.database = database or folder / "sekimori.db"
        self.node = node
        self.engine = open_store(self.database)
        self.keyring = keyring or folder.with_name(f"{folder.name}-keys")
        # A start refuses a database of which the key folder knows nothing any more; a check names what it is.
        if starts:
            founded(self.engine, self.keyring, store_key=self.keys[32:])
        self.store_keys = store_keys(self.keyring, store_key=self.keys[32:])
        self.cipher = self.store_keys.cipher
        self.tokens = self.store_keys.tokens
        self.locks = lock_store(self.keyring / f"lock-{node}.db")
        self.names = NameSeal(self.keys[32:])
        self.people = NameSeal(b"p" * 32)
        self.ticks = Ticks()
        self.clock = clock or self.ticks
        self.notes = Notes()
        self.keeper: TreeKeeper | None = None
        self.recent = Recent()
        self.archivist = self.new_archivist()
        self._ids = iter(range(1, 1_000_000))
        self._rotations = iter(range(1, 1_000_000))

    def new_archivist(self) -> Archivist:
        """Return an archivist that remembers nothing, as after a crash of the one before."""
        return Archivist(
            self.spool,
            opener=self.opener,
            engine=self.engine,
            keys=self.store_keys,
            keeper=self.new_keeper(),
            writers=known_writers(self.writers),
            clock=self.clock,
            watch=self.notes,
            node=self.node,
            recent=self.recent,
        )

    def new_keeper(self) -> TreeKeeper:
        """Return a keeper of the trees that remembers nothing; the one before lets go of them."""
        if self.keeper is not None:
            self.keeper.release()
        self.keeper = TreeKeeper(
            self.engine,
            folder=self.folder / "ledger",
            logs=self.keyring / f"logs-{self.node}",
            locks=self.locks,
            signing=required(self.store_keys.signing),
            cipher=self.cipher,
            clock=self.clock,
            watch=self.notes,
            node=self.node,
        )
        return self.keeper

    def settle(self) -> Progress:
        """Let a second pass, so that what is stored gets its checkpoint."""
        self.ticks.at_us += 1_000_000
        return self.archivist.run_once()

    def rotate(self) -> Shredded:
        """Begin a key epoch, as `keys rotate` does."""
        at_us = self.clock()
        name = f"rotated-{at_us}-{next(self._rotations)}"
        return rotate(self.engine, self.store_keys, clock=lambda: at_us, new_id=lambda: name, by="os: root")

    @contextmanager
    def outsider(self) -> Iterator[Connection]:
        """Give the connection of somebody who has the database and none of the keys."""
        url = f"sqlite:///{self.database}" if isinstance(self.database, Path) else _driven(self.database)
        engine = create_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            yield connection

    def edit(self, *statements: str) -> None:
        """Change the database behind the store's back."""
        with self.outsider() as connection:
            for statement in statements:
                changed = connection.exec_driver_sql(statement).rowcount
                assert changed != 0, f"{statement} changed nothing"

    def worker(self, lane: str, *, segment_bytes: int = 1 << 20) -> Worker:
        """Start a worker's lane."""
        return Worker(self.spool, self.public, lane, segment_bytes)

    def log(self) -> LogReader:
        """Return a reader of the log."""
        return LogReader(
            self.engine,
            self.store_keys,
            clock=self.clock,
            new_id=lambda: f"reading-{next(self._ids)}",
        )

    @property
    def writers(self) -> tuple[bytes, ...]:
        """The public keys that leaves are signed with."""
        return GATE.public, KeySigner(SIGNING_KEY).public

    def outside(self) -> Outside:
        """Return the trees on disk, the keys of their logs, and the lock store."""
        logs = LogKeys(self.keyring / f"logs-{self.node}")
        return Outside.now(self.folder / "ledger", logs.publics, self.keyring / f"lock-{self.node}.db")

    def verify(self, scope: Scope | None = None, recalled: Sequence[Recalled] = ()) -> Report:
        """Check everything, with the markers that the spool still has."""
        return verify(
            self.engine,
            self.store_keys,
            writers=self.writers,
            outside=self.outside(),
            node=self.node,
            scope=scope,
            policies=self.names,
            people=self.people,
            shipped=markers(self.spool),
            recalled=recalled,
        )

    def faults(self) -> set[tuple[str, str, str]]:
        """Return what ``verify`` names, without the details."""
        return {(fault.table, fault.key, fault.what) for fault in self.verify().faults}

    def files(self) -> Iterator[bytes]:
        """Yield the bytes of every file in the folder."""
        for path in sorted(self.folder.rglob("*")):
            if path.is_file():
                yield path.read_bytes()

    def close(self) -> None:
        """Let go of the database."""
        if self.keeper is not None:
            self.keeper.release()
        self.locks.close()
        self.engine.dispose()


def public_of(keys: bytes) -> bytes:
    """Return what a worker holds of an installation's keys."""
    return X25519PrivateKey.from_private_bytes(keys[:32]).public_key().public_bytes_raw()


def _driven(url: str) -> str:
    return url.replace("postgresql:", "postgresql+psycopg:", 1)


class Worker:
    """One lane, written as a gate worker writes it."""

    def __init__(self, spool: Path, public: bytes, lane: str, segment_bytes: int = 1 << 20) -> None:
        self._lane = lane
        sealer = SegmentSealer(public)
        self._writer = LaneWriter(spool, lane, sealer=sealer, segment_bytes=segment_bytes, files=LocalFiles())

    def write(self, *entries: Entry) -> None:
        """Make the entries durable in one commit."""
        commit(self._writer, self._lane, *entries)

    def roll(self) -> None:
        """Begin a new segment if somebody asked for it."""
        self._writer.roll()

    def die(self) -> None:
        """End without a word."""
        self._writer.abandon()

    def close(self) -> None:
        """End properly."""
        self._writer.close()
