"""How somebody is known, as records keep it, and the keys of agents."""

from __future__ import annotations

import hashlib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.build import facts, grant, service, snapshot
from sekimori.policy.agentkeys import AgentKey, key_id, new_key, opens
from sekimori.policy.decide import decide
from sekimori.policy.model import Period
from sekimori.policy.people import People, Person, dump_people, load_people
from sekimori.policy.subject import Source, may_act


@pytest.mark.parametrize(
    ("text", "kind", "strength", "agent", "grant"),
    [
        pytest.param("none", "none", "none", False, "", id="nobody"),
        pytest.param("basic", "basic", "password", False, "", id="a password kept here"),
        pytest.param("ldap", "ldap", "password", False, "", id="a password of the directory"),
        pytest.param("mtls", "mtls", "certificate", False, "", id="a certificate"),
        pytest.param("header/mtls", "header", "asserted", False, "", id="a parent's word"),
        pytest.param("key/abc/g-1", "key", "secret", True, "g-1", id="an agent's key"),
        pytest.param("key/abc/g/1", "key", "secret", True, "g/1", id="a grant with a slash"),
        pytest.param("saml", "saml", "none", False, "", id="a word of another release"),
    ],
)
def test_a_source_says_how_strong_it_is(text: str, kind: str, strength: str, agent: bool, grant: str):
    source = Source.read(text)
    assert (source.kind, source.strength, source.agent, source.grant) == (kind, strength, agent, grant)
    assert str(source) == text


@given(st.text())
def test_any_text_is_read(text: str):
    Source.read(text)


def made(grant: str = "g-1") -> tuple[str, AgentKey]:
    return new_key(lambda size: bytes(range(size)), grant=grant, label="nightly", now_us=1)


def test_a_key_opens_itself_and_is_kept_as_a_hash_only():
    text, key = made()
    assert key_id(text) == key.id
    assert opens(text, key)
    assert key.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert text.rpartition("-")[2] not in repr(key)


@given(st.text(max_size=80))
def test_nothing_else_opens_it(text: str):
    own, key = made()
    assert opens(text, key) == (text == own)
    key_id(text)


def owner(*keys: AgentKey, disabled: bool = False) -> Person:
    return Person(name="yamada", disabled=disabled, keys=keys)


@pytest.mark.parametrize(
    ("person", "source", "may"),
    [
        pytest.param(owner(made()[1]), f"key/{made()[1].id}/g-1", True, id="its key"),
        pytest.param(
            owner(made()[1], disabled=True), f"key/{made()[1].id}/g-1", False, id="a disabled owner"
        ),
        pytest.param(owner(), f"key/{made()[1].id}/g-1", False, id="a revoked key"),
        pytest.param(owner(made()[1]), f"key/{made()[1].id}/g-2", False, id="another grant"),
        pytest.param(owner(), "basic", True, id="a person"),
        pytest.param(None, "basic", False, id="nobody"),
    ],
)
def test_who_may_still_act(person: Person | None, source: str, may: bool):
    assert may_act(person, source) is may


def test_the_published_people_know_their_keys():
    people = People([owner(made()[1])])
    read = load_people(dump_people(people), people.hash)
    found = read.key(made()[1].id)
    assert found is not None
    assert found[0].name == "yamada"
    assert read.key("other") is None


@pytest.mark.parametrize(
    ("source", "verdict", "by"),
    [
        pytest.param("basic", "allow", "g-long", id="the person, by the longest grant"),
        pytest.param("key/abc/g-short", "allow", "g-short", id="a key, by its own"),
        pytest.param("key/abc/g-other", "deny", None, id="a key for a grant on something else"),
        pytest.param("key/abc/", "deny", None, id="a key for nothing"),
    ],
)
def test_a_key_admits_by_its_own_grant_whatever_else_its_owner_may_do(
    source: str, verdict: str, by: str | None
):
    policy = snapshot(
        [service()],
        [
            grant(id="g-long", period=Period(start=date(2026, 4, 1), end=date(2027, 3, 31))),
            grant(id="g-short", period=Period(start=date(2026, 4, 1), end=date(2026, 12, 31))),
        ],
    )
    decision = decide(facts(user_source=source), policy)
    assert (decision.verdict, decision.grant) == (verdict, by)
