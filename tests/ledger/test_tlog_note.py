"""Signed notes and checkpoints: the specification's own examples, and everything that must not pass."""

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sekimori.errors import IntegrityError
from sekimori.ledger.tlog.checkpoint import (
    Checkpoint,
    log_origin,
    log_verifier,
    open_checkpoint,
    parse_checkpoint,
    sign_checkpoint,
)
from sekimori.ledger.tlog.keys import KeySigner, PublicKey, parse_ssh_line, ssh_line
from sekimori.ledger.tlog.merkle import EMPTY_ROOT
from sekimori.ledger.tlog.note import (
    COSIGNATURE,
    ED25519,
    Note,
    NoteSignature,
    Verifier,
    check_note,
    cosign_note,
    parse_note,
    parse_vkey,
    sign_note,
    with_signatures,
)
from support.tlog import GATE, LOG, NOW, WITNESS, WITNESS_NAME, witness_verifier

# A note of Go's golang.org/x/mod/sumdb/note and of the C2SP specification, with the key that checks it.
PETER_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()

ROOT = bytes(range(32))
NOTE = with_signatures(
    sign_checkpoint(20_000, ROOT, LOG),
    [cosign_note(sign_checkpoint(20_000, ROOT, LOG).text, WITNESS_NAME, WITNESS, time=NOW // 1_000_000)],
)
PACKED = NOTE.pack()
VERIFIER = log_verifier(LOG.public)


def test_the_example_of_the_go_library_is_accepted():
    (signed,) = check_note(parse_note(PETER_NOTE), [parse_vkey(PETER_VKEY)])
    assert signed.verifier.vkey == PETER_VKEY
    assert signed.time == 0
    assert parse_note(PETER_NOTE).pack() == PETER_NOTE


def test_a_checkpoint_tells_its_log_its_witnesses_and_when_they_saw_it():
    opened = open_checkpoint(PACKED, VERIFIER, [witness_verifier()])
    assert opened.checkpoint == Checkpoint(log_origin(LOG.public), 20_000, ROOT)
    assert opened.log.verifier is VERIFIER
    assert [(one.verifier.name, one.time) for one in opened.witnesses] == [(WITNESS_NAME, NOW // 1_000_000)]


def test_the_same_size_and_root_are_signed_with_the_same_bytes():
    assert sign_checkpoint(5, ROOT, LOG) == sign_checkpoint(5, ROOT, KeySigner(bytes(range(32))))


def test_a_key_that_is_not_known_is_ignored_even_under_a_known_name():
    other = cosign_note(NOTE.text, WITNESS_NAME, GATE, time=1)
    opened = open_checkpoint(with_signatures(NOTE, [other]).pack(), VERIFIER, [witness_verifier()])
    assert len(opened.witnesses) == 1
    assert open_checkpoint(PACKED, VERIFIER).witnesses == ()


def test_a_known_key_whose_signature_fails_refuses_the_whole_note():
    good = NOTE.signatures[1]
    bad = NoteSignature(good.name, good.key_id, good.value[:-1] + bytes([good.value[-1] ^ 1]))
    note = with_signatures(sign_checkpoint(20_000, ROOT, LOG), [good, bad])
    with pytest.raises(IntegrityError, match="doesn't fit"):
        open_checkpoint(note.pack(), VERIFIER, [witness_verifier()])
    assert open_checkpoint(note.pack(), VERIFIER).checkpoint.size == 20_000


@pytest.mark.parametrize(
    "note",
    [
        pytest.param(Note(NOTE.text, NOTE.signatures[1:]), id="the log's own is missing"),
        pytest.param(sign_checkpoint(20_000, ROOT, GATE), id="another log's"),
        pytest.param(
            Note(NOTE.text, (sign_note(NOTE.text, log_origin(LOG.public), GATE),)),
            id="another key, same name",
        ),
        pytest.param(
            Note(
                text := Checkpoint("elsewhere.example/log", 1, ROOT).text,
                (sign_note(text, log_origin(LOG.public), LOG),),
            ),
            id="another origin",
        ),
        pytest.param(
            Note(text := NOTE.text + "extension\n", (sign_note(text, log_origin(LOG.public), LOG),)),
            id="an extension line",
        ),
    ],
)
def test_a_checkpoint_that_is_not_its_logs_is_refused(note):
    with pytest.raises(IntegrityError):
        open_checkpoint(note.pack(), VERIFIER, [witness_verifier()])


@given(bit=st.integers(0, len(PACKED) * 8 - 1))
def test_no_flipped_bit_of_a_checkpoint_passes(bit):
    damaged = bytearray(PACKED)
    damaged[bit // 8] ^= 1 << bit % 8
    try:
        opened = open_checkpoint(bytes(damaged), VERIFIER, [witness_verifier()])
    except IntegrityError:
        return
    # A line that names another key says nothing; the witness is not counted any more.
    assert opened.witnesses == ()
    assert (opened.checkpoint, opened.log.signature) == (parse_checkpoint(NOTE.text), NOTE.signatures[0])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"o\n01\n{base64.b64encode(ROOT).decode()}\n", id="leading zero"),
        pytest.param(f"o\n+1\n{base64.b64encode(ROOT).decode()}\n", id="sign"),
        pytest.param(f"o\n-1\n{base64.b64encode(ROOT).decode()}\n", id="negative"),
        pytest.param(f"o\n{1 << 63}\n{base64.b64encode(ROOT).decode()}\n", id="out of range"),
        pytest.param(f"o\n１\n{base64.b64encode(ROOT).decode()}\n", id="another script's digit"),
        pytest.param(f"o\n1\n{base64.b64encode(ROOT).decode()}", id="no newline"),
        pytest.param(f"\n1\n{base64.b64encode(ROOT).decode()}\n", id="no origin"),
        pytest.param(f"o\n1\n{base64.b64encode(ROOT[:31]).decode()}\n", id="short root"),
        pytest.param(f"o\n0\n{base64.b64encode(ROOT).decode()}\n", id="empty tree with a root"),
        pytest.param(f"o\n1\n{base64.b64encode(EMPTY_ROOT).decode()}\n", id="a leaf and an empty root"),
        pytest.param(f"o\n1\n{base64.b64encode(ROOT).decode()}\nmore\n", id="extension line"),
        pytest.param(f"o\n1\n{base64.b64encode(ROOT).decode()[:-2]}9=\n", id="unused bits of base64"),
    ],
)
def test_a_checkpoint_has_one_spelling(text):
    with pytest.raises(IntegrityError):
        parse_checkpoint(text)


NOTE_LIKE = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.builds(
        lambda at, data: PACKED[:at] + data + PACKED[at + len(data) :],
        st.integers(0, len(PACKED)),
        st.binary(max_size=20),
    ),
    st.text(max_size=60).map(lambda text: b"a\n\n" + f"— {text}\n".encode("utf-8", "surrogatepass")),
)


@given(NOTE_LIKE)
@example(b"")
@example(b"\n\n")
@example(b"\n\n\n")
@example("a\n\n— x \n".encode())
@example("a\n\n— a+b AAAAAAA=\n".encode())
@example("a\n\n— a\u3000b AAAAAAA=\n".encode())
@example("a\n\n— a AAAA\n".encode())
def test_any_bytes_are_a_note_or_an_integrity_error(data):
    try:
        note = parse_note(data)
    except IntegrityError:
        return
    assert note.pack() == data
    try:
        open_checkpoint(data, VERIFIER, [witness_verifier()])
    except IntegrityError:
        return
    assert note.text == NOTE.text


def test_a_note_may_have_sixteen_signatures_and_not_any_number():
    lines = [cosign_note(NOTE.text, WITNESS_NAME, WITNESS, time=n) for n in range(101)]
    assert len(parse_note(Note(NOTE.text, tuple(lines[:16])).pack()).signatures) == 16
    with pytest.raises(IntegrityError, match="more than 100"):
        parse_note(Note(NOTE.text, tuple(lines)).pack())
    with pytest.raises(IntegrityError, match="longer"):
        parse_note(b"x" * 1_000_001)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\nb", "a\x7f\x01"])
def test_a_name_that_no_key_may_have_is_not_signed_with(name):
    with pytest.raises(IntegrityError):
        sign_note("text\n", name, LOG)
    with pytest.raises(IntegrityError):
        cosign_note("text\n", name, LOG, time=1)


@pytest.mark.parametrize("text", ["no newline", "a\tb\n", ""])
def test_a_text_that_no_note_may_have_is_not_signed(text):
    with pytest.raises(IntegrityError):
        sign_note(text, "name", LOG)


@given(st.text(max_size=120))
@example("\ud800+00000000+AAAA")
@example(PETER_VKEY.replace("c74f", "c74e"))
@example(PETER_VKEY.replace("+ARpc", "+ARpd"))
@example(PETER_VKEY.replace("+A", "+B"))
@example(PETER_VKEY.upper())
def test_any_text_is_a_verifier_key_or_an_integrity_error(text):
    try:
        verifier = parse_vkey(text)
    except IntegrityError:
        return
    assert verifier.vkey == text


@pytest.mark.parametrize("kind", [ED25519, COSIGNATURE])
def test_a_verifier_key_comes_back(kind):
    verifier = Verifier("log.example/a", kind, PublicKey(LOG.public))
    again = parse_vkey(verifier.vkey)
    assert (again.name, again.kind, again.key.raw) == (verifier.name, kind, LOG.public)


@given(st.one_of(st.text(max_size=120), st.text(max_size=90).map(lambda text: f"ssh-ed25519 {text}")))
def test_any_text_is_an_openssh_key_or_an_integrity_error(text):
    with pytest.raises(IntegrityError):
        parse_ssh_line(text)


def test_an_openssh_key_comes_back_with_a_comment_or_without():
    line = ssh_line(LOG.public)
    assert parse_ssh_line(line) == parse_ssh_line(line.rstrip() + " gate 0\n") == LOG.public
