"""What goes into an export beside the logs, and what came out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stamps:
    """The time-stamps of one authority over the super-log, and the CA under which they are checked."""

    name: str
    folder: Path
    ca_file: Path


@dataclass(frozen=True, slots=True)
class Auditing:
    """What an auditor is to trust: the writers' keys, the witnesses by name and how many are needed."""

    writers: Sequence[bytes]
    witnesses: dict[str, bytes]
    needed: int = 0
    stamps: Sequence[Stamps] = ()


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: the trees with their sizes, and how many proofs.

    ``given_up`` names the trees that a fork ended, with those that go on; one of which no row is left is not
    among ``trees``. ``unproven`` leaves stand in one whose damaged files prove them no
    more. ``whole`` tells that every leaf was asked for.
    """

    trees: dict[str, int]
    proofs: int
    elsewhere: tuple[str, ...]
    stamps: int
    witnessed: bool
    given_up: Mapping[str, str] = field(default_factory=dict)
    unproven: int = 0
    whole: bool = False
