"""Accounts, set-up links and applied files as the database keeps them."""

from __future__ import annotations

import hashlib

import pytest

from sekimori.errors import IntegrityError, UsageError
from sekimori.store.engine import session
from sekimori.store.people import InviteRepo, PersonRepo
from sekimori.store.policies import PolicyRepo, apply_files


@pytest.fixture
def people(house):
    with session(house.engine) as opened:
        yield PersonRepo(opened, house.names)


@pytest.fixture
def policies(house):
    with session(house.engine) as opened:
        yield PolicyRepo(opened, house.names)


def test_a_name_is_found_however_it_is_written(people):
    people.add("Ｙａｍａｄａ", now_us=1, groups=["Summarisers"], roles=["auditor"])
    assert people.get("YAMADA ").name == "yamada"
    assert people.get("yamada").groups == ("summarisers",)
    with pytest.raises(UsageError, match="already"):
        people.add("yamada", now_us=2)


@pytest.mark.parametrize("name", ["", "  ", "\u3000"])
def test_a_name_of_blanks_is_none(people, name):
    with pytest.raises(UsageError):
        people.add(name, now_us=1)


@pytest.mark.parametrize(
    "name", ["clock", "Ｃｌｏｃｋ", "key/abcdefghij", "os: root", "sa\u200bki", "sa\u202eki", "a\x1b[2J"]
)
def test_nobody_is_called_like_what_is_no_person_nor_has_signs_that_nobody_sees(people, name):
    with pytest.raises(UsageError, match="Nobody can be called that"):
        people.add(name, now_us=1)


def test_what_was_signed_and_replaced_is_told_from_what_is_new(policies):
    def apply(text, *, by="taro"):
        assert policies.apply("a.yaml", text, by="x", now_us=1, signed_by=(by,) if by else ()).text == text

    assert not policies.is_replayed("a.yaml", "one")
    apply("one")
    assert not policies.is_replayed("a.yaml", "one")
    assert policies.is_replayed("b.yaml", "one")
    apply("two", by="")
    assert policies.is_replayed("a.yaml", "one")
    apply("three")
    assert not policies.is_replayed("a.yaml", "two")
    policies.withdraw("a.yaml", by="x", now_us=2)
    assert policies.is_replayed("a.yaml", "three")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda p: p.set_password("sato", "$argon2id$1", now_us=1), id="password"),
        pytest.param(lambda p: p.set_proxy_password("sato", "$argon2id$2", now_us=1), id="proxy password"),
        pytest.param(lambda p: p.set_disabled("sato", disabled=True, now_us=1), id="disabled"),
        pytest.param(lambda p: p.set_memberships("sato", groups=["g"], roles=["r"], now_us=1), id="groups"),
        pytest.param(lambda p: p.add("tanaka", now_us=1), id="another account"),
    ],
)
def test_every_change_shows_in_the_stamp_even_in_the_same_microsecond(people, change):
    people.add("sato", now_us=1)
    before = people.stamp()
    change(people)
    assert people.stamp() > before


def test_an_unknown_account_cannot_be_changed(people):
    with pytest.raises(UsageError, match="no account"):
        people.set_disabled("nobody", disabled=True, now_us=1)


def test_the_gate_learns_proxy_passwords_and_no_others(people):
    people.add("sato", now_us=1, password="$argon2id$console", proxy_password="$argon2id$proxy")
    person = people.for_gate().get("Sato")
    assert person.proxy_password == "$argon2id$proxy"
    assert "console" not in repr(person)


def test_a_set_up_link_is_good_once_and_not_for_ever(house):
    with session(house.engine) as opened:
        invites = InviteRepo(opened, house.names)
        invites.add("secret-1", name="admin", now_us=10, expires_us=20)
        invites.add("secret-2", name="admin", now_us=10, expires_us=20)
        assert invites.find("secret-1", now_us=15) == "admin"
        assert invites.redeem("secret-1", now_us=15) == "admin"
        assert invites.redeem("secret-1", now_us=16) is None
        assert invites.redeem("secret-2", now_us=20) is None
        assert invites.redeem("guessed", now_us=15) is None


def test_the_secret_of_a_set_up_link_is_not_stored(house):
    with session(house.engine) as opened:
        InviteRepo(opened, house.names).add("gekkou-secret", name="admin", now_us=10, expires_us=20)
    assert not any(b"gekkou-secret" in data for data in house.files())


def test_the_newest_version_of_each_file_is_in_force(policies):
    policies.apply("a.yaml", "one", by="root", now_us=1)
    policies.apply("b.yaml", "two", by="root", now_us=2)
    policies.apply("a.yaml", "three", by="root", now_us=3)
    assert [(applied.file, applied.text) for applied in policies.current()] == [
        ("b.yaml", "two"),
        ("a.yaml", "three"),
    ]
    assert [applied.version for applied in policies.history()] == [1, 2, 3]


def test_the_same_text_again_is_no_new_version(policies):
    first = policies.apply("a.yaml", "one", by="root", now_us=1)
    assert policies.apply("a.yaml", "one", by="root", now_us=2) == first
    assert policies.latest_version() == 1


def test_a_withdrawn_file_is_not_in_force_and_can_come_back(policies):
    policies.apply("a.yaml", "one", by="root", now_us=1)
    policies.withdraw("a.yaml", by="root", now_us=2)
    assert policies.current() == []
    with pytest.raises(UsageError):
        policies.withdraw("a.yaml", by="root", now_us=3)
    policies.apply("a.yaml", "one", by="root", now_us=4)
    assert [applied.version for applied in policies.current()] == [3]


def test_files_are_applied_all_or_none(house):
    def fail_half_way() -> None:
        with session(house.engine) as opened:
            apply_files(opened, house.names, {"a.yaml": "one", "b.yaml": "two"}, by="root", now_us=1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    with session(house.engine) as opened:
        assert PolicyRepo(opened, house.names).latest_version() == 0


def test_a_policy_file_edited_in_the_database_is_not_used(house):
    with session(house.engine) as opened:
        PolicyRepo(opened, house.names).apply("a.yaml", "one", by="root", now_us=1)
    house.edit("UPDATE policy_document SET version=2")
    with session(house.engine) as opened, pytest.raises(IntegrityError, match="not what was applied"):
        PolicyRepo(opened, house.names).current()


def test_a_snapshot_is_kept_under_its_hash(policies):
    sha256 = hashlib.sha256(b"{}").hexdigest()
    policies.keep_snapshot(sha256, b"{}")
    policies.keep_snapshot(sha256, b"{}")
    assert policies.snapshot(sha256) == b"{}"
    assert policies.snapshot("0" * 64) is None
