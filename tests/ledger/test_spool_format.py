"""The worked example of docs/formats/spool.md is what the code writes and reads."""

import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from sekimori.ledger import frames
from sekimori.ledger.frames import SegmentHeader
from sekimori.ledger.lanes import LOCK, segment_path
from sekimori.ledger.reading import EndState, LaneReader
from sekimori.ledger.record import Outcome, encode
from sekimori.vault.sealing import SegmentOpener, SegmentSealer

PAGE = (Path(__file__).parents[2] / "docs/formats/spool.md").read_text()
LANE = "w1-20260401"
OUTCOME = Outcome(rid="0196f0c2", time_us=1_775_012_345_678_901, state="complete", status=200)


def example(name: str) -> bytes:
    """Return the bytes of one block of the page."""
    (block,) = re.findall(rf"```hex {name}\n(.*?)```", PAGE, re.DOTALL)
    return bytes.fromhex(block)


def test_the_example_is_read_as_the_page_says(tmp_path):
    (tmp_path / LANE).mkdir()
    (tmp_path / LANE / LOCK).touch()
    segment_path(tmp_path / LANE, 1).write_bytes(example("header") + example("frame") + example("close"))
    reader = LaneReader(tmp_path / LANE, SegmentOpener(example("archivist-private")))
    (item,) = reader.read()
    assert (item.n, item.entry) == (1, OUTCOME)
    assert reader.end is not None
    assert reader.end.state is EndState.CLOSED


def test_the_example_is_what_the_writer_writes():
    public = X25519PrivateKey.from_private_bytes(example("archivist-private")).public_key().public_bytes_raw()
    chain = SegmentSealer(public, random=lambda count: bytes(range(32, 32 + count))).open_segment()
    header = frames.pack_header(SegmentHeader(LANE, 1, 1, chain.preamble))
    assert header == example("header")
    plaintext = frames.pack_entries([encode(OUTCOME)])
    assert plaintext == example("plaintext")
    for name, number, first_n, content, count in (("frame", 0, 1, plaintext, 1), ("close", 1, 2, b"", 0)):
        head = frames.new_head(len(content) + frames.SEAL_BYTES, number, first_n, count)
        sealed = chain.seal(content, frames.context(header, head.bound))
        assert frames.pack_frame(head, sealed) == example(name)


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        pytest.param("Format version {}.", frames.VERSION, id="version"),
        pytest.param("`{}`", frames.SEGMENT_MAGIC.decode(), id="segment magic"),
        pytest.param("`{}`", frames.FRAME_MAGIC.decode(), id="frame magic"),
    ],
)
def test_the_page_names_the_constants_of_the_code(claim, value):
    assert claim.format(value) in PAGE
