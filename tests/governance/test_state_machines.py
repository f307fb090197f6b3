"""Every cell of every table: what may follow what, asked of the tables and walked by real commands."""

import dataclasses
import itertools
from datetime import date

import msgspec
import pytest

from sekimori.governance import (
    advice,
    applying,
    appointment,
    authority,
    consent,
    grant,
    operating_rules,
    registering,
    renewal,
    reports,
    rereading,
    scope,
)
from sekimori.governance.actors import CLOCK_ROLE, ROLES, Actor
from sekimori.governance.assessment import Assess
from sekimori.governance.commands import MACHINES, NOUNS, VERBS
from sekimori.governance.machine import START, Case, Machine
from sekimori.governance.refusals import REFUSALS, Forbidden, refuse
from sekimori.governance.service import RegisteredService
from sekimori.governance.state import Aggregate, State
from sekimori.policy.model import Period
from support.offices import (
    CONTRACTED,
    DAY,
    FACTS,
    HANAKO,
    JIRO,
    KAORU,
    KEN,
    LOG_PLAN,
    NEW_TERMS,
    NOW,
    PARTS,
    PROOF,
    RIN,
    SAKI,
    TARO,
    TERMS,
    TODAY,
    Office,
    class_two,
    facts,
    plan,
)


class Thing(Aggregate, frozen=True, kw_only=True):
    noun = "thing"


def case_of(status, roles=ROLES, command=None):
    actor = Actor("somebody", frozenset(roles) | {CLOCK_ROLE})
    rules = Office("gov").rules
    return Case(State(), Thing(id="1", status=status), command, actor, NOW, rules)


def probed(machine, asked, failing=""):
    """Give the same table with guards that only say that they were asked, and one that refuses."""

    def probe(name):
        def guard(case):
            asked.append(name)
            if name == failing:
                raise refuse("period")

        return guard

    conditions = {name: (lambda case, name=name: case.command == name) for name in machine.conditions}
    return Machine(machine.noun, machine.rows, {name: probe(name) for name in machine.guards}, conditions)


CELLS = [
    pytest.param(machine, status, verb, id=f"{machine.noun}: {status or 'new'} {verb}")
    for machine in MACHINES.values()
    for status, verb in itertools.product((START, *machine.states), machine.verbs)
]
ROWS = [
    pytest.param(machine, row, id=f"{machine.noun}: {row.source or 'new'} {row.verb} {row.target}")
    for machine in MACHINES.values()
    for row in machine.rows
]


@pytest.mark.parametrize(("machine", "status", "verb"), CELLS)
def test_what_the_table_does_not_name_is_refused(machine, status, verb):
    rows = list(machine.rows_of(status, verb))
    table = probed(machine, [])
    if not rows:
        with pytest.raises(Forbidden, match="transition"):
            table.move(verb, case_of(status))
    else:
        reached = {table.move(verb, case_of(status, command=row.when)) for row in rows}
        assert reached == {row.target for row in rows}


@pytest.mark.parametrize(("machine", "row"), ROWS)
def test_a_row_asks_the_role_and_then_each_guard_in_its_order(machine, row):
    asked: list[str] = []
    assert probed(machine, asked).move(row.verb, case_of(row.source, command=row.when)) == row.target
    assert asked == list(row.guards)
    for guard in row.guards:
        with pytest.raises(Forbidden, match="period"):
            probed(machine, [], failing=guard).move(row.verb, case_of(row.source, command=row.when))
    others = [role for role in ROLES if role not in row.roles]
    if row.roles:
        asked.clear()
        actor = Actor("somebody", frozenset(others))
        case = dataclasses.replace(case_of(row.source, command=row.when), actor=actor)
        with pytest.raises(Forbidden, match="role"):
            probed(machine, asked).move(row.verb, case)
        assert asked == []


def test_a_table_with_an_unknown_guard_is_not_made():
    machine = MACHINES["grant"]
    with pytest.raises(ValueError, match="nobody knows"):
        Machine("grant", machine.rows, {})


def test_every_guard_of_a_table_is_used():
    for machine in MACHINES.values():
        used = {name for row in machine.rows for name in row.guards}
        unused = set(machine.guards) - used
        assert machine.noun == "application" or not unused
    assert {"is_the_applicant", "holds_authority", "consent_is_recorded"} <= {
        name for row in MACHINES["application"].rows for name in row.guards
    }


def test_every_noun_with_a_life_has_a_table():
    assert set(NOUNS) - set(MACHINES) == {"counter"}


def test_a_refusal_has_two_languages_and_a_client_status():
    for code, text in REFUSALS.items():
        assert text.ja != text.en, code
        assert text.status in (403, 404, 409, 422), code


# --- walked by commands ------------------------------------------------------------------------------


def services(office):
    office.risks().scope()
    office.do(KEN, registering.RegisterService("chat", FACTS, TERMS))
    for steps in ((), (registering.ActivateService("chat"),), (registering.SuspendService("chat", "事故"),)):
        office.do(JIRO, registering.SetLogPlan("chat", LOG_PLAN))
        for step in steps:
            office.do(SAKI, step)
        office.do(JIRO, registering.SetLogPlan("chat", LOG_PLAN))
        known = office.get(RegisteredService, "chat").facts
        office.do(KEN, registering.DescribeService("chat", msgspec.structs.replace(known, contact="desk")))
        office.do(KEN, registering.ProposeFacts("chat", FACTS, "変更"))
        office.do(SAKI, registering.RefuseFacts("chat", "不要"))
        office.propose(facts(models=("example-*",)))
    office.do(SAKI, registering.ResumeService("chat", "復旧"), registering.RetireService("chat", "終了"))
    for id_, later in {"s2": False, "s3": True}.items():
        office.do(KEN, registering.RegisterService(id_, FACTS))
        office.do(JIRO, registering.SetLogPlan(id_, LOG_PLAN))
        if later:
            office.do(SAKI, registering.ActivateService(id_), registering.SuspendService(id_, "事故"))
        office.do(SAKI, registering.RetireService(id_, "終了"))


def catalogue(office):
    office.risks().risks().scope("one").scope("two").authority()
    rule = scope.ScopeRule(service="*", verdict="ALLOWED", risk_note="公開情報のみ")
    office.do(
        SAKI, scope.ReviseScope("one"), scope.WriteScope("one", "要約", (rule,)), scope.RetireScope("one")
    )
    office.do(SAKI, scope.RetireScope("two"))
    office.do(KEN, authority.ProposeAuthority("x", "yuki", TODAY), authority.EndAuthority("x", "不要"))
    office.do(
        TARO,
        authority.DelegateAuthority("auth-taro", (authority.Deputy(name="yuki", start=TODAY, end=TODAY),)),
    )
    office.do(KEN, authority.EndAuthority("auth-taro", "異動"))
    for id_ in ("r1", "r2"):
        office.do(KEN, authority.ProposeRole(id_, "rin", "reviewer"))
    office.do(
        SAKI, authority.ConfirmRole("r1"), authority.EndRole("r1", "異動"), authority.EndRole("r2", "不要")
    )


def rules_of_an_office(office):
    office.risks().scope().authority().operating_rules()
    sections = office.get(operating_rules.OperatingRules, "r1").sections
    draft = operating_rules.DraftRules("r2", sections, TODAY, TODAY)
    office.do(SAKI, draft, draft, operating_rules.WithdrawRules("r2"))


def applications(office):
    office.ready()
    withdraw = lambda id_: office.do(HANAKO, applying.WithdrawApplication(id_))  # noqa: E731
    office.do(HANAKO, applying.DraftApplication("d"), applying.EditApplication("d", plan(), 1))
    withdraw("d")
    office.submit(id_="s")
    withdraw("s")
    office.submit(id_="u").examine("u")
    withdraw("u")
    for id_ in ("back", "gone"):
        office.submit(id_=id_).examine(id_)
        office.do(TARO, applying.ReturnApplication(id_, "不明確", office.hash(id_)))
    office.do(HANAKO, applying.ReopenApplication("back"))
    withdraw("gone")
    office.submit(id_="no").examine("no")
    office.do(TARO, applying.RejectApplication("no", "不要", office.hash("no")))
    office.approved(id_="ok")
    withdraw("ok")
    office.approved(id_="declined")
    office.do(JIRO, appointment.DeclineAppointment("p-declined", "異動"))


def administrators(office):
    office.ready().granted()
    office.do(JIRO, appointment.CompleteMeasures("p-a1", ("確認",)))
    office.do(TARO, appointment.Nominate("p2", "a1", "kaoru"))
    office.do(KAORU, appointment.AcceptAppointment("p2", "-"), appointment.ResignAppointment("p2", "異動"))


def outside(office):
    office.ready(CONTRACTED)
    for answer in ("CONSENTED", "CONDITIONAL", "REFUSED"):
        office.submit(class_two(), id_=answer).assessed(answer).consented(answer, answer)
    office.do(SAKI, consent.MeetConditions("c-CONDITIONAL", PROOF))
    for _ in range(2):
        office.do(RIN, Assess("again", "CONSENTED", PARTS))
    office.advised()
    office.do(SAKI, advice.WithdrawAdvice("chat-digital_agency", "誤り"))
    office.do(HANAKO, advice.AskAdvice("x", "chat", "digital_agency"))
    office.do(SAKI, advice.WithdrawAdvice("x", "誤り"))


def changed_terms(office):
    office.risks().scope().authority()
    for id_ in ("first", "confirmed", "rejected", "late", "never"):
        office.do(KEN, registering.RegisterService(id_, FACTS, None if id_ == "first" else TERMS))
        office.do(KEN, rereading.ReportTerms(f"t-{id_}", id_, NEW_TERMS))
    office.do(TARO, rereading.ConfirmTerms("t-confirmed", "問題なし"))
    office.do(TARO, rereading.RejectTerms("t-rejected", "学習に利用"))
    office.do(TARO, rereading.ConfirmTerms("t-rejected", "撤回"))
    office.pass_to(NOW + 31 * DAY)
    office.do(TARO, rereading.ConfirmTerms("t-late", "問題なし"), rereading.RejectTerms("t-never", "不可"))


def grants(office):
    """Each live status, suspended, resumed, revoked, expired, warned."""
    office.ready()
    later = Period(start=date(2026, 7, 1), end=date(2026, 12, 31))
    soon = Period(start=TODAY, end=date(2026, 12, 31))
    for kind, period in {"scheduled": later, "active": soon}.items():
        for fate in ("suspended", "revoked", "expired", "stopped"):
            office.granted(plan(usage_period=period), id_=f"{kind}-{fate}")
    for fate in ("suspended", "revoked", "expired", "dropped", "stopped"):
        office.granted(plan(usage_period=soon), id_=f"renewed-{fate}")
        office.do(HANAKO, renewal.RenewGrant(f"g-renewed-{fate}", f"again-{fate}"))
    for kind in ("scheduled", "active", "renewed"):
        office.do(TARO, grant.SuspendGrant(f"g-{kind}-suspended", "確認"))
        office.do(TARO, grant.ResumeGrant(f"g-{kind}-suspended", "再開"))
        office.do(TARO, grant.RevokeGrant(f"g-{kind}-revoked", "違反"))
        office.do(TARO, grant.SuspendGrant(f"g-{kind}-stopped", "確認"))
    office.do(
        HANAKO, applying.WithdrawApplication("again-dropped"), applying.WithdrawApplication("again-stopped")
    )
    office.do(TARO, grant.RevokeGrant("g-active-stopped", "違反"))
    # Warned while it is scheduled: an office whose warnings come early.
    office.rules = msgspec.structs.replace(office.rules, warning_days=(210, 14))
    for at in (NOW + 4 * DAY, NOW + 31 * DAY, NOW + 205 * DAY, NOW + 300 * DAY):
        office.pass_to(at)


def scheduled_until_it_is_over(office):
    """A clock that stood still from before the first day until after the last."""
    office.ready()
    office.granted(plan(usage_period=Period(start=date(2026, 7, 1), end=date(2026, 7, 2))))
    office.pass_to(NOW + 60 * DAY)


def told(office):
    office.do(HANAKO, reports.OpenReport("i", "INCIDENT", "誤送信", severity="HIGH", privacy=True))
    office.do(JIRO, reports.TakeReport("i"))
    office.do(
        SAKI, reports.TakeReport("i"), reports.AnswerReport("i", "速報"), reports.AnswerReport("i", "確報")
    )
    office.do(SAKI, reports.CloseReport("i", "研修", date(2026, 7, 1)))


SCENARIOS = (
    *(services, catalogue, rules_of_an_office, applications, administrators, outside),
    *(changed_terms, grants, scheduled_until_it_is_over, told),
)


@pytest.fixture(scope="module")
def walked():
    found: set[tuple[str, ...]] = set()
    commands: set[type] = set()
    for scenario in SCENARIOS:
        office = Office("gov")
        do = office.do

        def remember(actor, *given, do=do):
            commands.update(type(each) for each in given)
            return do(actor, *given)

        office.do = remember  # type: ignore[method-assign]
        scenario(office)
        found |= office.walked
    return found, commands


def test_every_transition_of_every_table_is_walked_by_a_command(walked):
    rows = {
        (machine.noun, row.source, row.verb, row.target)
        for machine in MACHINES.values()
        for row in machine.rows
    }
    assert rows - walked[0] == set()


def test_no_command_moves_anything_along_a_row_that_no_table_has(walked):
    rows = {
        (machine.noun, row.source, row.verb, row.target)
        for machine in MACHINES.values()
        for row in machine.rows
    }
    moves = {step for step in walked[0] if step[1] != step[3]}
    beside = {(noun, verb) for noun, before, verb, after in moves if (noun, before, verb, after) not in rows}
    # What follows from something else that happened: a successor ends an appointment, a renewal is a draft.
    assert beside <= {("appointment", "end"), ("counter", "count")}


def test_every_command_is_part_of_a_scenario(walked):
    assert set(VERBS) - walked[1] == set()
