"""Passwords: slow to guess, never an exception at the login."""

import unicodedata

import pytest
from argon2 import PasswordHasher
from hypothesis import given, settings
from hypothesis import strategies as st

from sekimori.vault.passwords import (
    MAX_PASSWORD_BYTES,
    NOBODY,
    hash_password,
    is_usable_hash,
    needs_rehash,
    verify_password,
)

STORED = hash_password("関所の合言葉")


def test_the_right_password_is_accepted_and_others_are_not():
    assert verify_password(STORED, "関所の合言葉")
    assert not verify_password(STORED, "関所の合言葉 ")
    assert not verify_password(STORED, "")


def test_the_same_password_typed_on_two_keyboards_is_the_same():
    assert verify_password(hash_password(unicodedata.normalize("NFD", "がぎぐ")), "がぎぐ")


def test_two_people_with_one_password_have_two_hashes():
    assert hash_password("same") != hash_password("same")


def test_the_salt_comes_from_the_caller():
    assert hash_password("same", random=bytes) == hash_password("same", random=bytes)


def test_a_hash_follows_the_recommended_parameters():
    assert STORED.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert not needs_rehash(STORED)
    assert needs_rehash(PasswordHasher(time_cost=1, memory_cost=8192).hash("x"))


def test_nobody_has_a_password():
    assert is_usable_hash(NOBODY)
    assert not needs_rehash(NOBODY)
    assert not verify_password(NOBODY, "")
    assert not verify_password(NOBODY, "nobody")


@pytest.mark.parametrize("password", ["", "a" * (MAX_PASSWORD_BYTES + 1)], ids=["empty", "endless"])
def test_a_password_that_is_none_is_not_stored(password):
    with pytest.raises(ValueError, match="1 to 1024 bytes"):
        hash_password(password)
    assert not verify_password(STORED, password)


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param("", id="empty"),
        pytest.param("secret", id="a plain password"),
        pytest.param("$2b$12$abcdefghijklmnopqrstuv", id="bcrypt"),
        pytest.param(STORED.replace("argon2id", "argon2i"), id="argon2i"),
        pytest.param(STORED.replace("m=19456", "m=4194304"), id="asks for four gigabytes"),
        pytest.param(STORED.replace("t=2", "t=99999"), id="asks for minutes"),
        pytest.param(STORED[:40], id="cut"),
        pytest.param("$argon2id$v=19$m=x,t=2,p=1$AAAA$AAAA", id="not a number"),
    ],
)
def test_a_hash_that_can_not_be_used_admits_nobody(stored):
    assert not verify_password(stored, "secret")
    assert needs_rehash(stored)


@settings(max_examples=50, deadline=None)
@given(stored=st.text(max_size=60), password=st.text(max_size=20))
def test_no_stored_text_and_no_password_raises(stored, password):
    assert not verify_password(stored, password)


def test_a_lone_surrogate_from_the_wire_is_just_a_wrong_password():
    assert not verify_password(STORED, "\ud800")
