"""One key as one line: what is damaged is refused, never used."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.errors import KeyAccessError
from sekimori.vault.keyfile import key_from_text, key_to_text

WHERE = Path("archive/data.key")
KEY = bytes(range(32))
LINE = key_to_text("data", KEY)


@given(key=st.binary(min_size=32, max_size=32))
def test_a_key_comes_back_as_it_was_written(key):
    assert key_from_text(key_to_text("data", key), "data", WHERE) == key


@given(at=st.integers(0, len(LINE) - 2), change=st.integers(1, 255))
def test_no_changed_byte_of_a_key_file_goes_unnoticed(at, change):
    damaged = bytearray(LINE)
    damaged[at] ^= change
    with contextlib.suppress(KeyAccessError):
        assert key_from_text(bytes(damaged), "data", WHERE) == KEY  # one white space for another


@given(cut=st.integers(0, len(LINE) - 2))
def test_a_cut_key_file_is_refused(cut):
    with pytest.raises(KeyAccessError):
        key_from_text(LINE[:cut], "data", WHERE)


@given(text=st.binary(max_size=200))
def test_any_bytes_are_a_key_or_a_clear_refusal(text):
    with pytest.raises(KeyAccessError):
        key_from_text(text, "data", WHERE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(b"", "not a key file", id="empty"),
        pytest.param(b"-----BEGIN PRIVATE KEY-----\n", "not a key file", id="a PEM file"),
        pytest.param(LINE.replace(b"v1", b"v2"), "not a key file of this version", id="a later version"),
        pytest.param(LINE.replace(b"00", b"01", 1), "damaged", id="one digit changed"),
        pytest.param(key_to_text("data", b"short"), "5 bytes, not 32", id="too short"),
        pytest.param(key_to_text("session", KEY), "kind session, not data", id="another kind"),
    ],
)
def test_a_refused_key_file_says_what_is_wrong(text, message):
    with pytest.raises(KeyAccessError, match=message) as caught:
        key_from_text(text, "data", WHERE)
    assert KEY.hex() not in str(caught.value)
