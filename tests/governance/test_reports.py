"""Incidents, near misses and inquiries: deadlines, and what closing asks for."""

from datetime import date

import pytest

from sekimori.governance.reports import AnswerReport, CloseReport, OpenReport, Report, TakeReport
from support.offices import AOI, HANAKO, JIRO, SAKI, TODAY, Office


@pytest.mark.parametrize(
    ("fields", "due"),
    [
        pytest.param({"kind": "NEAR_MISS"}, None, id="a near miss costs nothing"),
        pytest.param({"kind": "INQUIRY"}, date(2026, 6, 4), id="an inquiry: 3 business days"),
        pytest.param({"kind": "INCIDENT"}, date(2026, 7, 1), id="an incident: 30 days"),
        pytest.param({"kind": "INCIDENT", "severity": "HIGH"}, date(2026, 6, 4), id="a grave one: 3 days"),
        pytest.param(
            {"kind": "INCIDENT", "privacy": True}, date(2026, 6, 4), id="personal information: 3 days"
        ),
    ],
)
def test_the_first_day_by_which_something_is_done(fields, due):
    office = Office("gov")
    office.do(HANAKO, OpenReport(id="i1", summary="誤って送信した", **fields))
    assert office.get(Report, "i1").due_on == due


@pytest.mark.req("DSN-A2-7")
def test_the_final_report_is_due_30_days_after_the_first_word():
    office = Office("gov")
    office.do(HANAKO, OpenReport("i1", "INCIDENT", "誤送信", privacy=True))
    office.do(JIRO, TakeReport("i1"), AnswerReport("i1", "速報"))
    assert office.get(Report, "i1").due_on == date(2026, 7, 1)


def test_an_incident_is_closed_by_another_and_with_a_measure_against_recurrence():
    office = Office("gov")
    office.do(SAKI, OpenReport("i1", "INCIDENT", "誤送信"))
    office.do(JIRO, TakeReport("i1"), AnswerReport("i1", "送信先で削除された"))
    assert office.refused(JIRO, CloseReport("i1")) == "due-open"
    assert office.refused(SAKI, CloseReport("i1", "研修", TODAY)) == "own-change"
    office.do(JIRO, CloseReport("i1", "研修", TODAY))
    assert office.get(Report, "i1").status == "CLOSED"


def test_an_auditor_opens_nothing_and_a_summary_is_needed():
    office = Office("gov")
    assert office.refused(AOI, OpenReport("i1", "INQUIRY", "質問")) == "role"
    assert office.refused(HANAKO, OpenReport("i1", "INQUIRY", " ")) == "incomplete"
    office.do(HANAKO, OpenReport("i1", "INQUIRY", "質問"))
    assert office.refused(HANAKO, OpenReport("i1", "INQUIRY", "質問")) == "exists"
