"""The file that remembers the latest time seen, so that a clock which stepped back is noticed.

Times in the record must not lie; the wall clock is the only one that survives a restart.
"""

from __future__ import annotations

import os
from pathlib import Path

from sekimori.errors import ClockError, IntegrityError, StateError
from sekimori.ledger.files import open_new, read_plain

TOLERANCE_US = 5_000_000
_MOST = 32
_MODE = 0o640


def last_seen(file: Path) -> int:
    """Return the remembered time in microseconds, 0 where nothing was remembered yet."""
    try:
        return int(read_plain(file, _MOST).decode("ascii"))
    except FileNotFoundError:
        return 0
    except (IntegrityError, ValueError) as error:
        raise StateError(
            f"{file} does not hold a time.", hint="Check that the clock is right, then remove that file."
        ) from error


def check(file: Path, now_us: int) -> None:
    """Raise ``ClockError`` if the clock stands more than five seconds before the remembered time."""
    behind = last_seen(file) - now_us
    if behind > TOLERANCE_US:
        raise ClockError(
            f"The clock stepped back {behind / 1e6:.0f} seconds since Sekimori last ran; "
            "times in the record would lie.",
            hint=f"Set it right and start again; if it was wrong before and is right now, remove {file}.",
        )


def remember(file: Path, now_us: int) -> int:
    """Keep the later of ``now_us`` and what was remembered; return how far the clock is behind, in µs."""
    seen = last_seen(file)
    if now_us > seen:
        fresh = file.with_suffix(".new")
        with os.fdopen(open_new(fresh, _MODE), "wb") as opened:
            opened.write(str(now_us).encode("ascii"))
        fresh.replace(file)  # whole or not at all, whenever the power goes
    return max(0, seen - now_us)
