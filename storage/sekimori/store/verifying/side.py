"""What hangs on the entries: keys, texts, holds; each must open, and none may hang on nothing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import batched
from typing import Any

from sqlalchemy import Column, Connection, and_, func, null, or_, select

from sekimori.errors import IntegrityError, KeyAccessError
from sekimori.store import events
from sekimori.store.holding import Holding
from sekimori.store.holding_orders import HoldRepo
from sekimori.store.policies import open_snapshot
from sekimori.store.rows import READING as READING_MODE
from sekimori.store.tables import (
    ANCHOR,
    CHUNK,
    CONTENT,
    DATA_KEY,
    ENTRY,
    LINK,
    OUTPUT_TAG,
    POLICY_VERSION,
    READING,
    RECORD,
    RECORD_KEY,
    SEARCH,
)
from sekimori.store.textrows import chunk_place
from sekimori.store.verifying.authority import Authority
from sekimori.store.verifying.faults import Fault
from sekimori.store.verifying.opening import KeyOpener
from sekimori.store.works import REKEY_WORK, is_pending
from sekimori.vault.names import NameSeal
from sekimori.vault.records import METADATA
from sekimori.vault.slots import DataKeyRow

_AT_ONCE = 500
_TAKING = (events.ERASE, events.RETIRE)
_NOBODY = ENTRY.c.lane == null()


def dangling(connection: Connection) -> Iterator[Fault]:
    """Name what hangs on no entry or on no record."""
    yield from _on_no_entry(connection)
    record_of = and_(RECORD.c.rid == READING.c.rid, RECORD.c.mode == READING_MODE)
    query = select(READING.c.rid).outerjoin(RECORD, record_of).where(RECORD.c.rid == null())
    for rid in connection.execute(query).scalars():
        yield Fault("reading", rid, "extra", "no record tells of it")
    for column, name in (
        (SEARCH.c.rid, SEARCH.c.field),
        (RECORD_KEY.c.rid, RECORD_KEY.c.part),
        (OUTPUT_TAG.c.rid, None),
        (CHUNK.c.rid, CHUNK.c.address),
        (ANCHOR.c.rid, ANCHOR.c.anchor),
        (LINK.c.rid, LINK.c.refers),
        (LINK.c.refers, LINK.c.rid),
    ):
        yield from _on_no_record(connection, column, name)


def keys(holding: Holding, authority: Authority) -> Iterator[Fault]:
    """Open every epoch and every data key; name record keys that an erasure should have taken."""
    hierarchy = holding.hierarchy
    for epoch in hierarchy.rows.epochs():
        try:
            hierarchy.epoch(epoch)
        except (IntegrityError, KeyAccessError) as error:
            yield Fault("key_epoch", str(epoch.epoch), "altered", error.message)
    query = select(DATA_KEY.c.id, DATA_KEY.c.epoch, DATA_KEY.c.tag, DATA_KEY.c.sealed)
    for row in holding.connection.execute(query.execution_options(yield_per=_AT_ONCE)):
        try:
            hierarchy.open(DataKeyRow(row.id, row.epoch, row.tag, row.sealed))
        except (IntegrityError, KeyAccessError) as error:
            yield Fault("data_key", row.id.hex(), "altered", error.message)
    yield from _erased_data_keys(holding.connection, authority)
    for some in batched(authority.listed, _AT_ONCE):
        query = select(RECORD_KEY.c.rid).where(RECORD_KEY.c.rid.in_(some), RECORD_KEY.c.part == "")
        for rid in holding.connection.execute(query).scalars():
            yield Fault("record_key", rid, "extra", "an erasure says that it is gone")
    for whole, counted in ((False, authority.counted), (True, authority.wholly)):
        gone = _count_without_key(holding, whole=whole)
        if gone > counted:
            what = "not even one for their metadata" if whole else "no key"
            detail = f"{gone} records have {what}, and erasures tell of {counted}"
            yield Fault("record_key", METADATA if whole else "", "missing", detail)


def chunks(holding: Holding, opener: KeyOpener) -> Iterator[Fault]:
    """Open every large piece of text under the key of the record that stored it."""
    query = select(CHUNK.c.address, CHUNK.c.rid, CHUNK.c.sealed)
    rows = holding.connection.execute(query.execution_options(yield_per=_AT_ONCE))
    for some in rows.partitions(_AT_ONCE):
        living = opener.open({row.rid for row in some}).living
        for row in some:
            if (record := living.get(row.rid)) is None:
                yield Fault("chunk", row.address.hex(), "extra", "its record's key is gone")
                continue
            try:
                record.cipher.open(row.sealed, chunk_place(row.address, row.rid))
            except IntegrityError as error:
                yield Fault("chunk", row.address.hex(), "altered", error.message)


def holds(holding: Holding, authority: Authority) -> Iterator[Fault]:
    """Open every legal hold, and hold it against the orders that placed and lifted it."""
    try:
        found = {hold.id: hold for hold in HoldRepo(holding.connection, holding.keys.cipher).all()}
    except IntegrityError as error:
        yield Fault("hold", "", "altered", error.message)
        return
    orders = {order.id: order for order in authority.orders if order.kind in (events.HOLD, events.UNHOLD)}
    for id_, hold in found.items():
        placed, lifted = orders.get(id_), orders.get(f"{id_}-lifted")
        said = (placed.event.said.get("of"), placed.time_us) if placed else None
        if said != (hold.kind, hold.placed_us) or hold.lifted_us != (lifted.time_us if lifted else None):
            yield Fault("hold", id_, "altered", "it was ordered otherwise")
    for id_, order in orders.items():
        if order.kind == events.HOLD and id_ not in found:
            yield Fault("hold", id_, "missing", "its order is there")


def policies(connection: Connection, names: NameSeal) -> Iterator[Fault]:
    """Open every compiled snapshot; each that a record names must be there."""
    known = set()
    for row in connection.execute(select(POLICY_VERSION)).yield_per(4):
        known.add(row.sha256)
        try:
            open_snapshot(row.sha256, row.sealed, names)
        except IntegrityError:
            yield Fault("policy_version", row.sha256, "altered")
    for policy in connection.execute(select(RECORD.c.policy).distinct()).scalars():
        if policy and policy not in known:
            yield Fault("policy_version", policy, "missing", "records name it")


def _on_no_entry(connection: Connection) -> Iterator[Fault]:
    entry_of = and_(ENTRY.c.lane == RECORD.c.lane, ENTRY.c.n == RECORD.c.n, ENTRY.c.rid == RECORD.c.rid)
    outcome_of = and_(
        ENTRY.c.lane == RECORD.c.outcome_lane, ENTRY.c.n == RECORD.c.outcome_n, ENTRY.c.rid == RECORD.c.rid
    )
    content_of = and_(ENTRY.c.lane == CONTENT.c.lane, ENTRY.c.n == CONTENT.c.n)
    for rid in connection.execute(select(RECORD.c.rid).outerjoin(ENTRY, entry_of).where(_NOBODY)).scalars():
        yield Fault("record", rid, "extra", "it has no entry")
    has_outcome = or_(RECORD.c.outcome_n != null(), RECORD.c.outcome_lane != null())
    query = select(RECORD.c.rid).outerjoin(ENTRY, outcome_of).where(has_outcome, _NOBODY)
    for rid in connection.execute(query).scalars():
        yield Fault("record", rid, "altered", "it names an outcome that is not there")
    places = select(CONTENT.c.lane, CONTENT.c.n).outerjoin(ENTRY, content_of).where(_NOBODY)
    for lane, n in connection.execute(places):
        yield Fault("content", f"{lane}/{n}", "extra", "it has no entry")


def _on_no_record(connection: Connection, rid: Column[Any], name: Column[Any] | None) -> Iterator[Fault]:
    query = select(rid, *([name] if name is not None else [])).outerjoin(RECORD, RECORD.c.rid == rid)
    for row in connection.execute(query.where(RECORD.c.rid == null())):
        key = "/".join(part.hex() if isinstance(part, bytes) else part for part in row if part)
        yield Fault(str(rid.table.name), key, "extra", "no record has it")


def _erased_data_keys(connection: Connection, authority: Authority) -> Iterator[Fault]:
    """Name the data keys that an order destroyed and that are there all the same."""
    destroyed = {id_ for order in authority.orders if order.kind in _TAKING for id_ in order.event.data_keys}
    for some in batched(sorted(destroyed), _AT_ONCE):
        for id_ in connection.execute(select(DATA_KEY.c.id).where(DATA_KEY.c.id.in_(some))).scalars():
            yield Fault("data_key", id_.hex(), "extra", "an erasure says that it is gone")


def _count_without_key(holding: Holding, *, whole: bool) -> int:
    connection = holding.connection
    # That work is left is said by a row that anybody can write: it counts only where the old key is.
    if holding.keys.old and is_pending(connection, REKEY_WORK):
        return 0  # those of an older release still have none
    has_key = RECORD_KEY.c.rid == RECORD.c.rid
    if not whole:
        has_key = and_(has_key, RECORD_KEY.c.part == "")
    query = select(func.count()).select_from(RECORD.outerjoin(RECORD_KEY, has_key))
    return connection.execute(query.where(RECORD_KEY.c.rid == null())).scalar_one()
