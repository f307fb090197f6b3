"""What a check finds: faults by table and key, and one verdict for each entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import Any, Literal

What = Literal["altered", "missing", "extra", "reordered"]


class Verdict(StrEnum):
    """What is true of an entry; the last two are faults."""

    VERIFIED = "verified"
    ERASED = "erased-authorised"
    EXPIRED = "expired"
    MISSING = "missing"
    ALTERED = "altered"


@dataclass(frozen=True, slots=True)
class Fault:
    """One row or leaf that is not as it was written: its table, its key, and what happened to it."""

    table: str
    key: str
    what: What
    detail: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Gap:
    """Numbers of a lane for which there is no entry."""

    lane: str
    first: int
    last: int


@dataclass(slots=True)
class Stretch:
    """What was found in some entries: how many, what is true of them, and what is wrong."""

    entries: int = 0
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    gaps: list[Gap] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    unstated: int = 0
    unsigned: int = 0
    unplaced: int = 0


def named(gaps: Iterable[Gap]) -> Iterator[Fault]:
    """Turn gaps into faults; those that touch are one."""
    for lane, some in groupby(sorted(gaps), key=lambda gap: gap.lane):
        first = last = 0
        for gap in some:
            if first and gap.first == last + 1:
                last = gap.last
                continue
            yield from _missing(lane, first, last)
            first, last = gap.first, gap.last
        yield from _missing(lane, first, last)


def differences(table: str, key: str, said: Any, meant: dict[str, Any]) -> Iterator[Fault]:
    """Name the columns of a row that say something else than what was sealed."""
    columns = [name for name, value in meant.items() if said.get(name) != value]
    if columns:
        yield Fault(table, key, "altered", ", ".join(columns))


def _missing(lane: str, first: int, last: int) -> Iterator[Fault]:
    if not first:
        return
    if first == last:
        yield Fault("entry", f"{lane}/{first}", "missing")
    else:
        yield Fault("entry", f"{lane}/{first}-{last}", "missing", f"{last - first + 1} entries")
