"""The worked examples of docs/formats are what the code writes and reads, and sigsum-verify accepts them."""

import re
from pathlib import Path

import pytest

from sekimori.errors import IntegrityError
from sekimori.ledger.envelope import (
    META,
    REQUEST,
    commit,
    commitments,
    decode_envelope,
    encode_envelope,
    meta_bytes,
    opening,
)
from sekimori.ledger.evidence import envelope_of
from sekimori.ledger.record import Body, Intent, Outcome, decode
from sekimori.ledger.tlog.checkpoint import log_verifier, open_checkpoint, sign_checkpoint
from sekimori.ledger.tlog.keys import PublicKey, key_hash, parse_ssh_line, ssh_line
from sekimori.ledger.tlog.leaf import check_leaf, is_leaf_of
from sekimori.ledger.tlog.merkle import inclusion_path, leaf_hash
from sekimori.ledger.tlog.note import parse_vkey, with_signatures
from sekimori.ledger.tlog.proof import check_proof, make_proof, parse_proof
from sekimori.ledger.tlog.superlog import own_words
from sekimori.ledger.tlog.tiles import Edge, TileNodes, grow
from sekimori.ledger.tlog.trust import parse_trust
from support.sigsum import SigsumVerify
from support.tlog import GATE, LOG, NOW, WITNESS, WRITER, cosign_text, witness_verifier

FORMATS = Path(__file__).parents[2] / "docs/formats"
PAGES = ["envelope", "commitment", "leaf", "lane", "checkpoint", "super-log", "export"]
RID = "0196f0c2-7a51-7c3e-9d0f-5b1f0e6a4c21"
LANE = "w1-20261121"
POLICY = "c0" * 32


def block(page: str, kind: str, name: str) -> str:
    (found,) = re.findall(rf"```{kind} {name}\n(.*?)```", (FORMATS / f"{page}.md").read_text(), re.DOTALL)
    return str(found)


def raw(page: str, name: str) -> bytes:
    """Return the bytes of a block in hex."""
    return bytes.fromhex(block(page, "hex", name))


def text(page: str, name: str) -> bytes:
    """Return a block of text, the last newline being the page's."""
    return block(page, "text", name)[:-1].encode()


ENVELOPES = [text("envelope", "intent"), text("envelope", "outcome")]
LEAVES = [WRITER.sign(envelope) for envelope in ENVELOPES]
WRITERS = {key_hash(GATE.public): PublicKey(GATE.public)}


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_how_versions_change_and_what_it_does_not_prove(page):
    content = (FORMATS / f"{page}.md").read_text()
    for heading in ("## Worked example", "## Version rule", "## What it does not prove"):
        assert content.count(heading) == 1


@pytest.mark.parametrize("name", ["intent", "outcome", "stored"])
def test_the_envelopes_are_canonical(name):
    data = text("envelope", name)
    fields = decode_envelope(data)
    assert encode_envelope(fields) == data
    assert fields["k"] == name


def test_the_commitments_are_those_of_the_page():
    key, body = raw("commitment", "record-key"), raw("commitment", "request")
    entry = Intent(
        rid=RID,
        key=key,
        time_us=NOW,
        user="yamada",
        decision="allow",
        policy=POLICY,
        body=Body(size=len(body), stored=body),
    )
    meta = raw("commitment", "meta")
    assert meta_bytes(entry) == meta
    assert decode(meta).rid == RID
    assert opening(key, RID, REQUEST) == raw("commitment", "opening")
    made = commitments(key, RID, {META: meta, REQUEST: body})
    assert (
        made[REQUEST]
        == raw("commitment", "commitment")
        == commit(raw("commitment", "opening"), REQUEST, body)
    )
    assert made[META] == raw("commitment", "meta-commitment")
    assert decode_envelope(ENVELOPES[0])["c"] == {name: value.hex() for name, value in made.items()}
    assert envelope_of(entry, LANE, 1) == ENVELOPES[0]


def test_the_envelope_of_the_answer_is_that_of_the_page():
    body = raw("commitment", "answer")
    entry = Outcome(
        rid=RID,
        key=raw("commitment", "record-key"),
        time_us=NOW + 1_500_000,
        state="complete",
        status=200,
        policy=POLICY,
        body=Body(size=len(body), stored=body),
    )
    assert body.decode() in (FORMATS / "commitment.md").read_text()
    assert envelope_of(entry, LANE, 2) == ENVELOPES[1]


def test_the_leaf_is_that_of_the_page():
    assert raw("leaf", "leaf") == LEAVES[0]
    assert leaf_hash(LEAVES[0]) == raw("leaf", "leaf-hash")
    assert parse_ssh_line(text("leaf", "writer").decode()) == GATE.public
    assert text("leaf", "writer").decode() + "\n" == ssh_line(GATE.public)
    check_leaf(raw("leaf", "leaf"), WRITERS)


def test_the_files_of_the_lane_are_those_of_the_page():
    edge, files = grow(Edge(), LEAVES)
    assert {tile.path: data for tile, data in files.items()} == {
        "tile/entries/000.p/2": raw("lane", "bundle"),
        "tile/0/000.p/2": raw("lane", "tile"),
    }
    assert edge.frontier().root() == raw("lane", "root")


def test_the_checkpoint_is_that_of_the_page():
    note = sign_checkpoint(2, raw("lane", "root"), LOG)
    note = with_signatures(note, cosign_text(note.text))
    page = block("checkpoint", "text", "checkpoint").encode()
    assert note.pack() == page
    log = parse_vkey(text("checkpoint", "log-vkey").decode())
    witness = parse_vkey(text("checkpoint", "witness-vkey").decode())
    assert log.key_id == raw("checkpoint", "key-id")
    opened = open_checkpoint(page, log, [witness])
    assert [one.time for one in opened.witnesses] == [NOW // 1_000_000]


def test_the_leaves_of_the_super_log_are_those_of_the_page():
    opened, grown = (decode_envelope(text("super-log", name)) for name in ("open", "checkpoint-leaf"))
    assert opened["key"] == LOG.public.hex()
    assert grown["note"] == own_words(sign_checkpoint(2, raw("lane", "root"), LOG))
    assert is_leaf_of(raw("super-log", "open-leaf"), text("super-log", "open"))
    check_leaf(raw("super-log", "open-leaf"), WRITERS)


def test_the_proof_is_that_of_the_page_and_others_accept_it(tmp_path):
    _, files = grow(Edge(), LEAVES)
    page = block("export", "text", "proof").encode()
    checkpoint = block("checkpoint", "text", "checkpoint").encode()
    opened = open_checkpoint(checkpoint, log_verifier(LOG.public), [witness_verifier()])
    path = inclusion_path(0, 2, TileNodes(2, files.__getitem__))
    assert make_proof(LEAVES[0], 0, path, opened, {WITNESS.public}).pack() == page
    trust = parse_trust(block("export", "text", "policy").encode())
    assert trust.pack() == block("export", "text", "policy").encode()
    check_proof(parse_proof(page), ENVELOPES[0], WRITERS, trust)
    with pytest.raises(IntegrityError):
        check_proof(parse_proof(page), ENVELOPES[1], WRITERS, trust)
    verifier = SigsumVerify(tmp_path, [GATE.public], trust)
    assert verifier.accepts(page, ENVELOPES[0])
    assert not verifier.accepts(page, ENVELOPES[1])
