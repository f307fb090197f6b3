"""Every cell of every table about using a service: asked of the tables, and walked by real commands."""

import itertools

import msgspec
import pytest

from sekimori.governance import triage
from sekimori.governance.accounts import AccountKept, Opener, note_accounts
from sekimori.governance.acknowledgement import Acknowledge
from sekimori.governance.actors import CLOCK_ROLE, ROLES, Actor
from sekimori.governance.calendar import jst_date, jst_us
from sekimori.governance.change import Changing
from sekimori.governance.content_reading import (
    AllowReading,
    AskReading,
    EndReading,
    OpenContent,
    RefuseReading,
)
from sekimori.governance.counting import count
from sekimori.governance.feedback import AnswerAsAgent
from sekimori.governance.issued import IssueDocument
from sekimori.governance.limiting import ConfirmLimits, RefuseLimits, ResumeUse, SetLimits, SuspendUse
from sekimori.governance.limits import Limits
from sekimori.governance.machine import START, Case, Machine
from sekimori.governance.notices import Notice, NoticeText, WithdrawNotice, WriteNotice
from sekimori.governance.provided import KeepDocument, SupersedeDocument
from sekimori.governance.refusals import REFUSALS, Forbidden, refuse
from sekimori.governance.register_paper import KIND as REGISTER
from sekimori.governance.review_sheet import SignSheet, prepare_sheet
from sekimori.governance.sampling import choose_sample
from sekimori.governance.secondary_use import RecordSecondaryUse, ReviewSecondaryUse, WithdrawSecondaryUse
from sekimori.governance.state import State, digest
from sekimori.governance.trial import GiveTrialConsent, WithdrawTrialConsent
from sekimori.governance.use_refusals import USE_REFUSALS, refuse_use
from sekimori.governance.use_rules import of_use, use_rules_for
from sekimori.governance.using import MACHINES, NOUNS, VERBS, perform
from support.offices import DAY, HANAKO, JIRO, KEN, MIKI, NOW, RIN, SAKI, SHA, SHO, TARO, TODAY, facts
from support.using_offices import BOT, CLOCK, KEY, UsingOffice


def subject_of(machine, status):
    kind = NOUNS[machine.noun]
    needed = {
        field.name: f"{field.name}"
        for field in msgspec.structs.fields(kind)
        if field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT
    }
    return kind(**{**needed, "status": status, "id": "1"})


def case_of(machine, status, command=None, roles=(*ROLES, CLOCK_ROLE)):
    actor = Actor("somebody", frozenset(roles))
    return Case(State(), subject_of(machine, status), command, actor, NOW, use_rules_for("gov", NOW))


def probed(machine, asked, failing=""):
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
    pytest.param(machine, row, id=f"{machine.noun}: {row.source or 'new'} {row.verb} {row.target} {row.when}")
    for machine in MACHINES.values()
    for row in machine.rows
]


@pytest.mark.parametrize(("machine", "status", "verb"), CELLS)
def test_what_a_table_of_using_does_not_name_is_refused(machine, status, verb):
    rows = list(machine.rows_of(status, verb))
    table = probed(machine, [])
    if not rows:
        with pytest.raises(Forbidden, match="transition"):
            table.move(verb, case_of(machine, status))
    reached = {table.move(verb, case_of(machine, status, row.when)) for row in rows}
    assert reached == {row.target for row in rows}


@pytest.mark.parametrize(("machine", "row"), ROWS)
def test_a_row_of_using_asks_the_role_and_then_each_guard(machine, row):
    asked: list[str] = []
    assert probed(machine, asked).move(row.verb, case_of(machine, row.source, row.when)) == row.target
    assert asked == list(row.guards)
    for guard in row.guards:
        with pytest.raises(Forbidden, match="period"):
            probed(machine, [], guard).move(row.verb, case_of(machine, row.source, row.when))
    if row.roles:
        others = [role for role in (*ROLES, CLOCK_ROLE) if role not in row.roles]
        with pytest.raises(Forbidden, match="role"):
            probed(machine, []).move(row.verb, case_of(machine, row.source, row.when, others))


def test_every_noun_of_using_has_a_table_and_every_guard_is_asked():
    assert set(NOUNS) == set(MACHINES)
    for machine in MACHINES.values():
        assert set(machine.guards) == {name for row in machine.rows for name in row.guards}


def test_a_refusal_of_using_has_two_languages_and_a_code_of_its_own():
    assert not USE_REFUSALS.keys() & REFUSALS.keys()
    for code, text in USE_REFUSALS.items():
        assert text.ja != text.en, code
        assert text.status in (403, 404, 409, 422), code
    assert refuse_use("token-bound").status == 403


# --- walked by commands ------------------------------------------------------------------------------


def everything_that_is_used():
    """Walk every row of every table."""
    office = UsingOffice("enterprise").ready().granted()
    _counted(office)
    _accounts(office)
    _notices(office)
    _feedback(office)
    _tasks(office)
    _register(office)
    _limits(office)
    _readings(office)
    _sheets(office)
    _documents(office)
    return office


def _counted(office):
    office.run(_count_to(1))
    office.run(_count_to(2))


def _accounts(office):
    key = Opener(id="k1", mark="m", of=("g1",))
    for status in ("OPEN", "DISABLED"):
        account = AccountKept(id="bot", status=status, changed_us=1)
        for fields in (
            {},
            {"roles": ("auditor",)},
            {"password": "a"},
            {"proxy_password": "b"},
            {"keys": (key,)},
            {"tokens": (key,)},
            {},
        ):
            kept = msgspec.structs.replace(account, **fields)
            office.run(
                lambda state, actor, at, rules, kept=kept: note_accounts(state, [kept], actor, at, rules)
            )
    again = AccountKept(id="bot", status="OPEN", changed_us=2)
    office.run(lambda state, actor, at, rules: note_accounts(state, [again], actor, at, rules))


def _count_to(n):
    return lambda state, _actor, at_us, rules: count(
        state, "w0-1", n - 1, n, (), (), at_us, rules, dropped=print
    )


def _notices(office):
    text = NoticeText("表題", "注意")
    office.notice("n").notice("n")
    sha256 = office.get(Notice, "n").current.sha256
    office.do(HANAKO, *[Acknowledge("n", 2, sha256)] * 2)
    write = WriteNotice("n", "*", text)
    office.do(SAKI, write, write)
    office.do(SHO, WithdrawNotice("n", "不要"))
    office.do(SAKI, *[WriteNotice("draft", "*", text)] * 2, WithdrawNotice("draft", "不要"))
    office.notice("gone")
    office.do(SHO, WithdrawNotice("gone", "不要"))
    office.service(facts(audience="PUBLIC"), id_="public")
    office.notice("trial", service="public", ja="検証段階です。", audience="TRIAL")
    give = GiveTrialConsent("trial", 1, office.get(Notice, "trial").current.sha256)
    office.do(MIKI, give, give, WithdrawTrialConsent("trial"), give)


def _feedback(office):
    first, other = (office.exchanges("hanako", conversation=name) for name in "ab")
    office.exchanges("hanako", conversation="a")
    office.answer(HANAKO, first, covers=[other])
    office.exchanges("hanako", conversation="a", at_us=NOW - 1)
    office.exchanges("hanako", conversation="a")
    for name in "ab":
        office.exchanges("bot-1", conversation=name, owner="hanako")
    talk = office.exchanges("bot-1", conversation="a", owner="hanako")
    office.do(BOT, AnswerAsAgent("agent-1", talk, "USEFUL", "hanako"))
    office.rules = use_rules_for(
        "enterprise", NOW, policy_version="p1", use={"feedback": {"sample_per_mille": 1000}}
    )
    office.at_us = NOW + DAY
    office.run(choose_sample, KEY, TODAY)
    for talk in [talk for talk in office.everything()["conversation"].values() if talk.sampled_us]:
        office.answer(HANAKO, talk.id)


def _tasks(office):
    talk = office.exchanges("hanako", conversation="t")
    grave, light = ("t-" + office.answer(HANAKO, talk, answer) for answer in ("HARMFUL", "WRONG"))
    late = ["t-" + office.answer(HANAKO, talk, "HARMFUL") for _ in range(3)]
    take = lambda id_: office.do(JIRO, triage.TakeTask(id_))  # noqa: E731
    resolve = lambda id_: office.do(JIRO, triage.ResolveTask(id_, "FIXED", "対応済み"))  # noqa: E731
    for id_ in (grave, light, grave, late[1], late[2]):
        take(id_)
    for id_ in (grave, light, late[2]):
        resolve(id_)
    office.do(SAKI, triage.ReturnTask(grave, "不十分"))
    resolve(grave)
    office.do(SAKI, triage.ConfirmTask(grave))


def _register(office):
    def use(id_, audience):
        office.do(
            HANAKO,
            RecordSecondaryUse(id_, SHA, "record-1", "g-a1", "広報資料", audience, human_verified=True),
        )

    use("in", "INTERNAL")
    for id_ in ("yes", "no", "waits"):
        use(id_, "EXTERNAL")
    office.do(RIN, ReviewSecondaryUse("yes", True, "可"), ReviewSecondaryUse("no", False, "誤り"))
    office.do(HANAKO, *(WithdrawSecondaryUse(id_, "不要") for id_ in ("in", "yes", "waits")))


def _limits(office):
    tight, loose = Limits(max_bytes=1), Limits()
    stop, go = SuspendUse("chat", "事故"), ResumeUse("chat", "復旧")
    tighten, loosen = SetLimits("chat", tight, "試行"), SetLimits("chat", loose, "要望")
    office.do(JIRO, stop)
    office.do(SAKI, go)
    office.do(JIRO, tighten, tighten, stop)
    office.do(SAKI, go)
    office.do(JIRO, loosen, loosen, stop)
    office.do(SAKI, go, ConfirmLimits("chat", digest(loose)))
    office.do(JIRO, tighten, loosen)
    office.do(TARO, RefuseLimits("chat", "不可"))
    office.do(JIRO, loosen, tighten)
    office.do(SAKI, SetLimits("public", tight, "試行"))


def _readings(office):
    ask = lambda id_, unit="soumu": AskReading(id_, "r1", "照会", "T-1", "hanako", unit)  # noqa: E731
    office.do(SAKI, ask("own"), OpenContent("own"), EndReading("own"))
    office.do(SAKI, ask("yes", "zaimu"), ask("no", "zaimu"), ask("later", "zaimu"), EndReading("later"))
    office.do(SHO, AllowReading("yes"), RefuseReading("no", "不要"))


def _documents(office):
    keep = lambda id_, days=None: office.do(  # noqa: E731
        SAKI,
        KeepDocument(
            *(id_, "chat", "DPA", "契約", "文書第2号", SHA, TODAY),
            None if days is None else jst_date(office.at_us + days * DAY),
        ),
    )
    for id_, days in (("always", None), ("soon", 5), ("late", 40), ("gone", 0)):
        keep(id_, days)
    office.do(SAKI, SupersedeDocument("always", "改定"))
    office.pass_to(office.at_us)
    keep("next", 5)
    office.pass_to(office.at_us)
    office.do(SAKI, SupersedeDocument("next", "改定"))
    office.pass_to(office.at_us + 50 * DAY)
    office.do(SAKI, SupersedeDocument("late", "改定"))
    office.do(SAKI, IssueDocument("d", REGISTER, "2026-06-01", "pdf", SHA, 1))


def _sheets(office):
    from sekimori.governance.anomalies import Counts

    for service in ("one", "two", "three", "four"):
        change = prepare_sheet(
            office.state, service, "WEEKLY", Counts(), (), CLOCK, office.at_us, office.rules
        )
        office.take(change)
    office.do(SAKI, SignSheet(_sheet(office, "one")))
    due = min(sheet.due_on for sheet in office.everything()["review_sheet"].values())
    office.pass_to(jst_us(due) + DAY)
    office.do(SAKI, SignSheet(_sheet(office, "two")))
    skipped = prepare_sheet(office.state, "five", "WEEKLY", Counts(), (), CLOCK, NOW + DAY, office.rules)
    office.pass_to(jst_us(due) + 3 * DAY)
    office.do(SAKI, SignSheet(_sheet(office, "three")))
    office.take(msgspec.structs.replace(skipped, state=office.state.put(*skipped.values)))
    office.pass_to(jst_us(due) + 3 * DAY)


def _sheet(office, service):
    return next(id_ for id_, each in office.everything()["review_sheet"].items() if each.service == service)


@pytest.fixture(scope="module")
def walked():
    return everything_that_is_used()


def test_every_row_of_using_is_walked_by_what_people_and_the_clock_do(walked):
    rows = {(m.noun, row.source, row.verb, row.target) for m in MACHINES.values() for row in m.rows}
    steps = {step for step in walked.walked if step[0] in MACHINES}
    assert rows - steps == set()
    assert steps - rows == set()


def test_every_command_of_using_is_part_of_the_walk(walked):
    assert set(VERBS) - walked.given == set()


# --- one organisation --------------------------------------------------------------------------------


@pytest.mark.req("MOU-0-2")
@pytest.mark.parametrize("noun", sorted(NOUNS))
def test_what_is_used_belongs_to_one_organisation(walked, noun):
    office = walked
    values = list(office.state.all(NOUNS[noun]))
    assert values
    foreign = msgspec.structs.replace(values[0], tenant="other")
    with pytest.raises(Forbidden, match="other-tenant"):
        office.state.put(foreign)
    with pytest.raises(Forbidden, match="other-tenant"):
        State("default", {noun: {foreign.id: foreign}}).find(NOUNS[noun], foreign.id)


@pytest.mark.req("MOU-0-2")
def test_nobody_of_another_organisation_uses_anything_here():
    office = UsingOffice().notice()
    stranger = msgspec.structs.replace(HANAKO, tenant="other")
    sha256 = office.get(Notice, "read-me").current.sha256
    assert office.refused(stranger, Acknowledge("read-me", 1, sha256)) == "other-tenant"
    with pytest.raises(Forbidden, match="other-tenant"):
        Changing(office.state, stranger, NOW)


def test_a_role_that_nobody_can_hold_does_nothing():
    office = UsingOffice()
    text = NoticeText("表題", "注意")
    assert office.refused(CLOCK, WriteNotice("n", "*", text)) == "role"
    assert office.refused(msgspec.structs.replace(SAKI, name=" "), WriteNotice("n", "*", text)) == "role"


# --- the numbers -------------------------------------------------------------------------------------


def test_an_installation_chooses_its_own_numbers_and_only_known_ones():
    rules = use_rules_for("gov", NOW, use={"feedback": {"exchanges": 5}})
    assert (rules.feedback.exchanges, rules.feedback.days) == (5, 7)
    assert rules.for_policy == use_rules_for("gov", NOW).for_policy


@pytest.mark.parametrize(
    "use",
    [
        pytest.param({"feedback": {"exchanges": 0}}, id="a limit that lets nothing through"),
        pytest.param({"feedback": {"exchange": 5}}, id="a misspelt key"),
        pytest.param({"feedbacks": {}}, id="a misspelt section"),
    ],
)
def test_numbers_that_cannot_be_meant_are_refused(use):
    with pytest.raises(msgspec.ValidationError):
        use_rules_for("gov", NOW, use=use)


def test_rules_that_say_nothing_of_using_carry_out_nothing_of_it():
    from sekimori.governance.rules import rules_for

    with pytest.raises(TypeError):
        of_use(rules_for("gov", NOW))


def test_one_way_carries_out_the_commands_of_granting_too():
    from sekimori.governance.registering import RegisterService
    from support.offices import FACTS, TERMS

    office = UsingOffice()
    change = perform(office.state, RegisterService("chat", FACTS, TERMS), KEN, NOW, office.rules)
    assert change.events[0].kind == "service.register"
