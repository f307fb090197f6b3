"""Signed notes: a text and who signed it (c2sp.org/signed-note, c2sp.org/tlog-cosignature). Pure.

A verifier ignores signatures of keys it doesn't know, and refuses the whole note if one of a key that it
does know fails. Whatever bytes come in, nothing but IntegrityError goes out.
"""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sekimori.errors import IntegrityError
from sekimori.ledger.tlog.keys import (
    KEY_BYTES,
    SIGNATURE_BYTES,
    PublicKey,
    Signer,
    strict_base64,
    strict_hex,
)

ED25519 = 0x01
COSIGNATURE = 0x04
KEY_ID_BYTES = 4

MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100

_TIME = struct.Struct(">Q")
_MAX_TIME = (1 << 63) - 1
_DASH = "\N{EM DASH} "
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\ud800-\udfff]")
_SIGNATURE = re.compile(rf"{_DASH}(?P<name>[^ ]+) (?P<value>[A-Za-z0-9+/=]+)")


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: whose it says it is, and the bytes behind the key id."""

    name: str
    key_id: bytes
    value: bytes

    @property
    def line(self) -> str:
        """The line as it stands in a note."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.value).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text, newline included, and its signatures; trusted only once a verifier says so."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def pack(self) -> bytes:
        """Return the note's bytes."""
        return (self.text + "\n" + "".join(signature.line for signature in self.signatures)).encode()


@dataclass(frozen=True, slots=True)
class Verifier:
    """A key that is known under a name; ``kind`` says what its signatures look like."""

    name: str
    kind: int
    key: PublicKey

    @property
    def key_id(self) -> bytes:
        """The four bytes that point from a signature to this key."""
        return note_key_id(self.name, self.kind, self.key.raw)

    @property
    def vkey(self) -> str:
        """The verifier key in one line, as Go's sumdb/note writes it."""
        encoded = base64.b64encode(bytes([self.kind]) + self.key.raw).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    def knows(self, signature: NoteSignature) -> bool:
        """Tell whether the signature says it is by this key."""
        return signature.name == self.name and signature.key_id == self.key_id

    def time_signed(self, text: str, signature: NoteSignature) -> int:
        """Return the cosigner's time, 0 for a log's own signature; raises IntegrityError if it's bad."""
        value, time, message = signature.value, 0, text.encode()
        if self.kind == COSIGNATURE:
            if len(value) != _TIME.size + SIGNATURE_BYTES:
                raise IntegrityError(f"A cosignature of {self.name} has the wrong length.")
            time = _TIME.unpack_from(value)[0]
            value, message = value[_TIME.size :], cosigned(text, time)
        if time > _MAX_TIME or not self.key.signed(value, message):
            raise IntegrityError(f"A signature of {self.name} doesn't fit its note.")
        return int(time)


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that was checked; ``time`` is a cosigner's, in seconds, or 0."""

    verifier: Verifier
    signature: NoteSignature
    time: int


def note_key_id(name: str, kind: int, public: bytes) -> bytes:
    """Return the key id of a name and an Ed25519 key."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:KEY_ID_BYTES]


def cosigned(text: str, time: int) -> bytes:
    """Return what a witness signs of a checkpoint that it saw at that time."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def sign_note(text: str, name: str, signer: Signer) -> NoteSignature:
    """Sign a text as its log does."""
    _check_text(text)
    _check_name(name)
    return NoteSignature(name, note_key_id(name, ED25519, signer.public), signer.sign(text.encode()))


def cosign_note(text: str, name: str, signer: Signer, *, time: int) -> NoteSignature:
    """Sign a checkpoint's text as a witness does; ``time`` in seconds."""
    _check_text(text)
    _check_name(name)
    value = _TIME.pack(time) + signer.sign(cosigned(text, time))
    return NoteSignature(name, note_key_id(name, COSIGNATURE, signer.public), value)


def parse_vkey(text: str) -> Verifier:
    """Read a verifier key; raises IntegrityError unless its id is its own."""
    name, _, rest = text.partition("+")
    shown_id, _, encoded = rest.partition("+")
    _check_name(name)
    raw = strict_base64(encoded)
    if len(raw) != 1 + KEY_BYTES or raw[0] not in (ED25519, COSIGNATURE):
        raise IntegrityError("A verifier key is of a kind that isn't known here.")
    verifier = Verifier(name, raw[0], PublicKey(raw[1:]))
    if strict_hex(shown_id, KEY_ID_BYTES) != verifier.key_id:
        raise IntegrityError("A verifier key is damaged: its id is not its own.")
    return verifier


def parse_note(data: bytes) -> Note:
    """Split a note into its text and its signatures; nothing of it is trusted yet."""
    if len(data) > MAX_NOTE_BYTES:
        raise IntegrityError(f"A note is longer than {MAX_NOTE_BYTES} bytes.")
    try:
        whole = data.decode()
    except UnicodeDecodeError as error:
        raise IntegrityError("A note is no UTF-8.") from error
    end = whole.rfind("\n\n")
    if end < 0 or not whole.endswith("\n") or _CONTROL.search(whole):
        raise IntegrityError("A note has no signatures, or bytes that no note may have.")
    lines = whole[end + 2 : -1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise IntegrityError(f"A note has more than {MAX_SIGNATURES} signatures.")
    return Note(whole[: end + 1], tuple(_signature(line) for line in lines))


def check_note(note: Note, verifiers: Iterable[Verifier]) -> tuple[Signed, ...]:
    """Return the signatures of the keys that are known, each key's once.

    Raises IntegrityError if one of them fails or there is none.
    """
    known = tuple(verifiers)
    found: dict[tuple[str, bytes], Signed] = {}
    for signature in note.signatures:
        for verifier in known:
            if verifier.knows(signature):
                signed = Signed(verifier, signature, verifier.time_signed(note.text, signature))
                found.setdefault((verifier.name, verifier.key_id), signed)
    if not found:
        raise IntegrityError("A note is signed by nobody who is known here.")
    return tuple(found.values())


def with_signatures(note: Note, added: Sequence[NoteSignature]) -> Note:
    """Return the note with more signatures behind those it has."""
    return Note(note.text, (*note.signatures, *added))


def _signature(line: str) -> NoteSignature:
    match = _SIGNATURE.fullmatch(line)
    if match is None:
        raise IntegrityError("A line below a note is no signature.")
    _check_name(match["name"])
    raw = strict_base64(match["value"])
    if len(raw) <= KEY_ID_BYTES:
        raise IntegrityError("A signature of a note is cut.")
    return NoteSignature(match["name"], raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:])


def _check_name(name: str) -> None:
    if not name or "+" in name or any(char.isspace() for char in name) or _CONTROL.search(name):
        raise IntegrityError("A key of a note has no name, or one that no key may have.")


def _check_text(text: str) -> None:
    if not text.endswith("\n") or _CONTROL.search(text):
        raise IntegrityError("A text ends in no newline or has bytes that no note may have.")
