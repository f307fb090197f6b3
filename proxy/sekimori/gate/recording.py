"""The process in which a gate worker's record is written: ``python -I -m sekimori.gate.recording``.

Standard input is the socket on which it is told the lane and then what to write (``sekimori.ledger.orders``).
It ends with that socket and by nothing else: a signal to the whole tree must not take the recorder from a
worker that still drains.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
from pathlib import Path

import msgspec

from sekimori.errors import SekimoriError, SpoolFullError, SpoolLostError
from sekimori.ledger.orders import Answer, Said, answer_message, framed, receive
from sekimori.ledger.recorder import Recorder, RecorderSettings
from sekimori.ledger.spool import SpoolSettings, SpoolWriter
from sekimori.ledger.tlog.keys import KeySigner
from sekimori.ledger.tlog.leaf import LeafSigner
from sekimori.vault.keys import KeyRing
from sekimori.vault.sealing import SegmentSealer

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """The first message: which lane, under which keys, within which limits."""

    spool: str
    lane: str
    keys: str
    settings: RecorderSettings


def start(spool: Path, lane: str, *, keys: Path, settings: SpoolSettings) -> SpoolWriter:
    """Start a recorder for a lane; blocks until it has it, raises RecordError if it can't be written."""
    opening = Opening(spool=str(spool), lane=lane, keys=str(keys), settings=settings)
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            process = subprocess.Popen([sys.executable, "-I", "-m", __name__], stdin=theirs.fileno())
    except OSError as error:
        ours.close()
        raise SpoolLostError(f"No recorder can be started: {error.strerror}.") from error

    def join(seconds: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):  # it ends with its socket, when the disk lets it
            process.wait(seconds)

    try:
        ours.sendall(framed(msgspec.json.encode(opening)))
        return SpoolWriter(lane, ours, settings=settings, join=join)
    except (SpoolFullError, SpoolLostError):
        join(settings.close_timeout)
        raise
    except OSError as error:
        ours.close()
        join(settings.close_timeout)
        raise SpoolLostError(f"The recorder ended at once: {error.strerror}.") from error


def main() -> int:
    """Write one lane."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=0) as sock:
        message = receive(sock)
        if message is None:
            return 0
        opening = msgspec.json.decode(message, type=Opening)
        try:
            recorder = _recorder(opening)
        except SpoolFullError as full:
            sock.sendall(answer_message(Answer(ordered=False, full=Said.of(full))))
            return 1
        except SekimoriError as error:
            sock.sendall(answer_message(Answer(ordered=False, lost=Said(error.message, error.hint))))
            return 1
        recorder.serve(sock)
    return 0


def _recorder(opening: Opening) -> Recorder:
    keys = KeyRing.load_recorder(Path(opening.keys))
    return Recorder(
        Path(opening.spool),
        opening.lane,
        seal=SegmentSealer(keys.archivist_public),
        signer=LeafSigner(KeySigner(keys.signing_key)),
        settings=opening.settings,
    )


if __name__ == "__main__":
    sys.exit(main())
