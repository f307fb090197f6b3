"""Kind and time of an order lie inside its seal; what an older release sealed without them still opens."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import insert

from sekimori.errors import IntegrityError
from sekimori.store.engine import reading, writing
from sekimori.store.events import HOLD, ROTATE, Event, EventRepo
from sekimori.store.tables import EVENT, STATEMENT
from support.evidence import START_US

PAGE = Path(__file__).parents[2] / "docs/formats/super-log.md"


def order(house, id_="h-1"):
    with writing(house.engine) as connection:
        EventRepo(connection, house.cipher).add(id_, HOLD, START_US, Event(said={"of": "record"}, by="sato"))


def older_order(house, id_="h-1"):
    """Write the row as the release before did: with nothing of kind and time in the seal."""
    sealed = house.cipher.seal(
        msgspec.msgpack.encode({"said": {"of": "record"}, "by": "sato"}), b"event\0" + id_.encode()
    )
    row = {"id": id_, "kind": HOLD, "time_us": START_US, "sealed": sealed, "placed": False}
    with writing(house.engine) as connection:
        connection.execute(insert(EVENT), [row])


def found(house, id_="h-1"):
    with reading(house.engine) as connection:
        return EventRepo(connection, house.cipher).find(id_)


EDITS = [
    pytest.param("UPDATE event SET kind='erase'", id="kind"),
    pytest.param("UPDATE event SET kind='rotate'", id="kind that says nothing of records"),
    pytest.param("UPDATE event SET kind=''", id="no kind"),
    pytest.param("UPDATE event SET time_us=time_us+1", id="time"),
    pytest.param("UPDATE event SET time_us=0", id="no time"),
]


@pytest.mark.req("MOU-2-7")
@pytest.mark.parametrize("statement", EDITS)
def test_whoever_changes_kind_or_time_of_an_order_has_altered_it(house, statement):
    order(house)
    house.edit(statement)
    with pytest.raises(IntegrityError, match="another kind or time"):
        found(house)
    altered = [
        fault.key for fault in house.verify().faults if (fault.table, fault.what) == ("event", "altered")
    ]
    assert altered == ["h-1"]


@pytest.mark.parametrize("statement", EDITS)
def test_an_altered_order_is_never_stated_and_holds_up_no_other(house, statement):
    order(house)
    house.edit(statement)
    order(house, "h-2")
    house.settle()
    with house.outsider() as outsider:
        assert [row.id for row in outsider.execute(STATEMENT.select())] == ["h-2"]
    assert any("h-1 was altered" in alarm for alarm in house.notes.alarms)


def test_what_an_older_release_sealed_opens_and_is_stated(house):
    older_order(house)
    noted = found(house)
    assert noted is not None
    assert (noted.kind, noted.time_us, noted.event.by) == (HOLD, START_US, "sato")
    house.settle()
    with house.outsider() as outsider:
        assert [row.kind for row in outsider.execute(STATEMENT.select())] == [HOLD]


def test_of_what_an_older_release_sealed_the_leaf_says_kind_and_time(house):
    older_order(house)
    house.settle()
    house.edit("UPDATE event SET kind='unhold'")
    altered = [fault.detail for fault in house.verify().faults if fault.table == "event"]
    assert altered == ["its leaf is of another kind or time"]


def test_the_order_of_the_format_page_is_what_is_sealed(house):
    (block,) = re.findall(r"```hex order\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    said = {"data_keys": 3, "new_epoch": 2, "old_epoch": 1}
    with writing(house.engine) as connection:
        EventRepo(connection, house.cipher).add(
            "e-1", ROTATE, 1_795_204_800_000_000, Event(said=said, by="os: root")
        )
    with house.outsider() as outsider:
        sealed = outsider.execute(EVENT.select()).one().sealed
    assert house.cipher.open(sealed, b"event\0e-1") == bytes.fromhex(block)
