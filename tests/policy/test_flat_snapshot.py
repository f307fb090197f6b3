"""The flat form says what the snapshot says, and nothing when it is damaged."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.build import facts, grant, service, snapshot
from sekimori.errors import PolicyUnavailableError
from sekimori.policy.decide import decide
from sekimori.policy.flat import dump_flat, load_flat, load_in_slices
from sekimori.policy.model import Grant, Group
from sekimori.policy.postings import Blobs, Postings, write_blobs, write_postings
from sekimori.policy.snapshot import Snapshot

NAMES = ("yamada", "sato", "suzuki", "小林")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def flat(policy: Snapshot) -> Snapshot:
    data = dump_flat(policy)
    return load_flat(data, sha256(data))


grants_of_people = st.lists(
    st.builds(
        lambda users, groups, service, status: (tuple(sorted(users)), tuple(sorted(groups)), service, status),
        st.sets(st.sampled_from(NAMES), max_size=3),
        st.sets(st.sampled_from(["a", "b"]), max_size=2),
        st.sampled_from(["llm", "other"]),
        st.sampled_from(["active", "suspended", "revoked"]),
    ).filter(lambda one: bool(one[0] or one[1])),
    max_size=12,
)


def policy_of(made: list[Any], members: dict[str, set[str]]) -> Snapshot:
    return snapshot(
        [service(), service(id="other", hosts=("*.other.example",))],
        [
            grant(id=f"g-{number:02}", users=users, groups=groups, service=name, status=status)
            for number, (users, groups, name, status) in enumerate(made)
        ],
        [Group(name=name, members=tuple(sorted(found)), class_floor=2) for name, found in members.items()],
        flagged_models=("*deepseek*",),
    )


@settings(max_examples=60)
@given(
    grants_of_people,
    st.fixed_dictionaries({name: st.sets(st.sampled_from(NAMES), max_size=3) for name in ("a", "b")}),
)
def test_the_flat_form_decides_what_the_snapshot_decides(made: list[Any], members: Any) -> None:
    policy = policy_of(made, members)
    other = flat(policy)

    assert (other.hash, other.rules, other.services, tuple(other.grants)) == (
        *(policy.hash, policy.rules, policy.services),
        policy.grants,
    )
    for name in NAMES:
        assert other.groups_of(name) == policy.groups_of(name)
        for entry in ("llm", "other", "nowhere"):
            asked = facts(user=name, service=entry)
            assert decide(asked, other) == decide(asked, policy)
            assert other.has_grants(entry) == policy.has_grants(entry)
    assert other.service_of("x.other.example") == policy.service_of("x.other.example")


@given(at=st.integers(0, 100_000), flip=st.integers(1, 255))
def test_a_single_wrong_byte_is_noticed_whatever_hash_it_claims(at: int, flip: int) -> None:
    data = bytearray(dump_flat(snapshot(groups=[Group(name="a", members=NAMES)])))
    right = sha256(bytes(data))
    data[at % len(data)] ^= flip
    with pytest.raises(PolicyUnavailableError):
        load_flat(bytes(data), right)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_flat_snapshot_are_unavailable(data: bytes) -> None:
    for tried in (data, b"SKFLAT1\n" + data):
        with pytest.raises(PolicyUnavailableError):
            load_flat(tried, sha256(tried))


@given(cut=st.integers(1, 400))
def test_a_shorter_file_with_a_right_hash_is_unavailable(cut: int) -> None:
    data = dump_flat(snapshot())
    shorter = data[: -min(cut, len(data))]
    with pytest.raises(PolicyUnavailableError):
        load_flat(shorter, sha256(shorter))


@pytest.mark.req("MOU-1-2")
@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(snapshot([service(contract="terms_of_service")], [grant(max_class=2)]), id="約款型"),
        pytest.param(snapshot(grants=[grant(), grant()]), id="an id twice"),
        pytest.param(snapshot(grants=[grant(service="nowhere")]), id="an unknown service"),
    ],
)
def test_what_the_rules_forbid_is_not_loaded_flat_either(wrong: Snapshot) -> None:
    data = dump_flat(wrong)
    with pytest.raises(PolicyUnavailableError, match="may not"):
        load_flat(data, sha256(data))


def test_a_large_snapshot_is_loaded_in_many_small_steps() -> None:
    grants: list[Grant] = [grant(id=f"g-{number:05}", users=(f"u{number}",)) for number in range(2_000)]
    data = dump_flat(snapshot(grants=grants))
    assert len(list(load_in_slices(data, sha256(data)))) > 30


def test_no_more_than_the_last_few_grants_are_kept_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sekimori.policy.flat._KEPT", 3)
    policy = flat(snapshot(grants=[grant(id=f"g-{number}", users=(f"u{number}",)) for number in range(9)]))
    for number in range(9):
        assert [one.id for one in policy.grants_for("llm", f"u{number}", ())] == [f"g-{number}"]
    assert len(policy.grants._kept) == 3  # type: ignore[attr-defined]


@given(st.dictionaries(st.text(max_size=8), st.sets(st.integers(0, 2**32 - 1), max_size=5), max_size=40))
def test_every_key_of_a_table_is_found_with_its_values(pairs: dict[str, set[int]]) -> None:
    data = b"xx" + write_postings((key, value) for key, values in pairs.items() for value in values)
    table = Postings(data, 2, len(data) - 2)
    for key, values in pairs.items():
        assert table.find(key) == tuple(sorted(values))
    assert table.find("never a key \0") == ()


@given(st.lists(st.binary(max_size=20), max_size=20))
def test_every_thing_of_a_list_is_found_by_its_number(things: list[bytes]) -> None:
    data = write_blobs(things)
    blobs = Blobs(data, 0, len(data))
    assert [bytes(blobs[number]) for number in range(blobs.count)] == things
    for outside in (-1, len(things)):
        with pytest.raises(IndexError):
            _ = blobs[outside]
