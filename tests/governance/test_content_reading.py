"""Who reads what somebody wrote, for how long, and what they see of it."""

import pytest

from sekimori.governance.content_reading import (
    AllowReading,
    AskReading,
    ContentReading,
    OpenContent,
    RefuseReading,
)
from sekimori.governance.masking import MASK, masked, masked_all
from support.offices import AOI, HANAKO, HOUR, NOW, SAKI, SHO, person
from support.using_offices import UsingOffice

OTHER_UNIT = "zaimu"


def ask(id_="q", *, unit="soumu", full=False, reason="照会", ticket="T-1", subject="hanako", record="r1"):
    return AskReading(id_, record, reason, ticket, subject, unit, full)


@pytest.mark.req("ABG-P4-1")
@pytest.mark.parametrize(
    ("command", "status"),
    [
        pytest.param(ask(), "ALLOWED", id="masked, within one's own department"),
        pytest.param(ask(unit=OTHER_UNIT), "ASKED", id="masked, in another department"),
        pytest.param(ask(unit=""), "ASKED", id="masked, in a department that nobody knows"),
        pytest.param(ask(full=True), "ASKED", id="without a mask"),
    ],
)
def test_a_second_person_is_asked_beyond_a_masked_look_at_ones_own_department(command, status):
    office = UsingOffice()
    office.do(SAKI, command)
    assert office.get(ContentReading, "q").status == status


def test_two_people_of_no_department_are_not_of_the_same_one():
    office = UsingOffice()
    office.do(person("saki", "security_officer", unit=""), ask(unit=""))
    assert office.get(ContentReading, "q").status == "ASKED"


@pytest.mark.req("ABG-P4-1")
@pytest.mark.parametrize(
    ("actor", "command", "code"),
    [
        pytest.param(HANAKO, ask(), "role", id="somebody without a role"),
        pytest.param(SAKI, ask(reason=" "), "reason-missing", id="without a reason"),
        pytest.param(SAKI, ask(ticket=""), "incomplete", id="without a ticket"),
        pytest.param(SAKI, ask(record=""), "incomplete", id="without a record"),
    ],
)
def test_nobody_asks_without_role_reason_and_ticket(actor, command, code):
    assert UsingOffice().refused(actor, command) == code


@pytest.mark.req("ABG-P4-1")
def test_whoever_asks_or_wrote_it_is_not_the_second_person():
    office = UsingOffice()
    office.do(SAKI, ask(unit=OTHER_UNIT, subject="aoi"))
    assert office.refused(SAKI, AllowReading("q")) == "own-reading"
    assert office.refused(AOI, AllowReading("q")) == "own-content"
    assert office.refused(AOI, RefuseReading("q", "不要")) == "own-content"
    assert office.refused(SHO, RefuseReading("q", " ")) == "reason-missing"
    office.do(SHO, AllowReading("q"))
    assert office.get(ContentReading, "q").allowed_by == "sho"


@pytest.mark.req("ABG-P4-1")
def test_the_hour_begins_with_the_leave_and_ends_to_the_microsecond():
    office = UsingOffice()
    office.do(SAKI, ask(unit=OTHER_UNIT))
    assert office.refused(SAKI, OpenContent("q")) == "transition"
    office.at_us = NOW + HOUR
    office.do(SHO, AllowReading("q"))
    office.at_us = NOW + 2 * HOUR - 1
    office.do(SAKI, OpenContent("q"))
    assert office.refused(SHO, OpenContent("q")) == "not-yours"
    office.at_us = NOW + 2 * HOUR
    assert office.refused(SAKI, OpenContent("q")) == "reading-over"


@pytest.mark.req("ABG-P4-1")
def test_every_opening_is_an_event_of_its_own():
    office = UsingOffice()
    office.do(SAKI, ask(), OpenContent("q"), OpenContent("q"))
    assert [each.kind for each in office.events] == [
        "content_reading.ask",
        "content_reading.open",
        "content_reading.open",
    ]
    assert office.get(ContentReading, "q").opened == 2


@pytest.mark.req("ABG-P4-1")
@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        pytest.param("連絡先は hanako@example.go.jp です", "hanako@example.go.jp", id="a mail address"),
        pytest.param("電話 03-1234-5678 まで", "03-1234-5678", id="a telephone number"),
        pytest.param("番号は１２３４５６７８９０１２", "１２３４５６７８９０１２", id="wide digits"),
        pytest.param("key sk-proj-abcdef0123456789", "sk-proj-abcdef0123456789", id="an API key"),
        pytest.param("x " + "a1" * 20, "a1" * 20, id="a long run"),
    ],
)
def test_a_mask_hides_what_names_people_and_opens_doors(text, hidden):
    assert hidden in text
    assert hidden not in masked(text)
    assert MASK in masked(text)


def test_a_mask_leaves_words_and_the_shape_of_a_value():
    assert masked("第3回会議の資料を要約してください。") == "第3回会議の資料を要約してください。"
    assert masked_all({"a": ["x@y.jp", 3, None, ("z",)]}) == {"a": [MASK, 3, None, ["z"]]}
