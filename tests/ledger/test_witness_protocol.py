"""What a witness may cosign, and that no bytes whatever make it or a log stumble."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.errors import IntegrityError
from sekimori.ledger.tlog.checkpoint import log_verifier, sign_checkpoint
from sekimori.ledger.tlog.keys import KeySigner
from sekimori.ledger.tlog.merkle import EMPTY_ROOT, leaf_hash
from sekimori.ledger.tlog.note import Note, sign_note, with_signatures
from sekimori.ledger.witness.memory import WitnessMemory
from sekimori.ledger.witness.protocol import (
    SIZE_TYPE,
    AddCheckpoint,
    checkpoint_path,
    pack_signatures,
    pack_size,
    parse_add_checkpoint,
    parse_signatures,
    parse_size,
)
from sekimori.ledger.witness.service import Witness
from sekimori.ledger.witness.verdict import Accepted, Refusal, consider
from support.outside import SmallLog
from support.tlog import LOG, NOW, WITNESS, WITNESS_NAME, cosign_text

PAGE = (Path(__file__).parents[2] / "docs/formats/witness.md").read_text()
LOGS = {log_verifier(LOG.public).name: (log_verifier(LOG.public),)}
STRANGER = KeySigner(bytes(range(96, 128)))
SMALL = SmallLog()
OTHER = SmallLog("other ")


def block(kind, name):
    (found,) = re.findall(rf"```{kind} {name}\n(.*?)```", PAGE, re.DOTALL)
    return bytes.fromhex(found) if kind == "hex" else found.encode()


REQUEST = block("text", "request")
ORIGIN = log_verifier(LOG.public).name


def request(old, size, log=SMALL, proof=None):
    offer = log.offer(size)
    return AddCheckpoint(old, offer.prove(old) if proof is None else proof, offer.note.pack())


def remembering(size, log=SMALL):
    return lambda _: log.offer(size).checkpoint if size else None


# --- the page --------------------------------------------------------------------------------


def test_the_page_says_how_versions_change_and_what_it_does_not_prove():
    for heading in ("## Worked example", "## Version rule", "## What it does not prove"):
        assert PAGE.count(heading) == 1


def test_the_request_of_the_page_is_read_and_written():
    read = parse_add_checkpoint(REQUEST)
    assert (read.old, len(read.proof)) == (1, 1)
    assert read.pack() == REQUEST


def test_a_witness_that_remembers_what_the_page_says_answers_as_the_page_says(tmp_path):
    memory = WitnessMemory.create(tmp_path / "memory.db")
    memory.add_log(log_verifier(LOG.public))
    witness = Witness(WITNESS_NAME, WITNESS, memory, lambda: NOW // 1_000_000)
    first = sign_checkpoint(1, block("hex", "remembered-root"), LOG).pack()

    behind = witness.add_checkpoint(REQUEST)
    assert (behind.status, behind.kind, behind.body) == (409, SIZE_TYPE, block("hex", "size"))
    assert witness.add_checkpoint(AddCheckpoint(0, (), first).pack()).status == 200

    answer = witness.add_checkpoint(REQUEST)
    assert (answer.status, answer.body) == (200, block("text", "answer"))
    path = block("text", "path").decode().strip()
    assert path == checkpoint_path(ORIGIN)
    given_out = witness.checkpoint(path.partition("/")[0])
    assert given_out.body == parse_add_checkpoint(REQUEST).note + answer.body
    memory.close()


# --- what is cosigned and what is not --------------------------------------------------------------


@pytest.mark.req("MOU-2-7")
@pytest.mark.parametrize(
    ("old", "size"),
    [(0, 0), (0, 1), (0, 300), (1, 2), (2, 2), (127, 128), (128, 129), (255, 300), (300, 300)],
)
def test_a_log_that_goes_on_is_cosigned(old, size):
    verdict = consider(request(old, size).pack(), LOGS, remembering(old))
    assert isinstance(verdict, Accepted)
    assert verdict.checkpoint == SMALL.offer(size).checkpoint


def signed_by(signer, size=5):
    text = SMALL.offer(size).note.text
    return AddCheckpoint(0, (), Note(text, (sign_note(text, ORIGIN, signer),)).pack())


REFUSED = [
    pytest.param(b"", 0, 400, id="nothing"),
    pytest.param(request(0, 5).pack().replace(b"old", b"new", 1), 0, 400, id="no old size"),
    pytest.param(request(0, 5).pack().replace(b"old 0", b"old 00", 1), 0, 400, id="a leading zero"),
    pytest.param(request(0, 5).pack().replace(b"old 0", b"old -1", 1), 0, 400, id="a sign"),
    pytest.param(request(0, 5, proof=(b"x" * 31,)).pack(), 0, 400, id="a hash too short"),
    pytest.param(request(0, 5, proof=(b"x" * 32,) * 64).pack(), 0, 400, id="64 hashes"),
    pytest.param(request(0, 5).pack() + b"x" * 70_000, 0, 400, id="too long"),
    pytest.param(request(6, 5, proof=()).pack(), 6, 400, id="an old size beyond the checkpoint"),
    pytest.param(request(0, 5, SmallLog(signer=STRANGER)).pack(), 0, 404, id="an unknown log"),
    pytest.param(signed_by(STRANGER).pack(), 0, 403, id="another key under the log's name"),
    pytest.param(request(0, 5).pack(), 4, 409, id="what is remembered is left out"),
    pytest.param(request(4, 5).pack(), 0, 409, id="what was never seen is taken for granted"),
    pytest.param(request(3, 3).pack(), 5, 409, id="the log was rolled back"),
    pytest.param(request(5, 5, OTHER).pack(), 5, 409, id="another root for the same size"),
    pytest.param(request(5, 9, OTHER).pack(), 5, 422, id="another history"),
    pytest.param(request(5, 9, proof=()).pack(), 5, 422, id="no proof"),
    pytest.param(request(5, 9, proof=(b"x" * 32,) * 4).pack(), 5, 422, id="a forged proof"),
    pytest.param(request(0, 9, proof=(b"x" * 32,)).pack(), 0, 422, id="a proof from nothing"),
]


@pytest.mark.req("MOU-2-7")
@pytest.mark.parametrize(("body", "remembered", "status"), REFUSED)
def test_what_is_not_shown_to_go_on_is_not_cosigned(body, remembered, status):
    verdict = consider(body, LOGS, remembering(remembered))
    assert isinstance(verdict, Refusal)
    assert verdict.status == status
    assert (verdict.size is None) == (status != 409)
    assert verdict.size in (None, remembered)


def test_an_empty_tree_needs_the_root_of_an_empty_tree():
    wrong = sign_checkpoint(0, leaf_hash(b""), LOG).pack()
    assert isinstance(consider(AddCheckpoint(0, (), wrong).pack(), LOGS, remembering(0)), Refusal)
    right = sign_checkpoint(0, EMPTY_ROOT, LOG).pack()
    assert isinstance(consider(AddCheckpoint(0, (), right).pack(), LOGS, remembering(0)), Accepted)


def test_only_what_the_log_signed_is_kept_of_its_signatures():
    note = with_signatures(SMALL.offer(5).note, cosign_text("nonsense\n"))
    verdict = consider(AddCheckpoint(0, (), note.pack()).pack(), LOGS, remembering(0))
    assert isinstance(verdict, Accepted)
    assert verdict.note == SMALL.offer(5).note


def test_a_fork_and_a_rollback_alarm_the_witness_and_a_stale_log_does_not():
    def alarming(body, remembered):
        verdict = consider(body.pack(), LOGS, remembering(remembered))
        return isinstance(verdict, Refusal) and verdict.is_alarming

    assert alarming(request(5, 5, OTHER), 5)
    assert alarming(request(5, 9, OTHER), 5)
    assert not alarming(request(0, 5), 4)


# --- hostile bytes -------------------------------------------------------------------------------


@given(st.binary(max_size=400))
def test_no_bytes_make_the_readers_stumble(data):
    for read in (parse_add_checkpoint, parse_signatures, parse_size):
        try:
            read(data)
        except IntegrityError:
            continue


@given(st.data())
def test_a_flipped_bit_of_a_request_is_refused_or_harmless(data):
    body = bytearray(request(3, 7).pack())
    at = data.draw(st.integers(0, len(body) * 8 - 1))
    body[at // 8] ^= 1 << at % 8
    verdict = consider(bytes(body), LOGS, remembering(3))
    if isinstance(verdict, Accepted):
        assert verdict.checkpoint == SMALL.offer(7).checkpoint


@given(st.integers(0, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_what_is_written_is_read_again(old, proof):
    asked = AddCheckpoint(old, tuple(proof), SMALL.offer(5).note.pack())
    assert parse_add_checkpoint(asked.pack()) == asked
    assert parse_size(pack_size(old)) == old


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=5))
def test_signatures_are_read_again(times):
    from sekimori.ledger.tlog.note import cosign_note

    signatures = tuple(cosign_note(SMALL.offer(5).note.text, "w", WITNESS, time=time) for time in times)
    assert parse_signatures(pack_signatures(signatures)) == signatures


@pytest.mark.parametrize(
    "data", [b"5", b"\n", b"05\n", b"5\n\n", b"-5\n", b"\xff\n", b"9223372036854775808\n"]
)
def test_a_size_has_one_spelling(data):
    with pytest.raises(IntegrityError):
        parse_size(data)


def test_an_answer_has_nothing_but_signatures():
    with pytest.raises(IntegrityError):
        parse_signatures(b"text\n\n" + pack_signatures(cosign_text("a\n")))
