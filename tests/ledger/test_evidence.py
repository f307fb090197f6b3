"""Every entry of the spool stands beside its envelope and its leaf, and the three fit together."""

import os
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.errors import IntegrityError, RecordError
from sekimori.ledger import frames
from sekimori.ledger.envelope import (
    META,
    REQUEST,
    RESPONSE,
    commitments,
    decode_envelope,
    meta_bytes,
    read_record_envelope,
)
from sekimori.ledger.evidence import envelope_of, read_entry, write_entry
from sekimori.ledger.frames import SegmentHeader
from sekimori.ledger.lanes import LOCK, segment_path
from sekimori.ledger.reading import LaneReader
from sekimori.ledger.record import Body, Entry, Intent, Outcome, Part, encode
from sekimori.ledger.spool import SpoolSettings, open_spool
from sekimori.ledger.tlog.checkpoint import log_verifier, open_checkpoint, sign_checkpoint
from sekimori.ledger.tlog.leaf import check_leaf, is_leaf_of
from sekimori.ledger.tlog.merkle import inclusion_path
from sekimori.ledger.tlog.note import with_signatures
from sekimori.ledger.tlog.proof import check_proof, make_proof
from sekimori.ledger.tlog.tiles import Edge, TileNodes, grow
from sekimori.ledger.tlog.trust import Trust
from support.sigsum import SigsumVerify
from support.spool import SEALER, SIGNER, WRITERS, intent, key_of, opener, read_lane, write_lane
from support.tlog import GATE, LOG, WITNESS, cosign_text, witness_verifier

LANE = "w1-1"
POLICY = "c0" * 32
ENTRIES: list[Entry] = [
    Intent(
        rid="A1",
        key=key_of("A1"),
        time_us=10,
        user="yamada",
        decision="allow",
        policy=POLICY,
        body=Body(sha256="ab", size=7, stored=b"request"),
    ),
    Part(rid="A1", key=key_of("A1"), time_us=11, number=1, policy=POLICY, body=Body(stored=b"more")),
    Outcome(
        rid="A1",
        key=key_of("A1"),
        time_us=12,
        state="complete",
        policy=POLICY,
        body=Body(stored=b"answer"),
        prompt=Body(sha256="cd", size=11),
    ),
    Intent(rid="B2", key=key_of("B2"), time_us=13, mode="connect", decision="deny"),
]
KINDS = ["intent", "part", "outcome", "intent"]

texts = st.text(st.characters(codec="utf-8"), max_size=20)
keys = st.binary(min_size=32, max_size=32)
bodies = st.builds(Body, sha256=texts, stored=st.binary(max_size=100))
common = {"rid": texts, "key": keys, "time_us": st.integers(0, 2**53 - 1), "policy": texts, "body": bodies}
entries = st.one_of(
    st.builds(Intent, user=texts, **common),
    st.builds(Outcome, state=texts, prompt=bodies, **common),
    st.builds(Part, number=st.integers(0, 9), **common),
)


@given(entry=entries, n=st.integers(1, 2**53 - 1))
def test_an_entry_comes_back_with_its_envelope_and_its_leaf(entry, n):
    read, envelope, leaf = read_entry(write_entry(entry, LANE, n, SIGNER), LANE, n)
    assert read == entry
    assert envelope == envelope_of(entry, LANE, n)
    check_leaf(leaf, WRITERS)
    assert is_leaf_of(leaf, envelope)


def test_the_envelope_commits_to_what_is_stored_and_names_nobody(tmp_path):
    lane = write_lane(tmp_path, [ENTRIES[:1], ENTRIES[1:]])
    items = read_lane(lane)
    assert [item.entry for item in items] == ENTRIES
    for item, kind in zip(items, KINDS, strict=True):
        said = read_record_envelope(item.envelope)
        assert (said.k, said.lane, said.n, said.rid) == (kind, LANE, item.n, item.entry.rid)
        assert (said.t, said.pol) == (item.entry.time_us, item.entry.policy)
        content = {META: meta_bytes(item.entry)}
        if item.entry.body.stored:
            content[RESPONSE if kind == "outcome" else REQUEST] = item.entry.body.stored
        assert said.commitments() == commitments(item.entry.key, item.entry.rid, content)
        for secret in (b"yamada", b"request", b"answer", item.entry.key, item.entry.key.hex().encode()):
            assert secret not in item.envelope + item.leaf


@pytest.mark.req("MOU-2-7")
def test_every_leaf_is_signed_by_the_gate(tmp_path):
    for item in read_lane(write_lane(tmp_path, [ENTRIES])):
        check_leaf(item.leaf, WRITERS)
        assert is_leaf_of(item.leaf, item.envelope)


def test_sigsum_verify_accepts_what_the_spool_holds(tmp_path):
    items = read_lane(write_lane(tmp_path / "spool", [ENTRIES]))
    edge, files = grow(Edge(), [item.leaf for item in items])
    note = sign_checkpoint(len(items), edge.frontier().root(), LOG)
    note = with_signatures(note, cosign_text(note.text))
    nodes = TileNodes(len(items), files.__getitem__)
    trust = Trust((LOG.public,), {"w1": WITNESS.public}, {}, "w1")
    verifier = SigsumVerify(tmp_path, [GATE.public], trust)
    for index, item in enumerate(items):
        opened = open_checkpoint(note.pack(), log_verifier(LOG.public), [witness_verifier()])
        path = inclusion_path(index, len(items), nodes)
        proof = make_proof(item.leaf, index, path, opened, {WITNESS.public})
        check_proof(proof, item.envelope, WRITERS, trust)
        assert verifier.accepts(proof.pack(), item.envelope)
        assert not verifier.accepts(proof.pack(), item.envelope + b" ")


def parts(entry: Entry = ENTRIES[0], n: int = 1) -> list[bytes]:
    """Return the five parts of a written entry."""
    return list(msgspec.msgpack.decode(write_entry(entry, LANE, n, SIGNER)))


@given(at=st.integers(0, 1000), change=st.integers(1, 255))
def test_a_flipped_byte_of_an_envelope_is_refused(at, change):
    altered = parts()
    envelope = bytearray(altered[0])
    envelope[at % len(envelope)] ^= change
    altered[0] = bytes(envelope)
    with pytest.raises(IntegrityError):
        read_entry(msgspec.msgpack.encode(altered), LANE, 1)


def resigned(envelope: bytes) -> list[bytes]:
    """Return the parts of an entry whose envelope was exchanged by somebody who can sign."""
    return [envelope, SIGNER.sign(envelope), *parts()[2:]]


@pytest.mark.parametrize(
    ("altered", "why"),
    [
        pytest.param(resigned(envelope_of(ENTRIES[0], LANE, 2)), "speaks of intent 2", id="another number"),
        pytest.param(resigned(envelope_of(ENTRIES[0], "w1-2", 1)), "of lane w1-2", id="another lane"),
        pytest.param(resigned(envelope_of(ENTRIES[3], LANE, 1)), "exchange B2", id="another exchange"),
        pytest.param(resigned(envelope_of(ENTRIES[1], LANE, 1)), "speaks of part", id="another kind"),
        pytest.param(
            resigned(envelope_of(msgspec.structs.replace(ENTRIES[0], time_us=9), LANE, 1)),
            "another time",
            id="another time",
        ),
        pytest.param(
            resigned(envelope_of(msgspec.structs.replace(ENTRIES[0], policy=""), LANE, 1)),
            "another time or policy",
            id="another policy",
        ),
        pytest.param(
            [parts()[0], parts(n=2)[1], *parts()[2:]], "not that of its envelope", id="another leaf"
        ),
        pytest.param([parts()[0], b"", *parts()[2:]], "not that of its envelope", id="no leaf"),
        pytest.param([b"", *parts()[1:]], "no envelope of a record", id="no envelope"),
        pytest.param([*parts()[:2], b"\xc1", *parts()[3:]], "can't be read", id="no entry"),
        pytest.param(parts()[:4], "can't be read", id="four parts"),
    ],
)
def test_parts_that_do_not_fit_are_an_integrity_error(altered, why):
    with pytest.raises(IntegrityError, match=why):
        read_entry(msgspec.msgpack.encode(altered), LANE, 1)


@given(data=st.binary(max_size=60), part=st.integers(0, 4))
def test_any_bytes_are_an_entry_or_an_integrity_error(data, part):
    altered = parts()
    altered[part] = data
    for candidate in (data, msgspec.msgpack.encode(altered)):
        try:
            entry, envelope, _ = read_entry(candidate, LANE, 1)
        except IntegrityError:
            continue
        assert decode_envelope(envelope)["rid"] == entry.rid


def test_reading_a_lane_names_the_entry_that_does_not_fit(tmp_path):
    altered = resigned(envelope_of(ENTRIES[0], LANE, 3))
    lane = old_segment(tmp_path, [msgspec.msgpack.encode(altered)], version=2)
    with pytest.raises(IntegrityError, match="Segment 1 of lane w1-1 holds something else than entry 1"):
        read_lane(lane)


# What a release before the ledger wrote.


def old_segment(spool: Path, payloads: list[bytes], *, version: int = 1) -> Path:
    """Write a lane of one frame in the format of that version, whose writer died."""
    (spool / LANE).mkdir()
    (spool / LANE / LOCK).touch()
    chain = SEALER.open_segment()
    header = frames.pack_header(SegmentHeader(LANE, 1, 1, chain.preamble, version))
    plaintext = frames.pack_entries(payloads)
    head = frames.new_head(len(plaintext) + frames.SEAL_BYTES, 0, 1, len(payloads))
    sealed = chain.seal(plaintext, frames.context(header, head.bound))
    reserved = bytes(4096)  # what a writer that died leaves behind its data
    segment_path(spool / LANE, 1).write_bytes(header + frames.pack_frame(head, sealed) + reserved)
    return spool / LANE


def test_a_segment_of_version_1_is_read_and_has_neither_envelope_nor_leaf(tmp_path):
    old = Intent(rid="A1", time_us=1, user="yamada", body=Body(stored=b"request"))
    (item,) = read_lane(old_segment(tmp_path, [encode(old)]))
    assert (item.n, item.entry, item.envelope, item.leaf) == (1, old, b"", b"")


def test_a_segment_can_not_pass_for_one_of_version_1(tmp_path):
    lane = write_lane(tmp_path, [[intent("a")]])
    path = segment_path(lane, 1)
    data = path.read_bytes()
    header, raw = frames.unpack_header(data)
    older = frames.pack_header(replace(header, version=1))
    path.write_bytes(older + data[len(raw) :])
    with pytest.raises(IntegrityError, match="doesn't open"):
        read_lane(lane)


# The writer.


async def test_the_writer_numbers_and_signs_what_it_takes(tmp_path):
    settings = SpoolSettings(segment_bytes=64 * 1024, record_timeout=30, min_free=0)
    spool = open_spool(tmp_path, LANE, seal=SEALER, signer=SIGNER, settings=settings)
    for entry in ENTRIES:
        await spool.append(entry)
    with pytest.raises(RecordError, match="record key"):
        await spool.append(Intent(rid="C3", time_us=14))
    for n in range(30):
        await spool.append(intent(n, size=5000))
    spool.close()
    items = list(LaneReader(tmp_path / LANE, opener()).read())
    assert [item.entry for item in items[:4]] == ENTRIES
    assert [item.n for item in items] == list(range(1, 35))
    for item in items:
        assert item.envelope == envelope_of(item.entry, LANE, item.n)
        check_leaf(item.leaf, WRITERS)


def test_a_record_key_is_shown_by_no_repr():
    key = os.urandom(32)
    for entry in ENTRIES:
        shown = repr(msgspec.structs.replace(entry, key=key))
        assert repr(key) not in shown
        assert entry.rid in shown
