"""The standing narrows what a snapshot admits, and widens nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.build import facts, grant, service, snapshot
from sekimori.errors import PolicyUnavailableError
from sekimori.policy.codes import Reason
from sekimori.policy.decide import decide
from sekimori.policy.memo import Memo
from sekimori.policy.standing import (
    ALL,
    EMPTY,
    TOS,
    NoticeToShow,
    Owed,
    ServiceLimits,
    Standing,
    same_standing,
)
from sekimori.policy.standing_file import dump_standing, load_standing

STOPPED = [
    pytest.param({"suspended_grants": frozenset({"g-1"})}, Reason.SUSPENDED, id="the grant"),
    pytest.param({"suspended_services": frozenset({"llm"})}, Reason.SUSPENDED, id="the service"),
    pytest.param({"disabled_users": frozenset({"yamada"})}, Reason.USER_OUT_OF_SCOPE, id="the person"),
]


@pytest.mark.req("MOU-1-6")
@pytest.mark.parametrize(("fields", "reason"), STOPPED)
def test_what_was_stopped_since_the_snapshot_is_refused(fields: dict[str, Any], reason: Reason) -> None:
    policy = snapshot()
    assert decide(facts(), policy).verdict == "allow"

    decision = decide(facts(user="ＹＡＭＡＤＡ"), policy, Standing(**fields))

    assert (decision.verdict, decision.reasons[0].code) == ("deny", reason)


def test_a_suspended_grant_stops_each_of_its_scopes_and_no_other_grant() -> None:
    policy = snapshot(grants=[grant(id="g-1/a"), grant(id="g-1/b"), grant(id="g-10", users=("sato",))])
    standing = Standing(suspended_grants=frozenset({"g-1"}))

    assert decide(facts(), policy, standing).reasons[0].code == Reason.SUSPENDED
    assert decide(facts(user="sato"), policy, standing).verdict == "allow"


def test_somebody_with_another_grant_goes_on_under_that() -> None:
    policy = snapshot(grants=[grant(id="g-1"), grant(id="g-2")])
    decision = decide(facts(), policy, Standing(suspended_grants=frozenset({"g-1"})))

    assert (decision.verdict, decision.grant) == ("allow", "g-2")


@given(st.sets(st.sampled_from(["g-1", "g-2", "llm", "yamada", "other"])))
def test_no_standing_admits_what_the_snapshot_refuses(names: set[str]) -> None:
    standing = Standing(
        suspended_grants=frozenset(names),
        suspended_services=frozenset(names),
        disabled_users=frozenset(names),
    )
    for policy in (snapshot(), snapshot(grants=[]), snapshot([service(status="suspended")])):
        for asked in (facts(), facts(user="sato"), facts(model="x")):
            if decide(asked, policy, standing).verdict == "allow":
                assert decide(asked, policy).verdict == "allow"


def test_a_decision_is_remembered_for_one_standing_only() -> None:
    remembering, policy = Memo(), snapshot()
    assert remembering.decide(facts(), policy).verdict == "allow"
    stopped = Standing(suspended_services=frozenset({"llm"}))
    assert remembering.decide(facts(), policy, stopped).verdict == "deny"
    assert remembering.decide(facts(), policy).verdict == "allow"


NOTICE = NoticeToShow(id="n", version=2, sha256="a" * 64, service=TOS)
DAILY = NoticeToShow(id="d", version=1, sha256="b" * 64, daily=True)


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        pytest.param((), ["n", "d"], id="nothing"),
        pytest.param(("n/1", "d/1"), ["n", "d"], id="an older version, and no day"),
        pytest.param(("n/2", "d/1/2026-11-20"), ["d"], id="yesterday"),
        pytest.param(("n/2", "d/1/2026-11-21"), [], id="both, today"),
    ],
)
@pytest.mark.req("MOU-1-12")
def test_a_notice_is_due_until_this_version_was_read_and_a_daily_one_today(
    read: tuple[str, ...], expected: list[str]
) -> None:
    standing = Standing(notices=(NOTICE, DAILY), acknowledged={"yamada": frozenset(read)})
    due = standing.due("Yamada", "llm", "2026-11-21", terms_of_service=True)
    assert [notice.id for notice in due] == expected


def test_a_notice_on_standard_terms_concerns_nobody_else() -> None:
    assert not NOTICE.concerns("llm", terms_of_service=False)
    assert DAILY.service == ALL
    assert DAILY.concerns("llm", terms_of_service=False)


def test_what_is_owed_on_one_service_is_not_owed_on_another() -> None:
    owed = Owed(service="llm", unanswered=20, since_us=1, conversations=("c",))
    standing = Standing(overdue={"yamada": (owed,)})
    assert standing.owes("YAMADA", "llm") == (owed,)
    assert standing.owes("yamada", "other") == standing.owes("sato", "llm") == ()


FULL = Standing(
    version=7,
    at_us=5,
    suspended_grants=frozenset({"b", "a"}),
    notices=(NOTICE,),
    acknowledged={"x": frozenset({"n/2"})},
    limits={"llm": ServiceLimits(max_bytes=1)},
)


def test_a_standing_survives_its_file_unchanged() -> None:
    data = dump_standing(FULL)
    assert load_standing(data, hashlib.sha256(data).hexdigest()) == FULL
    assert same_standing(FULL, Standing(**{**_fields(FULL), "version": 8, "at_us": 6}))
    assert not same_standing(FULL, EMPTY)


def _fields(standing: Standing) -> dict[str, Any]:
    return {name: getattr(standing, name) for name in standing.__struct_fields__}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"format":2}', id="another format"),
        pytest.param(b'{"surprise":1}', id="a field of a later version"),
        pytest.param(b'{"version":"x"}', id="another type"),
        pytest.param(b"\xff", id="no text"),
    ],
)
def test_bytes_that_are_no_standing_are_unavailable(data: bytes) -> None:
    with pytest.raises(PolicyUnavailableError):
        load_standing(data, hashlib.sha256(data).hexdigest())
    with pytest.raises(PolicyUnavailableError, match="hash"):
        load_standing(data, "0" * 64)


PEOPLE = Standing(
    acknowledged={"yamada": frozenset({"n/2", "d/1/2026-11-21"}), "sato": frozenset({"n/2"})},
    overdue={"yamada": (Owed(service="llm", unanswered=20, since_us=1, conversations=("c",)),)},
    consented={"suzuki": frozenset({"t/1"})},
)


def test_what_is_said_of_each_person_is_found_in_the_file_and_of_nobody_else() -> None:
    data = dump_standing(PEOPLE)
    read = load_standing(data, hashlib.sha256(data).hexdigest())
    for field in ("acknowledged", "overdue", "consented"):
        said, found = getattr(PEOPLE, field), getattr(read, field)
        assert dict(found) == said
        assert len(found) == len(said)
        assert found.get("nobody") is None
    assert read.owes("ＹＡＭＡＤＡ", "llm") == PEOPLE.owes("yamada", "llm")
    assert same_standing(read, PEOPLE)
    assert dump_standing(read) == data


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(lambda data: data[:-1], id="cut at the end"),
        pytest.param(lambda data: data + b"\0", id="longer than it says"),
        pytest.param(lambda data: b"SKSTND1\n" + data[8:], id="of another version"),
        pytest.param(lambda data: data[:8] + b"\xff\xff\xff\x7f" + data[12:], id="a head without an end"),
        pytest.param(lambda _: dump_standing(Standing(format=9)), id="a standing of another format"),
    ],
)
def test_a_file_that_is_not_whole_is_unavailable(broken: Callable[[bytes], bytes]) -> None:
    cut = broken(dump_standing(PEOPLE))
    with pytest.raises(PolicyUnavailableError):
        load_standing(cut, hashlib.sha256(cut).hexdigest())


def test_a_person_whose_part_cannot_be_read_passes_no_rule() -> None:
    data = dump_standing(PEOPLE)
    altered = data.replace(b"yamada", b"yamad\xff")
    read = load_standing(altered, hashlib.sha256(altered).hexdigest())
    with pytest.raises(PolicyUnavailableError, match="person"):
        read.owes("yamada", "llm")
