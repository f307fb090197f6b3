"""The bodies of a batch are taken apart here: what was stored before is referred to, what is new is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from sekimori.ledger.chunks import Cut
from sekimori.store.holding import Holding
from sekimori.store.recordkeys import HeldKey


def take_apart(holding: Holding, bodies: Iterable[tuple[str, bytes, HeldKey]]) -> dict[str, bytes]:
    """Put what belongs beside their manifests into the rows of texts; return the manifests, by record.

    All are cut first, so that what they will ask for is looked up at once.
    """
    cuts: dict[str, tuple[Cut, bytes, HeldKey]] = {}
    for rid, body, held in bodies:
        if body and held.data_key is not None:
            cut = holding.deduper.cut(rid, body, held.address_key)
            cuts[rid] = cut, hashlib.sha256(body).digest(), held
    if not cuts:
        return {}
    holding.texts.look_ahead(
        {anchor for cut, _, _ in cuts.values() for anchor in cut.anchors()},
        {address for cut, _, _ in cuts.values() for address in cut.large()},
    )
    manifests = {}
    for rid, (cut, sha256, held) in cuts.items():
        stored = holding.deduper.place(rid, cut, sha256)
        holding.texts.put(rid, stored, held.key)
        manifests[rid] = stored.manifest
    return manifests
