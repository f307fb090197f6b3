"""Who checks stretches and trees: this process alone, or one process a core, each with a view of its own.

A process that is started anew inherits nothing, so it is told where the database is and given the opened
secrets of the key epochs: no provider is asked twice, and none has to be reachable from there. Views that
begin later see more than those that began earlier; every task says how far it goes.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, select

from sekimori.errors import IntegrityError, KeyAccessError
from sekimori.ledger.tlog.keys import known_writers
from sekimori.store.engine import open_store, reading
from sekimori.store.holding import Holding, OldKey, StoreKeys
from sekimori.store.lanewalk import LaneTask, LaneWalk, Stretch
from sekimori.store.tables import TREE
from sekimori.store.verifying.authority import read_authority
from sekimori.store.verifying.entry import View
from sekimori.store.verifying.memories import Outside
from sekimori.store.verifying.trees import TreeCheck, TreeFound, TreeTask

Task = LaneTask | TreeTask
Found = Stretch | TreeFound
_AHEAD = 2
_LIVING = 200_000
"""Objects that may gather before the collector looks: a task makes few that are in a cycle."""


@dataclass(frozen=True, slots=True)
class Crew:
    """What a process needs to do any task; nothing of it is written anywhere."""

    where: str
    store_key: bytes
    secrets: Mapping[int, bytes]
    provider: str
    old: OldKey | None
    writers: tuple[bytes, ...]
    outside: Outside | None
    tokens: bool
    signatures: bool
    index: bool = True


class OpenedSecrets:
    """The key-encryption keys' work, done already: it unwraps what another process unwrapped, and no more."""

    def __init__(self, name: str, secrets: Mapping[int, bytes]) -> None:
        self.name = name
        self._secrets = dict(secrets)

    def epochs(self) -> list[int]:
        """Return the epochs whose secret is here."""
        return sorted(self._secrets)

    def unwrap(self, epoch: int, wrapped: bytes) -> bytes:  # noqa: ARG002 (it was unwrapped elsewhere)
        """Return the secret of an epoch."""
        if epoch not in self._secrets:
            raise KeyAccessError(f"The secret of key epoch {epoch} is not here.")
        return self._secrets[epoch]

    def wrap(self, epoch: int, secret: bytes) -> bytes:  # noqa: ARG002
        """Refuse."""
        raise KeyAccessError("Whoever checks makes no keys.")

    def create(self, epoch: int) -> None:
        """Refuse."""
        raise KeyAccessError(f"Whoever checks makes no keys, and none for epoch {epoch}.")

    def destroy(self, epoch: int) -> None:
        """Refuse."""
        raise KeyAccessError(f"Whoever checks destroys no keys, and not that of epoch {epoch}.")


def secrets_of(holding: Holding) -> dict[int, bytes]:
    """Unwrap the secret of every epoch that can be unwrapped; one that can't is named by who checks keys."""
    found = {}
    for row in holding.hierarchy.rows.epochs():
        try:
            found[row.epoch] = holding.keys.kek.unwrap(row.epoch, row.wrapped)
        except (IntegrityError, KeyAccessError):
            continue
    return found


def view_of(connection: Connection, keys: StoreKeys, crew: Crew) -> View:
    """Bring one connection and the keys together."""
    return View(
        connection,
        Holding(connection, keys),
        {row.name: row.next_idx for row in connection.execute(select(TREE.c.name, TREE.c.next_idx))},
        read_authority(connection, keys.cipher),
        known_writers(crew.writers),
        keys.tokens if crew.tokens else None,
        signatures=crew.signatures,
        index=crew.index,
    )


def do(view: View, outside: Outside | None, task: Task) -> Iterator[Found]:
    """Do one task, piece by piece."""
    if isinstance(task, LaneTask):
        yield from LaneWalk(view, task).run()
    else:
        shelf = outside.shelf(task.name) if outside else None
        yield TreeCheck(view.connection, task, shelf).run()
    if not gc.isenabled() and gc.get_count()[0] > _LIVING:
        gc.collect(1)  # what outlived one task is not looked at again


@contextmanager
def untroubled() -> Iterator[None]:
    """Have the collector look between tasks only, and not at what is here already.

    A piece of a lane is many thousand objects and no cycle: looking for some takes a tenth of the time.
    """
    enabled = gc.isenabled()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if enabled:
            gc.enable()


def cores() -> int:
    """Say how many processes may run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_apart(crew: Crew, tasks: Sequence[Task], processes: int) -> Iterator[Found]:
    """Do the tasks in processes of their own and yield what each found, in whatever order it comes."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=(crew,)) as pool:
        left = iter(tasks)
        going = {pool.submit(_whole, task) for _, task in zip(range(processes * _AHEAD), left, strict=False)}
        try:
            while going:
                done, going = wait(going, return_when=FIRST_COMPLETED)
                for one in done:
                    yield from one.result()
                    if (task := next(left, None)) is not None:
                        going.add(pool.submit(_whole, task))
        finally:
            for one in going:
                one.cancel()


# What follows runs in the processes.

_OPENED = ExitStack()
_VIEWS: list[tuple[View, Outside | None]] = []


def _begin(crew: Crew) -> None:
    _OPENED.enter_context(untroubled())
    engine: Engine = open_store(crew.where)
    view: AbstractContextManager[Connection] = reading(engine)
    connection = _OPENED.enter_context(view)
    kek = OpenedSecrets(crew.provider, crew.secrets)
    keys = StoreKeys(crew.store_key, kek, signing=None, living=Path(), old=crew.old)
    _VIEWS.append((view_of(connection, keys, crew), crew.outside))


def _whole(task: Task) -> list[Found]:
    view, outside = _VIEWS[0]
    return list(do(view, outside, task))
