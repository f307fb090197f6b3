"""One record, disclosed: the exact bytes that its envelopes commit to, each with its own opening.

The opening checks that one commitment and no other; the record key stays here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, select

from sekimori.errors import IntegrityError, UsageError
from sekimori.ledger.envelope import REQUEST, RESPONSE, fits, opening, read_record_envelope
from sekimori.store.exporting.rows import entries_of
from sekimori.store.holding import Holding
from sekimori.store.opening import RecordOpener
from sekimori.store.rows import MANIFEST
from sekimori.store.tables import CONTENT

PROMPT, OUTPUT = "prompt", "output"
WHAT = {PROMPT: REQUEST, OUTPUT: RESPONSE}
"""What can be disclosed, and what the envelope calls it."""


@dataclass(frozen=True, slots=True)
class Disclosed:
    """Bytes, and what shows that they are the ones that leaf ``index`` of a tree commits to."""

    tree: str
    index: int | None
    what: str
    data: bytes
    opening: bytes
    commitment: bytes


def disclose(connection: Connection, holding: Holding, rid: str, what: str) -> list[Disclosed]:
    """Return what was asked, or answered; raises UsageError where nothing is left to disclose."""
    key = holding.hierarchy.record_key(rid)
    if key is None:
        raise UsageError(f"The key of record {rid} is gone: it was erased.")
    opener = RecordOpener(holding)
    committed = WHAT[what]
    found = []
    for row in entries_of(connection, rid):
        said = read_record_envelope(row.envelope).commitments() if row.envelope else {}
        if committed not in said:
            continue
        data = _body(connection, holding, opener, row)
        opened = opening(key, rid, committed)
        if not fits(said[committed], opened, committed, data):
            raise IntegrityError(
                f"The {what} of record {rid} is not what its envelope commits to.",
                hint="Run sekimori verify.",
            )
        found.append(Disclosed(row.tree, row.idx, committed, data, opened, said[committed]))
    if not found:
        raise UsageError(f"Nothing of the {what} of record {rid} was stored.")
    return found


def command(one: Disclosed, file: str) -> str:
    """Return what an auditor types; it prints the commitment."""
    return (
        f"printf 'sekimori/v1/{one.what}\\0' | cat - {file} | "
        f"openssl dgst -sha256 -mac HMAC -macopt hexkey:{one.opening.hex()}"
    )


def names_of(disclosed: Sequence[Disclosed], what: str) -> list[str]:
    """Name a file for each piece: a turn of a WebSocket session has several."""
    if len(disclosed) == 1:
        return [f"{what}.body"]
    return [f"{what}-{number}.body" for number in range(1, len(disclosed) + 1)]


def _body(connection: Connection, holding: Holding, opener: RecordOpener, row: Any) -> bytes:
    at = and_(CONTENT.c.lane == row.lane, CONTENT.c.n == row.n, CONTENT.c.time_us == row.time_us)
    content = connection.execute(select(CONTENT).where(at)).first()
    if content is not None and content.part == MANIFEST:
        return holding.deduper.load(row.rid)
    return b"" if content is None else opener.content(content) or b""
