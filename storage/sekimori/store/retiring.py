"""Retention applied: whole months whose period is over lose their keys, as an erasure would take them.

Two steps, since metadata are kept longer than content. When the content of a month expires, the metadata keys
of its records are wrapped under data keys of their own and everything else of them is destroyed: text, tags
and the record keys. When the metadata expire too, the rest goes like an erasure. What a legal hold keeps
stays, and so does its whole data key. Each run is one rotation and one ``retire`` event.

``Retiring`` is for the archivist: what is due is said in its log on one day and done on the next, unless
something changed meanwhile.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched

from sqlalchemy import Connection, Engine, select, update

from sekimori.errors import IntegrityError, SekimoriError
from sekimori.ledger.envelope import Value
from sekimori.store import events
from sekimori.store.bulk import insert_absent
from sekimori.store.clearing import drop, drop_bodies
from sekimori.store.engine import reading, writing
from sekimori.store.events import Event, EventRepo
from sekimori.store.holding import StoreKeys
from sekimori.store.holding_orders import HoldRepo
from sekimori.store.plausible import PlausibleClock
from sekimori.store.retention import Periods, ends, is_over, metadata_slot, outlives
from sekimori.store.rotating import rotation
from sekimori.store.tables import ANCHOR, CHUNK, LINK, OUTPUT_TAG, UPKEEP
from sekimori.store.taking import Gone, alone, rids_under, take
from sekimori.store.works import ask_to_scrub
from sekimori.vault.datakey import DataKey
from sekimori.vault.hierarchy import KeyHierarchy
from sekimori.vault.records import METADATA, metadata_key
from sekimori.vault.rotation import Doomed, Erasure, Plan, Rotation, Shredded
from sekimori.vault.slots import Slot, month_of

logger = logging.getLogger(__name__)

CONTENT_ENDS, ALL_ENDS = "content", "all"
"""What expires of a class and month."""
RETIRE_WORK = "retire"
"""Names the row of ``upkeep`` that remembers what was announced, and when."""

_AT_ONCE = 500
_DAY_US = 86_400_000_000
_LOOK_EVERY_US = 3_600_000_000
_OF_CONTENT = (OUTPUT_TAG, CHUNK, ANCHOR)


@dataclass(frozen=True, slots=True, order=True)
class Stock:
    """What is stored of one class and month, and until when; ``due`` says what of it goes now."""

    klass: str
    month: str
    records: int
    data_keys: int
    ends: str | None
    due: str = ""
    held: int = 0


@dataclass(frozen=True, slots=True)
class Retired:
    """What a run took."""

    event: str
    due: tuple[Stock, ...]
    records: int
    shredded: Shredded


@dataclass(frozen=True, slots=True)
class _Over(Erasure):
    """Everything whose period is over."""

    periods: Periods | None = None
    month: str = ""

    def covers(self, slot: Slot) -> bool:
        """Tell whether a slot's period has ended."""
        return is_over(slot, self.periods or {}, self.month)


class Retirer:
    """Shows what is kept until when, and retires what is over."""

    def __init__(
        self,
        engine: Engine,
        keys: StoreKeys,
        periods: Periods,
        *,
        clock: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self._engine = engine
        self._keys = keys
        self._periods = periods
        self._clock = clock
        self._new_id = new_id
        self.plausible = PlausibleClock(engine, keys.cipher)

    def status(self) -> list[Stock]:
        """Say what is stored, by class and month, and what of it is due."""
        with reading(self._engine) as connection:
            return self._status(connection, rotation(connection, self._keys))

    def due(self) -> list[Stock]:
        """Say what a run would retire."""
        return [stock for stock in self.status() if stock.due]

    def run(self, *, by: str) -> Retired | None:
        """Retire what is over; None where nothing is; raises StateError where the clock can't be believed."""
        self.plausible.expect(self._clock())
        with alone(self._engine) as connection:
            turning = rotation(connection, self._keys)
            plan = self._plan(connection, turning)
            if not plan.data_keys:
                return None
            due = tuple(stock for stock in self._status(connection, turning) if stock.due)
            gone = Gone.of(connection, turning.keys, plan, listed=False)
            self._separate(connection, turning, plan)
            id_, now_us = self._new_id(), self._clock()
            slots: list[Value] = [[stock.klass, stock.month, stock.due] for stock in due]
            said = gone.said("retention") | {"slots": slots, "kept": self._outliving(connection, plan)}
            event = Event(said=said, by=by, data_keys=gone.data_keys)
            EventRepo(connection, self._keys.cipher).add(id_, events.RETIRE, now_us, event)
            shredded = turning.shred(plan)
        return Retired(id_, due, gone.count, shredded)

    def _month(self) -> str:
        return month_of(self._clock())

    def _plan(self, connection: Connection, turning: Rotation) -> Plan:
        held = HoldRepo(connection, self._keys.cipher).held()
        keys = turning.keys
        over = _Over(periods=self._periods, month=self._month())
        return turning.plan(over, held_data_keys=held.data_keys(keys), held_records=held.records)

    def _status(self, connection: Connection, turning: Rotation) -> list[Stock]:
        plan = self._plan(connection, turning)
        going, kept = {doomed.id for doomed in plan.data_keys}, set(plan.held_data_keys)
        stocks: dict[tuple[str, str], Stock] = {}
        for row, key in self._each(turning.keys):
            slot = key.slot
            count = turning.keys.rows.count_record_keys(row)
            known = stocks.get((slot.klass, slot.month)) or Stock(
                slot.klass, slot.month, 0, 0, ends(slot, self._periods)
            )
            stocks[slot.klass, slot.month] = Stock(
                known.klass,
                known.month,
                known.records + count,
                known.data_keys + 1,
                known.ends,
                self._what(slot) if row in going else known.due,
                known.held + (count if row in kept else 0),
            )
        return sorted(stocks.values())

    def _each(self, keys: KeyHierarchy) -> Iterator[tuple[bytes, DataKey]]:
        for some in keys.each_data_key():
            yield from ((row.id, key) for row, key in some)

    def _what(self, slot: Slot) -> str:
        return CONTENT_ENDS if outlives(slot, self._periods, self._month()) else ALL_ENDS

    def _outliving(self, connection: Connection, plan: Plan) -> int:
        """Count the records that keep what is said about them."""
        keys = [doomed.id for doomed in plan.data_keys if self._what(doomed.slot) == CONTENT_ENDS]
        return sum(1 for _ in rids_under(connection, keys))

    def _separate(self, connection: Connection, turning: Rotation, plan: Plan) -> None:
        """Clear what goes whole, and take the content alone from what keeps its metadata."""
        outliving = [doomed for doomed in plan.data_keys if self._what(doomed.slot) == CONTENT_ENDS]
        for doomed in plan.data_keys:
            if self._what(doomed.slot) == ALL_ENDS:
                take(connection, list(rids_under(connection, [doomed.id])))
        if outliving:
            self._keep_metadata(connection, turning.keys, outliving)
        ask_to_scrub(connection)

    def _keep_metadata(self, connection: Connection, keys: KeyHierarchy, outliving: Sequence[Doomed]) -> None:
        slots = {doomed.id: metadata_slot(doomed.slot) for doomed in outliving}
        data_keys = keys.data_keys(set(slots.values()))
        for id_, slot in slots.items():
            for some in batched(list(rids_under(connection, [id_])), _AT_ONCE):
                record_keys = keys.record_keys(some)
                rows = [
                    keys.wrap(data_keys[slot], rid, metadata_key(key), METADATA)
                    for (rid, part), key in record_keys.items()
                    if not part
                ]
                keys.rows.put_record_keys(rows)
                _expect_kept(keys, record_keys)
                _take_content(connection, some)


class Retiring:
    """Retires every day what is over, one day after it was announced."""

    def __init__(
        self,
        engine: Engine,
        retirer: Retirer,
        *,
        clock: Callable[[], int],
        alarm: Callable[[str], None] = logger.error,
    ) -> None:
        self._alarm = alarm
        self._engine = engine
        self._retirer = retirer
        self._clock = clock
        self._looked_us: int | None = None

    def step(self) -> bool:
        """Look, at most once an hour; say whether anything was retired."""
        now_us = self._clock()
        if self._looked_us is not None and abs(now_us - self._looked_us) < _LOOK_EVERY_US:
            return False
        self._looked_us = now_us
        try:
            return self._look(now_us)
        except SekimoriError as fault:
            self._alarm(f"Nothing was retired: {fault}")
            return False

    def _look(self, now_us: int) -> bool:
        self._retirer.plausible.expect(now_us)
        self._retirer.plausible.believe(now_us)
        due = self._retirer.due()
        if not due:
            return False
        if not self._is_announced(due, now_us):
            return False
        done = self._retirer.run(by="archivist")
        if done is not None:
            if done.shredded.damaged:
                self._alarm(
                    f"{len(done.shredded.damaged)} data keys were altered and don't open: sekimori verify."
                )
            logger.info("retired %d records of %s (event %s)", done.records, _said(done.due), done.event)
        self._remember("")
        return done is not None

    def _is_announced(self, due: Sequence[Stock], now_us: int) -> bool:
        """Tell whether exactly this was announced a day ago; announce it where it was not."""
        names = sorted(f"{stock.klass} {stock.month} {stock.due} {stock.data_keys}" for stock in due)
        what = hashlib.sha256("\n".join(names).encode()).hexdigest()
        with reading(self._engine) as connection:
            query = select(UPKEEP.c.position).where(UPKEEP.c.name == RETIRE_WORK)
            day, _, announced = (connection.execute(query).scalar() or "").partition(":")
        today = now_us // _DAY_US
        if announced == what:
            return int(day) < today
        logger.info("will be retired tomorrow: %s; sekimori hold add keeps it", _said(due))
        self._remember(f"{today}:{what}")
        return False

    def _remember(self, position: str) -> None:
        with writing(self._engine) as connection:
            insert_absent(connection, UPKEEP, [{"name": RETIRE_WORK, "position": position}])
            change = update(UPKEEP).where(UPKEEP.c.name == RETIRE_WORK)
            connection.execute(change.values(position=position))


def _expect_kept(keys: KeyHierarchy, record_keys: Mapping[tuple[str, str], bytes]) -> None:
    """Refuse to destroy the record keys while those for the metadata are not there to be read."""
    wanted = {rid: metadata_key(key) for (rid, part), key in record_keys.items() if not part}
    found = keys.record_keys(list(wanted))
    if any(found.get((rid, METADATA)) != key for rid, key in wanted.items()):
        raise IntegrityError(
            "The database does not keep the metadata keys of what is to expire; nothing was retired.",
            hint="Look for triggers and rules that somebody put on data_key and record_key.",
        )


def _take_content(connection: Connection, rids: Sequence[str]) -> None:
    """Delete what was said in records; who said it, and when, stays to be found."""
    for table in _OF_CONTENT:
        drop(connection, table, table.c.rid.in_(rids))
    drop(connection, LINK, LINK.c.rid.in_(rids) | LINK.c.refers.in_(rids))
    drop_bodies(connection, rids)


def _said(due: Sequence[Stock]) -> str:
    shown = (f"{stock.klass} of {stock.month} ({stock.due}, {stock.records} records)" for stock in due)
    return ", ".join(shown)
