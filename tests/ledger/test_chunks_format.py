"""The worked example of docs/formats/chunks.md is what the code writes and reads."""

import re
from pathlib import Path

import msgspec
import pytest

from sekimori.ledger import chunks, manifest, spans
from sekimori.ledger.chunks import address_of
from sekimori.ledger.manifest import decode
from support.texts import Texts

PAGE = (Path(__file__).parents[2] / "docs/formats/chunks.md").read_text()
RIDS = ("01J9Z8Q4T2K7M5N3P6R8", "01J9Z8Q5000000000000")
KEY = bytes(range(32))


def block(kind: str, name: str) -> str:
    (found,) = re.findall(rf"```{kind} {name}\n(.*?)\n```", PAGE, re.DOTALL)
    return str(found)


FIRST, SECOND = block("json", "first").encode(), block("json", "second").encode()
MANIFESTS = [bytes.fromhex(block("hex", f"{name}-manifest")) for name in ("first", "second")]


def test_the_example_is_read_as_the_page_says():
    texts = Texts()
    texts.rows.forged = dict(zip(RIDS, MANIFESTS, strict=True))
    assert [texts.cold().load(rid) for rid in RIDS] == [FIRST, SECOND]


def test_the_example_is_what_the_writer_writes():
    texts = Texts(KEY)
    stored = [texts.store(rid, body) for rid, body in zip(RIDS, (FIRST, SECOND), strict=True)]
    for written, said in zip(stored, MANIFESTS, strict=True):
        # Another release of the compressor may find a shorter pack for the same text.
        same = {"pack": b""}
        assert msgspec.structs.replace(decode(written.manifest), **same) == msgspec.structs.replace(
            decode(said), **same
        )
    assert stored[1].anchors == (bytes.fromhex(block("hex", "anchor")),)
    assert stored[1].links == {RIDS[0]}
    question = spans.spans(FIRST)[1]
    assert address_of(KEY, FIRST[question.start : question.end]).hex() == block("hex", "address")


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(f"at most {chunks.MAX_DEPTH}", id="depth"),
        pytest.param(f"At most {spans.MAX_SPANS:,} pieces", id="pieces"),
        pytest.param(f"the last {manifest.DICTIONARY_BYTES >> 10} KiB", id="dictionary"),
        pytest.param(f"A piece of {manifest.LARGE_BYTES >> 10} KiB", id="large"),
        *(
            pytest.param(f"`{name.decode()}`", id=name.decode())
            for name in sorted(spans.ARRAYS | spans.WHOLES)
        ),
    ],
)
def test_the_page_names_the_constants_of_the_code(claim):
    assert claim in PAGE
