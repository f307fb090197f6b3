"""JST calendar dates as instants, and dates as people write them."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.policy.period import day_end_us, day_start_us, parse_date


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


def test_a_day_in_japan_begins_nine_hours_before_utc():
    assert day_start_us(date(2026, 4, 1)) == us("2026-03-31T15:00:00")
    assert day_end_us(date(2027, 3, 31)) == us("2027-03-31T15:00:00")


@given(st.dates(max_value=date(9999, 12, 30)))
def test_a_day_ends_where_the_next_one_begins(day):
    assert day_end_us(day) == day_start_us(date.fromordinal(day.toordinal() + 1))


@pytest.mark.parametrize(
    "text",
    ["2026-04-01", "2026/4/1", "２０２６－０４－０１", "2026年4月1日", "令和8年4月1日", "令和８年４月１日", "R8.4.1", "r8.04.01", " 令和 8年 4月 1日 "],
)  # fmt: skip
def test_a_date_may_be_written_in_many_ways(text):
    assert parse_date(text) == date(2026, 4, 1)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        pytest.param("令和元年5月1日", date(2019, 5, 1), id="first year of an era"),
        pytest.param("平成31年4月30日", date(2019, 4, 30), id="last day of the era before"),
        pytest.param("昭和64年1月7日", date(1989, 1, 7), id="Showa"),
    ],
)
def test_eras_are_counted_from_their_first_year(text, day):
    assert parse_date(text) == day


@pytest.mark.parametrize(
    "text",
    ["", "soon", "2026-13-01", "2026-02-30", "令和0年1月1日", "20260401", "明治8年4月1日", "0000-01-01"],
)
def test_what_is_no_date_is_refused(text):
    with pytest.raises(ValueError, match=r"date|month|day|year"):
        parse_date(text)


@given(st.text(max_size=20) | st.from_regex(r"(令和|R|\d{1,4})[0-9年月日./-]{0,12}", fullmatch=True))
def test_reading_a_date_raises_only_value_error(text):
    with contextlib.suppress(ValueError):
        assert isinstance(parse_date(text), date)
