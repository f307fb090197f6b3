"""Alarms of what is done beside the record: the same sentence again and again is told once."""

from __future__ import annotations

from collections.abc import Callable


class Telling:
    """Tells a fault when it comes or changes; ``well`` when there is none, so that the next one is told anew."""

    def __init__(self, alarm: Callable[[str], None]) -> None:
        self._alarm = alarm
        self._told = ""

    def tell(self, sentence: str) -> None:
        """Raise the alarm, unless this was the last thing told."""
        if sentence != self._told:
            self._alarm(sentence)
        self._told = sentence

    def well(self) -> None:
        """Note that the work was done."""
        self._told = ""
