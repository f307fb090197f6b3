"""Sealed segments: the archivist opens them, the writer can't read back."""

import os

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from sekimori.errors import IntegrityError
from sekimori.vault.sealing import (
    OVERHEAD,
    PREAMBLE_BYTES,
    OpenedSegment,
    SegmentOpener,
    SegmentSealer,
    _frame_key,
    _next_chain,
    _nonce,
)

ARCHIVIST = X25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = ARCHIVIST.public_key().public_bytes_raw()
SEALER = SegmentSealer(PUBLIC)
OPENER = SegmentOpener(ARCHIVIST.private_bytes_raw())

frames = st.lists(st.tuples(st.binary(max_size=200), st.binary(max_size=40)), min_size=1, max_size=8)


@given(frames=frames)
def test_the_archivist_opens_every_frame_in_any_order(frames):
    segment = SEALER.open_segment()
    sealed = [segment.seal(plaintext, context) for plaintext, context in frames]
    opened = OPENER.open_segment(segment.preamble)
    for number in [*range(len(frames)), *reversed(range(len(frames)))]:
        plaintext, context = frames[number]
        assert opened.open(number, sealed[number], context) == plaintext
        assert len(sealed[number]) == len(plaintext) + OVERHEAD


@pytest.mark.req("ABG-CG5-1")
def test_what_a_writer_holds_after_a_frame_opens_neither_it_nor_those_before():
    segment = SEALER.open_segment()
    sealed = [segment.seal(b"prompt", b"") for _ in range(5)]
    # Everything that the writer still has in memory: walk it forward, try every key on every frame.
    chain = segment._chain
    for _ in range(8):
        for number, frame in enumerate(sealed):
            with pytest.raises(InvalidTag):
                AESGCM(_frame_key(chain)).decrypt(_nonce(number), frame, b"")
        chain = _next_chain(chain)


def test_the_writer_keeps_no_private_key():
    segment = SEALER.open_segment()
    assert set(segment.__slots__) == {"_chain", "_number", "preamble"}
    assert vars(SEALER).keys() == {"_public", "_random"}


def test_two_segments_never_share_a_key():
    one, two = SEALER.open_segment(), SEALER.open_segment()
    assert one.preamble != two.preamble
    with pytest.raises(IntegrityError):
        OPENER.open_segment(two.preamble).open(0, one.seal(b"prompt", b""), b"")


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_keeps_a_frame_shut(at, bit):
    segment = SEALER.open_segment()
    sealed = segment.seal(b"a prompt of some length", b"context")
    parts = [bytearray(segment.preamble), bytearray(sealed), bytearray(b"context")]
    flat = [(part, i) for part in parts for i in range(len(part))]
    part, i = flat[at % len(flat)]
    part[i] ^= 1 << bit
    # The top bit of an X25519 point is ignored by the curve (RFC 7748), not by the salt.
    with pytest.raises(IntegrityError):
        OPENER.open_segment(bytes(parts[0])).open(0, bytes(parts[1]), bytes(parts[2]))


@pytest.mark.parametrize(
    ("preamble", "message"),
    [
        pytest.param(b"", "doesn't know", id="empty"),
        pytest.param(b"\x02" + bytes(PREAMBLE_BYTES - 1), "doesn't know", id="another suite"),
        pytest.param(b"\x01" + bytes(PREAMBLE_BYTES - 1), "another archivist", id="another archivist"),
        pytest.param(
            SEALER.open_segment().preamble[:9] + bytes(32), "not a valid one", id="a point of small order"
        ),
    ],
)
def test_a_preamble_that_is_not_for_this_archivist_says_so(preamble, message):
    with pytest.raises(IntegrityError, match=message):
        OPENER.open_segment(preamble)


@given(preamble=st.binary(max_size=60), sealed=st.binary(max_size=60), number=st.integers(0, 20))
def test_any_bytes_open_to_nothing_but_an_integrity_error(preamble, sealed, number):
    with pytest.raises(IntegrityError):
        OPENER.open_segment(preamble)
    with pytest.raises(IntegrityError):
        OpenedSegment(bytes(32)).open(number, sealed, b"")


def test_a_frame_does_not_open_under_another_number():
    segment = SEALER.open_segment()
    sealed = [segment.seal(b"same", b"") for _ in range(3)]
    with pytest.raises(IntegrityError, match="Frame 2"):
        OPENER.open_segment(segment.preamble).open(2, sealed[1], b"")


def test_the_ephemeral_key_comes_from_the_callers_randomness():
    fixed = SegmentSealer(PUBLIC, random=lambda count: b"\x07" * count)
    assert fixed.open_segment().preamble == fixed.open_segment().preamble
    assert os.urandom(1) is not None
