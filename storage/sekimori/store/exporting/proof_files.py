"""The files of one record's proof, by name: what an outsider needs to check it, the page that says how, the sums."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from sekimori.ledger.tlog.keys import ssh_line
from sekimori.store.exporting.anchoring import Proven
from sekimori.store.exporting.disclosing import Disclosed, names_of
from sekimori.store.exporting.exported import Auditing
from sekimori.store.exporting.folder import SUMS
from sekimori.store.exporting.proof_page import name_of, page
from sekimori.store.exporting.proving import Proofs, Stamped

README = "README"


def proof_files(
    rid: str, proofs: Proofs, auditing: Auditing, disclosed: Sequence[Disclosed], what: str
) -> dict[str, bytes]:
    """Return every file by its path in the folder."""
    files = {"policy": proofs.policy, "proxy.pub": "".join(map(ssh_line, auditing.writers)).encode()}
    for leaf in proofs.leaves:
        files[f"{name_of(leaf)}.json"] = leaf.envelope
        files[f"{name_of(leaf)}.proof"] = leaf.proof
    if proofs.words:
        files["super.policy"] = proofs.over
        files |= _told("", proofs.words.items(), proofs.checkpoints.items())
    for one in proofs.stamped:
        files |= _stamped(one)
    named = list(zip(names_of(disclosed, what), disclosed, strict=True))
    files |= {name: one.data for name, one in named}
    files[README] = page(rid, proofs, named, [one.name for one in auditing.stamps]).encode()
    sums = (f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    return files | {SUMS: "".join(sums).encode()}


def _told(
    folder: str, words: Iterable[tuple[str, Proven]], checkpoints: Iterable[tuple[str, bytes]]
) -> dict[str, bytes]:
    files = {}
    for tree, word in words:
        files[f"{folder}{tree}.word.json"] = word.envelope
        files[f"{folder}{tree}.word.proof"] = word.proof
    return files | {f"{folder}{tree}.checkpoint": data for tree, data in checkpoints}


def _stamped(one: Stamped) -> dict[str, bytes]:
    folder, stamp = f"timestamps/{one.stamp.authority}/", one.stamp
    checkpoints = ((tree, told.tree.data) for tree, told in stamp.anchor.told.items())
    files = {
        f"{folder}policy": one.policy,
        f"{folder}ca.pem": stamp.ca,
        f"{folder}stamp.checkpoint": stamp.data,
        f"{folder}stamp.tsr": stamp.stamp,
    }
    files |= {f"{folder}{name_of(leaf)}.proof": leaf.proof for leaf in one.leaves}
    return files | _told(folder, one.words.items(), checkpoints)
