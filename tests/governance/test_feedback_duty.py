"""Feedback: who owes it, who may give it, what it discharges, what follows from it [MOU-2-8]."""

import contextlib
from datetime import date, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sekimori.governance import feedback, triage
from sekimori.governance.calendar import jst_us
from sekimori.governance.conversation import (
    Conversation,
    Seen,
    Tally,
    conversation_id,
    due_us,
    feedback_findings,
    note_exchanges,
    overdue,
    owed,
    owed_by_owner,
    unanswered,
)
from sekimori.governance.feedback import AnswerAsAgent, AnswerFeedback, Feedback, FeedbackToken, look
from sekimori.governance.feedback_rates import feedback_rates
from sekimori.governance.refusals import Forbidden
from sekimori.governance.sampling import choose_sample, drawn
from sekimori.governance.triage import TriageTask
from sekimori.governance.use_rules import use_rules_for
from sekimori.policy.codes import Reason
from support.offices import DAY, HANAKO, HOUR, JIRO, KAORU, MIKI, NOW, SAKI, SHO, TODAY
from support.using_offices import BOT, CLOCK, KEY, UsingOffice

RULES = use_rules_for("gov", NOW).feedback
MIDNIGHT = jst_us(TODAY + timedelta(days=8))


def findings(office, subject="hanako", service="chat"):
    talks = list(office.state.all(Conversation))
    tally, sample = owed(talks, subject, service), owed_by_owner(talks, subject, service)
    return feedback_findings(tally, sample, office.at_us, office.rules.feedback)


def refused(office, subject="hanako", service="chat"):
    return [each.code for each in findings(office, subject, service)] == [Reason.FEEDBACK_OVERDUE]


# --- conversations -----------------------------------------------------------------------------------


@pytest.mark.req("MOU-2-8")
@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        pytest.param(("a", "s", NOW, "x"), ("a", "s", NOW + 9 * DAY, "x"), True, id="named, days apart"),
        pytest.param(("a", "s", NOW, "x"), ("Ａ", "s", NOW, "x"), True, id="one person in two spellings"),
        pytest.param(("a", "s", NOW, "x"), ("b", "s", NOW, "x"), False, id="one name, two persons"),
        pytest.param(("a", "s", NOW, "x"), ("a", "t", NOW, "x"), False, id="one name, two services"),
        pytest.param(("a", "s", NOW, ""), ("a", "s", NOW + 13 * HOUR, ""), True, id="unnamed, one day"),
        pytest.param(
            ("a", "s", NOW, ""), ("a", "s", NOW + 14 * HOUR, ""), False, id="unnamed, past midnight"
        ),
        pytest.param(("a", "s", NOW, "2026-06-01"), ("a", "s", NOW, ""), False, id="named like a day"),
    ],
)
def test_a_conversation_is_what_the_service_names_or_a_day(one, other, equal):
    assert (conversation_id(*one) == conversation_id(*other)) is equal


@pytest.mark.req("MOU-2-8")
def test_who_goes_on_in_an_answered_conversation_owes_again():
    office = UsingOffice()
    talk = office.exchanges("hanako", 20, conversation="c")
    assert refused(office)
    office.answer(HANAKO, talk)
    assert not refused(office)
    office.exchanges("hanako", 19, conversation="c")
    assert not refused(office)
    office.exchanges("hanako", 1, conversation="c")
    assert refused(office)


def test_a_record_that_arrives_after_the_answer_but_is_older_owes_nothing():
    office = UsingOffice()
    talk = office.exchanges("hanako", 3, conversation="c")
    office.at_us = NOW + HOUR
    office.answer(HANAKO, talk)
    office.exchanges("hanako", 5, conversation="c", at_us=NOW + HOUR - 1)
    assert (office.talk(talk).unanswered, office.talk(talk).exchanges) == (0, 8)
    office.exchanges("hanako", 5, conversation="c", at_us=NOW + HOUR)
    assert office.talk(talk).unanswered == 5


def test_no_person_counts_exchanges_or_issues_tokens():
    office = UsingOffice()
    talk = office.exchanges("hanako")
    with pytest.raises(Forbidden, match="role"):
        note_exchanges(office.state, (Seen("hanako", "chat", 1, NOW, NOW),), SAKI, NOW, office.rules)
    token = feedback.IssueToken("h", "hanako", talk)
    with pytest.raises(Forbidden, match="role"):
        feedback.issue_token(office.state, token, SAKI, NOW, office.rules)
    assert not office.run(note_exchanges, (Seen("hanako", "chat", 0, NOW, NOW),)).events


# --- overdue -----------------------------------------------------------------------------------------


@pytest.mark.req("MOU-2-8")
@pytest.mark.parametrize(
    ("exchanges", "at_us", "late"),
    [
        pytest.param(0, NOW + 99 * DAY, False, id="nothing is owed"),
        pytest.param(19, NOW, False, id="one before the limit"),
        pytest.param(20, NOW, True, id="at the limit"),
        pytest.param(1, MIDNIGHT - 1, False, id="the last instant of the seventh day after"),
        pytest.param(1, MIDNIGHT, True, id="midnight after it"),
    ],
)
def test_feedback_is_overdue_after_so_many_exchanges_or_days(exchanges, at_us, late):
    assert overdue(Tally().plus(exchanges, NOW), at_us, RULES) is late


def test_the_day_of_the_first_exchange_is_not_counted_and_the_last_ends_at_midnight():
    assert due_us(NOW, RULES) == jst_us(date(2026, 6, 9))


@pytest.mark.req("MOU-2-8")
@given(
    batches=st.lists(st.tuples(st.integers(1, 6), st.integers(0, 3 * DAY), st.integers(0, 4)), max_size=12),
    limit=st.integers(1, 30),
    days=st.integers(1, 10),
)
def test_nobody_is_refused_before_the_limit_and_everybody_after_it(batches, limit, days):
    office = UsingOffice(use={"feedback": {"exchanges": limit, "days": days}})
    count, first = 0, None
    for exchanges, gap, named in batches:
        office.at_us += gap
        late = first is not None and office.at_us >= due_us(first, office.rules.feedback)
        assert bool(findings(office)) is (count >= limit or late)
        office.exchanges("hanako", exchanges, conversation=f"c{named}" if named else "")
        count, first = count + exchanges, office.at_us if first is None else first
    assert not findings(office, "miki")
    assert not findings(office, service="other")


@pytest.mark.req("MOU-2-8")
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 10**9)), max_size=10))
def test_a_worker_that_counts_on_from_a_tally_agrees_with_the_whole_count(parts):
    tally = Tally()
    for exchanges, at_us in parts:
        tally = tally.plus(exchanges, at_us)
    counted = [(exchanges, at_us) for exchanges, at_us in parts if exchanges]
    assert tally.unanswered == sum(exchanges for exchanges, _ in counted)
    assert tally.since_us == min((at_us for _, at_us in counted), default=0)


@pytest.mark.req("MOU-2-8")
def test_one_click_on_an_overdue_page_is_enough_and_covers_nothing_later():
    office = UsingOffice()
    for number in range(20):
        office.exchanges("hanako", conversation=f"c{number}")
    first, *others = (talk.id for talk in unanswered(office.state, "hanako", "chat"))
    kept = office.token("hanako", first, others)
    later = office.exchanges("hanako", conversation="later")
    assert refused(office)
    office.do(HANAKO, AnswerFeedback("f", kept, "USEFUL", "link"))
    assert not refused(office)
    assert [talk.id for talk in unanswered(office.state, "hanako", "chat")] == [later]
    assert office.get(Feedback, "f").covered == 19
    (rate,) = feedback_rates(office.state.all(Conversation), office.state.all(Feedback), NOW, NOW + DAY)
    assert (rate.conversations, rate.answered, rate.covered, rate.percent) == (21, 1, 19, 4)


# --- tokens ------------------------------------------------------------------------------------------


def answering(kept, id_="f", **fields):
    return AnswerFeedback(**({"id": id_, "token": kept, "answer": "USEFUL", "source": "link"} | fields))


@pytest.mark.req("MOU-2-8")
def test_a_token_answers_once_for_its_subject_and_in_time():
    office = UsingOffice()
    talk = office.exchanges("hanako")
    kept = office.token("hanako", talk)
    assert office.refused(MIKI, answering(kept)) == "token-bound"
    assert office.refused(BOT, answering(kept)) == "role"
    assert office.refused(msgspec.structs.replace(BOT, name="hanako"), answering(kept)) == "role"
    assert office.refused(HANAKO, answering("0" * 64)) == "not-found"
    office.at_us = NOW + 30 * DAY
    assert office.refused(HANAKO, answering(kept)) == "token-expired"
    office.at_us -= 1
    office.do(HANAKO, answering(kept))
    assert office.refused(HANAKO, answering(kept, "again")) == "token-used"
    assert office.refused(MIKI, answering(kept, "again")) == "token-bound"
    assert office.talk(talk).status == "ANSWERED"


@pytest.mark.req("MOU-2-8")
def test_a_link_that_is_opened_answers_nothing_however_often():
    office = UsingOffice()
    talk = office.exchanges("hanako")
    kept = office.token("hanako", talk)
    before = office.everything()
    for _ in range(3):
        assert look(office.state, kept, HANAKO, NOW, office.rules).conversation.id == talk
    assert office.everything() == before
    with pytest.raises(Forbidden, match="token-bound"):
        look(office.state, kept, MIKI, NOW, office.rules)
    office.do(HANAKO, answering(kept))
    with pytest.raises(Forbidden, match="token-used"):
        look(office.state, kept, HANAKO, NOW, office.rules)


def test_only_the_keyed_hash_of_a_token_is_kept():
    office = UsingOffice()
    kept = office.token("hanako", office.exchanges("hanako"))
    assert kept == feedback.token_hash(KEY, b"token-1") != feedback.token_hash(b"x" * 32, b"token-1")
    assert b"token-1" not in msgspec.json.encode([office.get(FeedbackToken, kept), *office.events])


@pytest.mark.parametrize(
    ("subject", "mine", "covered"),
    [
        pytest.param("hanako", False, (), id="somebody else's conversation"),
        pytest.param("hanako", True, ("theirs",), id="covering somebody else's"),
        pytest.param("hanako", True, ("elsewhere",), id="covering another service's"),
        pytest.param("bot-1", True, (), id="an agent's name on a person's"),
    ],
)
def test_no_token_is_issued_for(subject, mine, covered):
    office = UsingOffice()
    talks = {
        "mine": office.exchanges("hanako"),
        "theirs": office.exchanges("miki"),
        "elsewhere": office.exchanges("hanako", service="other"),
    }
    command = feedback.IssueToken(
        "h", subject, talks["mine" if mine else "theirs"], tuple(talks[name] for name in covered)
    )
    with pytest.raises(Forbidden, match="token-bound"):
        feedback.issue_token(office.state, command, CLOCK, NOW, office.rules)


def test_one_click_covers_no_more_than_the_rules_let_it():
    office = UsingOffice(use={"feedback": {"covered_limit": 1}})
    talks = [office.exchanges("hanako", conversation=f"c{number}") for number in range(3)]
    with pytest.raises(Forbidden, match="covers"):
        office.token("hanako", talks[0], talks[1:])


def test_a_text_is_bounded():
    office = UsingOffice()
    kept = office.token("hanako", office.exchanges("hanako"))
    assert office.refused(HANAKO, answering(kept, text="あ" * 2001)) == "text-too-long"
    office.do(HANAKO, answering(kept, text="あ" * 2000))


@pytest.mark.req("MOU-2-8")
@given(
    st.lists(
        st.tuples(st.sampled_from(["hanako", "miki"]), st.integers(0, 3), st.integers(0, 40)), max_size=20
    )
)
def test_a_token_answers_at_most_once_whoever_tries_and_when(tries):
    office = UsingOffice()
    people = {"hanako": HANAKO, "miki": MIKI}
    tokens = []
    for owner in ("hanako", "miki", "hanako", "miki"):
        tokens.append((owner, office.token(owner, office.exchanges(owner))))
    used = set()
    for number, (who, which, day) in enumerate(tries):
        office.at_us = NOW + day * DAY
        owner, kept = tokens[which]
        should = who == owner and which not in used and day < 30
        try:
            office.do(people[who], answering(kept, f"f{number}"))
        except Forbidden:
            assert not should
        else:
            assert should
            used.add(which)
    assert len(list(office.state.all(Feedback))) == len(used)


# --- agents ------------------------------------------------------------------------------------------


@pytest.mark.req("MOU-2-8")
def test_an_agent_discharges_itself_and_no_person():
    office = UsingOffice()
    mine = office.exchanges("hanako", 20)
    its = office.exchanges("bot-1", 20, owner="hanako")
    assert refused(office)
    assert refused(office, "bot-1")
    office.do(BOT, AnswerAsAgent("f1", mine, "USEFUL", "hanako"))
    assert refused(office)
    office.do(BOT, AnswerAsAgent("f2", its, "USEFUL", "hanako"))
    assert not refused(office, "bot-1")
    assert [office.get(Feedback, id_).discharges for id_ in ("f1", "f2")] == [False, True]
    assert {each.source for each in office.state.all(Feedback)} == {"agent"}


@pytest.mark.parametrize(
    ("owner", "code"),
    [pytest.param("miki", "token-bound", id="of another owner"), pytest.param("hanako", None, id="its own")],
)
def test_an_agent_speaks_only_of_what_it_was_part_of(owner, code):
    office = UsingOffice()
    talk = office.exchanges("bot-1", owner="hanako")
    command = AnswerAsAgent("f", talk, "USEFUL", owner)
    assert (office.refused(BOT, command) if code else office.do(BOT, command) and None) == code


class AgentsAndPeople(RuleBasedStateMachine):
    """Agents answer whatever they like; a person's debt moves only by that person's own answer."""

    def __init__(self):
        super().__init__()
        self.office = UsingOffice(use={"feedback": {"exchanges": 3}})
        self.owes = {"hanako": 0, "miki": 0}
        self.ids = 0

    def fresh(self):
        self.ids += 1
        return f"x{self.ids}"

    @rule(who=st.sampled_from(["hanako", "miki"]), count=st.integers(1, 3))
    def use(self, who, count):
        self.office.exchanges(who, count)
        self.owes[who] += count

    @rule(count=st.integers(1, 3))
    def agent_uses(self, count):
        self.office.exchanges("bot-1", count, owner="hanako")

    @rule(whose=st.sampled_from(["hanako", "miki", "bot-1"]), owner=st.sampled_from(["hanako", "miki"]))
    def agent_answers(self, whose, owner):
        talk = conversation_id(whose, "chat", self.office.at_us)
        command = AnswerAsAgent(self.fresh(), talk, "WRONG", owner, task=self.fresh())
        with contextlib.suppress(Forbidden):
            self.office.do(BOT, command)

    @rule(who=st.sampled_from([HANAKO, MIKI]))
    def person_answers(self, who):
        self.office.at_us += 1
        talk = conversation_id(who.name, "chat", self.office.at_us)
        if self.office.state.find(Conversation, talk):
            self.office.answer(who, talk)
            self.owes[who.name] = 0

    @rule()
    def owner_answers_for_the_agent(self):
        talk = conversation_id("bot-1", "chat", self.office.at_us)
        if self.office.state.find(Conversation, talk):
            before = self.office.talk(talk).unanswered
            self.office.answer(HANAKO, talk)
            assert self.office.talk(talk).unanswered == before

    @invariant()
    def nobody_else_moves_a_persons_debt(self):
        talks = list(self.office.state.all(Conversation))
        for who, count in self.owes.items():
            assert owed(talks, who, "chat").unanswered == count
            assert refused(self.office, who) is (count >= 3)


TestAgentsAndPeople = pytest.mark.req("MOU-2-8")(AgentsAndPeople.TestCase)


# --- the owner's sample ------------------------------------------------------------------------------


@pytest.mark.req("MOU-2-8")
def test_an_owner_answers_a_daily_sample_or_the_agent_is_refused():
    office = UsingOffice()
    for number in range(30):
        talk = office.exchanges("bot-1", conversation=f"c{number}", owner="hanako")
        office.do(BOT, AnswerAsAgent(f"a{number}", talk, "USEFUL", "hanako"))
    with pytest.raises(Forbidden, match="period"):
        choose_sample(office.state, KEY, TODAY, CLOCK, NOW, office.rules)
    office.at_us = NOW + DAY
    office.run(choose_sample, KEY, TODAY)
    sampled = [talk.id for talk in office.state.all(Conversation) if talk.sampled_us]
    assert len(sampled) == 2  # 5 % of 30, rounded up
    assert not office.run(choose_sample, KEY, TODAY).events
    office.at_us = due_us(office.at_us, office.rules.feedback) - 1
    assert not refused(office, "bot-1")
    office.at_us += 1
    assert refused(office, "bot-1")
    assert not refused(office, "hanako")
    for talk in sampled:
        office.do(BOT, AnswerAsAgent(f"z{talk}", talk, "USEFUL", "hanako"))
    assert refused(office, "bot-1")
    for talk in sampled:
        office.answer(HANAKO, talk)
    assert not refused(office, "bot-1")


@given(st.sets(st.text(max_size=5), max_size=60), st.integers(1, 1000))
def test_a_draw_is_a_share_rounded_up_and_needs_its_key(ids, per_mille):
    chosen = drawn(KEY, "bot-1", ids, TODAY, per_mille)
    assert set(chosen) <= ids
    assert len(chosen) == -(-len(ids) * per_mille // 1000)
    assert bool(chosen) is bool(ids)
    assert chosen == drawn(KEY, "BOT-1", sorted(ids, reverse=True), TODAY, per_mille)


def test_a_draw_differs_by_key_and_day():
    ids = [str(number) for number in range(200)]
    draws = {
        drawn(key, "bot-1", ids, day, 50)
        for key in (KEY, b"x" * 32)
        for day in (TODAY, TODAY + timedelta(days=1))
    }
    assert len(draws) == 4


# --- triage ------------------------------------------------------------------------------------------


@pytest.mark.req("MOU-2-8")
@pytest.mark.parametrize(
    ("answer", "severity", "due"),
    [
        pytest.param("USEFUL", None, None, id="useful"),
        pytest.param("WRONG", "LOW", date(2026, 6, 15), id="wrong"),
        pytest.param("COPYRIGHT_CONCERN", "MEDIUM", date(2026, 6, 8), id="copyright"),
        pytest.param("HARMFUL", "HIGH", date(2026, 6, 2), id="harmful"),
        pytest.param("CONFIDENTIAL_CONCERN", "HIGH", date(2026, 6, 2), id="confidential"),
    ],
)
def test_an_answer_opens_a_task_by_its_severity(answer, severity, due):
    office = UsingOffice()
    id_ = office.answer(HANAKO, office.exchanges("hanako"), answer)
    task = office.state.find(TriageTask, f"t-{id_}")
    assert (task and task.severity, task and task.due_on) == (severity, due)
    if task:
        assert (task.feedback, task.service, task.status) == (id_, "chat", "OPEN")


@pytest.mark.req("MOU-2-8")
def test_a_grave_task_is_resolved_by_two_of_whom_none_gave_the_feedback():
    office = UsingOffice()
    id_ = "t-" + office.answer(SHO, office.exchanges("sho"), "HARMFUL")
    resolve = triage.ResolveTask(id_, "FIXED", "対応済み")
    assert office.refused(SHO, triage.TakeTask(id_)) == "own-feedback"
    assert office.refused(HANAKO, triage.TakeTask(id_)) == "role"
    office.do(JIRO, triage.TakeTask(id_))
    assert office.refused(SAKI, resolve) == "not-yours"
    assert office.refused(JIRO, triage.ResolveTask(id_, "FIXED", "")) == "reason-missing"
    office.do(JIRO, resolve)
    assert office.get(TriageTask, id_).status == "PROPOSED"
    assert office.refused(JIRO, triage.ConfirmTask(id_)) == "own-change"
    assert office.refused(SHO, triage.ConfirmTask(id_)) == "own-feedback"
    assert office.refused(SAKI, triage.ReturnTask(id_, " ")) == "reason-missing"
    office.do(SAKI, triage.ReturnTask(id_, "不十分"))
    office.do(JIRO, resolve)
    office.do(SAKI, triage.ConfirmTask(id_))
    assert office.get(TriageTask, id_).status == "RESOLVED"


def test_another_than_its_owner_may_take_a_task_over():
    office = UsingOffice()
    id_ = "t-" + office.answer(HANAKO, office.exchanges("hanako"), "WRONG")
    office.do(JIRO, triage.TakeTask(id_))
    office.do(KAORU, triage.TakeTask(id_), triage.ResolveTask(id_, "PROVIDER", "報告した"))
    assert office.get(TriageTask, id_).status == "RESOLVED"


def test_a_task_is_late_after_its_day_and_marked_once():
    office = UsingOffice()
    id_ = "t-" + office.answer(HANAKO, office.exchanges("hanako"), "HARMFUL")
    office.pass_to(jst_us(date(2026, 6, 3)) - 1)
    assert not office.get(TriageTask, id_).late
    office.pass_to(jst_us(date(2026, 6, 3)))
    assert office.get(TriageTask, id_).late
    assert not office.pass_to(jst_us(date(2026, 6, 4))).events


# --- rates -------------------------------------------------------------------------------------------


@pytest.mark.req("MOU-2-8")
def test_rates_count_people_and_agents_apart():
    office = UsingOffice()
    mine, other = office.exchanges("hanako"), office.exchanges("miki")
    office.answer(HANAKO, mine, "WRONG")
    office.do(BOT, AnswerAsAgent("a", other, "USEFUL", "miki"))
    office.exchanges("bot-1", owner="hanako", service="agents-only")
    old = office.exchanges("hanako", at_us=NOW - DAY)
    office.answer(HANAKO, old)
    office.at_us = NOW + DAY  # an agent that speaks after the span is of another month
    office.do(BOT, AnswerAsAgent("b", other, "USEFUL", "miki"))
    (rate,) = feedback_rates(office.state.all(Conversation), office.state.all(Feedback), NOW, NOW + DAY)
    assert (rate.service, rate.conversations, rate.answered, rate.percent) == ("chat", 2, 1, 50)
    assert feedback_rates([], [], NOW, NOW + DAY) == ()
    assert (rate.answers, rate.by_agents) == ({"WRONG": 1}, {"USEFUL": 1})
