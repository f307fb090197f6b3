"""Wait a little until the archivist has stored what stood in the spool when a command was called.

What is written meanwhile is not waited for, so that a busy gate can't hold a command.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from sekimori.cli.checks import running
from sekimori.cli.places import Places

LONGEST = 2.0
_PAUSE = 0.05


def catch_up(places: Places, *, longest: float = LONGEST) -> bool:
    """Return whether everything that was pending is stored; at once where nobody stores."""
    waiting = _ends(places.spool)
    deadline = time.monotonic() + longest
    while waiting and (running(places) or running(places, ("archive",))):
        waiting = {lane: end for lane, end in waiting.items() if not _stored(places.spool / lane, end)}
        if not waiting or time.monotonic() > deadline:
            break
        time.sleep(_PAUSE)
    return not waiting


def _ends(spool: Path) -> dict[str, tuple[int, int]]:
    """Say, for each lane that is not shipped, where it ends now: segment and bytes."""
    from sekimori.ledger.files import open_plain
    from sekimori.ledger.lanes import pending, segment_path, segments, written_bytes

    ends = {}
    for lane, waiting in pending(spool).items():
        numbers = segments(spool / lane)
        if not waiting or not numbers:
            continue
        try:
            with os.fdopen(open_plain(segment_path(spool / lane, numbers[-1])), "rb") as segment:
                ends[lane] = (numbers[-1], written_bytes(segment.fileno()))
        except FileNotFoundError:  # shipped and deleted while we looked
            continue
    return ends


def _stored(lane: Path, end: tuple[int, int]) -> bool:
    from sekimori.ledger.lanes import read_shipped

    if not lane.exists():
        return True
    shipped = read_shipped(lane)
    position = shipped.stored_at()
    return shipped.done or (position.segment, position.offset) >= end
