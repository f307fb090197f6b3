"""Of each wrapped key that is wrong: which records hang on it; and the keys that are not there any more.

Asked once in a check, whatever it covers: a key that is gone takes records of every month with it, also where
only what is new is checked. A data key whose row is gone is known by the record keys that still lie under it,
or by the list of the living keys, which stands beside the key-encryption keys: no erasure takes a key of the
newest epoch without beginning another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, Select, distinct, func, null, select

from sekimori.errors import IntegrityError, KeyAccessError
from sekimori.store.holding import Holding
from sekimori.store.tables import DATA_KEY, KEY_EPOCH, RECORD_KEY
from sekimori.store.verifying.faults import Fault
from sekimori.vault.living import LivingKeys
from sekimori.vault.slots import DataKeyRow

LIVING = "living_keys"
"""What stands for the file of the living keys, as a table's name does for a row."""

NAMED = 20
"""Records that are named of each key; the others are counted."""

_EPOCH, _DATA_KEY = str(KEY_EPOCH.name), str(DATA_KEY.name)


def affected(holding: Holding, faults: Iterable[Fault]) -> Iterator[Fault]:
    """Pass on what is wrong with keys, each with the records that hang on it, and name what is missing."""
    connection = holding.connection
    for fault in faults:
        if fault.table == _DATA_KEY:
            yield _with_records(connection, fault, _under(bytes.fromhex(fault.key)))
        elif fault.table == _EPOCH:
            yield _with_records(connection, fault, _under_epoch(int(fault.key)))
        else:
            yield fault
    yield from _epochs_gone(connection)
    listed = list[bytes]()
    try:
        listed = _living(holding)
    except IntegrityError as error:
        yield Fault(LIVING, "", "altered", error.message)
    except KeyAccessError:
        pass  # the epoch's key is named above, or the file is for others to read
    gone = dict.fromkeys(_absent(connection, listed), "its row is gone, and the living keys list it")
    gone |= dict.fromkeys(_named_by_records(connection), "its row is gone")
    for id_, why in sorted(gone.items()):
        yield _with_records(connection, Fault(_DATA_KEY, id_.hex(), "missing", why), _under(id_))


def _epochs_gone(connection: Connection) -> Iterator[Fault]:
    query = select(DATA_KEY.c.epoch).distinct().outerjoin(KEY_EPOCH, KEY_EPOCH.c.epoch == DATA_KEY.c.epoch)
    for epoch in connection.execute(query.where(KEY_EPOCH.c.epoch == null())).scalars():
        fault = Fault(_EPOCH, str(epoch), "missing", "data keys lie under it")
        yield _with_records(connection, fault, _under_epoch(epoch))


def _named_by_records(connection: Connection) -> Iterator[bytes]:
    """Yield the data keys that record keys name and that are not there."""
    # The distinct ones first: they are found in the index, and few.
    named = select(RECORD_KEY.c.data_key).distinct().subquery()
    query = select(named.c.data_key).outerjoin(DATA_KEY, DATA_KEY.c.id == named.c.data_key)
    yield from connection.execute(query.where(DATA_KEY.c.id == null())).scalars()


def _absent(connection: Connection, listed: list[bytes]) -> Iterator[bytes]:
    there = set(connection.execute(select(DATA_KEY.c.id)).scalars()) if listed else set[bytes]()
    return (id_ for id_ in listed if id_ not in there)


def _living(holding: Holding) -> list[bytes]:
    """Return what the list of the living names; nothing where it is of another epoch than the newest here.

    It is older for the moment between a rotation's commit and its end, and newer where the rotation came
    after this check's view.
    """
    living, epochs = LivingKeys(holding.keys.living), holding.hierarchy.rows.epochs()
    if not epochs or not living.path.is_file() or living.epoch() != epochs[-1]:
        return []
    rows = living.read(holding.hierarchy.epoch(epochs[-1]))
    return [row.id for row in rows if isinstance(row, DataKeyRow)]


def _under(data_key: bytes) -> Select[tuple[str]]:
    return select(RECORD_KEY.c.rid).where(RECORD_KEY.c.data_key == data_key)


def _under_epoch(epoch: int) -> Select[tuple[str]]:
    there = DATA_KEY.c.id == RECORD_KEY.c.data_key
    return select(RECORD_KEY.c.rid).join(DATA_KEY, there).where(DATA_KEY.c.epoch == epoch)


def _with_records(connection: Connection, fault: Fault, rids: Select[tuple[str]]) -> Fault:
    """Say in a fault's detail which records can't be read because of it."""
    under = rids.subquery()
    count: int = connection.execute(select(func.count(distinct(under.c.rid)))).scalar_one()
    first = select(under.c.rid).distinct().order_by(under.c.rid).limit(NAMED)
    named = list(connection.execute(first).scalars())
    return Fault(fault.table, fault.key, fault.what, f"{fault.detail.rstrip('.')}; {_told(count, named)}")


def _told(count: int, named: list[str]) -> str:
    if not count:
        return "no record lies under it"
    more = f" and {count - len(named)} more" if count > len(named) else ""
    records = "1 record lies" if count == 1 else f"{count} records lie"
    return f"{records} under it: {', '.join(named)}{more}"
