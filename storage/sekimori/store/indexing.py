"""The ``record`` rows that a batch adds or finishes, and the tokens they are found by. Pure."""

from __future__ import annotations

from collections.abc import Callable

from sekimori.ledger.record import Intent, Outcome, Part
from sekimori.store.clearing import ERASED, NOTHING
from sekimori.store.rows import Answer, Row, index_intent, index_outcome, index_unanswered, search_rows
from sekimori.store.tokens import Tokens


class Index:
    """What one batch of a lane does to the index; ``known`` is what the index holds of its records."""

    def __init__(
        self, lane: str, known: dict[str, Row], tokens: Tokens, alarm: Callable[[str], None]
    ) -> None:
        self.new: dict[str, Row] = {}
        self.search: list[Row] = []
        self.finished: list[Row] = []
        self._lane = lane
        self._known = known
        self._tokens = tokens
        self._alarm = alarm

    def intent(self, n: int, intent: Intent) -> None:
        """Add a row; a second intent under one id stays evidence and is not indexed."""
        if intent.rid in self._known or intent.rid in self.new:
            self._alarm(f"Lane {self._lane} has a second intent {intent.rid} at {n}.")
            return
        self.new[intent.rid] = index_intent(self._lane, n, intent) | index_unanswered(intent)
        self.search += search_rows(self._tokens, intent)

    def part(self, n: int, part: Part) -> None:
        """Look only whether there is a row: a part adds nothing to the index."""
        if part.rid not in self.new and part.rid not in self._known:
            self._alarm(f"Lane {self._lane} has a part of {part.rid} at {n}, which has no intent.")

    def outcome(self, n: int, outcome: Outcome, answer: Answer) -> bool:
        """Finish a row; a second outcome stays evidence, the first one counts. Tell whether it did.

        Of a record that was erased meanwhile only the place of its outcome is noted.
        """
        row = self.new.get(outcome.rid) or self._known.get(outcome.rid)
        if row is None or row["outcome_n"] is not None:
            which = "no intent" if row is None else "an outcome already"
            self._alarm(f"Lane {self._lane} has an outcome {outcome.rid} at {n}, which has {which}.")
            return False
        columns = index_outcome(self._lane, n, outcome, answer)
        if row["state"] == ERASED:
            columns |= {name: value for name, value in NOTHING.items() if name in columns}
        row.update(columns)
        if outcome.rid not in self.new:
            self.finished.append({"b_rid": outcome.rid, "b_time_us": row["time_us"]} | columns)
        return True
