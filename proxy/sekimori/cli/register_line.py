"""The line for the paper register: the super-log's checkpoint, short enough to be copied by hand, and its QR.

Read from the data folder and checked against the log's key, as the key folder has it: whoever can write the
data folder can put a log of his own there, with its key. The line is what a person compares with a later
export: the same size must have the same root, whoever rules the machines by then.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sekimori.cli.places import Places
from sekimori.cli.times import JST
from sekimori.cli.trees import log_keys
from sekimori.errors import IntegrityError, StateError
from sekimori.ledger.envelope import decode_envelope
from sekimori.ledger.files import read_plain
from sekimori.ledger.tlog.checkpoint import Checkpoint, log_verifier, open_checkpoint
from sekimori.ledger.tlog.disk import LocalTree
from sekimori.ledger.tlog.note import Verifier
from sekimori.ledger.tlog.shelf import CHECKPOINT, Shelf
from sekimori.store.superlog_keeper import names_of_super, super_name

_ORIGIN_DIGITS = 16
_MOST = 1 << 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RegisterLine:
    """One checkpoint as it goes into the register; ``time`` is that of its newest leaf."""

    log: str
    origin: str
    size: int
    root: str
    time: str
    date: str
    cosigned: int

    def __str__(self) -> str:
        return f"sekimori {self.log} {self.origin} {self.size} {self.root} {self.time}"


class NewestSuper:
    """The super-log that grows, by its key."""

    def __init__(self, places: Places) -> None:
        self._keys = log_keys(places)
        self._known: dict[str, Verifier] = {}

    @property
    def name(self) -> str:
        """Its name; that of the first where none was begun yet."""
        return (names_of_super(self._keys) or [super_name(1)])[-1]

    def verifier(self) -> Verifier | None:
        """Return who checks its signatures, None before it was begun."""
        name = self.name
        if name not in self._known and (signer := self._keys.find(name)) is not None:
            self._known[name] = log_verifier(signer.public)
        return self._known.get(name)


def read_line(places: Places) -> RegisterLine:
    """Read the published checkpoint of the newest super-log; raises IntegrityError if it isn't the log's."""
    ledger, newest = places.ledger, NewestSuper(places)
    folder, log = ledger / newest.name, newest.verifier()
    data = _published(folder)
    if not data or log is None:
        raise StateError(
            f"The super-log in {ledger} has published nothing yet.",
            hint="Start the archivist; the first checkpoint comes within seconds.",
        )
    opened = open_checkpoint(data, log)
    if not opened.checkpoint.size:
        raise StateError(f"The super-log in {ledger} is empty.", hint="It begins with the first record.")
    at = _newest_leaf(folder, opened.checkpoint)
    return RegisterLine(
        log=folder.name,
        origin=opened.checkpoint.origin.rpartition("/")[2][:_ORIGIN_DIGITS],
        size=opened.checkpoint.size,
        root=base64.b64encode(opened.checkpoint.root).decode(),
        time=at.isoformat(timespec="seconds"),
        date=at.date().isoformat(),
        cosigned=len(opened.note.signatures) - 1,
    )


def _published(folder: Path) -> bytes:
    try:
        return read_plain(folder / CHECKPOINT, _MOST)
    except FileNotFoundError:
        return b""


def qr_text(line: str) -> str:
    """Draw a line as a QR code of block characters."""
    drawn = io.StringIO()
    _segno().make(line, micro=False).terminal(drawn, compact=True)
    return drawn.getvalue()


def qr_svg(line: str, path: Path) -> None:
    """Write a line as a QR code, for printing."""
    _segno().make(line, micro=False).save(str(path), kind="svg", scale=4)


def _segno() -> Any:
    try:
        import segno
    except ImportError as error:
        raise StateError(
            "Drawing a QR code needs the package segno, which is not installed.",
            hint="Install it with: pip install segno. The line itself needs nothing.",
        ) from error
    return segno


def _newest_leaf(folder: Path, checkpoint: Checkpoint) -> datetime:
    shelf = Shelf(folder, LocalTree())
    (envelope,) = shelf.envelopes(checkpoint.size, checkpoint.size - 1, checkpoint.size)
    written_us = decode_envelope(envelope).get("t")
    if not isinstance(written_us, int):
        raise IntegrityError(f"The newest leaf of the super-log in {folder} has no time.")
    return (_EPOCH + timedelta(microseconds=written_us)).astimezone(JST)
