"""``sekimori verify``: tell whether everything stored is as it was written."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from sekimori.cli.options import DEFAULT_DATA, DEFAULT_KEYS, ConfigFile, Data, Json, Keys, installation
from sekimori.cli.terminal import escape, print_json

if TYPE_CHECKING:
    from sekimori.store.verify import Progress, Report

_ALTERED = 1


def verify(
    json: Json = False, data: Data = DEFAULT_DATA, keys: Keys = DEFAULT_KEYS, config: ConfigFile = None
) -> None:
    """Check everything stored: exit 0 intact, 1 with each fault named, 2 could not check.

    \b
    Example:
      sekimori verify --json
    """
    report = _checked(data, keys, config)
    if json:
        print_json(
            {"ok": report.ok, "faults": report.faults, "covers": report.covers, "counts": report.counts}
        )
    else:
        for fault in report.faults:
            print(
                escape(f"{fault.what}: {fault.table} {fault.key}{': ' if fault.detail else ''}{fault.detail}")
            )
        checked = ", ".join(f"{table} {count}" for table, count in report.counts.items())
        print(f"{'Intact' if report.ok else f'{len(report.faults)} faults'}; rows checked: {checked}.")
    if not report.ok:
        raise typer.Exit(_ALTERED)


def _checked(data: Data, keys: Keys, config: ConfigFile) -> Report:
    from sekimori.cli.opened import cipher, store, tokens
    from sekimori.ledger.lanes import lanes, read_shipped
    from sekimori.store.verify import verify as check

    places = installation(data, keys, config)
    # Read before the database: what the spool's markers promise must be in it.
    shipped = {folder.name: read_shipped(folder).at().n for folder in lanes(places.spool)}
    key, search = cipher(places), tokens(places)
    with store(places) as engine, _progress() as progress:
        return check(engine, key, tokens=search, progress=progress, shipped=shipped)


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show progress on a terminal, and none in a pipe."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("entries", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
