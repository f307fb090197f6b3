"""What the documents say on a day, what a profile starts with, and which days are worked."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.governance.calendar import (
    business_days_later,
    fiscal_year,
    fiscal_year_end,
    holidays,
    is_business_day,
    jst_date,
    jst_us,
    months_later,
)
from sekimori.governance.refusals import Forbidden
from sekimori.governance.rulebook import rulebook
from sekimori.governance.rules import profiles, rules_for
from support.offices import NOW


@pytest.mark.req("MOU-2-2", "DSN-5-2", "INT-12")
@pytest.mark.parametrize(
    ("day", "mou", "consent", "advice"),
    [
        pytest.param(
            date(2023, 9, 15), "第2版", "AI戦略チーム", "内閣サイバーセキュリティセンター", id="2nd edition"
        ),
        pytest.param(
            date(2025, 3, 24), "第2版", "AI戦略チーム", "内閣サイバーセキュリティセンター", id="its last day"
        ),
        pytest.param(
            date(2025, 3, 25),
            "第2.1版",
            "AI戦略推進関係省庁会議幹事会",
            "内閣サイバーセキュリティセンター",
            id="edition 2.1",
        ),
        pytest.param(
            date(2025, 7, 1),
            "第2.1版",
            "AI戦略推進関係省庁会議幹事会",
            "国家サイバー統括室",
            id="NISC renamed",
        ),
    ],
)
def test_names_and_editions_are_those_of_the_day(day, mou, consent, advice):
    book = rulebook(jst_us(day))
    assert (book.mou, book.consent_body) == (mou, consent)
    assert book.advice_bodies == {"cyber_advice_body": advice, "digital_agency": "デジタル庁"}


def test_before_the_first_edition_the_first_one_holds():
    assert rulebook(0).mou == "第2版"


@pytest.mark.req("MOU-0-2")
@pytest.mark.parametrize(
    ("profile", "consent", "advice", "signatures"),
    [("gov", True, True, 2), ("local_gov", False, False, 2), ("enterprise", False, False, 0)],
)
def test_what_a_profile_starts_with(profile, consent, advice, signatures):
    rules = rules_for(profile, NOW)
    assert (rules.consent_required, rules.advice_required, rules.signatures_needed) == (
        consent,
        advice,
        signatures,
    )
    assert rules.for_policy.profile == profile


@pytest.mark.parametrize("profile", list(profiles()))
def test_what_a_profile_locks_cannot_be_chosen_otherwise(profile):
    defaults = profiles()[profile]
    for key in defaults["locked"]:
        chosen: dict[str, Any] = {key: defaults[key]}
        rules_for(profile, NOW, **chosen)
        with pytest.raises(Forbidden, match="profile-locked"):
            rules_for(profile, NOW, **{**chosen, key: not defaults[key]})


def test_an_installation_chooses_its_own_days():
    assert rules_for("gov", NOW, terms_grace_days=7).terms_grace_days == 7


@pytest.mark.parametrize(
    ("year", "days"),
    [
        pytest.param(
            2026,
            "0101 0112 0211 0223 0320 0429 0503 0504 0505 0506 0720 0811 0921 0922 0923 1012 1103 1123",
            id="2026, with a day between holidays",
        ),
        pytest.param(
            2027,
            "0101 0111 0211 0223 0321 0322 0429 0503 0504 0505 0719 0811 0920 0923 1011 1103 1123",
            id="2027",
        ),
    ],
)
def test_the_holidays_of_a_year(year, days):
    assert {day.strftime("%m%d") for day in holidays(year)} == set(days.split())


@pytest.mark.parametrize(
    ("day", "open_"),
    [
        (date(2026, 12, 28), True),
        (date(2026, 12, 29), False),
        (date(2027, 1, 1), False),
        (date(2027, 1, 3), False),
        (date(2027, 1, 4), True),
        (date(2026, 6, 6), False),
        (date(2026, 5, 6), False),
    ],
)
def test_offices_close_on_weekends_holidays_and_around_new_year(day, open_):
    assert is_business_day(day) is open_


def test_the_first_day_is_not_counted():
    assert business_days_later(date(2026, 6, 1), 1) == date(2026, 6, 2)
    assert business_days_later(date(2026, 12, 28), 1) == date(2027, 1, 4)
    assert business_days_later(date(2026, 6, 5), 0) == date(2026, 6, 5)


@pytest.mark.parametrize(
    ("day", "year", "end"),
    [(date(2026, 3, 31), 2025, date(2026, 3, 31)), (date(2026, 4, 1), 2026, date(2027, 3, 31))],
)
def test_the_fiscal_year_begins_in_april(day, year, end):
    assert (fiscal_year(day), fiscal_year_end(day)) == (year, end)


@given(st.dates(date(1971, 1, 1), date(2098, 12, 31)), st.integers(0, 86_400_000_000 - 1))
def test_a_day_and_its_instants_agree(day, within):
    assert jst_date(jst_us(day) + within) == day


@given(st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.integers(1, 36))
def test_months_later_is_that_month_and_never_a_later_day(day, months):
    later = months_later(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day <= day.day
