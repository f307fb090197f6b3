"""What a person owes is asked each time, after the policy has said yes, and narrows what it admits."""

import os
from dataclasses import replace
from types import SimpleNamespace

import pytest

from sekimori.addons.duties import Asked, Duties
from sekimori.addons.kept_pages import KeptPages
from sekimori.addons.noted import Noted
from sekimori.addons.rates import Rates
from sekimori.governance.acknowledgement import Acknowledge
from sekimori.governance.calendar import jst_us
from sekimori.governance.interstitial import Page
from sekimori.policy.decide import Decision
from sekimori.policy.reasons import Reason
from sekimori.policy.standing import TOS, Hours, NoticeToShow, Owed, ServiceLimits, Standing
from support.limits import put, within
from support.offices import DAY, NOW, TODAY

KEY = b"k" * 32
ALLOW = Decision(
    verdict="allow",
    reasons=(),
    grant="g",
    service="chat",
    klass=1,
    class_source="default",
    purpose="要約",
    rule="r",
    valid_until_us=NOW + DAY,
    retryable=False,
)
NOTICE = NoticeToShow(id="read-me", version=2, sha256="a" * 64, title_ja="注意", text_ja="本文")
DAILY = NoticeToShow(id="d", version=1, sha256="b" * 64, daily=True)
TRIAL = NoticeToShow(id="t", version=3, sha256="d" * 64, service="chat")
OWED = Owed(service="chat", unanswered=20, since_us=NOW - DAY, conversations=("c1", "c2"))
ASKED = Asked(user="yamada", service="chat", time_us=NOW, terms_of_service=False, model="gpt-5", size=10)


@pytest.fixture
def duties(tmp_path):
    return Duties(Noted(tmp_path / "noted", KEY), Rates(tmp_path / "rates", KEY))


def under(**fields):
    return SimpleNamespace(standing=Standing(**fields))


def codes(weighed):
    return [finding.code for finding in weighed.decision.reasons]


def test_where_nobody_owes_anything_the_decision_itself_is_returned(duties):
    assert duties.weigh(ALLOW, ASKED, under()).decision is ALLOW


CASES = [
    pytest.param({"notices": (NOTICE,)}, {}, [Reason.ACK_REQUIRED], id="a notice that was not read"),
    pytest.param(
        {"notices": (NOTICE,), "acknowledged": {"yamada": frozenset({"read-me/2"})}}, {}, [], id="it was read"
    ),
    pytest.param(
        {"notices": (NOTICE,), "acknowledged": {"yamada": frozenset({"read-me/1"})}},
        {},
        [Reason.ACK_REQUIRED],
        id="the version before it was read",
    ),
    pytest.param(
        {"notices": (DAILY,)} | {"acknowledged": {"yamada": frozenset({f"d/1/{TODAY.isoformat()}"})}},
        {},
        [],
        id="a daily one was read today",
    ),
    pytest.param(
        {"notices": (DAILY,), "acknowledged": {"yamada": frozenset({f"d/1/{TODAY.isoformat()}"})}},
        {"time_us": jst_us(TODAY) + DAY},
        [Reason.ACK_REQUIRED],
        id="a daily one was read yesterday",
    ),
    pytest.param(
        {"notices": (NoticeToShow(id="t", version=1, sha256="c" * 64, service=TOS),)},
        {},
        [],
        id="one for terms of service only",
    ),
    pytest.param(
        {"notices": (NoticeToShow(id="t", version=1, sha256="c" * 64, service=TOS),)},
        {"terms_of_service": True},
        [Reason.ACK_REQUIRED],
        id="the same on terms of service",
    ),
    pytest.param({"overdue": {"yamada": (OWED,)}}, {}, [Reason.FEEDBACK_OVERDUE], id="feedback is overdue"),
    pytest.param({"overdue": {"suzuki": (OWED,)}}, {}, [], id="somebody else's is"),
    pytest.param({"overdue": {"yamada": (OWED,)}}, {"service": "other"}, [], id="it is for another service"),
    pytest.param({"trials": frozenset({"chat"})}, {}, [Reason.CONSENT_MISSING], id="a trial without a text"),
    pytest.param(
        {"trials": frozenset({"chat"}), "trial_texts": (TRIAL,)},
        {},
        [Reason.CONSENT_MISSING],
        id="a trial that was not agreed to",
    ),
    pytest.param(
        {
            "trials": frozenset({"chat"}),
            "trial_texts": (TRIAL,),
            "consented": {"yamada": frozenset({"t/3"})},
        },
        {},
        [],
        id="a trial that was agreed to",
    ),
    pytest.param(
        {"limits": {"chat": ServiceLimits(max_bytes=9)}}, {}, [Reason.LIMIT_SIZE], id="a byte too large"
    ),
    pytest.param({"limits": {"chat": ServiceLimits(max_bytes=10)}}, {}, [], id="just small enough"),
    pytest.param(
        {"limits": {"chat": ServiceLimits(models=("gpt-4*",))}},
        {},
        [Reason.MODEL_NOT_ALLOWED],
        id="another model",
    ),
    pytest.param(
        {"limits": {"chat": ServiceLimits(uploads=False)}},
        {"attachments": 1},
        [Reason.LIMIT],
        id="an upload",
    ),
    pytest.param(
        {"limits": {"chat": ServiceLimits(windows=(Hours(start=0, end=1, days=(6,)),))}},
        {},
        [Reason.LIMIT_WINDOW],
        id="outside the hours",
    ),
    pytest.param(
        {
            "notices": (NOTICE,),
            "overdue": {"yamada": (OWED,)},
            "limits": {"chat": ServiceLimits(max_bytes=1)},
        },
        {},
        [Reason.ACK_REQUIRED, Reason.FEEDBACK_OVERDUE, Reason.LIMIT_SIZE],
        id="everything at once, in the order of evaluation",
    ),
]


@pytest.mark.req("MOU-2-8", "MOU-2-9", "UK-423-2d")
@pytest.mark.parametrize(("standing", "asked", "expected"), CASES)
def test_an_admitted_request_is_held_against_what_its_person_owes(duties, standing, asked, expected):
    weighed = duties.weigh(ALLOW, replace(ASKED, **asked), under(**standing))

    assert codes(weighed) == expected
    assert weighed.decision.verdict == ("deny" if expected else "allow")


def test_what_the_policy_refuses_is_refused_for_that_alone(duties):
    refused = replace(ALLOW, verdict="deny")

    assert duties.weigh(refused, ASKED, under(notices=(NOTICE,))).decision is refused


def test_a_header_that_names_the_text_in_force_lets_this_very_request_pass(duties):
    said = Acknowledge("read-me", 2, "a" * 64, "header")

    weighed = duties.weigh(ALLOW, replace(ASKED, said=(said,)), under(notices=(NOTICE,)))

    assert weighed.decision is ALLOW
    assert weighed.read == (NOTICE,)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(Acknowledge("read-me", 1, "a" * 64, "header"), id="another version"),
        pytest.param(Acknowledge("read-me", 2, "b" * 64, "header"), id="another text"),
        pytest.param(Acknowledge("other", 2, "a" * 64, "header"), id="another notice"),
    ],
)
def test_a_header_that_names_anything_else_does_not(duties, said):
    weighed = duties.weigh(ALLOW, replace(ASKED, said=(said,)), under(notices=(NOTICE,)))

    assert codes(weighed) == [Reason.ACK_REQUIRED]
    assert weighed.decision.reasons[0].detail == f"read-me;version=2;sha256={'a' * 64}"


def test_what_was_said_is_known_to_the_other_workers_before_the_next_standing(duties, tmp_path):
    other = Duties(Noted(tmp_path / "noted", KEY), Rates(tmp_path / "rates", KEY))
    policy = under(notices=(NOTICE,), overdue={"yamada": (OWED,)})

    duties.remember_read("Yamada", (NOTICE,), NOW)
    duties.remember_answered("yamada", OWED.conversations, OWED.since_us)

    assert codes(other.weigh(ALLOW, ASKED, policy)) == []
    assert codes(other.weigh(ALLOW, replace(ASKED, user="suzuki"), policy)) == [Reason.ACK_REQUIRED]


def test_whoever_owes_again_after_an_answer_is_asked_again(duties):
    duties.remember_answered("yamada", OWED.conversations, OWED.since_us)
    again = Owed(service="chat", unanswered=20, since_us=NOW, conversations=("c1",))

    assert codes(duties.weigh(ALLOW, ASKED, under(overdue={"yamada": (again,)}))) == [Reason.FEEDBACK_OVERDUE]


@pytest.mark.req("UK-423-2d")
def test_a_rate_is_exact_over_all_workers_and_begins_anew_with_the_minute(duties, tmp_path):
    other = Duties(Noted(tmp_path / "noted", KEY), Rates(tmp_path / "rates", KEY))
    policy = under(limits={"chat": ServiceLimits(user_per_minute=3, service_per_minute=5)})

    mine = [codes(each.weigh(ALLOW, ASKED, policy)) for each in (duties, other, duties, other)]
    # What was refused to me took no place from the others: three of five are left to me, two to them.
    theirs = [codes(duties.weigh(ALLOW, replace(ASKED, user="suzuki"), policy)) for _ in range(3)]
    later = codes(duties.weigh(ALLOW, replace(ASKED, time_us=NOW + 60_000_000), policy))

    assert mine == [[], [], [], [Reason.LIMIT_RATE]]
    assert theirs == [[], [], [Reason.LIMIT_RATE]]
    assert later == []


def test_what_is_refused_for_another_reason_or_is_no_exchange_is_not_counted(duties):
    policy = under(limits={"chat": ServiceLimits(user_per_day=1, max_bytes=100)})

    assert codes(duties.weigh(ALLOW, replace(ASKED, size=101), policy)) == [Reason.LIMIT_SIZE]
    assert codes(duties.weigh(ALLOW, replace(ASKED, counts=False), policy)) == []
    assert codes(duties.weigh(ALLOW, ASKED, policy)) == []
    assert codes(duties.weigh(ALLOW, ASKED, policy)) == [Reason.LIMIT_RATE]


PAGE = Page("f" * 64, "yamada", "chat.example", "https://chat.example/?q=秘", ("read-me/2/x",), 1, 2)


def test_a_page_is_found_by_another_worker_and_tells_the_disk_nothing(tmp_path):
    KeptPages(tmp_path, KEY).keep(PAGE)

    other = KeptPages(tmp_path, KEY)
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())

    assert other.find(PAGE.id) == PAGE
    assert b"chat.example" not in stored
    assert b"yamada" not in stored
    other.drop(PAGE.id)
    assert other.find(PAGE.id) is None


@pytest.mark.parametrize("id_", ["", "../" + "a" * 61, "f" * 63, "g" * 64])
def test_a_name_that_is_no_page_of_ours_is_no_page(tmp_path, id_):
    KeptPages(tmp_path, KEY).keep(PAGE)
    (tmp_path / ("g" * 64)).write_bytes(b"SKPOL1 forged")

    assert KeptPages(tmp_path, KEY).find(id_) is None


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_what_stands_in_the_place_of_a_page_is_no_page(tmp_path, kind):
    put(kind, tmp_path / PAGE.id)
    with within(10):
        assert KeptPages(tmp_path, KEY).find(PAGE.id) is None


def test_a_page_is_never_written_through_a_link(tmp_path):
    other, pages = tmp_path / "other", tmp_path / "pages"
    other.write_bytes(b"secret")
    kept = KeptPages(pages, KEY)
    put("link", pages / f"{PAGE.id}.{os.getpid()}.part", at=other)
    kept.keep(PAGE)
    assert (kept.find(PAGE.id), other.read_bytes()) == (PAGE, b"secret")


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_a_count_or_a_mark_that_is_no_file_is_neither_waited_for_nor_written_through(tmp_path, kind):
    other = tmp_path / "other"
    rates, noted = Rates(tmp_path / "rates", KEY), Noted(tmp_path / "noted", KEY)
    rates.take("chat", "yamada", NOW, names=("user_minute",))
    noted.remember("yamada", "read")
    for file in (*(tmp_path / "rates" / "m").iterdir(), *(tmp_path / "noted").iterdir()):
        put(kind, file, at=other)
    with within(10):
        with pytest.raises(OSError, match=r"symbolic links|No such device"):
            rates.take("chat", "yamada", NOW, names=("user_minute",))
        with pytest.raises(OSError, match=r"symbolic links|No such device"):
            noted.remember("yamada", "read")
    assert not other.exists()


def test_what_was_counted_in_a_minute_is_gone_a_few_minutes_later(tmp_path):
    rates = Rates(tmp_path, KEY)
    rates.take("chat", "yamada", NOW, names=("user_minute", "user_day", "service_minute"))
    (day,) = (tmp_path / "d").iterdir()
    for minute in (tmp_path / "m").iterdir():
        os.utime(minute, (0, 0))
    later = Rates(tmp_path, KEY).take("chat", "ito", NOW, names=("user_minute", "user_day"))
    assert later == {"user_minute": 0, "user_day": 0}
    assert len(list((tmp_path / "m").iterdir())) == 1
    assert day.exists()
