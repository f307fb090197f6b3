"""What another policy would have meant, told from what was decided."""

from __future__ import annotations

import pytest

from policy.build import NOON_US, facts, grant, service, snapshot
from sekimori.policy.difference import differences
from sekimori.policy.replaying import Recorded, replay

THEN = snapshot()
KNOWN = {"p": THEN}


def recorded(rid: str = "r", verdict: str = "allow", policy: str = "p", **changes: object) -> Recorded:
    return Recorded(rid, facts(**changes), verdict, policy)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param(recorded(), THEN, (1, 0, 0, 0), id="as before"),
        pytest.param(recorded(), snapshot(grants=[]), (0, 0, 0, 1), id="refused now"),
        pytest.param(
            recorded(verdict="deny", user="sato"),
            snapshot(grants=[grant(users=("sato",))]),
            (0, 0, 1, 0),
            id="allowed now",
        ),
        pytest.param(recorded(policy="gone"), THEN, (0, 1, 0, 0), id="its policy is not kept"),
        pytest.param(recorded(verdict="deny"), THEN, (0, 1, 0, 0), id="refused for what no record holds"),
        pytest.param(
            recorded(),
            snapshot([service(id="new")], [grant(service="new")]),
            (1, 0, 0, 0),
            id="the service has another id",
        ),
    ],
)
def test_a_request_is_put_to_the_other_policy_where_that_can_be_told(one, other, expected):
    found = replay([one], KNOWN.get, other)
    assert (found.same, found.unsaid, found.allowed, found.refused) == expected
    assert found.requests == 1


def test_who_is_concerned_is_counted_and_some_are_shown():
    found = replay([recorded(rid=f"r{n}") for n in range(30)], KNOWN.get, snapshot(grants=[]))
    assert found.users["deny"] == {("yamada", "llm"): 30}
    assert found.reasons == {"DENY_NO_GRANT": 30}
    assert [one.rid for one in found.examples["deny"]] == [f"r{n}" for n in range(20)]
    assert found.examples["deny"][0].time_us == NOON_US


def test_a_difference_is_told_by_entry_and_field():
    before = snapshot([service(), service(id="old", hosts=("o.example",))], advice_required=True)
    after = snapshot(grants=[grant(users=("sato",)), grant(id="g-2")], advice_required=False)
    assert [(one.kind, one.id, one.what, dict(one.fields)) for one in differences(before, after)] == [
        ("rules", "", "changed", {"advice_required": (None, False)}),
        ("service", "old", "removed", {}),
        ("grant", "g-1", "changed", {"users": (("yamada",), ("sato",))}),
        ("grant", "g-2", "added", {}),
    ]
    assert list(differences(before, before)) == []
