"""Notices: who writes and publishes them, who has read which version, and who is asked to."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.governance import acknowledgement
from sekimori.governance.acknowledgement import (
    Acknowledge,
    Acknowledgement,
    Standing,
    acknowledgement_findings,
    acknowledgement_id,
    due,
    header_value,
    rates,
    read_header,
    standing,
)
from sekimori.governance.notices import (
    Notice,
    NoticeText,
    PublishNotice,
    WithdrawNotice,
    WriteNotice,
    in_force,
)
from sekimori.governance.shipped_notices import shipped_notices
from sekimori.policy.codes import Reason
from support.offices import CONTRACTED, DAY, HANAKO, HOUR, KEN, NOW, SAKI, SHO
from support.using_offices import BOT, UsingOffice


def read(office, actor, id_="read-me", **fields):
    notice = office.get(Notice, id_)
    office.do(actor, Acknowledge(id_, notice.number, notice.current.sha256, **fields))


def due_ids(office, subject="hanako", service="chat"):
    return [notice.id for notice in due(office.state, subject, service, office.at_us)]


@pytest.mark.req("MOU-1-9")
def test_a_notice_is_due_until_it_was_read_and_again_when_it_has_another_version():
    office = UsingOffice().risks().scope().service().notice()
    assert due_ids(office) == ["read-me"]
    read(office, HANAKO)
    assert due_ids(office) == []
    office.notice(ja="別の注意")
    assert due_ids(office) == ["read-me"]
    held = office.get(Acknowledgement, acknowledgement_id("read-me", "hanako"))
    assert standing(office.get(Notice, "read-me"), held, NOW) is Standing.OUTDATED


def test_a_draft_of_the_next_version_changes_nothing_until_it_is_published():
    office = UsingOffice().notice()
    read(office, HANAKO)
    office.do(SAKI, WriteNotice("read-me", "*", NoticeText("表題", "次の版")))
    assert due_ids(office) == []
    assert office.get(Notice, "read-me").status == "REVISING"
    read(office, KEN)


@pytest.mark.req("MOU-1-10")
def test_a_daily_notice_is_due_again_on_the_next_day_in_japan():
    office = UsingOffice().notice(frequency="DAILY")
    read(office, HANAKO)
    for later, expected in ((13 * HOUR, []), (14 * HOUR, ["read-me"])):  # 10:00 JST and 13 or 14 hours
        office.at_us = NOW + later
        assert due_ids(office) == expected


@pytest.mark.req("MOU-1-9", "MOU-1-10")
def test_the_sentences_of_the_agreement_come_with_the_product_word_for_word():
    office = UsingOffice().risks().scope().service(id_="web")
    for draft in shipped_notices({"chatgpt": "web"}):
        office.do(SAKI, draft)
        office.do(SHO, PublishNotice(draft.id, draft.text.sha256))
    texts = [notice.current for notice in in_force(office.state, "web") if notice.current]
    shown = {text.ja: text.frequency for text in texts}
    assert shown == {
        "現在のChatGPTは約款型クラウドサービスに区分されるサービスであること": "FIRST_USE",
        "約款型クラウドサービスでは、要機密情報を取り扱うことはできないこと": "DAILY",
    }


@pytest.mark.parametrize(
    ("place", "service", "shown"),
    [
        pytest.param("*", "chat", True, id="for all"),
        pytest.param("chat", "chat", True, id="for the service"),
        pytest.param("chat", "own", False, id="for another service"),
        pytest.param("*TERMS_OF_SERVICE", "chat", True, id="for 約款型, on one"),
        pytest.param("*TERMS_OF_SERVICE", "own", False, id="for 約款型, on a contracted service"),
        pytest.param("*TERMS_OF_SERVICE", "unheard-of", True, id="for 約款型, on what nobody registered"),
    ],
)
def test_a_notice_goes_to_the_users_it_is_for(place, service, shown):
    office = UsingOffice().risks().scope().service().service(CONTRACTED, id_="own").notice(service=place)
    assert bool(due_ids(office, service=service)) is shown


@pytest.mark.parametrize(
    ("number", "sha256"),
    [
        pytest.param(2, None, id="another version"),
        pytest.param(1, "0" * 64, id="other words"),
    ],
)
def test_an_acknowledgement_of_something_else_is_refused(number, sha256):
    office = UsingOffice().notice()
    kept = office.get(Notice, "read-me").current.sha256
    assert office.refused(HANAKO, Acknowledge("read-me", number, sha256 or kept)) == "notice-differs"


def test_whoever_wrote_a_notice_does_not_publish_it():
    office = UsingOffice()
    text = NoticeText("表題", "注意")
    office.do(SAKI, WriteNotice("n", "*", text))
    assert office.refused(SAKI, PublishNotice("n", text.sha256)) == "own-change"
    assert office.refused(SHO, PublishNotice("n", "0" * 64)) == "notice-differs"
    assert office.refused(HANAKO, PublishNotice("n", text.sha256)) == "role"
    office.do(SHO, PublishNotice("n", text.sha256))
    assert office.refused(SHO, WithdrawNotice("n", " ")) == "reason-missing"
    office.do(SHO, WithdrawNotice("n", "不要"))
    assert due_ids(office) == []
    assert office.refused(HANAKO, Acknowledge("n", 1, text.sha256)) == "notice-differs"


@pytest.mark.parametrize(
    ("id_", "service", "text", "code"),
    [
        pytest.param("n", "*", NoticeText("", ""), "incomplete", id="empty"),
        pytest.param("n;", "*", NoticeText("表題", "注意"), "incomplete", id="an id that breaks the header"),
        pytest.param("n", "unheard-of", NoticeText("表題", "注意"), "not-found", id="an unknown service"),
        pytest.param("old", "chat", NoticeText("表題", "注意"), "incomplete", id="another place than before"),
    ],
)
def test_a_notice_that_nobody_could_read_is_not_written(id_, service, text, code):
    office = UsingOffice().notice("old")
    assert office.refused(SAKI, WriteNotice(id_, service, text)) == code


# --- API clients -------------------------------------------------------------------------------------


def test_an_api_client_acknowledges_with_what_the_refusal_told_it():
    office = UsingOffice().notice("one").notice("two")
    notices = due(office.state, BOT.name, "chat", NOW)
    found = acknowledgement_findings(notices)
    assert [(each.code, each.detail) for each in found] == [
        (Reason.ACK_REQUIRED, "one;version=1"),
        (Reason.ACK_REQUIRED, "two;version=1"),
    ]
    office.do(BOT, *read_header(header_value(*notices)))
    assert due_ids(office, BOT.name) == []
    # The agent has read it; the person behind it has not.
    assert due_ids(office) == ["one", "two"]


SHA = "a" * 64


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="nothing"),
        pytest.param("yes", id="a plain yes"),
        pytest.param("n;version=1", id="no hash"),
        pytest.param(f"n;sha256={SHA}", id="no version"),
        pytest.param(f"n;version=0;sha256={SHA}", id="no such version"),
        pytest.param(f"n;version=1;sha256={SHA.upper()}", id="a hash in capitals"),
        pytest.param(f"n;version=１;sha256={SHA}", id="a wide digit"),
        pytest.param(f"n;version=1;sha256={SHA},", id="an empty part"),
        pytest.param(f"n;version=1;sha256={SHA}," * 60, id="too long"),
    ],
)
def test_a_header_that_names_less_is_refused_as_a_whole(value):
    with pytest.raises(ValueError, match=acknowledgement.HEADER):
        read_header(value)


@given(st.text(max_size=200))
def test_a_header_is_read_or_refused_whatever_it_holds(value):
    with contextlib.suppress(ValueError):
        for each in read_header(value):
            assert (each.channel, len(each.sha256), each.number > 0) == ("header", 64, True)


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[A-Za-z0-9-]{1,64}", fullmatch=True),
            st.integers(1, 10**9 - 1),
            st.text(max_size=9),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_a_header_is_read_as_it_was_written(parts):
    notices = [
        Notice(id=id_, status="PUBLISHED", service="*", number=number, current=NoticeText("題", ja))
        for id_, number, ja in parts
    ]
    named = [(each.notice, each.number, each.sha256) for each in read_header(header_value(*notices))]
    assert named == [(each.id, each.number, each.current.sha256) for each in notices if each.current]


# --- rates -------------------------------------------------------------------------------------------


@pytest.mark.req("MOU-1-12")
def test_rates_are_counted_by_department_and_never_rounded_up():
    office = UsingOffice().notice(frequency="DAILY")
    staff = [(f"s{i}", "soumu") for i in range(3)] + [("z", "zaimu")]
    for name, _ in staff[:2]:
        read(office, msgspec.structs.replace(HANAKO, name=name))
    office.at_us = NOW + 2 * DAY  # read once is read, however long ago
    found = rates(office.state, office.get(Notice, "read-me"), staff)
    assert [(each.unit, each.people, each.acknowledged, each.percent) for each in found] == [
        ("soumu", 3, 2, 66),
        ("zaimu", 1, 0, 0),
    ]


def test_one_person_in_two_spellings_counts_once():
    office = UsingOffice().notice()
    read(office, HANAKO)
    (rate,) = rates(
        office.state, office.get(Notice, "read-me"), [("hanako", "soumu"), ("ＨＡＮＡＫＯ", "soumu")]
    )
    assert (rate.people, rate.acknowledged, rate.percent) == (1, 1, 100)


@given(st.lists(st.sampled_from(["publish", "read", "day"]), max_size=12))
def test_somebody_goes_on_exactly_if_the_version_in_force_was_read_today(steps):
    office = UsingOffice().notice(frequency="DAILY")
    version, held = 1, None
    for step in steps:
        if step == "publish":
            version += 1
            office.notice(ja=f"第{version}版", frequency="DAILY")
        elif step == "read":
            read(office, HANAKO)
            held = (version, office.at_us)
        else:
            office.at_us += DAY
        assert (due_ids(office) == []) is (held == (version, office.at_us))
