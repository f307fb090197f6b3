"""What checking and exporting need of one installation: trees on disk, keys of logs, witnesses, writers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sekimori.cli.places import Places

if TYPE_CHECKING:
    from sekimori.cli.config import Config
    from sekimori.ledger.tlog.note import Verifier
    from sekimori.store.verifying.memories import Outside


def outside(places: Places, config: Config) -> Outside:
    """Name what lies outside the database."""
    from sekimori.cli.trees import log_keys
    from sekimori.store.verifying.memories import Outside

    return Outside.now(places.ledger, log_keys(places).publics, places.lock_store, witnesses(config))


def witnesses(config: Config) -> tuple[Verifier, ...]:
    """Return who checks the configured witnesses' signatures."""
    from sekimori.ledger.tlog.note import parse_vkey

    return tuple(parse_vkey(one.vkey) for one in config.ledger.witnesses)


def writers(places: Places) -> tuple[bytes, ...]:
    """Return the public keys that leaves may be signed with."""
    from sekimori.vault.keys import KeyRing

    return KeyRing.load_archive(places.keys).writers
