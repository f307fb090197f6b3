from __future__ import annotations

import threading
from datetime import timedelta
from itertools import count
from typing import Any

import msgspec
import pytest
from sqlalchemy import event, text

from sekimori.governance import applying, registering, reports, rereading
from sekimori.governance.actors import clock
from sekimori.governance.admitted import grants_document, withheld
from sekimori.governance.application import Application
from sekimori.governance.calendar import jst_us
from sekimori.governance.conversation import Seen, note_exchanges, unanswered
from sekimori.governance.due import due_us
from sekimori.governance.grant import Grant
from sekimori.governance.refusals import Forbidden
from sekimori.governance.reports import Report
from sekimori.governance.secondary_use import RecordSecondaryUse, output_hash, uses_of
from sekimori.governance.service import RegisteredService
from sekimori.governance.use_rules import use_rules_for
from sekimori.policy.decide import decide
from sekimori.policy.facts import Facts
from sekimori.policy.model import Period
from sekimori.policy.snapshot import compile_snapshot
from sekimori.store.engine import reading
from sekimori.store.governing import (
    OnceConflict,
    VersionConflict,
    changed_since,
    stamp_on,
    state_on,
)
from sekimori.store.governing.once import KEPT_US
from sekimori.store.governing.sealing import NOUNS
from sekimori.store.governing.ticking import EVERY_US, Ticking
from support.governed import Hands, Stored
from support.offices import (
    CONTRACTED,
    DAY,
    FACTS,
    HANAKO,
    HOUR,
    JIRO,
    KEN,
    LOG_PLAN,
    MIKI,
    NEW_TERMS,
    NOW,
    SAKI,
    TARO,
    TERMS,
    TODAY,
    class_two,
    person,
    plan,
)

INQUIRY = reports.OpenReport("i1", "INQUIRY", "使い方が分からない")


@pytest.fixture
def office(house):
    return Stored(house)


def rows(house, table):
    with house.outsider() as outsider:
        return outsider.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()


TABLES = ("governed", "governed_event", "governed_key", "governed_once", "event")


def all_rows(house):
    return {table: rows(house, table) for table in TABLES}


def asked(office, **fields):
    """Ask the gate's own policy, compiled from what another process finds in the store."""
    rules = office.rules
    with Stored(office.house).governing.state() as state:
        document = grants_document(state, NOW, rules)
        assert withheld(state, NOW, rules) == ()
    snapshot = compile_snapshot(
        document,
        profile=rules.profile,
        catalogue_flags=lambda _host: (),
        now_us=NOW,
        advice_required=rules.advice_required,
        consent_required=rules.consent_required,
    )
    told: dict[str, Any] = {"time_us": NOW, "user": "hanako", "host": "chat.example.com", "service": "chat"}
    decision = decide(Facts(**told | fields), snapshot)
    return decision.reasons[0].code.value if decision.verdict == "deny" else decision.verdict


@pytest.mark.req("MOU-1-5", "MOU-1-7")
def test_from_an_application_in_the_store_to_a_grant_that_admits(office):
    office.ready(CONTRACTED).advised()
    office.submit(class_two()).assessed().consented().examine()
    office.do(TARO, office.approval())
    assert asked(office) == "DENY_NO_GRANT"
    office.accept()
    assert asked(office) == "allow"
    assert asked(office, declared_class=2) == "allow"
    assert asked(office, user="miki") == "DENY_USER_OUT_OF_SCOPE"


@pytest.mark.req("MOU-1-2")
def test_no_step_leads_to_class_two_on_a_terms_of_service_service(office):
    office.ready().granted()
    assert asked(office) == "allow"
    assert asked(office, declared_class=2) == "DENY_TOS_CONFIDENTIAL"


@pytest.mark.req("DSN-5-3")
def test_a_decision_its_reason_and_what_it_rests_on_are_in_the_ledger(office):
    house = office.house
    office.ready(CONTRACTED).advised().granted_class_two()
    for _ in range(4):
        house.settle()
    decided = [
        each for each in office.governing.history("application", "a1") if each.changed.get("decisions")
    ]
    assert [(each.kind, each.by) for each in decided] == [("application.approve", "taro")]
    (decision,) = office.get(Application, "a1").decisions
    assert (decision.verdict, decision.consent, decision.risk_assessment) == ("APPROVED", "c-a1", "ra-a1")
    assert len(decision.advice) == 2
    assert house.verify().ok
    house.edit(
        "UPDATE governed SET sealed = substr(sealed, 1, length(sealed) - 1) WHERE noun = 'application'"
    )
    assert {fault[0] for fault in house.faults()} == {"governed"}


@pytest.mark.req("UPD-U2-3")
def test_a_service_without_a_log_plan_is_not_activated(office):
    office.risks().scope()
    office.do(KEN, registering.RegisterService("chat", FACTS, TERMS))
    before = all_rows(office.house)
    with pytest.raises(Forbidden, match="log-plan"):
        office.do(SAKI, registering.ActivateService("chat"))
    assert all_rows(office.house) == before
    office.do(JIRO, registering.SetLogPlan("chat", LOG_PLAN))
    office.do(SAKI, registering.ActivateService("chat"))
    assert office.get(RegisteredService, "chat").status == "ACTIVE"


def test_what_is_read_back_is_what_was_decided(office):
    office.ready(CONTRACTED).advised().granted_class_two()
    change = office.do(HANAKO, INQUIRY)
    (made,) = change.values
    assert office.get(Report, "i1") == made
    assert change.state.get(Report, "i1") == made
    for kind in NOUNS.values():
        for value in office.all(kind):
            assert office.get(kind, value.id) == value


def test_a_refusal_leaves_no_trace(office):
    office.ready()
    office.submit()
    before = all_rows(office.house)
    with pytest.raises(Forbidden) as refused:
        office.do(HANAKO, applying.TakeUpApplication("a1"))
    assert refused.value.code in ("own-application", "role")
    assert all_rows(office.house) == before


class Breaks:
    """A database that fails at one of its writes."""

    def __init__(self, engine, at):
        self.engine, self.at, self.writes = engine, at, 0

    def __enter__(self):
        event.listen(self.engine, "before_cursor_execute", self)
        return self

    def __exit__(self, *_):
        event.remove(self.engine, "before_cursor_execute", self)

    def __call__(self, _connection, _cursor, statement, *_):
        if statement.split()[0] in ("INSERT", "UPDATE", "DELETE"):
            self.writes += 1
            if self.writes == self.at:
                raise OSError("the disk is gone")


def test_a_transition_that_breaks_at_any_write_leaves_no_trace(office):
    office.ready().approved()
    before = all_rows(office.house)
    for at in count(1):
        with Breaks(office.house.engine, at) as breaks:
            try:
                office.accept()
            except OSError:
                assert all_rows(office.house) == before
                assert office.get(Application, "a1").status == "APPROVED"
                continue
        break
    assert breaks.writes >= 3  # those of PostgreSQL that are copied are no statements
    assert office.get(Grant, "g-a1").status == "ACTIVE"
    assert all_rows(office.house) != before


def test_a_transition_whose_commit_fails_leaves_no_trace(office):
    office.ready().approved()
    before = all_rows(office.house)

    def fails(_connection):
        raise OSError("the disk is gone")

    event.listen(office.house.engine, "commit", fails)
    try:
        with pytest.raises(OSError, match="the disk is gone"):
            office.accept()
    finally:
        event.remove(office.house.engine, "commit", fails)
    assert all_rows(office.house) == before
    office.accept()
    assert office.get(Grant, "g-a1").status == "ACTIVE"


def test_a_change_that_somebody_else_made_first_is_not_overwritten(office):
    office.ready()
    office.do(HANAKO, applying.DraftApplication("a1", plan()))
    seen = {("application", "a1"): office.get(Application, "a1").version}
    office.do(HANAKO, applying.EditApplication("a1", plan(purpose="別の目的"), 1), expected=seen)
    before = all_rows(office.house)
    with pytest.raises(VersionConflict) as conflict:
        office.do(HANAKO, applying.EditApplication("a1", plan(), 2), expected=seen)
    assert (conflict.value.expected, conflict.value.found) == (1, 2)
    assert all_rows(office.house) == before


def test_what_must_not_be_there_yet_is_expected_as_version_nought(office):
    office.do(HANAKO, INQUIRY, expected={("report", "i1"): 0})
    other = msgspec.structs.replace(INQUIRY, id="i2")
    with pytest.raises(VersionConflict):
        office.do(HANAKO, other, expected={("report", "i1"): 0})


def test_a_request_that_comes_twice_happens_once(office):
    first = office.do(HANAKO, INQUIRY, once="k1")
    before = all_rows(office.house)
    again = office.do(HANAKO, INQUIRY, once="k1")
    assert msgspec.json.encode(again.events) == msgspec.json.encode(first.events)
    assert again.values == first.values
    assert again.state.get(Report, "i1") == first.values[0]
    assert all_rows(office.house) == before


@pytest.mark.parametrize(
    ("actor", "command"),
    [
        pytest.param(HANAKO, reports.OpenReport("i1", "INQUIRY", "別"), id="another request"),
        pytest.param(MIKI, INQUIRY, id="somebody else's"),
    ],
)
def test_a_key_of_another_request_is_refused(office, actor, command):
    office.do(HANAKO, INQUIRY, once="k1")
    with pytest.raises(OnceConflict):
        office.do(actor, command, once="k1")


def test_a_refused_request_may_come_again_under_its_key(office):
    closing = reports.CloseReport("i1", "周知した", TODAY)
    with pytest.raises(Forbidden):
        office.do(KEN, closing, once="k1")
    assert rows(office.house, "governed_once") == 0


def test_keys_of_long_ago_are_forgotten(office):
    office.do(HANAKO, INQUIRY, once="k1")
    office.hands.at_us += KEPT_US + 1
    office.do(HANAKO, msgspec.structs.replace(INQUIRY, id="i2"), once="k2")
    assert rows(office.house, "governed_once") == 1


@pytest.mark.req("MOU-0-2")
def test_two_organisations_in_one_database_never_see_each_other(house):
    one, two = Stored(house), Stored(house, tenant="other")
    theirs = person("hanako", tenant="other")
    one.do(HANAKO, INQUIRY, once="k1")
    two.do(theirs, msgspec.structs.replace(INQUIRY, summary="別の組織"), once="k1")
    assert one.get(Report, "i1").summary != two.get(Report, "i1").summary
    for office in (one, two):
        assert {value.tenant for value in office.all(Report)} == {office.state.tenant}
        assert [each.tenant for each in office.governing.history("report", "i1")] == [office.state.tenant]
        assert len(office.governing.list("report")) == 1
    with pytest.raises(Forbidden, match="other-tenant"):
        one.do(theirs, msgspec.structs.replace(INQUIRY, id="i2"))
    with house.outsider() as outsider:
        moved = "UPDATE governed SET tenant = 'default', made = made WHERE tenant = 'other'"
        outsider.execute(text("DELETE FROM governed WHERE tenant = 'default'"))
        outsider.execute(text(moved))
    with pytest.raises(Forbidden, match="not-found"):
        one.get(Report, "i1")


def test_history_gives_every_event_page_by_page(office):
    office.ready().granted()
    whole = office.governing.history("application", "a1")
    assert [each.version for each in whole] == list(range(1, len(whole) + 1))
    paged, after = [], ""
    while page := office.governing.history("application", "a1", after=after, limit=2):
        paged += page
        after = str(page[-1].version)
    assert paged == whole
    assert office.governing.history("application", "nobody's") == []


def test_lists_come_page_by_page_in_the_order_of_making(office):
    for number in range(7):
        office.do(HANAKO, msgspec.structs.replace(INQUIRY, id=f"i{9 - number}"))
    office.do(SAKI, reports.TakeReport("i9"))
    paged, after = [], ""
    while page := office.governing.list("report", after=after, limit=3):
        paged += [value.id for value in page]
        after = page[-1].id
    assert paged == [f"i{9 - number}" for number in range(7)]
    assert office.governing.list("report", after="unknown") == []
    assert office.governing.list("no such noun") == []


def test_nothing_that_names_somebody_is_readable(office):
    office.ready(CONTRACTED).advised().granted_class_two()
    office.do(HANAKO, INQUIRY, once="hanako-1")
    secrets = [word.encode() for word in ("hanako", "taro", "jiro", "照会文書", "auth-taro", "g-a1", "kacho")]
    with office.house.outsider() as outsider:
        for table in TABLES:
            found = outsider.execute(text(f"SELECT * FROM {table}")).all()
            for row in found:
                told = b"|".join(part if isinstance(part, bytes) else str(part).encode() for part in row)
                assert not [word for word in secrets if word in told], table
    if office.house.engine.dialect.name == "sqlite":
        for data in office.house.files():
            assert not [word for word in secrets if word in data]


def test_conversations_are_found_by_whose_they_are(office):
    seen = [Seen(f"user{number}", "chat", 3, NOW, NOW + 1) for number in range(20)]
    office.governing.carry_out(lambda state, at, rules: note_exchanges(state, seen, clock(), at, rules))
    statements = []
    with office.governing.state() as state:
        event.listen(office.house.engine, "after_cursor_execute", lambda *given: statements.append(given[2]))
        (talk,) = unanswered(state, "ＵＳＥＲ7", "chat")
    assert talk.subject == "user7"
    assert len(statements) == 1
    assert "governed_key" in statements[0]


@pytest.mark.req("MOU-2-4")
def test_an_output_leads_to_its_secondary_use(office):
    office.ready().granted(plan(secondary_use_owner="kacho"))
    sha256 = output_hash("要約")
    office.do(HANAKO, RecordSecondaryUse("u1", sha256, "rec-1", "g-a1", "配布資料", "INTERNAL"))
    with office.governing.state() as state:
        assert [each.id for each in uses_of(state, sha256.upper())] == ["u1"]
        assert list(uses_of(state, "0" * 64)) == []


def test_a_change_shows_in_the_state_before_it_is_stored(office):
    office.ready().granted()

    def looks(state, at_us, rules):
        grant = state.get(Grant, "g-a1")
        after = state.put(msgspec.structs.replace(grant, status="SUSPENDED"))
        assert [each.status for each in after.matching(Grant, service="chat")] == ["SUSPENDED"]
        assert [each.status for each in after.all(Grant)] == ["SUSPENDED"]
        assert [each.status for each in after.due(Grant, at_us)] == ["SUSPENDED"]
        return note_exchanges(state, [], clock(), at_us, rules)

    assert office.governing.carry_out(looks).events == ()


def test_a_mirror_follows_by_number(office):
    with reading(office.house.engine) as connection:
        assert stamp_on(connection) == 0
    office.do(HANAKO, INQUIRY)
    office.ready()
    with reading(office.house.engine) as connection:
        number = stamp_on(connection)
        found = list(changed_since(connection, office.house.store_keys, 0))
        assert number == max(number for number, _ in found)
        assert [number for number, _ in found] == sorted(number for number, _ in found)
        assert list(changed_since(connection, office.house.store_keys, number)) == []
    office.do(SAKI, reports.TakeReport("i1"))
    with reading(office.house.engine) as connection:
        ((number, value),) = changed_since(connection, office.house.store_keys, number, nouns=["report"])
        assert value.status == "TAKEN"
        assert stamp_on(connection) == number
        assert state_on(connection, office.house.store_keys).get(Report, "i1") == value


# --- time ------------------------------------------------------------------------------------------


def test_time_passes_for_what_is_due_and_costs_one_look_otherwise(office):
    office.ready().granted(plan(usage_period=Period(start=TODAY, end=TODAY + timedelta(days=40))))
    assert office.governing.tick().events == ()
    statements = []
    event.listen(office.house.engine, "after_cursor_execute", lambda *given: statements.append(given[2]))
    assert office.governing.tick().events == ()
    assert len([statement for statement in statements if statement != "BEGIN"]) == 1
    office.hands.at_us = jst_us(TODAY + timedelta(days=10), 9)
    change = office.governing.tick()
    assert [each.kind for each in change.events] == ["grant.warn"]
    assert office.governing.tick().events == ()
    office.hands.at_us = jst_us(TODAY + timedelta(days=41))
    assert [each.kind for each in office.governing.tick().events] == ["grant.expire"]
    assert office.get(Grant, "g-a1").status == "EXPIRED"
    office.hands.at_us += 400 * DAY
    assert office.governing.tick().events == ()


def test_changed_terms_that_lapse_stop_grants_that_were_not_due(office):
    office.ready().granted()
    office.do(KEN, rereading.ReportTerms("t1", "chat", NEW_TERMS))
    office.hands.at_us += 31 * DAY
    kinds = {each.kind for each in office.governing.tick().events}
    assert {"terms_change.lapse", "grant.suspend"} <= kinds or {"terms.lapse", "grant.suspend"} <= kinds
    assert office.get(Grant, "g-a1").status == "SUSPENDED"


def test_a_restart_finds_what_new_rules_make_due(office):
    office.ready().granted(plan(usage_period=Period(start=TODAY, end=TODAY + timedelta(days=40))))
    office.house.edit("UPDATE governed SET due_us = NULL")
    office.hands.at_us = jst_us(TODAY + timedelta(days=10), 9)
    assert office.opened().tick().events != ()


@pytest.mark.parametrize("days", [0, 9, 10, 24, 33, 39, 40, 41])
def test_the_noted_instant_is_the_one_at_which_the_clock_acts(office, days):
    office.ready().granted(plan(usage_period=Period(start=TODAY, end=TODAY + timedelta(days=40))))
    office.hands.at_us = NOW + days * DAY - HOUR * 2
    office.governing.tick()
    grant = office.get(Grant, "g-a1")
    due = due_us(grant, use_rules_for("gov", office.hands.at_us))
    if due is None:
        assert grant.status == "EXPIRED"
        return
    assert due > office.hands.at_us
    office.hands.at_us = due - 1
    assert office.governing.tick().events == ()
    office.hands.at_us = due
    assert office.governing.tick().events != ()


def test_the_archivist_lets_time_pass(office):
    office.ready().granted(plan(usage_period=Period(start=TODAY, end=TODAY + timedelta(days=40))))
    alarms: list[str] = []
    ticking = Ticking(office.governing, clock=office.hands, alarm=alarms.append)
    assert ticking.step() is False
    office.hands.at_us = jst_us(TODAY + timedelta(days=41))
    assert ticking.step() is True
    assert ticking.step() is False
    assert office.get(Grant, "g-a1").status == "EXPIRED"
    assert alarms == []


class Broken:
    def __init__(self):
        self.asked = 0

    def tick(self):
        self.asked += 1
        raise Forbidden("role", "だめ", "no")


def test_the_archivist_asks_once_a_minute_and_tells_of_a_fault_once():
    hands, broken = Hands(), Broken()
    alarms: list[str] = []
    ticking = Ticking(broken, clock=hands, alarm=alarms.append)
    for _ in range(5):
        assert ticking.step() is False
    assert broken.asked == 1
    hands.at_us += EVERY_US
    ticking.step()
    assert broken.asked == 2
    assert len(alarms) == 1


def test_two_who_write_at_once_wait_for_one_another(office):
    office.do(HANAKO, INQUIRY)
    faults = []

    def many(name):
        governing = office.opened(new_id=iter(f"{name}-{n}" for n in range(99)).__next__)
        for number in range(8):
            try:
                governing.perform(reports.OpenReport(f"{name}{number}", "INQUIRY", "問"), person(name))
            except Exception as fault:
                faults.append(fault)

    threads = [threading.Thread(target=many, args=(name,)) for name in ("hanako", "miki", "saki")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert rows(office.house, "governed") == rows(office.house, "governed_event") == 25
    assert len(office.all(Report)) == 25
