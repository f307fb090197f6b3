"""The noted instant is the one at which the clock acts, of each thing that it does anything with."""

from datetime import timedelta

from sekimori.governance.anomalies import Counts
from sekimori.governance.due import NOUNS, due_us
from sekimori.governance.grant import Grant
from sekimori.governance.provided import KeepDocument, ProvidedDocument
from sekimori.governance.rereading import ReportTerms
from sekimori.governance.review_sheet import ReviewSheet, prepare_sheet
from sekimori.governance.terms import TermsChange
from sekimori.governance.triage import TriageTask
from sekimori.policy.model import Period
from support.offices import DAY, HANAKO, KEN, NEW_TERMS, TODAY, plan
from support.using_offices import UsingOffice

KINDS = (Grant, TermsChange, TriageTask, ReviewSheet, ProvidedDocument)


def filled():
    """Give an office with one of each thing that the clock does anything with."""
    office = (
        UsingOffice().ready().granted(plan(usage_period=Period(start=TODAY, end=TODAY + timedelta(days=60))))
    )
    office.do(KEN, ReportTerms("t1", "chat", NEW_TERMS))
    office.do(
        KEN, KeepDocument("d1", "chat", "DPA", "DPA", "棚1", "a" * 64, TODAY, TODAY + timedelta(days=50))
    )
    office.run(prepare_sheet, "chat", "DAILY", Counts(), ())
    office.answer(HANAKO, office.exchanges("hanako"), "HARMFUL", text="誤り")
    return office


def noted(office):
    values = [value for kind in KINDS for value in office.state.all(kind)]
    instants = [due_us(value, office.rules) for value in values]
    return min((each for each in instants if each is not None), default=None)


def test_from_instant_to_instant_something_happens_and_never_before():
    office = filled()
    assert {kind.noun for kind in KINDS} == set(NOUNS)
    for kind in KINDS:
        assert list(office.state.all(kind)), kind
    happened = 0
    while (due := noted(office)) is not None:
        assert office.pass_to(due - 1).events == ()
        assert office.pass_to(due).events != ()
        happened += 1
    assert happened > 8
    assert office.pass_to(office.at_us + 400 * DAY).events == ()
