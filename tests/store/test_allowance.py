"""A worker that invents people is bounded in what it costs; no record is lost, and everybody is erased as before."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import func, select

from sekimori.store.allowance import DAILY, HOURLY, Allowance
from sekimori.store.engine import reading, writing
from sekimori.store.erasing import Authority, Eraser
from sekimori.store.holding import Holding
from sekimori.store.holding_orders import HoldRepo
from sekimori.store.retention import UNKNOWN, slot_of, unknown_slot
from sekimori.store.surveying import Wanted
from sekimori.store.tables import ANCHOR, CHUNK, DATA_KEY, LINK
from sekimori.vault.slots import Slot, is_shared, month_of
from support.evidence import START_US, answered, asked

HOUR, DAY = 3_600_000_000, 86_400_000_000
MONTH = month_of(START_US)


def slots(count, first=0, klass="class-1", month=MONTH):
    return [Slot(f"user-{n}", klass, month) for n in range(first, first + count)]


class Heard:
    """Remembers what was told."""

    def __init__(self) -> None:
        self.slots: dict[str, int] = {}
        self.sentences: list[str] = []

    def __call__(self, lane: str, many: int, sentence: str) -> None:
        self.slots[lane] = self.slots.get(lane, 0) + many
        if sentence:
            self.sentences.append(sentence)


def test_what_an_honest_house_draws_is_never_shared():
    assert HOURLY >= 20_000
    assert DAILY >= HOURLY
    allowance = Allowance()
    assert allowance.admit("w0-1", slots(HOURLY), START_US) == {}


def test_what_is_beyond_an_hour_shares_one_key_of_its_class_and_month():
    heard = Heard()
    allowance = Allowance(hourly=3, daily=100, told=heard)
    found = allowance.admit("w0-1", [*slots(3), *slots(2, first=3), *slots(2, klass="blocked")], START_US)
    assert set(found) == {*slots(2, first=3), *slots(2, klass="blocked")}
    assert {(to.klass, to.month) for to in found.values()} == {("class-1", MONTH), ("blocked", MONTH)}
    assert all(is_shared(to.subject) for to in found.values())
    assert len(set(found.values())) == 2
    assert heard.slots == {"w0-1": 4}


def test_another_lane_draws_as_before_and_an_hour_later_the_lane_does_again():
    allowance = Allowance(hourly=2, daily=5)
    assert len(allowance.admit("w0-1", slots(9), START_US)) == 7
    assert allowance.admit("w1-1", slots(2), START_US) == {}
    assert allowance.admit("w0-1", slots(2, first=9), START_US + HOUR) == {}
    # Five a day: one is left.
    assert len(allowance.admit("w0-1", slots(2, first=11), START_US + 2 * HOUR)) == 1
    assert allowance.admit("w0-1", slots(2, first=13), START_US + DAY) == {}


def test_it_is_said_once_an_hour_and_counted_each_time():
    heard = Heard()
    allowance = Allowance(hourly=1, daily=99, told=heard)
    for minute in range(0, 90, 10):
        allowance.admit("w0-1", slots(2, first=minute), START_US // HOUR * HOUR + minute * 60_000_000)
    assert len(heard.sentences) == 2
    assert "w0-1" in heard.sentences[0]
    assert heard.slots["w0-1"] == 16


def test_neither_months_nor_classes_that_a_worker_makes_up_have_shared_keys_of_their_own():
    allowance = Allowance(hourly=0)
    made_up = [Slot("x", "class-1", f"{year}-01") for year in range(1990, 2090)]
    made_up += [Slot("x", f"class-{n}", MONTH) for n in range(4, 99)]
    assert {to.klass for to in allowance.admit("w0-1", made_up, START_US).values()} == {UNKNOWN}
    assert len(set(allowance.admit("w0-1", made_up, START_US).values())) == 1
    last = Slot("x", "class-1", month_of(START_US - 28 * DAY))
    assert allowance.admit("w0-1", [last], START_US)[last].month == last.month


def test_nobody_is_called_like_a_shared_key():
    shared = next(iter(Allowance(hourly=0).admit("w0-1", slots(1), START_US).values()))
    assert slot_of(asked("r1", user=shared.subject)) == unknown_slot(START_US)


# --- in the store ------------------------------------------------------------------------------------


PEOPLE = 12
TALK = "会議録です。" + "予算は承認された。" * 400


@pytest.fixture
def flooded(house):
    """A lane that names twelve people of whom three get keys; the others share one."""
    house.heard = Heard()
    allowance = Allowance(hourly=3, daily=100, told=house.heard)
    house.store_keys = replace(house.store_keys, allowance=allowance)
    house.archivist = house.new_archivist()
    worker = house.worker("w1")
    for n in range(PEOPLE):
        worker.write(asked(f"r{n:02}", user=f"user-{n:02}", prompt=TALK), answered(f"r{n:02}"))
    worker.close()
    house.archivist.run_once()
    house.settle()
    return house


def keys_of(house):
    with reading(house.engine) as connection:
        hierarchy = Holding(connection, house.store_keys).hierarchy
        return [key.slot for some in hierarchy.each_data_key() for _, key in some]


def count(house, table):
    with reading(house.engine) as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def read(house, rid):
    return house.log().content(rid, reader="sato", reader_source="os", reason="監査").output


def sharing(house):
    """Name those who share: which of a batch are first is nobody's promise."""
    own = {slot.subject for slot in keys_of(house) if not is_shared(slot.subject)}
    return [f"r{n:02}" for n in range(PEOPLE) if f"user-{n:02}" not in own]


@pytest.mark.req("MOU-2-7")
def test_no_record_is_lost_and_each_is_read_and_verified(flooded):
    assert count(flooded, DATA_KEY) == 4
    assert flooded.heard.slots == {"w1": PEOPLE - 3}
    assert len(flooded.heard.sentences) == 1
    for n in range(PEOPLE):
        assert "予算は承認された" in read(flooded, f"r{n:02}")
    flooded.settle()
    report = flooded.verify()
    assert report.faults == ()


def test_what_comes_of_a_record_later_finds_its_key_and_draws_none(flooded):
    worker = flooded.worker("w2")
    worker.write(asked("late", user="user-99"))
    flooded.archivist.run_once()
    before = count(flooded, DATA_KEY)
    worker.write(answered("late"))
    worker.close()
    flooded.archivist.run_once()
    assert count(flooded, DATA_KEY) == before == 5  # another lane has an allowance of its own


def test_two_people_who_share_a_key_share_no_text(flooded):
    shared = set(sharing(flooded))
    with reading(flooded.engine) as connection:
        links = connection.execute(select(LINK.c.rid, LINK.c.refers)).all()
        large = connection.execute(select(CHUNK.c.rid)).scalars().all()
        anchors = connection.execute(select(ANCHOR.c.rid)).scalars().all()
    assert not [row for row in links if {row.rid, row.refers} & shared]
    assert shared <= {*large, *anchors}  # each keeps its own


@pytest.mark.req("MOU-2-8")
def test_the_records_of_a_person_among_many_are_erased_and_nobody_elses(flooded):
    gone, *others = sharing(flooded)
    eraser = Eraser(flooded.engine, flooded.store_keys, clock=flooded.clock, new_id=lambda: "erasure-1")
    wanted = Wanted(subject=f"user-{gone[1:]}")
    assert eraser.preview(wanted).records == (gone,)
    eraser.carry_out(wanted, Authority("appi-35", "kato", "sato"))
    for _ in range(3):
        flooded.settle()
    report = flooded.verify()
    assert report.faults == ()
    assert report.verdicts["erased-authorised"] == 2
    assert {read(flooded, rid) != "" for rid in others} == {True}
    assert (flooded.log().show(gone) or {})["state"] == "erased"


def test_a_hold_on_a_person_keeps_what_people_share(flooded):
    with writing(flooded.engine) as connection:
        HoldRepo(connection, flooded.cipher).place(
            "h1", "subject", "user-00", reason="訴訟", by="sato", now_us=flooded.clock()
        )
    one = sharing(flooded)[-1]
    eraser = Eraser(flooded.engine, flooded.store_keys, clock=flooded.clock, new_id=lambda: "erasure-1")
    preview = eraser.preview(Wanted(subject=f"user-{one[1:]}"))
    assert (preview.records, preview.held_records) == ((), (one,))


def test_a_rotation_wraps_a_shared_key_like_any_other(flooded):
    assert flooded.rotate().living == 4
    flooded.settle()
    assert flooded.verify().faults == ()
    assert "予算は承認された" in read(flooded, sharing(flooded)[0])
