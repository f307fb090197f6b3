"""Tokens find what is asked for, and tell a thief nothing but what is alike within a month."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from sekimori.store.clearing import clear
from sekimori.store.engine import reading, writing
from sekimori.store.log import Query
from sekimori.store.months import AFTER, BEFORE, back_through, following, month_of, preceding
from sekimori.store.tables import SEARCH
from sekimori.store.tokens import Tokens
from support.evidence import START_US, answered, asked

DAY_US = 24 * 3600 * 1_000_000
TIMES = st.integers(-(2**63), 2**63 - 2)


@given(TIMES)
def test_every_instant_lies_in_its_month_and_in_no_other(time_us):
    month = month_of(time_us)
    assert month.start_us <= time_us < month.end_us
    assert all(month_of(other.start_us) == other for other in (month, following(month), preceding(month)))


@given(TIMES, TIMES)
def test_months_back_through_time_join_without_a_gap(one, other):
    months = list(back_through(min(one, other), max(one, other)))
    assert len(months) <= 962
    assert (months[0], months[-1]) == (month_of(max(one, other)), month_of(min(one, other)))
    assert all(later.start_us == earlier.end_us for later, earlier in pairwise(months))


@pytest.mark.parametrize(
    ("time_us", "name"),
    [
        pytest.param(1_775_012_345_678_901, "2026_04", id="a day in April"),
        pytest.param(1_577_836_799_999_999, "before", id="the last microsecond of 2019"),
        pytest.param(1_577_836_800_000_000, "2020_01", id="the first one of 2020"),
        pytest.param(4_102_444_799_999_999, "2099_12", id="the last one of 2099"),
        pytest.param(4_102_444_800_000_000, "after", id="the first one of 2100"),
    ],
)
def test_a_month_has_a_name(time_us, name):
    assert month_of(time_us).name == name


def test_only_the_months_of_the_calendar_are_calendar_months():
    assert month_of(START_US).is_calendar
    assert not BEFORE.is_calendar
    assert not AFTER.is_calendar


def test_a_token_hangs_on_key_month_field_and_value():
    tokens, other = Tokens.under(b"k" * 32), Tokens.under(b"l" * 32)
    april, may = month_of(START_US), following(month_of(START_US))
    alike = {
        tokens.token("user", "yamada", april),
        tokens.token("user", "Ｙａｍａｄａ ", april),
    }
    assert len(alike) == 1
    different = [
        *alike,
        tokens.token("user", "sato", april),
        tokens.token("user", "yamada", may),
        tokens.token("service", "yamada", april),
        other.token("user", "yamada", april),
    ]
    assert len(set(different)) == len(different)
    assert {len(token) for token in different} == {16}


def test_a_token_is_what_its_description_says():
    # As openssl dgst -sha256 -mac HMAC gives it for sekimori/v1/search, 2026_04, user and yamada with zero
    # bytes between, under the key that it gives for sekimori/v1/search-key under the data key.
    token = Tokens.under(bytes(range(32))).token("user", "yamada", month_of(START_US))
    assert token.hex() == "8cc63eb5c17bf26be366017cdea72fc0"


@pytest.fixture
def year(house):
    """Twelve months, one record of yamada and one of sato in each."""
    worker = house.worker("w1")
    for number in range(12):
        at = START_US + number * 31 * DAY_US
        worker.write(
            asked(f"y{number:02}", time_us=at, session="s1" if number == 3 else ""),
            asked(f"s{number:02}", user="sato", model="claude-y", time_us=at + 5),
            answered(f"y{number:02}", time_us=at + 31 * DAY_US),
        )
    house.archivist.run_once()
    return house


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        pytest.param(Query(user="yamada", limit=3), ["y09", "y10", "y11"], id="the newest three of one"),
        pytest.param(
            Query(user="sato", since_us=START_US + 5, until_us=START_US + 62 * DAY_US),
            ["s00", "s01"],
            id="between two instants",
        ),
        pytest.param(
            Query(user="sato", since_us=START_US + 6, until_us=START_US + 7), [], id="a time with none"
        ),
        pytest.param(Query(user="sato", model="claude-y", limit=1), ["s11"], id="by two tokens"),
        pytest.param(Query(user="sato", model="gpt-x"), [], id="by two that never meet"),
        pytest.param(Query(session="s1"), ["y03"], id="by session"),
        pytest.param(Query(user="yamada", until_us=0), [], id="until long ago"),
    ],
)
def test_a_search_goes_back_month_by_month(year, query, ids):
    assert [shown["id"] for shown in year.log().list(query)] == ids


def test_what_comes_across_months_is_whole(year):
    report = year.verify()
    assert report.faults == ()
    assert report.counts["search"] > 24


def test_no_name_lies_readable_in_the_database(year):
    year.log().content("y00", reader="tanaka", reader_source="os", reason="監査")
    names = [b"yamada", b"sato", b"tanaka", b"openai-api", b"gpt-x", b"claude-y", b"g-2026-001"]
    with reading(year.engine) as connection:
        for table in ("entry", "content", "record", "search", "reading", "lane", "lane_list"):
            for row in connection.exec_driver_sql(f"SELECT * FROM {table}"):
                for value in row:
                    data = bytes(value) if isinstance(value, (bytes, memoryview)) else str(value).encode()
                    assert not [name for name in names if name in data], (table, row)


def test_a_cleared_record_is_found_by_nothing_and_shown_as_erased(year):
    with writing(year.engine) as connection:
        assert clear(connection, ["y00", "y01", "unknown"]) == 2
        assert clear(connection, ["y00"]) == 0
    log = year.log()
    assert [shown["id"] for shown in log.list(Query(user="yamada", until_us=START_US + 70 * DAY_US))] == [
        "y02"
    ]
    shown = log.show("y00")
    assert (shown["state"], shown["user"], shown["prompt_sha256"]) == ("erased", None, None)
    assert (shown["service"], shown["model"], shown["prompt_bytes"]) == (None, None, 0)
    with reading(year.engine) as connection:
        assert connection.execute(select(SEARCH).where(SEARCH.c.rid == "y00")).all() == []
