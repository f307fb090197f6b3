"""What stands where a sound frame was expected: nothing, a torn write, or an alteration. Pure.

A torn write leaves zeros where it didn't arrive, for the file was zeros before: at its end (a killed
process) or in whole sectors (a power failure). Bytes that are simply different were changed by somebody.
Whoever knows that may still cut the last commit of a crashed lane without a trace in the spool itself;
docs/formats/spool.md says so, and the database and the ledger's checkpoints are the answer to it.
"""

from __future__ import annotations

from sekimori.ledger import frames

SECTOR = 512
_ZEROS = bytes(SECTOR)
_EFFORT = 4
"""How many times its own length a region is checksummed before it counts as made to cost time."""


def is_torn(region: bytes, offset: int) -> bool:
    """Tell whether ``region``, which starts at ``offset`` of its file and ends in no zero, is a torn frame.

    No later commit may follow: a commit is begun only when the one before it is durable.
    """
    head = region[: frames.FRAME_HEAD_BYTES].ljust(frames.FRAME_HEAD_BYTES, b"\0")
    mark = head[: len(frames.FRAME_MAGIC)].rstrip(b"\0")
    if not frames.FRAME_MAGIC.startswith(mark):
        return False
    parsed = frames.unpack_frame_head(head)
    if parsed is None or _is_cut(head, offset):
        torn = _misses_something(head, offset, len(head))
    else:
        length = frames.FRAME_HEAD_BYTES + parsed.length
        torn = len(region) <= length and _misses_something(region, offset, length)
    # Asked in any case: a length that somebody changed could swallow what follows.
    return torn and not holds_sound_frame(region)


def holds_sound_frame(region: bytes) -> bool:
    """Tell whether any whole frame stands somewhere in the region."""
    effort = _EFFORT * len(region)
    at = region.find(frames.FRAME_MAGIC)
    while at >= 0:
        head = frames.unpack_frame_head(region[at : at + frames.FRAME_HEAD_BYTES])
        start = at + frames.FRAME_HEAD_BYTES
        if head is not None and head.length <= len(region) - start:
            effort -= head.length
            if effort < 0 or frames.is_whole(head, region[start : start + head.length]):
                return True
        at = region.find(frames.FRAME_MAGIC, at + 1)
    return False


def _is_cut(head: bytes, offset: int) -> bool:
    """Tell whether the head lies across two sectors and the second never arrived: its length is a guess."""
    first = -offset % SECTOR
    return 0 < first < len(head) and not any(head[first:])


def _misses_something(data: bytes, offset: int, length: int) -> bool:
    """Tell whether some of the ``length`` bytes never arrived: the last one, or a sector of the disk."""
    if len(data) < length or data[length - 1] == 0:
        return True
    first = -offset % SECTOR
    return any(data[at : at + SECTOR] == _ZEROS for at in range(first, length - SECTOR + 1, SECTOR)) or (
        data[:first] == bytes(first) and first > 0
    )
