"""The export of one installation: wait for checkpoints that cover what is stored, then write the folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sekimori.cli.places import Places
from sekimori.errors import StateError, UsageError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from sekimori.cli.config import Config
    from sekimori.store.exporting.exported import Auditing, Exported
    from sekimori.store.exporting.waiting import Goal

_PAUSE = 0.2


def export(
    places: Places,
    config: Config,
    folder: Path,
    *,
    records: Sequence[str],
    everything: bool,
    longest: float,
) -> Exported:
    """Write the folder; raises StateError where no checkpoint covers everything in time."""
    from sekimori.cli.catch_up import catch_up
    from sekimori.cli.evidence import outside
    from sekimori.cli.opened import store
    from sekimori.store.engine import reading
    from sekimori.store.exporting.export import Exporter
    from sekimori.store.exporting.folder import expect_new, new_folder

    expect_apart(places, folder)
    expect_new(folder)
    deadline = time.monotonic() + longest
    if not catch_up(places, longest=longest):
        raise StateError(
            "The archivist has not stored everything yet.", hint="Wait, or give it longer with --wait."
        )
    with store(places) as engine:
        goal = covered(engine, places, config, deadline)
        # The logs' keys once more: a tree may have begun meanwhile.
        now = outside(places, config)
        with reading(engine) as connection, new_folder(folder) as filling:
            exporter = Exporter(connection, now, auditing(places, config), filling)
            return exporter.run(records=records, everything=everything, elsewhere=goal.elsewhere)


def expect_apart(places: Places, folder: Path) -> None:
    """Raise UsageError for a folder among the data or the keys: what lies there has its own rules."""
    for own in (places.data, places.keys):
        if folder.resolve().is_relative_to(own.resolve()):
            raise UsageError(f"{folder} lies inside {own}.", hint="Name a folder elsewhere.")


def covered(engine: Engine, places: Places, config: Config, deadline: float) -> Goal:
    """Wait until published checkpoints cover everything that is stored now; return what that is."""
    from sekimori.cli.checks import running
    from sekimori.cli.evidence import outside
    from sekimori.cli.opened import node
    from sekimori.store.exporting.waiting import missing

    name = node(places)
    goal = _goal(engine, name)
    while lacking := missing(goal, outside(places, config)):
        if not (running(places) or running(places, ("archive",))):
            raise StateError(
                f"No published checkpoint covers {lacking} leaves, and no archivist runs.",
                hint="Start it: sekimori up.",
            )
        if time.monotonic() > deadline:
            raise StateError(
                f"No published checkpoint covers {lacking} leaves yet.",
                hint="sekimori ledger status shows how the trees stand; give them longer with --wait.",
            )
        time.sleep(_PAUSE)
        if goal.unplaced:
            goal = _goal(engine, name)
    return goal


def auditing(places: Places, config: Config) -> Auditing:
    """Say what an auditor of this installation is to trust."""
    from sekimori.cli.evidence import witnesses, writers
    from sekimori.store.exporting.exported import Auditing, Stamps

    return Auditing(
        writers(places),
        {one.name: one.key.raw for one in witnesses(config)},
        config.ledger.needed,
        [
            Stamps(one.name, places.ledger / "timestamps" / one.name, Path(one.ca_file))
            for one in config.ledger.timestamps
        ],
    )


def _goal(engine: Engine, name: str) -> Goal:
    from sekimori.store.engine import reading
    from sekimori.store.exporting.waiting import goal_of

    with reading(engine) as connection:
        return goal_of(connection, name)
