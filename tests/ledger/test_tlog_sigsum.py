"""Somebody else's verifier: what we prove it accepts, and nothing that was changed.

One thing it lets pass: it reads capital hex digits like small ones, so that bit 5 of a letter says nothing
to it. The value is the same, the record as proven as before; our own reader refuses even that, and so does
``sha256sum -c`` in an export.
"""

import random
from dataclasses import replace

import pytest

from sekimori.errors import IntegrityError
from sekimori.ledger.tlog.checkpoint import log_verifier, open_checkpoint, sign_checkpoint
from sekimori.ledger.tlog.keys import PublicKey, key_hash
from sekimori.ledger.tlog.merkle import inclusion_path
from sekimori.ledger.tlog.note import with_signatures
from sekimori.ledger.tlog.proof import check_proof, make_proof, parse_proof
from sekimori.ledger.tlog.tiles import Edge, Tile, TileNodes, grow
from sekimori.ledger.tlog.trust import Group, Trust
from support.sigsum import SigsumVerify
from support.tlog import GATE, LOG, WITNESS, WRITER, cosign_text, envelope, witness_verifier

WRITERS = {key_hash(GATE.public): PublicKey(GATE.public)}
ALONE = Trust((LOG.public,))
WITNESSED = Trust((LOG.public,), {"w1": WITNESS.public}, {}, "w1")
POLICIES = [pytest.param(ALONE, id="quorum none"), pytest.param(WITNESSED, id="witness quorum")]
LARGEST = 65_537
SIZES = [1, 2, 255, 256, 257, 65_535, 65_536, 65_537]
DICE = random.Random(2026)
OURS = {n: WRITER.sign(envelope(n)) for n in (0, 1, 254, 255, 256, 65_534, 65_535, 65_536, 1234, 40_000)}


@pytest.fixture(scope="module")
def exports():
    """Trees of many sizes: size to (the tiles, the witnessed checkpoint). Most leaves are fillers."""
    filler = WRITER.sign(envelope(-1))
    every = [OURS.get(n, filler) for n in range(LARGEST)]
    edge, files, found = Edge(), dict[Tile, bytes](), {}
    for size in sorted({*SIZES, *DICE.sample(range(3, LARGEST), 6)}):
        edge, changed = grow(edge, every[edge.size : size])
        files |= changed
        note = sign_checkpoint(size, edge.frontier().root(), LOG)
        note = with_signatures(note, cosign_text(note.text))
        opened = open_checkpoint(note.pack(), log_verifier(LOG.public), [witness_verifier()])
        found[size] = (dict(files), opened)
    return found


def proof(exports, size, index, trust):
    files, opened = exports[size]
    path = inclusion_path(index, size, TileNodes(size, files.__getitem__))
    return make_proof(OURS[index], index, path, opened, trust.witnesses.values())


@pytest.mark.parametrize("trust", POLICIES)
def test_sigsum_verify_accepts_a_record_of_a_tree_of_any_size(tmp_path, exports, trust):
    verifier = SigsumVerify(tmp_path, [LOG.public, GATE.public], trust)
    cases = [
        (proof(exports, size, index, trust).pack(), envelope(index))
        for size in exports
        for index in OURS
        if index < size
    ]
    assert verifier.accepted(cases) == [True] * len(cases)


@pytest.mark.parametrize("trust", POLICIES)
def test_sigsum_verify_refuses_what_is_not_the_record_of_the_proof(tmp_path, exports, trust):
    verifier = SigsumVerify(tmp_path, [GATE.public], trust)
    good = proof(exports, 257, 255, trust)
    wrong = [
        (good, envelope(254)),
        (replace(good, size=256), envelope(255)),
        (replace(good, index=254), envelope(255)),
        (replace(good, path=good.path[:-1]), envelope(255)),
        (replace(good, root=exports[256][1].checkpoint.root, size=256), envelope(255)),
        (replace(good, log_key_hash=key_hash(GATE.public)), envelope(255)),
    ]
    assert verifier.accepts(good.pack(), envelope(255))
    assert verifier.accepted((one.pack(), text) for one, text in wrong) == [False] * len(wrong)


def test_sigsum_verify_refuses_a_record_that_the_witness_did_not_see(tmp_path, exports):
    verifier = SigsumVerify(tmp_path, [GATE.public], WITNESSED)
    assert not verifier.accepts(proof(exports, 257, 1, ALONE).pack(), envelope(1))


def test_sigsum_verify_reads_our_groups_as_we_do(tmp_path, exports):
    witnesses = {"w1": WITNESS.public, "w2": GATE.public}
    for threshold, accepted in ((1, True), (2, False)):
        trust = Trust((LOG.public,), witnesses, {"g": Group(threshold, ("w1", "w2"))}, "g")
        verifier = SigsumVerify(tmp_path, [GATE.public], trust)
        assert verifier.accepts(proof(exports, 257, 1, trust).pack(), envelope(1)) is accepted
        assert trust.is_quorum({key_hash(WITNESS.public)}) is accepted


def flipped(data: bytes, bit: int) -> bytes:
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def is_capital(data: bytes, bit: int) -> bool:
    """Tell whether the flip only makes a hex letter a capital: another spelling of the same proof."""
    return bit % 8 == 5 and chr(data[bit // 8]) in "abcdef" and b"=" in data[: bit // 8].rpartition(b"\n")[2]


def refused_by_us(data, text, trust) -> bool:
    try:
        check_proof(parse_proof(data), text, WRITERS, trust)
    except IntegrityError:
        return True
    return False


def check_bits(verifier, data, text, trust, bits):
    cases = [flipped(data, bit) for bit in bits]
    passed = [
        bit
        for bit, accepted in zip(bits, verifier.accepted((one, text) for one in cases), strict=True)
        if accepted
    ]
    assert [bit for bit in passed if not is_capital(data, bit)] == []
    assert all(parse_proof(flipped(data, bit).lower()) == parse_proof(data) for bit in passed)
    assert all(refused_by_us(one, text, trust) for one in cases)


def test_no_bit_of_a_small_proof_can_be_flipped(tmp_path, exports):
    verifier = SigsumVerify(tmp_path, [GATE.public], ALONE)
    data = proof(exports, 1, 0, ALONE).pack()
    assert verifier.accepts(data, envelope(0))
    check_bits(verifier, data, envelope(0), ALONE, range(len(data) * 8))


@pytest.mark.parametrize("trust", POLICIES)
def test_no_bit_of_a_long_proof_can_be_flipped(tmp_path, exports, trust):
    verifier = SigsumVerify(tmp_path, [GATE.public], trust)
    data = proof(exports, 65_537, 40_000, trust).pack()
    bits = sorted(DICE.sample(range(len(data) * 8), 250))
    check_bits(verifier, data, envelope(40_000), trust, bits)


@pytest.mark.long
@pytest.mark.parametrize("trust", POLICIES)
def test_no_bit_at_all_of_a_long_proof_can_be_flipped(tmp_path, exports, trust):
    verifier = SigsumVerify(tmp_path, [GATE.public], trust)
    data = proof(exports, 65_537, 40_000, trust).pack()
    check_bits(verifier, data, envelope(40_000), trust, range(len(data) * 8))


def test_no_bit_of_an_envelope_a_policy_or_a_key_can_be_flipped(tmp_path, exports):
    data, text = proof(exports, 257, 1, WITNESSED).pack(), envelope(1)
    verifier = SigsumVerify(tmp_path, [GATE.public], WITNESSED)
    assert not any(verifier.accepted((data, flipped(text, bit)) for bit in range(len(text) * 8)))
    for path in (verifier.policy, verifier.keys):
        good = path.read_bytes()
        for bit in DICE.sample(range(len(good) * 8), 60):
            path.write_bytes(flipped(good, bit))
            assert not verifier.accepts(data, text) or same_policy(path, good), (path.name, bit)
        path.write_bytes(good)


def same_policy(path, good: bytes) -> bool:
    """Tell whether a policy file differs in the case of hex digits and in names or blanks only."""
    changed = path.read_bytes()
    return bool(path.name == "policy" and changed.lower().split() == good.split())
