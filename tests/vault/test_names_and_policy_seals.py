"""What names people and purposes opens only with its key and only in its place."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.errors import IntegrityError, PolicyUnavailableError
from sekimori.vault.names import NameSeal
from sekimori.vault.published import PolicySeal

KEY, OTHER = bytes(range(32)), bytes(32)
TEXT = '{"grants":[{"users":["yamada"],"purpose":"会議録の要約"}]}'.encode()
SHA256 = hashlib.sha256(TEXT).hexdigest()
SEALED = PolicySeal(KEY).seal(TEXT, "policy", SHA256)
PARTS = st.lists(st.one_of(st.text(max_size=5), st.integers(), st.binary(max_size=5)), max_size=4)


@given(st.binary(max_size=400), PARTS)
def test_what_is_sealed_opens_at_its_place(value, place):
    names = NameSeal(KEY)
    assert names.open(names.seal(value, *place), *place) == value


@given(st.lists(st.text(max_size=3), max_size=3), st.lists(st.text(max_size=3), max_size=3))
def test_a_value_opens_at_no_other_place(place, other):
    names = NameSeal(KEY)
    sealed = names.seal(b"yamada", *place)
    if place == other:
        assert names.open(sealed, *other) == b"yamada"
        return
    with pytest.raises(IntegrityError):
        names.open(sealed, *other)


def test_a_name_shows_neither_in_its_seal_nor_in_its_token():
    names = NameSeal(KEY)
    assert b"yamada" not in names.seal(b"yamada", "person") + names.token("person", "yamada")


def test_a_token_is_the_same_for_the_same_name_and_differs_by_key_table_and_name():
    tokens = {
        NameSeal(key).token(table, name)
        for key in (KEY, OTHER)
        for table in ("person", "policy_document")
        for name in ("yamada", "sato")
    }
    assert len(tokens) == 8
    assert NameSeal(KEY).token("person", "yamada") in tokens


def test_another_key_opens_nothing():
    with pytest.raises(IntegrityError):
        NameSeal(OTHER).open(NameSeal(KEY).seal(b"yamada", "person"), "person")


def test_a_published_file_holds_nothing_readable_and_opens():
    assert not [word for word in ("yamada", "grants", "会議録") if word.encode() in SEALED]
    assert PolicySeal(KEY).open(SEALED, "policy", SHA256) == TEXT


@pytest.mark.parametrize(
    ("key", "sealed", "kind", "sha256"),
    [
        pytest.param(OTHER, SEALED, "policy", SHA256, id="another key"),
        pytest.param(KEY, SEALED, "people", SHA256, id="as the other kind of file"),
        pytest.param(KEY, SEALED, "policy", "0" * 64, id="under another hash"),
        pytest.param(KEY, SEALED[:-1], "policy", SHA256, id="cut"),
        pytest.param(KEY, SEALED + b"\0", "policy", SHA256, id="longer"),
        pytest.param(KEY, TEXT, "policy", SHA256, id="a readable file of an older release"),
        pytest.param(KEY, b"", "policy", SHA256, id="empty"),
        pytest.param(KEY, b"SKPOL2" + SEALED[6:], "policy", SHA256, id="of another version"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused(key, sealed, kind, sha256):
    with pytest.raises(PolicyUnavailableError):
        PolicySeal(key).open(sealed, kind, sha256)


@given(st.integers(0, len(SEALED) * 8 - 1))
def test_a_published_file_with_any_bit_flipped_is_refused(bit):
    forged = bytearray(SEALED)
    forged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(PolicyUnavailableError):
        PolicySeal(KEY).open(bytes(forged), "policy", SHA256)


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_refused_in_one_way(data):
    with pytest.raises(PolicyUnavailableError):
        PolicySeal(KEY).open(data, "people", SHA256)


LONG = bytes(range(256)) * 5_000
LONG_SHA = hashlib.sha256(LONG).hexdigest()
LONG_SEALED = PolicySeal(KEY).seal(LONG, "flat", LONG_SHA)
_PIECE = (1 << 20) + 16


def test_a_long_file_is_sealed_in_pieces_and_opened_whole():
    assert LONG_SEALED.startswith(b"SKPOL2")
    assert PolicySeal(KEY).open(LONG_SEALED, "flat", LONG_SHA) == LONG


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(LONG_SEALED[: 14 + _PIECE], id="the last piece cut off"),
        pytest.param(LONG_SEALED[:14], id="nothing left"),
        pytest.param(
            LONG_SEALED[:14] + LONG_SEALED[14 + _PIECE :] + LONG_SEALED[14 : 14 + _PIECE], id="swapped"
        ),
        pytest.param(LONG_SEALED[:-1] + bytes([LONG_SEALED[-1] ^ 1]), id="one bit"),
        pytest.param(LONG_SEALED + bytes(17), id="something behind it"),
    ],
)
def test_pieces_that_are_missing_or_moved_open_nothing(forged):
    with pytest.raises(PolicyUnavailableError):
        PolicySeal(KEY).open(forged, "flat", LONG_SHA)
