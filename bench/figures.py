"""What a benchmark says: one JSON object a line, medians over rounds."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

BARE = "mitmdump 12.2.3"
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Figure:
    """A benchmark's outcome; ``spread`` is (largest - smallest) / median over the rounds."""

    name: str
    value: float
    unit: str
    rounds: int
    spread: float
    peer: str | None = None
    peer_value: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """Ours divided by the peer's."""
        return self.value / self.peer_value if self.peer_value else None

    def line(self) -> str:
        """Return the JSON line of the contract, extra fields last."""
        fixed = {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "peer": self.peer,
            "peer_value": self.peer_value,
            "ratio": self.ratio,
            "rounds": self.rounds,
            "spread": self.spread,
        }
        return json.dumps({key: _short(value) for key, value in (fixed | self.extra).items()})

    def sentence(self) -> str:
        """Return one line for a person."""
        text = f"{self.name:16} {_short(self.value):>10} {self.unit:8}"
        if self.peer_value is not None and self.ratio is not None:
            text += f" {self.peer}: {_short(self.peer_value)} ({self.ratio:.2f} x)"
        verdict = self.extra.get("within")
        return text if verdict is None else f"{text}  {'within' if verdict else 'OVER'} its budget"


def figure(
    name: str,
    unit: str,
    ours: Sequence[float],
    theirs: Sequence[float] = (),
    *,
    peer: str | None = BARE,
    **extra: Any,
) -> Figure:
    """Put the rounds of one benchmark together."""
    value = statistics.median(ours)
    return Figure(
        name=name,
        value=value,
        unit=unit,
        rounds=len(ours),
        spread=(max(ours) - min(ours)) / value if value else 0.0,
        peer=peer if theirs else None,
        peer_value=statistics.median(theirs) if theirs else None,
        extra=extra,
    )


def _short(value: Any) -> Any:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
