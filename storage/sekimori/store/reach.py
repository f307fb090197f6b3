"""How far each spool lane is covered by checkpoints: what of it may be given up. No database, no clock.

A lane's entries get their places in order, so it is covered up to a number once the trees are that hold
what stands before it. Of a lane that was followed before this process began only its end is known: it is
covered when every tree has reached what the database had given away at that moment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Lane:
    reached: int = 0
    runs: deque[tuple[dict[str, int], int]] = field(default_factory=deque)


class Reach:
    """Remembers where entries went and how far each tree is safe."""

    def __init__(self) -> None:
        self._safe: dict[str, int] = {}
        self._lanes: dict[str, _Lane] = {}

    def forget(self) -> None:
        """Start over: places may have changed."""
        self._safe.clear()
        self._lanes.clear()

    def knows(self, lane: str) -> bool:
        """Tell whether a lane's beginning was given with ``begin``."""
        return lane in self._lanes

    def begin(self, lane: str, given: Mapping[str, int], last_n: int) -> None:
        """Follow a lane from here: ``last_n`` entries are stored, their places are among those given."""
        self._lanes[lane] = _Lane(runs=deque([(dict(given), last_n)]))

    def add(self, lane: str, tree: str, end: int, last_n: int) -> None:
        """Remember that entries up to ``last_n`` have places before ``end``; no tree, no place."""
        followed = self._lanes.get(lane)
        if followed is None:
            return  # ``begin`` will find them in the database
        runs = followed.runs
        if len(runs) > 1 and (not tree or runs[-1][0].keys() == {tree}):
            # Nothing of the last run is safe yet: one that is longer says as much.
            before, _ = runs.pop()
            runs.append((before | ({tree: end} if tree else {}), last_n))
        else:
            runs.append(({tree: end} if tree else {}, last_n))

    def is_safe(self, tree: str, size: int) -> None:
        """Say how far a tree is covered."""
        self._safe[tree] = size

    def safe(self, tree: str) -> int:
        """Return how far a tree is covered."""
        return self._safe.get(tree, 0)

    def covered(self, lane: str) -> int:
        """Return up to which number a lane is covered."""
        followed = self._lanes.get(lane)
        if followed is None:
            return 0
        while followed.runs and self._are_safe(followed.runs[0][0]):
            followed.reached = max(followed.reached, followed.runs.popleft()[1])
        return followed.reached

    def _are_safe(self, given: Mapping[str, int]) -> bool:
        return all(self.safe(tree) >= end for tree, end in given.items())
