import gzip
import itertools
import zlib

import brotli  # type: ignore[import-untyped]  # ships no types
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from sekimori.errors import WireError
from sekimori.wire.encoding import ContentDecoder, codings, decode

TEXT = b'{"model":"m","text":"' + b"hello again " * 900 + b'"}'


def raw_deflate(data: bytes) -> bytes:
    return zlib.compress(data, wbits=-15)


COMPRESSORS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
    "gzip, identity, br": lambda data: brotli.compress(gzip.compress(data)),
    "deflate, zstd, gzip": lambda data: gzip.compress(zstandard.compress(raw_deflate(data))),
}


@pytest.mark.parametrize("coding", COMPRESSORS)
def test_each_coding_and_their_stacks_are_taken_off(coding):
    decoded = decode(COMPRESSORS[coding](TEXT), coding)
    assert (decoded.body, decoded.sure) == (TEXT, True)


@pytest.mark.parametrize("coding", COMPRESSORS)
@pytest.mark.parametrize("size", [1, 100_000, 3 << 20])
def test_a_body_that_shrinks_a_lot_comes_out_whole(coding, size):
    body = COMPRESSORS[coding](bytes(size))
    assert decode(body, coding).body == bytes(size)


@pytest.mark.parametrize("coding", COMPRESSORS)
@given(data=st.data(), text=st.binary(max_size=300))
def test_where_the_network_cuts_a_coded_body_never_changes_it(coding, data, text):
    body = COMPRESSORS[coding](text)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(body)), max_size=6)))
    decoder = ContentDecoder(coding)
    pieces = [decoder.feed(body[a:b]) for a, b in itertools.pairwise([0, *cuts, len(body)])]
    plain = b"".join([*pieces, decoder.finish()])
    # Raw deflate has no mark; what it begins with may look like a text that somebody has decoded: then not sure.
    assert plain == text or not decoder.sure
    assert decoder.complete


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        pytest.param(TEXT, "gzip", id="plain text, gzip claimed"),
        pytest.param(TEXT, "br", id="plain text, br claimed"),
        pytest.param(b"data: {}\n\n", "zstd", id="event stream, zstd claimed"),
    ],
)
def test_a_body_that_was_decoded_by_somebody_else_passes_but_is_not_sure(body, coding):
    decoded = decode(body, coding)
    assert (decoded.body, decoded.sure) == (body, False)


@pytest.mark.parametrize(
    ("body", "coding", "text"),
    [
        pytest.param(gzip.compress(TEXT) + gzip.compress(b"!"), "gzip", TEXT + b"!", id="two members"),
        pytest.param(gzip.compress(TEXT) + b"garbage", "gzip", TEXT, id="garbage behind"),
        pytest.param(
            zstandard.compress(TEXT) + zstandard.compress(b"!"), "zstd", TEXT + b"!", id="two frames"
        ),
        pytest.param(gzip.compress(TEXT)[:-1], "gzip", TEXT, id="cut in its checksum"),
    ],
)
def test_a_body_that_decoders_read_differently_is_not_sure(body, coding, text):
    decoded = decode(body, coding)
    assert (decoded.body, decoded.sure) == (text, False)


def test_a_body_that_is_both_kinds_of_deflate_is_not_sure():
    # 78 01 begins a zlib stream, and is the length of a stored block to who reads raw deflate.
    content = (b"\x00\x00\xff\xff" + raw_deflate(b"the other text")).ljust(0xFFFE, b"\0")
    body = b"\x78\x01\x00\xfe\xff\x01\x00" + content + b"\x01\x00\x00\xff\xff"
    body += zlib.adler32(content).to_bytes(4)
    assert zlib.decompress(body) == content
    assert zlib.decompressobj(-15).decompress(body) == b"\x01the other text"
    decoded = decode(body, "deflate")
    assert (decoded.body, decoded.sure) == (content, False)


@pytest.mark.parametrize("coding", ["compress", "gzip, what", "br, br, br, br, br", "gzip gzip"])
def test_an_unknown_coding_is_refused(coding):
    with pytest.raises(WireError, match="not known"):
        decode(TEXT, coding)


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        pytest.param(b"\x1f\x8b\x08" + bytes(30) + b"\xff" * 9, "gzip", id="gzip"),
        pytest.param(b"\xff" * 20, "deflate", id="deflate"),
        pytest.param(b"\xff" * 20, "br", id="br"),
        pytest.param(b"\x28\xb5\x2f\xfd" + b"\xff" * 20, "zstd", id="zstd"),
    ],
)
def test_a_broken_body_is_an_error_of_the_wire(body, coding):
    with pytest.raises(WireError):
        decode(body, coding)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, identity, br"])
def test_a_bomb_stops_at_the_limit(coding):
    bomb = COMPRESSORS[coding](bytes(8 << 20))
    decoder = ContentDecoder(coding, limit=1 << 20)
    with pytest.raises(WireError, match="larger than 1048576 bytes"):
        decoder.feed(bomb)
    assert len(decoder.taken()) == 1 << 20


def test_identity_is_no_coding():
    assert codings("identity, , Identity") == []
    assert decode(TEXT, "identity").body == TEXT


@given(body=st.binary(max_size=80), coding=st.sampled_from(["gzip", "deflate", "br", "zstd", "gzip,br"]))
def test_any_bytes_decode_or_are_an_error_of_the_wire(body, coding):
    try:
        decode(body, coding, limit=1 << 16)
    except WireError as fault:
        assert str(fault)  # noqa: PT017 - the property is that nothing else is raised


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\n" * 40 + b'{"a": 1}', id="JSON behind white space"),
        pytest.param(b"{" + b" " * 40 + b'"a": 1}', id="JSON with white space inside"),
        pytest.param(b"\n" * 5000 + b'{"a": 1}', id="JSON behind more white space than is looked at"),
        pytest.param(brotli.compress(TEXT) + b"garbage", id="a stream with something behind its end"),
    ],
)
def test_where_a_body_is_cut_never_changes_whether_its_coding_is_believed(body, size):
    def read(step):
        decoder, taken = ContentDecoder("br"), []
        try:
            taken += [decoder.feed(body[at : at + step]) for at in range(0, len(body), step)]
            taken.append(decoder.finish())
        except WireError:
            return "another coding"
        return b"".join(taken), decoder.sure

    assert read(size) == read(len(body))
