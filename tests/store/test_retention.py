"""What is kept how long: content a year, what is said about it five, and the end of both."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, text

from sekimori.errors import IntegrityError, StateError
from sekimori.store.engine import reading, writing
from sekimori.store.finding import Query
from sekimori.store.holding_orders import HoldRepo
from sekimori.store.retention import DEFAULTS, Period, ends, is_over, metadata_slot, outlives, period_of
from sekimori.store.retiring import Retirer, Retiring
from sekimori.store.tables import STATEMENT
from sekimori.vault.slots import Slot
from support.evidence import PROMPT, Installation, answered, asked, refused

MONTH_US = 2_629_800_000_000
DAY_US = 86_400_000_000


def at(year: int, month: int, day: int = 15) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp()) * 1_000_000


def retirer(house: Installation, now_us: int) -> Retirer:
    made = doubtful(house, now_us)
    made.plausible.confirm(now_us)
    return made


def doubtful(house: Installation, now_us: int) -> Retirer:
    """Return a retirer whose clock nobody has confirmed."""
    return Retirer(
        house.engine,
        house.store_keys,
        DEFAULTS,
        clock=lambda: now_us,
        new_id=lambda: f"retired-{house.clock()}",
    )


def fill(house: Installation) -> None:
    worker = house.worker("w1-a")
    for rid, month in (("r1", 4), ("r2", 5)):
        worker.write(asked(rid, time_us=at(2026, month)), answered(rid, time_us=at(2026, month) + 1))
    worker.write(refused("r3", time_us=at(2026, 4)))
    worker.close()
    house.archivist.run_once()
    for _ in range(3):
        house.settle()


def shown(house: Installation) -> dict[str, dict[str, Any]]:
    return {record["id"]: record for record in house.log().list(Query(user="yamada"))}


# --- the periods -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("klass", "month", "end"),
    [
        pytest.param("class-1", "2026-04", "2027-05", id="content, a year after its month"),
        pytest.param("class-2", "2025-12", "2027-01", id="across a year's end"),
        pytest.param("class-1.metadata", "2026-04", "2031-05", id="metadata, five years"),
        pytest.param("blocked", "2026-04", "2031-05", id="a refusal is all metadata"),
        pytest.param("class-9", "2026-04", "2027-05", id="a class that nobody configured"),
    ],
)
def test_a_month_is_kept_for_its_whole_period_after_its_end(klass, month, end):
    slot = Slot("yamada", klass, month)
    assert ends(slot, DEFAULTS) == end
    assert is_over(slot, DEFAULTS, end)
    before = f"{int(end[:4]) - 1}-12" if end.endswith("-01") else f"{end[:5]}{int(end[5:]) - 1:02}"
    assert not is_over(slot, DEFAULTS, before)


def test_nothing_ends_that_is_kept_for_ever():
    periods = {**DEFAULTS, "class-1": Period(0, 0)}
    assert ends(Slot("yamada", "class-1", "2020-01"), periods) is None


def test_the_metadata_outlive_the_content_only_while_they_are_kept_themselves():
    slot = Slot("yamada", "class-1", "2026-04")
    assert outlives(slot, DEFAULTS, "2027-05")
    assert not outlives(slot, DEFAULTS, "2031-05")
    assert not outlives(metadata_slot(slot), DEFAULTS, "2027-05")
    assert not outlives(Slot("yamada", "blocked", "2026-04"), DEFAULTS, "2027-05")


def test_no_content_may_be_kept_longer_than_what_tells_of_it():
    with pytest.raises(ValueError, match="longer than the metadata"):
        Period(content=24, metadata=12)
    assert period_of("class-1.metadata", DEFAULTS) == DEFAULTS["class-1"]


# --- applied -----------------------------------------------------------------------------------------


@pytest.mark.req("UPD-P2-4")
def test_the_content_of_a_month_expires_and_what_is_said_about_it_stays(house):
    fill(house)
    before = shown(house)
    done = retirer(house, at(2027, 5, 2)).run(by="os: root")
    assert done is not None
    assert [(stock.klass, stock.month, stock.due) for stock in done.due] == [
        ("class-1", "2026-04", "content")
    ]
    assert shown(house) == before
    content = house.log().content("r1", reader="auditor", reader_source="os", reason="test")
    assert content is not None
    assert PROMPT not in content.prompt
    other = house.log().content("r2", reader="auditor", reader_source="os", reason="test")
    assert other is not None
    assert PROMPT in other.prompt
    house.settle()
    report = house.verify()
    assert report.faults == ()
    assert report.verdicts["expired"] == 2


@pytest.mark.req("UPD-P2-4")
def test_the_rest_goes_when_its_own_period_is_over(house):
    fill(house)
    retirer(house, at(2027, 5, 2)).run(by="os: root")
    done = retirer(house, at(2031, 5, 2)).run(by="os: root")
    assert done is not None
    assert {(stock.klass, stock.month, stock.due) for stock in done.due} == {
        ("blocked", "2026-04", "all"),
        ("class-1.metadata", "2026-04", "all"),
        ("class-1", "2026-05", "content"),
    }
    assert set(shown(house)) == {"r2"}
    states = {record["id"]: record["state"] for record in house.log().list(Query())}
    assert states == {"r1": "erased", "r2": "complete", "r3": "erased"}
    house.settle()
    report = house.verify()
    assert report.faults == ()
    assert (report.verdicts["expired"], report.verdicts["verified"]) == (5, 0)


def test_what_is_over_all_at_once_goes_in_one_step(house):
    fill(house)
    done = retirer(house, at(2040, 1)).run(by="os: root")
    assert done is not None
    assert {stock.due for stock in done.due} == {"all"}
    assert shown(house) == {}
    assert retirer(house, at(2040, 1)).run(by="os: root") is None
    house.settle()
    assert house.verify().faults == ()


@pytest.mark.parametrize("year", [1970, 2019])
def test_what_a_broken_clock_stamped_expires_without_a_false_alarm(house, year):
    worker = house.worker("w1-a")
    worker.write(asked("old", time_us=at(year, 10)), answered("old", time_us=at(year, 10) + 1))
    worker.close()
    house.archivist.run_once()
    house.settle()
    done = retirer(house, at(2030, 1)).run(by="os: root")
    assert done is not None
    assert {stock.month for stock in done.due} == {"2020-01"}
    house.settle()
    report = house.verify()
    assert (report.faults, report.verdicts["expired"]) == ((), 2)


def test_the_leaf_of_a_retirement_names_classes_and_months_and_nobody(house):
    fill(house)
    done = retirer(house, at(2027, 5, 2)).run(by="os: root")
    assert done is not None
    house.settle()
    with reading(house.engine) as connection:
        query = select(STATEMENT.c.envelope).where(STATEMENT.c.id == done.event)
        said = json.loads(connection.execute(query).scalar_one())
    assert (said["k"], said["basis"], said["slots"]) == (
        "retire",
        "retention",
        [["class-1", "2026-04", "content"]],
    )
    assert said["records"] == 1


def test_a_status_says_what_is_stored_and_in_which_month_it_ends(house):
    fill(house)
    stocks = retirer(house, at(2026, 6)).status()
    assert [(stock.klass, stock.month, stock.records, stock.ends, stock.due) for stock in stocks] == [
        ("blocked", "2026-04", 1, "2031-05", ""),
        ("class-1", "2026-04", 1, "2027-05", ""),
        ("class-1", "2026-05", 1, "2027-06", ""),
    ]


@pytest.mark.req("INT-7")
def test_a_legal_hold_wins_over_the_end_of_a_period(house):
    fill(house)
    with writing(house.engine) as connection:
        HoldRepo(connection, house.cipher).place("h1", "record", "r1", reason="調査", by="suzuki", now_us=1)
    late = retirer(house, at(2027, 5, 2))
    assert late.due() == []
    assert [stock.held for stock in late.status() if stock.klass == "class-1"] == [1, 0]
    assert late.run(by="os: root") is None


# --- by itself ---------------------------------------------------------------------------------------


def test_the_archivist_announces_on_one_day_and_retires_on_the_next(house, caplog):
    fill(house)
    now = [at(2027, 5, 2)]
    automatic = Retirer(
        house.engine, house.store_keys, DEFAULTS, clock=lambda: now[0], new_id=lambda: f"retired-{now[0]}"
    )
    automatic.plausible.confirm(now[0])
    with caplog.at_level(logging.INFO, logger="sekimori.store.retiring"):
        assert not Retiring(house.engine, automatic, clock=lambda: now[0]).step()
        assert "will be retired tomorrow: class-1 of 2026-04 (content, 1 records)" in caplog.text
        now[0] += DAY_US // 2
        assert not Retiring(house.engine, automatic, clock=lambda: now[0]).step()
        now[0] += DAY_US
        again = Retiring(house.engine, automatic, clock=lambda: now[0])
        assert again.step()
        assert "retired 1 records" in caplog.text
    assert not again.step()


def test_what_changed_since_it_was_announced_is_announced_anew(house):
    fill(house)
    now = [at(2027, 5, 31)]
    automatic = Retirer(
        house.engine, house.store_keys, DEFAULTS, clock=lambda: now[0], new_id=lambda: f"retired-{now[0]}"
    )
    automatic.plausible.confirm(now[0])
    assert not Retiring(house.engine, automatic, clock=lambda: now[0]).step()
    now[0] += DAY_US  # another month is over now
    assert not Retiring(house.engine, automatic, clock=lambda: now[0]).step()
    now[0] += DAY_US
    assert Retiring(house.engine, automatic, clock=lambda: now[0]).step()


# --- a clock that is wrong -------------------------------------------------------------------------


def test_a_clock_that_was_set_a_year_ahead_retires_nothing_and_raises_an_alarm(house):
    fill(house)
    now_us, told = [at(2026, 5, 20)], list[str]()
    look = Retiring(
        house.engine, doubtful(house, at(2027, 6)), clock=lambda: now_us[0], alarm=told.append
    ).step
    assert not look()
    for day in range(4):
        now_us[0] = at(2027, 6) + day * DAY_US
        assert not look()
    assert "2027-06-15" in told[0]
    assert "2026-05-20" in told[0]
    assert "--clock-is-right" in told[0]
    content = house.log().content("r1", reader="auditor", reader_source="os", reason="test")
    assert content is not None
    assert content.prompt == PROMPT


def test_what_the_newest_record_says_stands_for_the_first_look(house):
    fill(house)
    with pytest.raises(StateError, match="last believed on 2026-05-15"):
        doubtful(house, at(2027, 6)).run(by="os: root")


def test_whoever_confirms_the_clock_lets_retirement_go_on(house):
    fill(house)
    retiring = doubtful(house, at(2027, 6))
    retiring.plausible.confirm(at(2027, 6))
    done = retiring.run(by="os: root")
    assert done is not None
    assert done.records == 2


def test_a_clock_that_goes_on_day_by_day_is_believed_all_the_way(house):
    fill(house)
    now_us = at(2026, 5, 20)
    while now_us < at(2027, 6):
        retiring = doubtful(house, now_us)
        retiring.plausible.expect(now_us)
        retiring.plausible.believe(now_us)
        now_us += 13 * DAY_US


def test_nobody_moves_what_the_clock_last_said_by_writing_in_the_database(house):
    fill(house)
    doubtful(house, at(2026, 5, 20)).plausible.believe(at(2026, 5, 20))
    with house.outsider() as connection:
        connection.execute(text("UPDATE upkeep SET position = '00' WHERE name = 'seen'"))
    with pytest.raises(IntegrityError, match="not what was written there"):
        doubtful(house, at(2026, 5, 21)).run(by="os: root")


# --- a name that a worker made up ------------------------------------------------------------------


def test_a_name_that_no_account_has_is_kept_under_the_key_of_what_is_unknown(house):
    worker = house.worker("w1-a")
    worker.write(asked("r1", user="u" * 66_000), answered("r1"), asked("r2"), answered("r2"))
    worker.close()
    assert not house.archivist.run_once().alarms
    assert {stock.klass for stock in doubtful(house, at(2026, 5)).status()} == {"class-1", "unknown"}
