"""A spool to experiment with: fixed keys, entries to write, and a disk that can fail in every way."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from sekimori.ledger.evidence import write_entry
from sekimori.ledger.files import LocalFiles
from sekimori.ledger.lane import LaneWriter
from sekimori.ledger.lanes import START, Position
from sekimori.ledger.reading import LaneReader
from sekimori.ledger.record import Body, Entry, Intent
from sekimori.ledger.seams import FileId
from sekimori.ledger.tlog.keys import PublicKey, key_hash
from sekimori.ledger.tlog.leaf import LeafSigner
from sekimori.ledger.walk import Item
from sekimori.vault.sealing import SegmentOpener, SegmentSealer
from support.tlog import GATE, WRITER

PRIVATE = bytes(range(32))
PUBLIC = X25519PrivateKey.from_private_bytes(PRIVATE).public_key().public_bytes_raw()
SEALER = SegmentSealer(PUBLIC)
SIGNER = WRITER
WRITERS = {key_hash(GATE.public): PublicKey(GATE.public)}
PROMPT = "職員名簿の要約をお願いします。"


def opener() -> SegmentOpener:
    """Return the archivist's opener of the fixed key."""
    return SegmentOpener(PRIVATE)


def key_of(rid: str) -> bytes:
    """Return a record key that a test needn't remember."""
    return hashlib.sha256(rid.encode("utf-8", "surrogatepass")).digest()


def keyed[E: Entry](entry: E) -> E:
    """Give an entry the key of its exchange, unless it has one."""
    return entry if entry.key else msgspec.structs.replace(entry, key=key_of(entry.rid))


def commit(writer: LaneWriter, lane: str, *entries: Entry, signer: LeafSigner = SIGNER) -> None:
    """Make entries durable in one frame, with envelopes and leaves, as the spool's thread does."""
    first_n = writer.next_n
    writer.commit([write_entry(keyed(one), lane, n, signer) for n, one in enumerate(entries, first_n)])


def intent(rid: str | int, *, size: int = 0, prompt: str = PROMPT) -> Intent:
    """Return an entry; ``size`` adds that many bytes that compress to nothing."""
    return Intent(
        rid=str(rid),
        key=key_of(str(rid)),
        time_us=1_775_012_345_678_901,
        user="yamada",
        decision="allow",
        body=Body(stored=prompt.encode() + os.urandom(size)),
    )


def write_lane(
    spool: Path,
    commits: Sequence[Sequence[Entry]],
    *,
    lane: str = "w1-1",
    segment_bytes: int = 64 * 1024,
    closed: bool = False,
) -> Path:
    """Write a lane whose writer is dead now, one frame for each commit; return its folder."""
    writer = LaneWriter(spool, lane, sealer=SEALER, segment_bytes=segment_bytes, files=LocalFiles())
    for entries in commits:
        commit(writer, lane, *entries)
    if closed:
        writer.close()
    writer.abandon()
    return spool / lane


def read_lane(lane_dir: Path, start: Position = START) -> list[Item]:
    """Read a lane to its end."""
    return list(LaneReader(lane_dir, opener()).read(start))


def rids(lane_dir: Path) -> list[str]:
    """Return the ids of a lane's entries in order."""
    return [item.entry.rid for item in read_lane(lane_dir)]


class Disk(LocalFiles):
    """The real disk, until it is told to fail; remembers what was asked of it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.full = False
        self.create_error = 0
        self.publish_error = 0
        self.most: int | None = None
        self.write_error = 0
        self.sync_error = 0
        self.cut_error = 0
        self.free: int | None = None
        self.removes = False
        self.replaces = False
        self.answering = threading.Event()
        self.answering.set()
        self.asked = threading.Event()

    def create(self, path: Path, size: int) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.create_error:
            raise OSError(self.create_error, os.strerror(self.create_error))
        return super().create(path, size)

    def write(self, handle: int, data: bytes, offset: int) -> int:
        self.calls.append("write")
        if self.write_error:
            raise OSError(self.write_error, os.strerror(self.write_error))
        if self.most == 0:
            return 0
        return super().write(handle, data[: self.most], offset)

    def sync(self, handle: int) -> None:
        self.asked.set()
        self.answering.wait()
        if self.sync_error:
            raise OSError(self.sync_error, os.strerror(self.sync_error))
        super().sync(handle)
        self.calls.append("sync")

    def is_at(self, mine: FileId, path: Path) -> bool:
        if self.removes:
            path.unlink(missing_ok=True)
        if self.replaces:
            content = path.read_bytes()
            path.unlink()
            path.write_bytes(content)
        return super().is_at(mine, path)

    def publish(self, draft: Path, path: Path) -> None:
        if self.publish_error:
            raise OSError(self.publish_error, os.strerror(self.publish_error))
        super().publish(draft, path)

    def truncate(self, handle: int, size: int) -> None:
        if self.cut_error:
            raise OSError(self.cut_error, os.strerror(self.cut_error))
        super().truncate(handle, size)

    def free_bytes(self, folder: Path) -> int:
        return super().free_bytes(folder) if self.free is None else self.free
