"""API tokens as the database keeps them: found by themselves, good for a while, and never readable."""

from __future__ import annotations

import pytest

from sekimori.cli.web_accounts import LocalAccounts
from sekimori.errors import UsageError
from sekimori.policy.agentkeys import new_key
from sekimori.store.api_tokens import parts, written
from sekimori.store.engine import session
from sekimori.store.people import PersonRepo
from sekimori.vault.passwords import hash_password

NOW, LATER = 1_000, 2_000
PASSWORD = "a long enough password"


@pytest.fixture
def accounts(house):
    with session(house.engine) as opened:
        people = PersonRepo(opened, house.names)
        people.add("sato", now_us=1, groups=["soumu"], roles=["auditor"], password=hash_password(PASSWORD))
        people.add("gate-only", now_us=1)
    return LocalAccounts(house.engine, house.names, clock=lambda: NOW)


def disable(house, name):
    with session(house.engine) as opened:
        PersonRepo(opened, house.names).set_disabled(name, disabled=True, now_us=5)


def test_a_token_names_its_account_and_its_kept_form_says_nothing(accounts):
    token = accounts.issue("sato", "batch", ("read",), LATER)
    known, held = accounts.holder(token, NOW)
    assert (known.name, known.unit, known.roles) == ("sato", "soumu", ("auditor",))
    assert (held.label, held.scopes, held.expires_us) == ("batch", ("read",), LATER)
    assert "sato" not in token


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda row, id_, secret: ("0" * 32, id_, secret), id="another account"),
        pytest.param(lambda row, id_, secret: (row, "0" * 12, secret), id="another token"),
        pytest.param(lambda row, id_, secret: (row, id_, "A" * 43), id="another secret"),
        pytest.param(lambda row, id_, secret: (row, id_, secret[:-1]), id="a secret cut short"),
    ],
)
def test_a_token_is_good_as_a_whole_or_not_at_all(accounts, changed):
    token = accounts.issue("sato", "batch", ("read",), LATER)
    found = parts(token)
    assert found is not None
    assert accounts.holder(written(*changed(*found)), NOW) is None


def test_a_token_ends_with_its_time_its_owner_or_by_hand(accounts, house):
    token = accounts.issue("sato", "batch", ("read",), LATER)
    assert accounts.holder(token, LATER) is None
    [held] = accounts.tokens("sato")
    assert not accounts.revoke("gate-only", held.id)
    assert accounts.revoke("sato", held.id)
    assert not accounts.revoke("sato", held.id)
    assert accounts.holder(token, NOW) is None
    other = accounts.issue("sato", "batch", ("read",), LATER)
    disable(house, "sato")
    assert accounts.holder(other, NOW) is None


def test_tokens_that_are_over_are_dropped_when_a_new_one_comes(accounts):
    accounts.issue("sato", "old", ("read",), NOW)
    accounts.issue("sato", "new", ("read",), LATER)
    assert [each.label for each in accounts.tokens("sato")] == ["new"]
    with pytest.raises(UsageError, match="no account"):
        accounts.issue("nobody", "x", ("read",), LATER)
    assert accounts.tokens("nobody") == []


def test_only_an_open_account_with_a_password_of_its_own_signs_in(accounts, house):
    assert accounts.sign_in("SATO", PASSWORD).name == "sato"
    assert accounts.sign_in("sato", "another password") is None
    assert accounts.sign_in("gate-only", "") is None
    assert accounts.sign_in("nobody", PASSWORD) is None
    disable(house, "sato")
    assert accounts.sign_in("sato", PASSWORD) is None
    assert accounts.known("sato") is None
    assert accounts.closed("sato")
    assert not accounts.closed("nobody")


def test_an_agent_is_known_by_its_key_while_that_and_its_owner_are_good(accounts, house):
    text, kept = new_key(lambda size: bytes(size), grant="g1", label="batch", now_us=NOW)
    assert accounts.agent(text) is None
    with session(house.engine) as opened:
        PersonRepo(opened, house.names).add_key("sato", kept, now_us=5)
    known, subject = accounts.agent(text)
    assert (known.name, subject) == ("sato", f"key/{kept.id}")
    assert accounts.agent(text[:-1] + "B") is None
    assert accounts.agent("sk-seki-none") is None
    with session(house.engine) as opened:
        PersonRepo(opened, house.names).revoke_key(kept.id, now_us=6)
    assert accounts.agent(text) is None


def test_a_token_never_reaches_the_gate(accounts, house):
    accounts.issue("sato", "batch", ("read",), LATER)
    with session(house.engine, writes=False) as opened:
        people = PersonRepo(opened, house.names).for_gate()
    assert "batch" not in repr(people.get("sato"))
