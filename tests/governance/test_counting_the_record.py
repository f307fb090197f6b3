"""What the record holds is counted once, and what people said at the gate is carried out as theirs."""

import pytest

from sekimori.governance.acknowledgement import Acknowledgement, due
from sekimori.governance.conversation import Conversation, Seen, conversation_id
from sekimori.governance.counting import FROM_NOW, Counted, Heard, begin, count, counted_to
from sekimori.governance.feedback import Feedback
from sekimori.governance.notices import Notice
from sekimori.governance.said import SaidAnswer, SaidRead, owner_of, read, subject_of, write
from sekimori.governance.triage import TriageTask
from sekimori.governance.trial import TrialConsent, trial_findings
from support.offices import NOW, TARO, facts
from support.using_offices import UsingOffice

USER = TARO.name


@pytest.fixture
def office():
    return UsingOffice("gov")


def counted(office, n, seen=(), heard=(), lane="w0-1", after=None):
    dropped = []
    after = counted_to(office.state, lane) if after is None else after
    change = count(
        office.state,
        lane,
        after,
        n,
        seen,
        heard,
        office.at_us,
        office.rules,
        dropped=lambda *one: dropped.append(one),
    )
    office.take(change)
    return [(heard.id, refused.code) for heard, refused in dropped]


def test_a_piece_of_a_lane_counts_once_however_often_it_is_read(office):
    seen = (Seen(USER, "chat", 3, NOW, NOW),)

    counted(office, 10, seen)
    counted(office, 10, seen, after=0)
    counted(office, 14, seen, after=5)
    counted(office, 12, seen)

    assert office.talk(conversation_id(USER, "chat", NOW)).exchanges == 6
    assert counted_to(office.state, "w0-1") == 12


def test_what_was_recorded_before_counting_began_is_never_owed(office):
    office.take(begin(office.state, (("w0-1", 500),), NOW, office.rules))
    office.take(begin(office.state, (("w0-1", 900),), NOW, office.rules))

    counted(office, 900, (Seen(USER, "chat", 400, NOW, NOW),), after=400)

    assert counted_to(office.state, "w0-1") == 500
    assert office.get(Counted, FROM_NOW).n == 0
    assert not list(office.state.all(Conversation))


def said_read(office, notice="read-me", channel="page", sha256=""):
    text = office.get(Notice, notice)
    return SaidRead(((notice, text.number, sha256 or text.current.sha256),), channel)


@pytest.mark.req("MOU-1-12")
def test_a_notice_that_was_read_at_the_gate_is_acknowledged_by_its_reader(office):
    office.notice()

    counted(office, 1, heard=(Heard("r1", USER, NOW, said_read(office, channel="header")),))

    held = office.get(Acknowledgement, f"read-me:{USER}")
    assert (held.subject, held.channel, held.at_us) == (USER, "header", NOW)
    assert due(office.state, USER, "chat", NOW) == ()


def test_what_names_another_text_is_dropped_and_the_rest_goes_on(office):
    office.notice()
    heard = (
        Heard("r1", USER, NOW, said_read(office, sha256="0" * 64)),
        Heard("r2", USER, NOW, SaidRead((("gone", 1, "0" * 64),))),
        Heard("r3", USER, NOW, said_read(office)),
    )

    assert counted(office, 3, heard=heard) == [("r1", "notice-differs"), ("r2", "not-found")]
    assert office.get(Acknowledgement, f"read-me:{USER}").number == 1


@pytest.mark.req("MOU-2-8")
def test_one_click_answers_the_first_conversation_and_covers_the_others(office):
    first = office.exchanges(USER, 12)
    second = office.exchanges(USER, 9, conversation="named")
    entry = SaidAnswer("chat", (first, second, "never-seen"), "WRONG")

    assert counted(office, 1, heard=(Heard("r1", USER, NOW, entry, "数字が違う"),)) == []

    given = office.get(Feedback, "f-r1")
    assert (given.answer, given.text, given.by, given.covered) == ("WRONG", "数字が違う", USER, 1)
    assert [office.talk(each).unanswered for each in (first, second)] == [0, 0]
    assert office.get(TriageTask, "t-r1").severity == "LOW"


@pytest.mark.req("MOU-2-8")
def test_an_agent_answers_as_itself_and_discharges_no_person(office):
    agent = "key/k1"
    mine = office.exchanges(USER, 20)
    its = office.exchanges(agent, 20, owner=USER)
    entry = SaidAnswer("chat", (its, mine), "USEFUL")

    counted(office, 1, heard=(Heard("r1", agent, NOW, entry, owner=USER),))

    assert office.get(Feedback, "f-r1-0").source == "agent"
    assert office.talk(its).unanswered == 0
    assert office.talk(mine).unanswered == 20
    assert not office.get(Feedback, "f-r1-1").discharges


@pytest.mark.req("MOU-2-9")
def test_a_trial_that_was_agreed_to_at_the_gate_is_consented_to():
    office = UsingOffice().risks().scope().service(facts(audience="PUBLIC", phase="PILOT"))
    office.notice("trial", service="chat", ja="検証段階のサービスです。", audience="TRIAL")
    assert trial_findings(office.state, "citizen-7", "chat")

    counted(office, 1, heard=(Heard("r1", "citizen-7", NOW, said_read(office, "trial")),))

    assert office.get(TrialConsent, "trial:citizen-7").status == "GIVEN"
    assert not trial_findings(office.state, "citizen-7", "chat")


@pytest.mark.parametrize(
    ("user_source", "subject", "owner"),
    [
        pytest.param("basic", "taro", "", id="a person"),
        pytest.param("header/mtls", "taro", "", id="a person behind a parent proxy"),
        pytest.param("key/k1/g-1", "key/k1", "taro", id="an agent"),
    ],
)
def test_duties_are_those_of_whoever_asks(user_source, subject, owner):
    assert subject_of("taro", user_source) == subject
    assert owner_of("taro", user_source) == owner


@pytest.mark.parametrize(
    "said",
    [SaidRead((("read-me", 2, "a" * 64),), "header"), SaidAnswer("chat", ("c1", "c2"), "HARMFUL")],
    ids=["read", "answer"],
)
def test_what_was_said_comes_back_from_a_record_as_it_was(said):
    assert read(write(said)) == said


def test_who_counts_is_the_clock_and_who_said_it_is_named(office):
    office.notice()
    change = count(
        office.state,
        "w0-1",
        0,
        1,
        (Seen(USER, "chat", 1, NOW, NOW),),
        (Heard("r1", USER, NOW, said_read(office)),),
        NOW,
        office.rules,
        dropped=lambda *_: None,
    )

    assert [(event.noun, event.by) for event in change.events] == [
        ("counted", "clock"),
        ("conversation", "clock"),
        ("acknowledgement", USER),
    ]
