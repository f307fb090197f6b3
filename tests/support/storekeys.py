"""The keys of a store in a test: a file provider, a signing key, nothing random that matters."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

from sekimori.ledger.tlog.keys import KeySigner
from sekimori.ledger.tlog.leaf import LeafSigner
from sekimori.ledger.tlog.lockstore import SqliteLockStore
from sekimori.store.holding import OldKey, StoreKeys
from sekimori.store.rekeying import begin
from sekimori.store.rotating import found
from sekimori.vault.files import make_folder, read_secret
from sekimori.vault.keyfile import key_from_text
from sekimori.vault.providers.file import FileKek

STORE_KEY = bytes(range(100, 132))
SIGNING_KEY = bytes(range(50, 82))


def store_keys(folder: Path, *, store_key: bytes = STORE_KEY) -> StoreKeys:
    """Give the keys that lie in this folder, as a process that starts would read them."""
    make_folder(folder)
    file = folder / "data.key"
    return StoreKeys(
        store_key=store_key,
        kek=FileKek(folder / "kek"),
        signing=LeafSigner(KeySigner(SIGNING_KEY)),
        living=folder / "living.keys",
        old=OldKey(key_from_text(read_secret(file), "data", file), file) if file.exists() else None,
    )


def founded(engine: Engine, folder: Path, *, store_key: bytes = STORE_KEY) -> StoreKeys:
    """Give the keys of a store that has its first epoch."""
    keys = store_keys(folder, store_key=store_key)
    found(engine, keys)
    begin(engine, keys)
    return keys


def lock_store(path: Path) -> SqliteLockStore:
    """Give the outside memory of a node's logs, made when it is asked for first."""
    return SqliteLockStore(path) if path.exists() else SqliteLockStore.create(path)
