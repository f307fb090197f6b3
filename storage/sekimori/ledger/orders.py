"""What the spool and its recorder say to each other over a socket: a length in 8 bytes, big-endian, and MessagePack.

The spool sends one order at a time, a commit or (an empty message) the wish to close; the recorder sends an
answer to each, and one of its own accord when its disk has more or less room than it said last.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator, Sequence

import msgspec

from sekimori.errors import IntegrityError, RecordError, SpoolFullError, SpoolLostError
from sekimori.ledger.evidence import Draft

CLOSE = b""
"""The order to close the lane."""

_LENGTH = struct.Struct(">Q")
_MAX_MESSAGE = 2 << 30
_PIECE = 64 * 1024  # from 128 KiB on, the C library maps and unmaps memory for each buffer


class Said(msgspec.Struct, frozen=True, array_like=True):
    """An error as it crosses the socket."""

    message: str
    hint: str = ""

    @classmethod
    def of(cls, error: RecordError) -> Said:
        """Take an error apart."""
        return cls(error.message, error.hint)

    def full(self) -> SpoolFullError:
        """Put the error together again."""
        return SpoolFullError(self.message, hint=self.hint)

    def lost(self) -> SpoolLostError:
        """Put the error together again."""
        return SpoolLostError(self.message, hint=self.hint)


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What became of an order, and how the disk is.

    ``refused`` names entries of the commit that can't be written, by their place in it; ``full`` says that
    none of it was written, and ``lost`` that this lane never will be again. ``waiting`` is how many bytes of
    all lanes the archivist has not taken, ``no_room`` why the next commit would be refused.
    """

    ordered: bool = True
    refused: list[tuple[int, str]] = []
    full: Said | None = None
    lost: Said | None = None
    waiting: int = 0
    no_room: Said | None = None


_ENCODER = msgspec.msgpack.Encoder()
_DRAFTS = msgspec.msgpack.Decoder(list[Draft])
_ANSWERS = msgspec.msgpack.Decoder(Answer)


def commit_order(drafts: Sequence[Draft]) -> tuple[bytes, ...]:
    """Return the message that orders a commit: in one part, or in two where it is too large to be copied."""
    payload = _ENCODER.encode(drafts)
    # Two parts are two system calls, and after the first of them the recorder wakes for eight bytes.
    length = _LENGTH.pack(len(payload))
    return (length + payload,) if len(payload) < _PIECE else (length, payload)


def close_order() -> bytes:
    """Return the message that orders the lane closed."""
    return framed(CLOSE)


def answer_message(answer: Answer) -> bytes:
    """Return the message of an answer."""
    return framed(_ENCODER.encode(answer))


def read_drafts(message: bytes | memoryview) -> list[Draft]:
    """Read the commit that was ordered; raises msgspec.DecodeError."""
    return _DRAFTS.decode(message)


def framed(payload: bytes) -> bytes:
    """Return a message with its length before it."""
    return _LENGTH.pack(len(payload)) + payload


def receive(sock: socket.socket) -> bytes | memoryview | None:
    """Wait for the one message that is under way; None where the other side is gone, whatever it had sent.

    Raises BlockingIOError if the socket has a time-out (``SO_RCVTIMEO``) and nothing came in that time.
    Orders come one at a time, so that a short one is here with one system call.
    """
    data = sock.recv(_PIECE)
    while data and len(data) < _LENGTH.size:
        more = _patiently(sock, memoryview(rest := bytearray(_LENGTH.size - len(data))))
        data = data + rest[:more] if more else b""
    if not data:
        return None
    end = _LENGTH.size + _LENGTH.unpack_from(data)[0]
    if len(data) == end:
        return data[_LENGTH.size :]
    if len(data) > end or end > _MAX_MESSAGE:
        raise IntegrityError("A recorder was told something that is no order.")
    whole = bytearray(end)
    whole[: len(data)] = data
    view, done = memoryview(whole), len(data)
    while done < end:
        got = _patiently(sock, view[done : done + _PIECE])
        if not got:
            return None
        done += got
    return view[_LENGTH.size :]


def _patiently(sock: socket.socket, into: memoryview) -> int:
    """Receive some of a message that has begun, however long its sender is held up."""
    while True:
        with contextlib.suppress(BlockingIOError):
            return sock.recv_into(into)


class Inbox:
    """Answers out of the pieces in which a socket gives them."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Answer]:
        """Yield what is whole now; raises msgspec.DecodeError on what no recorder says."""
        data = self._rest + data if self._rest else data
        at = 0
        while len(data) - at >= _LENGTH.size:
            end = at + _LENGTH.size + _LENGTH.unpack_from(data, at)[0]
            if end > len(data):
                break
            yield _ANSWERS.decode(memoryview(data)[at + _LENGTH.size : end])
            at = end
        self._rest = data[at:]
