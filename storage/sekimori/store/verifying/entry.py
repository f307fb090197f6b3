"""One entry on its way through the checks, and what every walk of one process shares."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import msgspec
from sqlalchemy import Connection

from sekimori.ledger.rebuild import Rebuilder
from sekimori.ledger.record import Entry as SpoolEntry
from sekimori.ledger.tlog.keys import PublicKey
from sekimori.store.holding import Holding
from sekimori.store.rows import Cipher, Sealed
from sekimori.store.tables import ENTRY
from sekimori.store.tokens import Tokens
from sekimori.store.verifying.authority import Authority
from sekimori.store.verifying.faults import Fault, Verdict, What
from sekimori.store.verifying.opening import KeyOpener, Manifests
from sekimori.vault.content import ContentCipher

NOTHING = hashlib.sha256().digest()
"""What stands for a body where there is none."""
_CACHE_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class View:
    """One consistent view of the database, and the keys.

    ``trees`` says how many places each tree has given away. Without ``tokens`` nobody looks at the tokens:
    they are not all made yet. ``writers`` are known by the hash of their keys; with ``signatures`` the
    signature of every leaf is checked, too. Without ``index`` what is derived from entries is left out.
    """

    connection: Connection
    holding: Holding
    trees: Mapping[str, int]
    authority: Authority
    writers: Mapping[bytes, PublicKey]
    tokens: Tokens | None
    signatures: bool = False
    index: bool = True
    old: Cipher | None = field(init=False)
    opener: KeyOpener = field(init=False)
    manifests: Manifests = field(init=False)
    bodies: Rebuilder = field(init=False)

    def __post_init__(self) -> None:
        old = self.holding.keys.old
        self.old = ContentCipher(old.key) if old else None
        self.opener = KeyOpener(self.holding)
        self.manifests = Manifests(self.holding)
        self.bodies = Rebuilder(self.manifests, _CACHE_BYTES)


class Entry(msgspec.Struct, gc=False):
    """A row of ``entry`` and what is known of it so far; ``faults`` decide its verdict.

    ``kept`` is what was opened, ``said`` the entry in it. Of one that is ``gone`` they are there where the
    content alone has expired: then what is said about it is checked still. ``policy`` is what its envelope
    names, ``links`` are the records that its text refers to, None where that isn't known.
    """

    lane: str
    n: int
    rid: str
    kind: str
    time_us: int
    sealed: bytes
    envelope: bytes
    leaf: bytes
    tree: str
    idx: int | None
    kept: Sealed | None = None
    said: SpoolEntry | None = None
    cipher: Cipher | None = None
    content_hash: bytes = NOTHING
    links: Collection[str] | None = None
    policy: str | None = None
    gone: Verdict | None = None
    faults: tuple[Fault, ...] = ()

    @property
    def name(self) -> str:
        """Its lane and number."""
        return f"{self.lane}/{self.n}"

    def fault(self, table: str, what: What, detail: str = "", *, key: str = "") -> None:
        """Note that a row of some table is not as it was written."""
        self.faults = (*self.faults, Fault(table, key or self.name, what, detail))

    @property
    def verdict(self) -> Verdict:
        """What is true of it."""
        return Verdict.ALTERED if self.faults else self.gone or Verdict.VERIFIED


ENTRY_COLUMNS = (
    ENTRY.c.lane,
    ENTRY.c.n,
    ENTRY.c.rid,
    ENTRY.c.kind,
    ENTRY.c.time_us,
    ENTRY.c.sealed,
    ENTRY.c.envelope,
    ENTRY.c.leaf,
    ENTRY.c.tree,
    ENTRY.c.idx,
)
"""What an ``Entry`` is made of, in its order."""
