"""The two signed pointers: nothing but the publisher's own words is read."""

from __future__ import annotations

import msgspec
import pytest

from sekimori.errors import PolicyUnavailableError
from sekimori.vault.pointers import (
    Current,
    PointerSigner,
    PointerVerifier,
    StandingPointer,
    next_serial,
)

SIGNER = PointerSigner(bytes(range(32)))
VERIFIER = PointerVerifier.of(SIGNER)
CURRENT = SIGNER.sign(Current(issued_us=5, serial=6, policy="a", flat="b", people="c", policy_source="1/x"))


def read(pointer, kind=Current):
    return VERIFIER.read(msgspec.json.encode(pointer), kind, "current.json")


def test_what_was_signed_is_read_back():
    assert read(CURRENT) == CURRENT
    assert CURRENT.sources == ("1/x", "")


@pytest.mark.parametrize("field", ["issued_us", "serial", "policy", "flat", "people", "policy_source"])
def test_every_field_is_signed(field):
    other = 7 if isinstance(getattr(CURRENT, field), int) else "z"
    with pytest.raises(PolicyUnavailableError, match="not signed"):
        read(msgspec.structs.replace(CURRENT, **{field: other}))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"{}", id="nothing"),
        pytest.param(b"\xff", id="no text"),
        pytest.param(b" " * 65_537, id="too long"),
        pytest.param(msgspec.json.encode(msgspec.structs.replace(CURRENT, signature="")), id="unsigned"),
        pytest.param(msgspec.json.encode(msgspec.structs.replace(CURRENT, signature="zz")), id="no hex"),
        pytest.param(
            msgspec.json.encode(PointerSigner(bytes(32)).sign(CURRENT)), id="signed by another publisher"
        ),
    ],
)
def test_anything_else_is_unavailable(data):
    with pytest.raises(PolicyUnavailableError):
        VERIFIER.read(data, Current, "current.json")


def test_a_signature_for_one_kind_of_pointer_is_none_for_the_other():
    standing = StandingPointer(issued_us=5, serial=6, standing="a")
    forged = msgspec.structs.replace(standing, signature=CURRENT.signature)
    with pytest.raises(PolicyUnavailableError):
        read(forged, StandingPointer)
    assert read(SIGNER.sign(standing), StandingPointer).standing == "a"


def test_a_serial_only_grows_whatever_the_clock_does():
    assert next_serial(100, 0) == 100
    assert next_serial(50, 100, 7) == 101
