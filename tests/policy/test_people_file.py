"""Accounts as the gate reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.errors import PolicyUnavailableError
from sekimori.policy.people import People, Person, canonical_name, dump_people, load_people

PEOPLE = People(
    [
        Person(name="Yamada", groups=("soumu",), roles=("admin",), proxy_password="$argon2id$x"),
        Person(name="佐藤", disabled=True),
    ]
)


@pytest.mark.parametrize("written", ["yamada", "YAMADA", "ｙａｍａｄａ", " Yamada "])
def test_a_name_is_found_however_it_is_written(written):
    person = PEOPLE.get(written)

    assert person is not None
    assert person.name == "Yamada"


def test_accounts_survive_their_file():
    again = load_people(dump_people(PEOPLE), PEOPLE.hash)

    assert again.hash == PEOPLE.hash
    assert list(again) == sorted(PEOPLE, key=lambda person: canonical_name(person.name))
    assert PEOPLE.get("nobody") is None
    assert len(again) == 2


@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_damaged_file_of_accounts_is_unavailable(at, flip):
    data = bytearray(dump_people(PEOPLE))
    data[at % len(data)] ^= flip

    with pytest.raises(PolicyUnavailableError):
        load_people(bytes(data), PEOPLE.hash)


@given(st.text(max_size=30))
def test_a_canonical_name_is_its_own_canonical_name(name):
    assert canonical_name(canonical_name(name)) == canonical_name(name)
