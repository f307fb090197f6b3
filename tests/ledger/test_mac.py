"""HMAC-SHA256 as everybody else computes it."""

import hmac

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sekimori.ledger.mac import hmac_sha256


@given(key=st.binary(min_size=32, max_size=32), prefix=st.binary(max_size=100), data=st.binary(max_size=5000))
@example(key=bytes(32), prefix=b"", data=b"")
def test_it_is_the_hmac_of_the_standard_library(key, prefix, data):
    assert hmac_sha256(key, prefix, data) == hmac.digest(key, prefix + data, "sha256")


@pytest.mark.parametrize(
    "size", [1967, 1968, 1983, 1984, 2047, 2048, 4094, 64 * 1024, 64 * 1024 + 1, 1_000_003]
)
def test_no_size_is_hashed_otherwise(size):
    data = (bytes(range(256)) * (size // 256 + 1))[:size]
    assert hmac_sha256(bytes(range(32)), b"prefix", data) == hmac.digest(
        bytes(range(32)), b"prefix" + data, "sha256"
    )
