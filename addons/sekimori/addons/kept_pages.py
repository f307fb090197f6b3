"""The pages that are shown now, in a folder that the workers of one machine share.

Where somebody was is content: a file is sealed, and its name a keyed hash that no one can guess.
"""

from __future__ import annotations

import hmac
import os
import time
from pathlib import Path

import msgspec

from sekimori.addons.noted import drop_older
from sekimori.errors import SekimoriError
from sekimori.governance.interstitial import Page
from sekimori.ledger.files import open_new, read_plain
from sekimori.vault.published import PolicySeal

_KEPT_S = 3600
_SWEEP_S = 60.0
_MOST = 1 << 24


class KeptPages:
    """Pages by id; whoever shows one keeps it, whoever answers it takes it away."""

    def __init__(self, folder: Path, key: bytes) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._seal = PolicySeal(hmac.digest(key, b"pages\0", "sha256"))
        self._swept = 0.0

    def keep(self, page: Page) -> None:
        """Write a page down."""
        now = time.time()
        if now - self._swept >= _SWEEP_S:
            self._swept = now
            drop_older(self._folder, now - _KEPT_S)
        sealed = self._seal.seal(msgspec.msgpack.encode(page), "page", page.id)
        part = self._folder / f"{page.id}.{os.getpid()}.part"
        with os.fdopen(open_new(part, 0o600), "wb") as opened:
            opened.write(sealed)
        part.rename(self._folder / page.id)

    def find(self, id_: str) -> Page | None:
        """Return a page, None where there is none that opens."""
        if len(id_) != _ID or not id_.isalnum():
            return None
        try:
            sealed = read_plain(self._folder / id_, _MOST)
            return msgspec.msgpack.decode(self._seal.open(sealed, "page", id_), type=Page)
        except (FileNotFoundError, SekimoriError, msgspec.DecodeError):
            return None

    def drop(self, id_: str) -> None:
        """Take a page away: it was answered."""
        (self._folder / id_).unlink(missing_ok=True)


_ID = 64
