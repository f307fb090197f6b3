"""A log to experiment with: fixed keys, a second way to compute trees, a disk that loses power."""

from __future__ import annotations

import functools
import hashlib
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from sekimori.errors import StateError
from sekimori.ledger.tlog.checkpoint import log_verifier, open_checkpoint
from sekimori.ledger.tlog.keys import KeySigner, PublicKey
from sekimori.ledger.tlog.leaf import LeafSigner
from sekimori.ledger.tlog.note import COSIGNATURE, NoteSignature, Verifier, cosign_note
from sekimori.ledger.tlog.seams import Head, LaneState, Locked, Offer

LOG = KeySigner(bytes(range(32)))
GATE = KeySigner(bytes(range(32, 64)))
WITNESS = KeySigner(bytes(range(64, 96)))
WITNESS_NAME = "witness.example/w1"
WRITER = LeafSigner(GATE)
NOW = 1_795_204_800_000_000


def witness_verifier() -> Verifier:
    """Return who checks the fixed witness."""
    return Verifier(WITNESS_NAME, COSIGNATURE, PublicKey(WITNESS.public))


def cosign(offer: Offer) -> list[NoteSignature]:
    """Cosign anything, as the fixed witness."""
    return cosign_text(offer.note.text)


def cosign_text(text: str) -> list[NoteSignature]:
    """Cosign a checkpoint's text."""
    return [cosign_note(text, WITNESS_NAME, WITNESS, time=NOW // 1_000_000)]


def envelope(n: int, mark: str = "") -> bytes:
    """Return something to sign."""
    return f'{{"k":"intent","lane":"p1-00{mark}","n":{n},"v":1}}'.encode()


def leaves(count: int, start: int = 0, mark: str = "") -> list[bytes]:
    """Return that many leaves of the fixed gate."""
    return [_leaf(n, mark) for n in range(start, start + count)]


@functools.cache
def _leaf(n: int, mark: str) -> bytes:
    return WRITER.sign(envelope(n, mark))


class Naive:
    """RFC 6962 section 2.1, word for word: recursive, with a memory so that big trees end."""

    def __init__(self, hashes: Sequence[bytes]) -> None:
        self._hashes = hashes
        self._known: dict[tuple[int, int], bytes] = {}

    def mth(self, start: int, stop: int) -> bytes:
        """MTH(D[start:stop])."""
        if start == stop:
            return hashlib.sha256(b"").digest()
        if stop - start == 1:
            return self._hashes[start]
        if (start, stop) not in self._known:
            k = start + self._k(stop - start)
            both = self.mth(start, k) + self.mth(k, stop)
            self._known[start, stop] = hashlib.sha256(b"\x01" + both).digest()
        return self._known[start, stop]

    def path(self, m: int, start: int, stop: int) -> list[bytes]:
        """PATH(m, D[start:stop]), section 2.1.1."""
        n = stop - start
        if n == 1:
            return []
        k = self._k(n)
        if m < k:
            return [*self.path(m, start, start + k), self.mth(start + k, stop)]
        return [*self.path(m - k, start + k, stop), self.mth(start, start + k)]

    def proof(self, m: int, n: int) -> list[bytes]:
        """PROOF(m, D[n]), section 2.1.2."""
        return self._subproof(m, 0, n, whole=True) if 0 < m < n else []

    def _subproof(self, m: int, start: int, stop: int, *, whole: bool) -> list[bytes]:
        n = stop - start
        if m == n:
            return [] if whole else [self.mth(start, stop)]
        k = self._k(n)
        if m <= k:
            return [*self._subproof(m, start, start + k, whole=whole), self.mth(start + k, stop)]
        return [*self._subproof(m - k, start + k, stop, whole=False), self.mth(start, start + k)]

    @staticmethod
    def _k(n: int) -> int:
        k = 1
        while 2 * k < n:
            k *= 2
        return k


class WatchedSigner:
    """A log's key that remembers, over all restarts, what it signed; and refuses two histories."""

    def __init__(self, key: KeySigner = LOG) -> None:
        self._key = key
        self.public = key.public
        self.signed: dict[int, str] = {}

    def sign(self, message: bytes) -> bytes:
        _, size, root, _ = message.decode().split("\n")
        assert self.signed.setdefault(int(size), root) == root, f"two roots signed for {size} leaves"
        return self._key.sign(message)


class PowerLoss(BaseException):
    """The machine went dark."""


class Power:
    """Counts the steps of disk and lock store, and cuts the current at one of them."""

    def __init__(self) -> None:
        self.steps = 0
        self.off_at: int | None = None
        self.errors: dict[int, int] = {}

    def step(self) -> None:
        """Take a step, unless it is the last."""
        self.steps += 1
        if self.steps == self.off_at:
            raise PowerLoss
        if (error := self.errors.pop(self.steps, 0)) != 0:
            raise OSError(error, os.strerror(error))


class MemoryLocks:
    """A lock store on another machine, which keeps its power."""

    def __init__(self, power: Power | None = None) -> None:
        self.power = power or Power()
        self.known: dict[str, Locked] = {}

    def read(self, origin: str) -> Locked | None:
        return self.known.get(origin)

    def register(self, origin: str, lane: str, head: Head) -> None:
        if origin in self.known:
            raise StateError(f"{lane} is known")
        self._set(origin, Locked(head, LaneState.OPEN))

    def swap(self, origin: str, old: Head, new: Head) -> None:
        self._set(origin, replace(self._open(origin, old), head=new))

    def note_published(self, origin: str) -> None:
        self._set(origin, replace(self.known[origin], published=True))

    def end(self, origin: str, old: Head, state: LaneState) -> None:
        self._set(origin, replace(self._open(origin, old), state=state))

    def _open(self, origin: str, old: Head) -> Locked:
        known = self.known[origin]
        if known.head != old or known.state != LaneState.OPEN:
            raise StateError("not what this log's writer remembers")
        return known

    def _set(self, origin: str, locked: Locked) -> None:
        self.power.step()  # lost before it arrived
        self.known[origin] = locked
        self.power.step()  # done, but the answer is lost


Change = Callable[[dict[PurePath, bytes | None]], None]


class DarkDisk:
    """A disk in memory. What is not synced survives a power failure or not, each change on its own.

    A path holds bytes, or None for a folder. ``names`` is what programs see; ``kept`` is what surely
    survives, and ``loose`` lists for each folder the changes of its names since its last sync.
    """

    def __init__(self, power: Power, kept: dict[PurePath, bytes | None] | None = None) -> None:
        self.power = power
        self.kept: dict[PurePath, bytes | None] = dict(kept or {})
        self.names = dict(self.kept)
        self.loose: dict[PurePath, list[Change]] = {}
        self.locked: set[PurePath] = set()

    def survivor(self, dice: random.Random, power: Power) -> DarkDisk:
        """Return the disk after a power failure: of the loose changes any subset is there."""
        kept = dict(self.kept)
        for changes in self.loose.values():
            for change in changes:
                if dice.random() < 0.5:
                    change(kept)
        # A folder that vanished takes along what was in it.
        whole = {path for path in kept if all(kept.get(one, b"") is None for one in path.parents[:-1])}
        return DarkDisk(power, {path: kept[path] for path in whole})

    def lock(self, path: Path) -> Callable[[], None]:
        if path.parent not in self.names:
            raise FileNotFoundError(path)
        if path in self.locked:
            raise StateError("locked by another")
        self.locked.add(path)
        return lambda: self.locked.discard(path)

    def make_folder(self, path: Path) -> None:
        for folder in reversed([path, *path.parents[:-1]]):
            if folder not in self.names:
                self._change(folder, None)

    def write(self, path: Path, data: bytes) -> None:
        assert path.parent in self.names
        try:
            self.power.step()
        except BaseException:
            # The name may be there, with a part of the content.
            self._change(path, data[: len(data) // 2])
            raise
        self._change(path, data)

    def rename(self, draft: Path, path: Path) -> None:
        self.power.step()
        data = self.names[draft]

        def change(names: dict[PurePath, bytes | None]) -> None:
            names.pop(draft, None)
            names[path] = data

        self._apply(path.parent, change)

    def sync_folder(self, path: Path) -> None:
        self.power.step()
        for change in self.loose.pop(path, []):
            change(self.kept)

    def read(self, path: Path) -> bytes:
        data = self.names.get(path)
        if data is None:
            raise FileNotFoundError(path)
        return data

    def remove(self, path: Path) -> None:
        self.power.step()

        def change(names: dict[PurePath, bytes | None]) -> None:
            for name in [one for one in names if one == path or path in one.parents]:
                del names[name]

        self._apply(path.parent, change)

    def _change(self, path: Path, data: bytes | None) -> None:
        self._apply(path.parent, lambda names: names.__setitem__(path, data))

    def _apply(self, folder: Path, change: Change) -> None:
        change(self.names)
        self.loose.setdefault(folder, []).append(change)


def published(data: bytes) -> int:
    """Return the size of a checkpoint of the fixed log."""
    return open_checkpoint(data, log_verifier(LOG.public)).checkpoint.size
