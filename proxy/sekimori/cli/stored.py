"""A record of the log as the wire readers of today read it: the same words as for a recorded interaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sekimori.cli.readings import shown
from sekimori.cli.recordings import Frame
from sekimori.cli.session import summary_of_session
from sekimori.store.readings import (
    payloads,
    read_stored_request,
    read_stored_response,
    stored_head,
)

if TYPE_CHECKING:
    from sekimori.store.log import Stored


def summary_of_record(stored: Stored) -> dict[str, Any]:
    """Read both stored bodies anew; nothing of what was read at the time is taken over."""
    intent, outcome = stored.intent, stored.outcome
    head = stored_head(intent)
    if intent.mode == "turn":
        # A turn's record keeps who said what, and not in which order the two sides spoke.
        frames = [Frame("sent", _opcode(payload), payload) for payload in payloads(stored.asked)]
        frames += [Frame("received", _opcode(payload), payload) for payload in payloads(stored.answered)]
        return summary_of_session(intent.rid, head, frames)
    request = read_stored_request(intent, stored.asked)
    if outcome is None or not stored.answered:
        return shown(intent.rid, request, None)
    return shown(intent.rid, request, read_stored_response(intent, outcome, stored.answered, request))


def _opcode(payload: bytes) -> str:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return "binary"
    return "text"
