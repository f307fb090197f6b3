"""Leaves, proofs and policy files: what is written is read, nothing else passes."""

import hashlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sekimori.errors import IntegrityError
from sekimori.ledger.tlog.checkpoint import log_verifier, open_checkpoint, sign_checkpoint
from sekimori.ledger.tlog.keys import PublicKey, key_hash
from sekimori.ledger.tlog.leaf import LEAF_BYTES, check_leaf, is_leaf_of, parse_leaf
from sekimori.ledger.tlog.merkle import inclusion_path, leaf_hash, root_of
from sekimori.ledger.tlog.note import cosign_note, with_signatures
from sekimori.ledger.tlog.proof import check_proof, make_proof, parse_proof
from sekimori.ledger.tlog.trust import Group, Trust, parse_trust
from support.tlog import GATE, LOG, WITNESS, WITNESS_NAME, WRITER, envelope, leaves, witness_verifier

WRITERS = {key_hash(GATE.public): PublicKey(GATE.public)}
LEAF = WRITER.sign(envelope(0))
WITNESSED = Trust((LOG.public,), {"w1": WITNESS.public}, {}, "w1")
ALONE = Trust((LOG.public,))
LEAVES = leaves(11)
HASHES = [leaf_hash(leaf) for leaf in LEAVES]


def proof(index: int, size: int, *, witnessed: bool = True):
    note = sign_checkpoint(size, root_of(HASHES[:size]), LOG)
    note = with_signatures(note, [cosign_note(note.text, WITNESS_NAME, WITNESS, time=1_795_204_800)])
    opened = open_checkpoint(note.pack(), log_verifier(LOG.public), [witness_verifier()])
    path = inclusion_path(index, size, lambda level, n: root_of(HASHES[n << level : (n + 1) << level]))
    return make_proof(LEAVES[index], index, path, opened, {WITNESS.public} if witnessed else ())


def test_a_leaf_is_a_checksum_a_signature_and_whose_it_is():
    leaf = parse_leaf(LEAF)
    assert LEAF_BYTES == len(LEAF) == 128
    assert leaf.checksum == hashlib.sha256(hashlib.sha256(envelope(0)).digest()).digest()
    assert leaf.key_hash == hashlib.sha256(GATE.public).digest()
    assert PublicKey(GATE.public).signed(leaf.signature, b"sigsum.org/v1/tree-leaf\0" + leaf.checksum)
    assert leaf.pack() == LEAF
    check_leaf(LEAF, WRITERS)
    assert is_leaf_of(LEAF, envelope(0))
    assert not is_leaf_of(LEAF, envelope(1))
    assert not is_leaf_of(LEAF[:-1], envelope(0))


@given(bit=st.integers(0, LEAF_BYTES * 8 - 1))
def test_no_flipped_bit_of_a_leaf_passes(bit):
    damaged = bytearray(LEAF)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(IntegrityError):
        check_leaf(bytes(damaged), WRITERS)


@given(st.one_of(st.binary(max_size=200), st.binary(min_size=128, max_size=128)))
def test_any_bytes_are_a_leaf_or_an_integrity_error(data):
    with pytest.raises(IntegrityError):
        check_leaf(data, WRITERS)


@pytest.mark.parametrize("size", [1, 2, 3, 8, 11])
def test_a_proof_comes_back_and_proves(size):
    for index in range(size):
        for trust, witnessed in ((WITNESSED, True), (ALONE, False)):
            made = proof(index, size, witnessed=witnessed)
            assert parse_proof(made.pack()) == made
            check_proof(made, envelope(index), WRITERS, trust)


def test_a_proof_without_the_cosignature_that_the_policy_asks_for_is_refused():
    with pytest.raises(IntegrityError, match="cosignatures"):
        check_proof(proof(1, 5, witnessed=False), envelope(1), WRITERS, WITNESSED)


@pytest.mark.parametrize(
    ("text", "writers", "trust"),
    [
        pytest.param(envelope(2), WRITERS, ALONE, id="another envelope"),
        pytest.param(envelope(1), {}, ALONE, id="another writer"),
        pytest.param(envelope(1), WRITERS, Trust((GATE.public,)), id="another log"),
        pytest.param(envelope(1), {key_hash(GATE.public): PublicKey(LOG.public)}, ALONE, id="another key"),
    ],
)
def test_a_proof_of_something_else_is_refused(text, writers, trust):
    with pytest.raises(IntegrityError):
        check_proof(proof(1, 5), text, writers, trust)


def test_no_flipped_bit_of_a_proof_passes():
    for trust, made in ((WITNESSED, proof(2, 3)), (ALONE, proof(2, 3, witnessed=False))):
        raw = made.pack()
        for bit in range(len(raw) * 8):
            damaged = bytearray(raw)
            damaged[bit // 8] ^= 1 << bit % 8
            with pytest.raises(IntegrityError):
                check_proof(parse_proof(bytes(damaged)), envelope(2), WRITERS, trust)


PROOF = proof(2, 5).pack()


@given(
    st.one_of(
        st.binary(max_size=200),
        st.builds(
            lambda at, cut, data: PROOF[:at] + data + PROOF[at + cut :],
            st.integers(0, len(PROOF)),
            st.integers(0, 200),
            st.binary(max_size=20),
        ),
    )
)
@example(PROOF.replace(b"version=2", b"version=3"))
@example(PROOF.replace(b"size=5", b"size=05"))
@example(PROOF.replace(b"size=5", b"size=1"))
@example(PROOF.replace(b"size=5", b"size=0"))
@example(PROOF + b"\n")
@example(PROOF[:-1])
@example(b"x" * 70_000)
def test_any_bytes_are_a_proof_or_an_integrity_error(data):
    try:
        parsed = parse_proof(data)
    except IntegrityError:
        return
    assert parsed.pack() == data


TRUST = Trust(
    (LOG.public,),
    {"w1": WITNESS.public, "w2": GATE.public},
    {"both": Group(2, ("w1", "w2")), "one": Group(1, ("w2", "both"))},
    "one",
)


def test_a_policy_file_comes_back_and_counts():
    assert parse_trust(TRUST.pack()) == TRUST
    w1, w2 = key_hash(WITNESS.public), key_hash(GATE.public)
    assert TRUST.is_quorum({w2})
    assert TRUST.is_quorum({w1, w2})
    assert not TRUST.is_quorum({w1})
    assert not TRUST.is_quorum(())
    assert ALONE.is_quorum(())


def test_a_policy_file_may_have_comments_addresses_and_names_for_counts():
    text = (
        f"# whom we trust\nlog {LOG.public.hex()} https://log.example\n\nwitness a {WITNESS.public.hex()}\n"
        f"witness b {GATE.public.hex()} https://b.example # ours\ngroup g all a b\ngroup h any a g\nquorum h\n"
    )
    trust = parse_trust(text.encode())
    assert trust.groups == {"g": Group(2, ("a", "b")), "h": Group(1, ("a", "g"))}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(f"log {LOG.public.hex()}\n", id="no quorum"),
        pytest.param("quorum w1\n", id="a name that isn't there"),
        pytest.param("quorum none\nquorum none\n", id="two quorums"),
        pytest.param(f"witness none {LOG.public.hex()}\nquorum none\n", id="a reserved name"),
        pytest.param(f"log {LOG.public.hex().upper()}\nquorum none\n", id="capital hex"),
        pytest.param(f"log {LOG.public.hex()}\nlog {LOG.public.hex()}\nquorum none\n", id="a key twice"),
        pytest.param(f"witness a {LOG.public.hex()}\ngroup g 2 a\nquorum g\n", id="more than there are"),
        pytest.param(f"witness a {LOG.public.hex()}\ngroup g 0 a\nquorum g\n", id="nobody needed"),
        pytest.param("group g any\nquorum none\n", id="an empty group"),
        pytest.param("loop\nquorum none\n", id="another word"),
    ],
)
def test_a_policy_file_that_says_nothing_clear_is_refused(text):
    with pytest.raises(IntegrityError):
        parse_trust(text.encode())


@given(
    st.one_of(
        st.binary(max_size=200),
        st.builds(
            lambda at, data: TRUST.pack()[:at] + data + TRUST.pack()[at + len(data) :],
            st.integers(0, len(TRUST.pack())),
            st.binary(max_size=8),
        ),
    )
)
def test_any_bytes_are_a_policy_or_an_integrity_error(data):
    try:
        trust = parse_trust(data)
    except IntegrityError:
        return
    assert isinstance(trust.is_quorum(()), bool)


def test_groups_of_groups_cost_no_time_that_doubles():
    lines = [f"witness g0 {LOG.public.hex()}", *(f"group g{n + 1} 1 g{n} g{n}" for n in range(3000))]
    trust = parse_trust("\n".join([*lines, "quorum g3000\n"]).encode())
    assert trust.is_quorum({key_hash(LOG.public)})
    assert not trust.is_quorum(())
