"""From one data key for everything to the hierarchy: what an older release stored gets keys of its own.

The lanes' counters come first, before anybody ships. Then the archivist moves entry after entry, some a
transaction: each record gets a key, entry and body are sealed under it, envelope and leaf are added (marked
``migrated``: the archivist signs them, long after they were written), search tokens and output tags are made.
A crash leaves a mixture that the next run goes on with; until the end both kinds open. When all is moved,
the database is rewritten (``upkeep``), and the old key's file destroyed.

The table ``upkeep`` says how far it is: nothing, ``lanes``, ``at N LANE``, ``moved``. In the end a row
``rekeyed`` names the old key: each node destroys its copy of that key, and of no other. Whoever writes in the
database can write these rows too: so before a copy is destroyed all is looked through once more, and where
anything still opens with the old key alone, the work begins anew (``still_old``).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from sqlalchemy import Connection, Engine, and_, delete, func, select, tuple_, update

from sekimori.store.bulk import insert_absent
from sekimori.store.engine import reading, writing
from sekimori.store.holding import Holding, Memory, OldKey, StoreKeys
from sekimori.store.lanes import lanes_under, reseal_lanes
from sekimori.store.moving import Alarm, Batch
from sekimori.store.remains import still_sealed
from sekimori.store.tables import CONTENT, ENTRY, UPKEEP
from sekimori.store.works import REKEY_WORK, SCRUB_WORK, SEARCH_WORK, ask_to_scrub, is_pending, position_of
from sekimori.vault.content import OLD_VERSION, ContentCipher, OneDataKey
from sekimori.vault.files import destroy_secret

REKEYED = "rekeyed"
"""Names the row that says which key nothing lies under any more."""

_AT_ONCE = 200
_AT_ONCE_BYTES = 8 << 20
_LANES, _AT, _MOVED = "lanes", "at", "moved"

_CONTENT = and_(
    CONTENT.c.lane == ENTRY.c.lane, CONTENT.c.n == ENTRY.c.n, CONTENT.c.time_us == ENTRY.c.time_us
)


def begin(engine: Engine, keys: StoreKeys) -> None:
    """Seal the lanes' counters anew, before anybody ships; nothing happens where that is done."""
    with reading(engine) as connection:
        if position_of(connection, REKEY_WORK) != "" or keys.old is None:
            return
    with writing(engine) as connection:
        if position_of(connection, REKEY_WORK, hold=True) == "":
            reseal_lanes(connection, ContentCipher(keys.old.key), keys.cipher)
            _go_on(connection, _LANES)


class Rekeying:
    """Moves what an older release stored, a piece at a time."""

    def __init__(self, engine: Engine, keys: StoreKeys, alarm: Alarm) -> None:
        self._engine = engine
        self._keys = keys
        self._alarm = alarm
        self._memory = Memory()
        self._told = self._begun_anew = self._kept = False

    def step(self) -> bool:
        """Do one piece; say whether more is left that can be done here and now."""
        with reading(self._engine) as connection:
            position = position_of(connection, REKEY_WORK)
            scrubbing = is_pending(connection, SCRUB_WORK)
            rekeyed = position_of(connection, REKEYED)
        old = self._keys.old
        if position is None:
            return old is not None and rekeyed == key_name(old) and self._destroy(old)
        if position == _MOVED:
            return not scrubbing and self._finish()
        if old is None:
            self._tell_once(
                "The database holds content under data.key of an older version, which is not here."
            )
            return False
        begin(self._engine, self._keys)
        try:
            self._move(old)
        except BaseException:
            self._memory.forget()
            raise
        return True

    def _destroy(self, old: OldKey) -> bool:
        """Destroy the old key unless something still needs it; say whether there is work again."""
        if self._kept or not old.file.exists():
            return False
        with reading(self._engine) as connection:
            needed = still_old(connection, old, self._keys)
        if not needed:
            destroy_secret(old.file)
            return False
        if self._begun_anew:
            self._kept = True
            self._alarm(f"data.key of an older version is kept: {needed} still lies under it.")
            return False
        self._begun_anew = True
        self._alarm(
            f"data.key of an older version is kept, and moving begins anew: {needed} still lies under it."
        )
        with writing(self._engine) as connection:
            reseal_lanes(connection, ContentCipher(old.key), self._keys.cipher)
            connection.execute(delete(UPKEEP).where(UPKEEP.c.name == REKEYED))
            insert_absent(connection, UPKEEP, [{"name": REKEY_WORK, "position": _LANES}])
        return True

    def _finish(self) -> bool:
        """Say for good that nothing lies under the old key; what that means for its file comes next."""
        with writing(self._engine) as connection:
            if position_of(connection, REKEY_WORK, hold=True) is not None:
                connection.execute(delete(UPKEEP).where(UPKEEP.c.name == REKEY_WORK))
        return True

    def _move(self, old: OldKey) -> None:
        with writing(self._engine) as connection:
            position = position_of(connection, REKEY_WORK, hold=True)
            if position is None or position == _MOVED:
                return
            found = connection.execute(_after(position)).all()
            batch = _bounded(found)
            if batch:
                holding = Holding(connection, self._keys, memory=self._memory)
                Batch(holding, ContentCipher(old.key), self._alarm).move(batch)
                _go_on(connection, f"{_AT} {batch[-1].n} {batch[-1].lane}")
                return
            _go_on(connection, _MOVED)
            connection.execute(delete(UPKEEP).where(UPKEEP.c.name == SEARCH_WORK))
            insert_absent(connection, UPKEEP, [{"name": REKEYED, "position": key_name(old)}])
            ask_to_scrub(connection)

    def _tell_once(self, sentence: str) -> None:
        if not self._told:
            self._alarm(sentence)
            self._told = True


def still_old(connection: Connection, old: OldKey, keys: StoreKeys) -> str:
    """Name the first thing that opens with the old key alone; empty where nothing does."""
    cipher = ContentCipher(old.key)
    lane = next(lanes_under(connection, cipher, keys.cipher), None)
    if lane is not None:
        return f"the counter of lane {lane}"
    # Whoever takes one of many has to close the rest: on PostgreSQL a cursor stands behind them.
    with closing(still_sealed(connection, cipher)) as left:
        return next(left, "")


def key_name(old: OldKey) -> str:
    """Name an old key without saying anything of it."""
    return OneDataKey(old.key).current()[0].hex()


def _go_on(connection: Connection, position: str) -> None:
    connection.execute(update(UPKEEP).where(UPKEEP.c.name == REKEY_WORK).values(position=position))


def _after(position: str) -> Any:
    """Return the query for the next old entries, by lane and number, and how large each body is."""
    columns = (ENTRY.c.lane, ENTRY.c.n, ENTRY.c.rid, ENTRY.c.time_us, ENTRY.c.sealed)
    query = select(*columns, func.length(CONTENT.c.sealed).label("size")).outerjoin(CONTENT, _CONTENT)
    query = query.where(func.substr(ENTRY.c.sealed, 1, 1) == bytes([OLD_VERSION]))
    if position.startswith(_AT):
        _, n, lane = position.split(" ", 2)
        query = query.where(tuple_(ENTRY.c.lane, ENTRY.c.n) > tuple_(lane, int(n)))
    return query.order_by(ENTRY.c.lane, ENTRY.c.n).limit(_AT_ONCE)


def _bounded(rows: Sequence[Any]) -> Sequence[Any]:
    """Return as many as one transaction bears in memory, at least one."""
    size = 0
    for count, row in enumerate(rows):
        size += row.size or 0
        if size > _AT_ONCE_BYTES and count:
            return rows[:count]
    return rows
