"""Review sheets out of the log, slice by slice: each once, and a fault of one day ends no archivist."""

import sqlite3
from datetime import date

import pytest
from sqlalchemy.exc import OperationalError

from sekimori.errors import IntegrityError
from sekimori.governance.calendar import jst_us
from sekimori.governance.review_sheet import ReviewSheet
from sekimori.governance.use_rules import use_rules_for
from sekimori.store import uses as module
from sekimori.store.governing import Governing
from sekimori.store.reviewing import Reviewing
from sekimori.store.uses import Uses
from support.evidence import answered, asked

MONDAY = jst_us(date(2026, 6, 8), 9)
TEN_MINUTES = 600_000_000
WEEK_BEFORE = jst_us(date(2026, 6, 2), 10)


class Chore:
    """The chore with a clock that is told, and what it alarmed of."""

    def __init__(self, house):
        self.now = MONDAY
        self.alarms: list[str] = []
        ids = iter(range(1000))
        self.governing = Governing(
            house.engine,
            house.store_keys,
            clock=lambda: self.now,
            new_id=lambda: f"e{next(ids)}",
            profile="enterprise",
        )
        self.reviewing = Reviewing(
            self.governing,
            Uses(house.engine, house.store_keys),
            rules_of=lambda at_us: use_rules_for("enterprise", at_us),
            clock=lambda: self.now,
            alarm=self.alarms.append,
        )

    def run(self):
        steps = 0
        while self.reviewing.step():
            steps += 1
        return steps

    def sheets(self):
        with self.governing.state() as state:
            return {each.id: each for each in state.all(ReviewSheet)}


@pytest.fixture
def chore(house, monkeypatch):
    worker = house.worker("w1")
    for place in range(5):
        worker.write(
            asked(f"r{place}", time_us=WEEK_BEFORE + place), answered(f"r{place}", time_us=WEEK_BEFORE + 9)
        )
    house.archivist.run_once()
    monkeypatch.setattr(module, "_PAGE", 2)
    return Chore(house)


@pytest.mark.req("UPD-U5-1")
def test_the_archivist_prepares_the_sheets_of_last_week_in_slices_and_once(chore):
    assert chore.run() >= 3
    (sheet,) = chore.sheets().values()
    assert (sheet.id, sheet.counts.requests) == ("openai-api:weekly:2026-06-01", 5)
    assert chore.run() == 0
    chore.now += 86_400_000_000
    chore.run()
    assert len(chore.sheets()) == 1
    assert chore.alarms == []


@pytest.mark.req("UPD-U5-1")
def test_what_cannot_be_counted_is_told_once_and_tried_again_after_ten_minutes(chore, monkeypatch):
    def altered(*_):
        raise IntegrityError("Record r1 is not what was written.")

    with monkeypatch.context() as broken:
        broken.setattr(Uses, "_opened", altered)
        assert chore.run() == 0
        chore.now += TEN_MINUTES
        assert chore.run() == 0
    assert ["r1" in alarm for alarm in chore.alarms] == [True]
    assert chore.run() == 0
    chore.now += TEN_MINUTES
    chore.run()
    assert len(chore.sheets()) == 1


@pytest.mark.req("UPD-U5-1")
def test_a_database_that_is_busy_does_not_lose_the_sheets_of_the_day(chore, monkeypatch):
    def busy(*_):
        raise OperationalError("BEGIN IMMEDIATE", {}, sqlite3.OperationalError("database is locked"))

    with monkeypatch.context() as broken:
        broken.setattr(Uses, "_opened", busy)
        with pytest.raises(OperationalError, match="locked"):
            chore.run()
    chore.now += TEN_MINUTES
    chore.run()
    assert len(chore.sheets()) == 1
