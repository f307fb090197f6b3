"""Content blobs: bound to their place, small where they can be, opened by the right key only."""

import os
from collections.abc import Iterator

import pytest
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from sekimori.errors import IntegrityError
from sekimori.vault.content import _CONTEXT, ContentCipher, OneDataKey

KEY = bytes(range(32))
CIPHER = ContentCipher(KEY)
PROMPT = "次の議事録を要約してください。".encode() * 40


@given(plaintext=st.binary(max_size=2000), aad=st.binary(max_size=40))
def test_content_comes_back_as_it_was_sealed(plaintext, aad):
    assert CIPHER.open(CIPHER.seal(plaintext, aad), aad) == plaintext


@pytest.mark.req("ABG-CG5-1")
def test_nothing_of_the_content_can_be_read_in_its_blob():
    blob = CIPHER.seal(PROMPT, b"place")
    assert PROMPT[:12] not in blob
    assert zstandard.ZstdCompressor(level=3).compress(PROMPT)[8:] not in blob


def test_text_gets_smaller_and_noise_does_not_grow():
    noise = os.urandom(4000)
    assert len(CIPHER.seal(PROMPT, b"")) < len(PROMPT) / 2
    assert len(CIPHER.seal(noise, b"")) == len(noise) + 38


def test_the_same_content_sealed_twice_looks_different():
    assert CIPHER.seal(PROMPT, b"place") != CIPHER.seal(PROMPT, b"place")


def test_a_blob_does_not_open_in_another_place():
    blob = CIPHER.seal(PROMPT, b"record 1")
    with pytest.raises(IntegrityError, match="altered or moved"):
        CIPHER.open(blob, b"record 2")


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_flipped_bit_of_a_blob_goes_unnoticed(at, bit):
    blob = bytearray(CIPHER.seal(PROMPT, b"place"))
    blob[at % len(blob)] ^= 1 << bit
    with pytest.raises(IntegrityError):
        CIPHER.open(bytes(blob), b"place")


@given(blob=st.binary(max_size=200))
def test_any_bytes_open_to_nothing_but_an_integrity_error(blob):
    for candidate in (blob, b"\x01\x00" + OneDataKey(KEY).current()[0] + blob):
        with pytest.raises(IntegrityError):
            CIPHER.open(candidate, b"place")


@pytest.mark.parametrize(
    ("flags", "packed", "message"),
    [
        pytest.param(1, b"not zstd", "can't be unpacked", id="not compressed"),
        pytest.param(1, zstandard.compress(bytes(99))[:-3], "can't be unpacked", id="cut"),
        pytest.param(1, b"\x28\xb5\x2f\xfd\xe0" + b"\xff" * 8, "larger than any", id="claims too much"),
        pytest.param(7, b"?", "unknown way", id="packed otherwise"),
    ],
)
def test_a_blob_packed_by_somebody_else_is_an_integrity_error(flags, packed, message):
    head = bytes([1, flags]) + OneDataKey(KEY).current()[0]
    blob = head + bytes(12) + AESGCM(KEY).encrypt(bytes(12), packed, _CONTEXT + head)
    with pytest.raises(IntegrityError, match=message):
        CIPHER.open(blob, b"")


class Monthly:
    """Keys that change and can be destroyed: what the later hierarchy will look like from here."""

    def __init__(self) -> None:
        self.keys: dict[bytes, bytes] = {}
        self._ids: Iterator[int] = iter(range(100))
        self.turn()

    def turn(self) -> None:
        self._now = b"month%03d" % next(self._ids)
        self.keys[self._now] = os.urandom(32)

    def current(self) -> tuple[bytes, bytes]:
        return self._now, self.keys[self._now]

    def find(self, key_id: bytes) -> bytes | None:
        return self.keys.get(key_id)


@pytest.mark.req("UPD-P2-4")
def test_destroying_a_key_erases_what_stands_under_it_and_nothing_else():
    keys = Monthly()
    cipher = ContentCipher(keys)
    old = cipher.seal(b"last month", b"")
    keys.turn()
    new = cipher.seal(b"this month", b"")
    assert cipher.open(old, b"") == b"last month"
    del keys.keys[old[2:10]]
    with pytest.raises(IntegrityError, match="a key that is not here"):
        cipher.open(old, b"")
    assert cipher.open(new, b"") == b"this month"
