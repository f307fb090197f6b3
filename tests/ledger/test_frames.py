"""The bytes of the spool: what goes in comes out, anything else is an IntegrityError."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.errors import IntegrityError
from sekimori.ledger import frames
from sekimori.ledger.frames import FrameHead, SegmentHeader

HEADER = SegmentHeader("w1-20260401", 7, 1001, bytes(range(41)))
PACKED = frames.pack_header(HEADER)

lanes = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True)


@given(
    lane=lanes,
    segment=st.integers(0, 2**32 - 1),
    first_n=st.integers(0, 2**64 - 1),
    preamble=st.binary(max_size=255),
    version=st.sampled_from(frames.READABLE),
    behind=st.binary(max_size=50),
)
def test_a_header_comes_back_whatever_stands_behind_it(lane, segment, first_n, preamble, version, behind):
    header = SegmentHeader(lane, segment, first_n, preamble, version)
    packed = frames.pack_header(header)
    assert frames.unpack_header(packed + behind) == (header, packed)


@given(at=st.integers(0, len(PACKED) - 1), change=st.integers(1, 255))
def test_no_changed_byte_of_a_header_goes_unnoticed(at, change):
    damaged = bytearray(PACKED)
    damaged[at] ^= change
    with pytest.raises(IntegrityError):
        frames.unpack_header(bytes(damaged))


@given(data=st.binary(max_size=300))
def test_any_bytes_are_a_header_or_an_integrity_error(data):
    for candidate in (data, PACKED[:8] + data, PACKED[:20] + data, PACKED[: len(data)]):
        if candidate[: len(PACKED)] != PACKED:
            with pytest.raises(IntegrityError):
                frames.unpack_header(candidate)


def test_a_later_version_is_named():
    later = PACKED[:7] + b"\x03" + PACKED[8:]
    with pytest.raises(IntegrityError, match="format version 3") as caught:
        frames.unpack_header(later)
    assert "release that wrote it" in caught.value.hint


@given(
    sealed=st.binary(min_size=16, max_size=300),
    number=st.integers(0, 2**32 - 1),
    first_n=st.integers(0, 2**64 - 1),
    count=st.integers(0, 2**32 - 1),
)
def test_a_frame_comes_back_and_its_length_is_known_from_its_head(sealed, number, first_n, count):
    packed = frames.pack_frame(frames.new_head(len(sealed), number, first_n, count), sealed)
    head = frames.unpack_frame_head(packed[: frames.FRAME_HEAD_BYTES])
    assert head is not None
    assert (head.length, head.number, head.first_n, head.count) == (len(sealed), number, first_n, count)
    assert packed[frames.FRAME_HEAD_BYTES :] == sealed
    assert frames.is_whole(head, sealed)


@pytest.mark.parametrize("size", [0, 5 * 1024, 5 * 1024 + 1, 12_345, 64 * 1024, 64 * 1024 + 1, 300_000])
def test_the_checksum_of_a_frame_is_the_usual_one_whatever_its_size(size):
    sealed = bytes(range(256)) * (size // 256) + bytes(size % 256)
    packed = frames.pack_frame(frames.new_head(size, 1, 2, 3), sealed)
    assert int.from_bytes(packed[4:8]) == zlib.crc32(packed[8:])


@given(at=st.integers(0, 75), change=st.integers(1, 255))
def test_no_changed_byte_of_a_frame_passes_its_checksum(at, change):
    packed = bytearray(frames.pack_frame(frames.new_head(48, 1, 2, 3), bytes(range(48))))
    packed[at] ^= change
    head = frames.unpack_frame_head(bytes(packed[: frames.FRAME_HEAD_BYTES]))
    assert head is None or not frames.is_whole(head, bytes(packed[frames.FRAME_HEAD_BYTES :]))


@given(data=st.binary(max_size=60))
def test_any_bytes_are_a_frame_head_or_none(data):
    for candidate in (data, frames.FRAME_MAGIC + data):
        head = frames.unpack_frame_head(candidate)
        assert head is None or isinstance(head, FrameHead)


@given(entries=st.lists(st.binary(max_size=100), max_size=10))
def test_a_commit_holds_its_entries_in_order(entries):
    assert frames.unpack_entries(frames.pack_entries(entries), len(entries)) == entries


@given(plaintext=st.binary(max_size=60), count=st.integers(0, 5))
def test_any_bytes_are_entries_or_an_integrity_error(plaintext, count):
    try:
        entries = frames.unpack_entries(plaintext, count)
    except IntegrityError:
        return
    assert frames.pack_entries(entries) == plaintext
    assert len(entries) == count
