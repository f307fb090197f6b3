"""Fingerprints tell credentials apart and reveal none."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from sekimori.vault.fingerprint import Fingerprinter, fingerprint

KEY = bytes(range(32))


@given(credential=st.binary(max_size=100))
def test_a_fingerprint_is_sixteen_hex_digits_and_always_the_same(credential):
    one = fingerprint(KEY, credential)
    assert len(one) == 16
    assert int(one, 16) >= 0
    assert Fingerprinter(KEY)(credential) == one


def test_two_keys_of_a_provider_have_two_fingerprints():
    assert fingerprint(KEY, b"sk-proj-aaaa") != fingerprint(KEY, b"sk-proj-aaab")


def test_without_the_fingerprint_key_a_guess_can_not_be_checked():
    assert fingerprint(KEY, b"1234") != fingerprint(bytes(32), b"1234")
    assert fingerprint(KEY, b"1234") != hashlib.sha256(b"1234").hexdigest()[:16]
