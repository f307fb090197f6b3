"""Decisions that are remembered are those that would be taken."""

from __future__ import annotations

import threading
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from policy.build import NOON_US, facts, grant, service, snapshot
from sekimori.policy import memo as room
from sekimori.policy.decide import decide
from sekimori.policy.memo import Memo
from sekimori.policy.model import Period
from sekimori.policy.period import day_end_us, day_start_us

_FIRST, _LAST = date(2026, 6, 10), date(2026, 6, 12)
_POLICY = snapshot(
    [service(contract_start=date(2026, 6, 11))],
    [
        grant(id="g-1", period=Period(start=_FIRST, end=_LAST)),
        grant(id="g-2", period=Period(start=date(2026, 6, 12), end=date(2026, 6, 30)), purpose="翻訳"),
    ],
)
_TIMES = st.one_of(
    st.integers(day_start_us(date(2026, 6, 9)), day_end_us(date(2026, 7, 1))),
    st.sampled_from([_FIRST, date(2026, 6, 11), _LAST, date(2026, 6, 30)]).flatmap(
        lambda day: st.sampled_from(
            [day_start_us(day) - 1, day_start_us(day), day_end_us(day) - 1, day_end_us(day)]
        )
    ),
)
_FACTS = st.fixed_dictionaries(
    {
        "time_us": _TIMES,
        "purpose": st.sampled_from([None, "翻訳", "会議録の要約", "雑談", "x" * 500]),
        "declared_class": st.sampled_from([None, 1, 2, 3]),
        "model": st.sampled_from([None, "gpt-4o", "other", "m" * 300]),
        "model_certain": st.booleans(),
        "my_number": st.booleans(),
        "unread_attachments": st.integers(0, 2),
    }
)


@given(asked=st.lists(_FACTS, min_size=1, max_size=12))
def test_whatever_was_asked_before_the_decision_is_the_one_that_would_be_taken(
    asked: list[dict[str, object]],
):
    remembering = Memo()

    for changes in asked:
        request = facts(**changes)
        assert remembering.decide(request, _POLICY) == decide(request, _POLICY)


def test_a_decision_of_yesterday_is_not_remembered_today():
    remembering = Memo()
    last = facts(time_us=day_end_us(_LAST) - 1, purpose="会議録の要約")
    after = facts(time_us=day_end_us(_LAST), purpose="会議録の要約")

    assert remembering.decide(last, _POLICY).verdict == "allow"
    assert remembering.decide(after, _POLICY).verdict == "deny"


def test_a_new_snapshot_forgets_what_was_decided_under_the_old_one():
    remembering, request = Memo(), facts()
    without = snapshot([service()], [])

    assert remembering.decide(request, snapshot()).verdict == "allow"
    assert remembering.decide(request, without).verdict == "deny"


def test_threads_under_two_snapshots_never_get_each_others_decisions():
    remembering, request = Memo(), facts(time_us=NOON_US)
    policies = {"allow": snapshot(), "deny": snapshot([service()], [])}
    wrong: list[str] = []

    def ask(verdict: str) -> None:
        wrong.extend(
            verdict for _ in range(3000) if remembering.decide(request, policies[verdict]).verdict != verdict
        )

    threads = [threading.Thread(target=ask, args=(verdict,)) for verdict in ("allow", "deny") * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_what_a_client_makes_up_does_not_fill_the_memory():
    remembering = Memo()

    for number in range(room._KEPT + 10):
        remembering.decide(facts(model=f"m-{number}"), _POLICY)
    remembering.decide(facts(model="m" * 300), _POLICY)

    _, _, taken = remembering._held
    assert len(taken) <= room._KEPT
    assert not any("m" * 300 in key for key in taken)
