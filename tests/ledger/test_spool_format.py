"""The worked example of docs/formats/spool.md is what the code writes and reads."""

import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from sekimori.ledger import frames
from sekimori.ledger.evidence import write_entry
from sekimori.ledger.frames import SegmentHeader
from sekimori.ledger.lanes import LOCK, segment_path
from sekimori.ledger.reading import EndState, LaneReader
from sekimori.ledger.record import Body, Intent, Outcome
from sekimori.vault.sealing import SegmentOpener, SegmentSealer
from support.tlog import NOW, WRITER

FORMATS = Path(__file__).parents[2] / "docs/formats"
PAGE = (FORMATS / "spool.md").read_text()
LANE, OLD_LANE = "w1-20261121", "w1-20260401"
OUTCOME = Outcome(rid="0196f0c2", time_us=1_775_012_345_678_901, state="complete", status=200)


def example(name: str, page: str = PAGE) -> bytes:
    """Return the bytes of one block of the page."""
    (block,) = re.findall(rf"```hex {name}\n(.*?)```", page, re.DOTALL)
    return bytes.fromhex(block)


def neighbour(page: str) -> str:
    """Return another page of the formats."""
    return (FORMATS / f"{page}.md").read_text()


REQUEST = example("request", neighbour("commitment"))
INTENT = Intent(
    rid="0196f0c2-7a51-7c3e-9d0f-5b1f0e6a4c21",
    key=example("record-key", neighbour("commitment")),
    time_us=NOW,
    user="yamada",
    decision="allow",
    policy="c0" * 32,
    body=Body(size=len(REQUEST), stored=REQUEST),
)


@pytest.mark.parametrize(
    ("version", "lane", "entry"),
    [pytest.param("", LANE, INTENT, id="version 2"), pytest.param("-1", OLD_LANE, OUTCOME, id="version 1")],
)
def test_the_example_is_read_as_the_page_says(tmp_path, version, lane, entry):
    (tmp_path / lane).mkdir()
    (tmp_path / lane / LOCK).touch()
    segment = b"".join(example(name + version) for name in ("header", "frame", "close"))
    segment_path(tmp_path / lane, 1).write_bytes(segment)
    reader = LaneReader(tmp_path / lane, SegmentOpener(example("archivist-private")))
    (item,) = reader.read()
    assert (item.n, item.entry) == (1, entry)
    assert reader.end is not None
    assert reader.end.state is EndState.CLOSED
    if version:
        assert (item.envelope, item.leaf) == (b"", b"")
    else:
        assert item.leaf == example("leaf", neighbour("leaf"))
        assert f"```text intent\n{item.envelope.decode()}\n```" in neighbour("envelope")


def test_the_example_is_what_the_writer_writes():
    public = X25519PrivateKey.from_private_bytes(example("archivist-private")).public_key().public_bytes_raw()
    chain = SegmentSealer(public, random=lambda count: bytes(range(32, 32 + count))).open_segment()
    header = frames.pack_header(SegmentHeader(LANE, 1, 1, chain.preamble))
    assert header == example("header")
    plaintext = frames.pack_entries([write_entry(INTENT, LANE, 1, WRITER)])
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
