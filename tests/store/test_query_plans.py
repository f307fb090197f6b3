"""What the archivist asks in each round is answered from an index: no round costs more as the log grows."""

import re
from itertools import count

import pytest
from sqlalchemy import event

from sekimori.governance.use_rules import use_rules_for
from sekimori.store.counting import Counting
from sekimori.store.governing import Governing
from sekimori.store.governing.lazy import changed_since
from sekimori.store.governing.sealing import GovernedSeal
from sekimori.store.governing.ticking import Ticking, refresh_due
from sekimori.store.recent import Recent
from support.evidence import answered, asked

GROWING = ("entry", "record", "content", "statement", "search", "governed", "governed_event", "event")
WALKS = re.compile(
    rf"SCAN ({'|'.join(GROWING)})(?! USING (COVERING )?INDEX \w+_(unplaced|by_change|open|due)\b)"
)
WHOLE_LANE = re.compile(r"SEARCH (entry|content) USING (COVERING )?INDEX \w+ \(lane=\?\)$")
LAST_OF_A_LANE = re.compile(r"^SELECT max\(\w+\.n\)")


class Plans:
    """Asks SQLite how it carries out each statement that an engine is given."""

    def __init__(self, engine):
        self.walking: dict[str, list[str]] = {}
        self.seen: dict[str, list[str]] = {}
        event.listen(engine, "before_cursor_execute", self._look)

    def _look(self, connection, cursor, statement, parameters, context, many):
        if not statement.startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
            return
        asked_with = parameters[0] if many else parameters
        raw = connection.connection.cursor()
        plan = [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}", asked_with).fetchall()]
        self.seen[statement] = plan
        steps = [step for step in plan if WALKS.search(step) or WHOLE_LANE.search(step)]
        if steps and not LAST_OF_A_LANE.match(statement):
            self.walking[statement] = steps


@pytest.fixture
def plans(embedded):
    return Plans(embedded.engine)


def test_no_round_of_the_archivist_and_its_chores_walks_what_grows(embedded, plans):
    numbers = count(1)
    governing = Governing(
        embedded.engine,
        embedded.store_keys,
        clock=embedded.clock,
        new_id=lambda: f"e{next(numbers)}",
        profile="enterprise",
    )
    counting = Counting(
        embedded.engine,
        embedded.store_keys,
        governing,
        clock=embedded.clock,
        alarm=pytest.fail,
        sample_key=bytes(32),
        recent=Recent(),
    )
    ticking = Ticking(governing, clock=embedded.clock, alarm=pytest.fail)
    worker = embedded.worker("w1")
    for place in range(90):
        rid = f"r{place}"
        worker.write(asked(rid, time_us=embedded.clock()), answered(rid, time_us=embedded.clock()))
        if place % 30 == 0:
            embedded.archivist.run_once()
            embedded.settle()
            counting.step()
            ticking.step()
    worker.die()
    embedded.settle()
    assert any("FROM entry" in each for each in plans.seen)
    assert plans.walking == {}


def test_what_changed_last_is_found_by_its_number_alone(embedded, plans):
    with embedded.engine.begin() as connection:
        assert list(changed_since(connection, embedded.store_keys, 0, nouns={"grant", "notice"})) == []
    rules = use_rules_for("enterprise", embedded.clock())
    assert refresh_due(embedded.engine, GovernedSeal(embedded.store_keys.policies), "main", rules) == 0
    steps = [step for statement, plan in plans.seen.items() if "FROM governed" in statement for step in plan]
    assert len(steps) == 2
    assert all("governed_by_change" in step for step in steps), steps
