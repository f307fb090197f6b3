"""A town to attack: an installation with a past, grown once, and older copies of everything it consists of.

Whoever attacks has the database with all its rights and the data folder; of the key folder only older copies
of the lock store. ``Scene`` grows the town once for a database; ``Scene.town`` gives a copy to destroy.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import NullPool, create_engine

from sekimori.ledger.tlog.checkpoint import Checkpoint, log_verifier, open_checkpoint
from sekimori.ledger.tlog.keys import KeySigner
from sekimori.ledger.tlog.note import Verifier
from sekimori.store.account_book import AccountBook
from sekimori.store.engine import session, writing
from sekimori.store.erasing import Authority, Eraser
from sekimori.store.holding_orders import HoldRepo
from sekimori.store.people import Account, PersonRepo
from sekimori.store.policies import PolicyRepo
from sekimori.store.statements import required
from sekimori.store.surveying import Wanted
from sekimori.store.trees import TreeKeeper
from sekimori.store.verify import Report, Scope
from support.evidence import START_US, Installation, answered, asked, body, refused

SNAPSHOT = b'{"format":1}'
POLICY = hashlib.sha256(SNAPSHOT).hexdigest()
KEYS = bytes(range(64))
HOUR_US = 3_600_000_000

DATA, KEYRING = "data", "keys"
DATABASE = "sekimori.db"
MADE_GONE = (
    "UPDATE record SET state='erased', operation='', reasons='', parse='', prompt_bytes=0, status=NULL, "
    "answer_parse=NULL, input_tokens=NULL, output_tokens=NULL, output_bytes=NULL WHERE rid='{rid}'"
)
OF_RECORD = ("record_key", "content", "output_tag", "search", "chunk", "anchor", "link")


class Databases(Protocol):
    """A server's databases, by their URLs."""

    def copy(self, url: str) -> str:
        """Copy a database that nobody uses; return the copy's URL."""
        ...

    def drop(self, url: str) -> None:
        """Delete a copy."""
        ...


class Town:
    """One copy of the town, and the older copies that its attacker kept."""

    def __init__(self, folder: Path, past: Path, urls: tuple[str, str], databases: Databases | None) -> None:
        self.folder = folder
        self.past = past
        self._databases = databases
        self._copies: dict[str, str] = {}
        self._present_url, self._past_url = urls
        self.house = self._open(self._copy(self._present_url))

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / DATA

    @property
    def ledger(self) -> Path:
        """The trees' folders."""
        return self.data / "ledger"

    @property
    def is_embedded(self) -> bool:
        """Whether the database lies in the data folder."""
        return self._databases is None

    def edit(self, *statements: str) -> None:
        """Change the database; each statement must change something."""
        self.house.edit(*statements)

    def execute(self, *statements: str) -> None:
        """Run statements in the database, whether or not they find anything to change."""
        with self.house.outsider() as outsider:
            for statement in statements:
                outsider.exec_driver_sql(statement)

    def values(self, query: str) -> list[Any]:
        """Read one column from the database."""
        with self.house.outsider() as outsider:
            return list(outsider.exec_driver_sql(query).scalars())

    # --- older copies ------------------------------------------------------------------------------

    def older(self, query: Any) -> Any:
        """Read one value from the older database."""
        url = self._copy(self._past_url) or f"sqlite:///{self.past / DATA / DATABASE}"
        engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:", 1), poolclass=NullPool)
        with engine.connect() as connection:
            return connection.execute(query).scalar_one()

    def restore_database(self, *, starts: bool = True) -> None:
        """Put the older database back."""
        self.house.close()
        if self.is_embedded:
            for path in self.data.glob(f"{DATABASE}*"):
                path.unlink()
            shutil.copy(self.past / DATA / DATABASE, self.data / DATABASE)
        self._present_url = self._past_url
        self.house = self._open(self._copy(self._past_url), starts=starts)

    def restore_files(self) -> None:
        """Put everything in the data folder back but the database."""
        self.house.close()
        for path in self.data.iterdir():
            if not path.name.startswith(DATABASE):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in (self.past / DATA).iterdir():
            if not path.name.startswith(DATABASE):
                copy = shutil.copytree if path.is_dir() else shutil.copy
                copy(path, self.data / path.name)
        self.house = self._open(self._copy(self._present_url))

    def restore_log(self, name: str) -> None:
        """Put one log's folder back as it was."""
        shutil.rmtree(self.ledger / name)
        shutil.copytree(self.past / DATA / "ledger" / name, self.ledger / name)

    def restore_locks(self) -> None:
        """Put the lock store back; it lies among the keys, so that takes more than the data folder."""
        self.house.close()
        shutil.copy(self.past / KEYRING / "lock-1.db", self.folder / KEYRING / "lock-1.db")
        self.house = self._open(self._copy(self._present_url))

    # --- who notices ---------------------------------------------------------------------------------

    def verify(self, scope: Scope | None = None) -> Report:
        """Check everything."""
        return self.house.verify(scope)

    def archivist_alarms(self, remembered: Sequence[Checkpoint] = ()) -> list[str]:
        """Start the archivist anew, let it work for some seconds, and return what it complains of."""
        house = self.house
        house.archivist = house.new_archivist()
        if remembered:
            self._witnessed(remembered)
        for _ in range(4):
            house.ticks.at_us += 5_000_000
            house.settle()
        return house.notes.alarms

    def witnessed(self) -> tuple[Checkpoint, ...]:
        """Return what a witness that was asked all the time remembers of the super-log."""
        log = log_verifier(self.house.outside().logs["super"])
        return (open_checkpoint((self.ledger / "super" / "checkpoint").read_bytes(), log).checkpoint,)

    def _witnessed(self, remembered: Sequence[Checkpoint]) -> None:
        """Give the archivist a keeper that asks a witness at its start."""
        house = self.house

        def asked_for(log: Verifier) -> Sequence[Checkpoint]:
            return [one for one in remembered if one.origin == log.name]

        assert house.keeper is not None
        house.keeper.release()
        house.keeper = TreeKeeper(
            house.engine,
            folder=self.ledger,
            logs=house.keyring / "logs-1",
            locks=house.locks,
            signing=required(house.store_keys.signing),
            cipher=house.cipher,
            clock=house.clock,
            watch=house.notes,
            remembered=asked_for,
        )
        house.archivist._keeper = house.keeper

    def close(self) -> None:
        """Let go of everything."""
        self.house.close()
        if self._databases is not None:
            for copy in self._copies.values():
                self._databases.drop(copy)

    def _copy(self, url: str) -> str:
        """Return this town's own copy of a database, "" where it lies in the data folder."""
        if self._databases is None:
            return ""
        if url not in self._copies:
            self._copies[url] = self._databases.copy(url)
        return self._copies[url]

    def _open(self, database: str, *, starts: bool = True) -> Installation:
        return opened(self.folder, database, START_US + 10 * HOUR_US, starts=starts)


def opened(folder: Path, database: str, at_us: int = START_US, *, starts: bool = True) -> Installation:
    """Open the installation in a folder, at a time."""
    house = Installation(folder / DATA, keys=KEYS, keyring=folder / KEYRING, database=database, starts=starts)
    house.ticks.at_us = at_us
    return house


class Scene:
    """The town as it grew: ``past`` is what somebody copied half way, ``present`` what there is."""

    def __init__(self, folder: Path, database: str = "", databases: Databases | None = None) -> None:
        self._databases = databases
        self._present, self._past = folder / "present", folder / "past"
        (self._present / DATA).mkdir(parents=True)
        self._database = database
        house = opened(self._present, database)
        _first_half(house)
        house.close()
        shutil.copytree(self._present, self._past)
        self._old_database = databases.copy(database) if databases else ""
        house = opened(self._present, database, START_US + HOUR_US)
        _second_half(house)
        report = house.verify(Scope(signatures=True))
        assert report.faults == ()
        assert report.verdicts["erased-authorised"] == 2
        house.close()

    @property
    def urls(self) -> tuple[str, str]:
        """Both databases, the present one and the past."""
        return self._database, self._old_database

    def town(self, folder: Path) -> Town:
        """Return a copy to destroy."""
        shutil.copytree(self._present, folder / "town")
        return Town(folder / "town", self._past, (self._database, self._old_database), self._databases)


def settle(house: Installation, rounds: int = 3) -> None:
    """Let some seconds pass until nothing is left to be done."""
    for _ in range(rounds):
        while house.settle().more:
            pass


def erase(house: Installation, *rids: str, event: str = "erasure-1") -> None:
    """Erase records with an order."""
    eraser = Eraser(house.engine, house.store_keys, clock=house.clock, new_id=lambda: event)
    eraser.carry_out(Wanted(records=frozenset(rids)), Authority("appi-35", "kato", "sato"))
    settle(house)


def _first_half(house: Installation) -> None:
    """A worker's lane that spans two tiles, one that died, a reading, an erasure."""
    with session(house.engine) as opened_session:
        PolicyRepo(opened_session, house.names).keep_snapshot(POLICY, SNAPSHOT)
    account(house, lambda people: people.add("sato", now_us=house.clock(), roles=["auditor"]))
    account(house, lambda people: people.add("kato", now_us=house.clock(), roles=["auditor"]))
    worker = house.worker("w1-1")
    for number in range(0, 270, 30):
        worker.write(*(entry for n in range(number, number + 30) for entry in _exchange(n)))
    worker.write(asked("gone", policy=POLICY, prompt="消してください"), answered("gone", text="はい"))
    worker.close()
    dead = house.worker("w2-1")
    dead.write(asked("open", policy=POLICY))
    dead.die()
    house.archivist.run_once()
    house.log().content("r001", reader="sato", reader_source="os", reason="監査")
    settle(house)
    erase(house, "gone")


def _exchange(n: int) -> Sequence[Any]:
    if n % 9:
        return (refused(f"r{n:03}", policy=POLICY),)
    return asked(f"r{n:03}", policy=POLICY, user=f"user-{n % 4}"), answered(f"r{n:03}")


def account(house: Installation, act: Callable[[PersonRepo], Account]) -> None:
    """Do something to an account and note it, as every command does."""
    ids = (f"act-{house.clock()}-{number}" for number in count(1))
    book = AccountBook(house.store_keys.store_key, clock=house.clock, new_id=lambda: next(ids))
    with session(house.engine) as opened_session:
        book.note(opened_session.connection(), [act(PersonRepo(opened_session, house.people))], by="os: root")
    house.ticks.at_us += 1


def _second_half(house: Installation) -> None:
    """A lane of its own tree with a conversation, an account that was closed, and holds."""
    account(house, lambda people: people.set_disabled("kato", disabled=True, now_us=house.clock()))
    worker = house.worker("w3-1")
    talk = [{"role": "user", "content": "前回の会議録です。" + "予算は承認された。" * 40}]
    large = [*talk, {"role": "user", "content": random.Random(7).randbytes(40_000).hex()}]
    for number, messages in enumerate((talk, large, [*large, {"role": "user", "content": "続けて"}])):
        said = json.dumps({"model": "gpt-x", "messages": messages}, ensure_ascii=False).encode()
        worker.write(asked(f"talk-{number}", policy=POLICY, body=body(said)), answered(f"talk-{number}"))
    worker.close()
    settle(house)
    with writing(house.engine) as connection:
        holds = HoldRepo(connection, house.cipher)
        for id_ in ("hold-1", "hold-2"):
            holds.place(id_, "record", "r000", reason="訴訟", by="sato", now_us=house.clock())
        holds.lift("hold-2", reason="和解", by="sato", now_us=house.clock())
    settle(house)


EVIL = KeySigner(b"\x66" * 32)
"""The attacker's own key."""
