"""``sekimori verify``: tell whether everything stored is as it was written."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from sekimori.cli.options import (
    DEFAULT_DATA,
    DEFAULT_KEYS,
    ConfigFile,
    Data,
    Json,
    Keys,
    configured,
    installation,
)
from sekimori.cli.terminal import print_json, say
from sekimori.cli.verify_report import as_json, print_report
from sekimori.errors import KeyAccessError, UsageError

if TYPE_CHECKING:
    from sekimori.cli.places import Places
    from sekimori.store.verify import Progress, Report, Scope
    from sekimori.vault.names import NameSeal

_ALTERED = 1
_STATE = "verified.json"


def verify(
    full: Annotated[bool, typer.Option("--full", help="Everything; this is the default.")] = False,
    since_last: Annotated[
        bool, typer.Option("--since-last", help="Only what came after the last check that found no fault.")
    ] = False,
    signatures: Annotated[
        bool, typer.Option("--signatures", help="Every signature too, which takes several times as long.")
    ] = False,
    evidence: Annotated[
        bool,
        typer.Option(
            "--evidence", help="The evidence alone, without the index that `log list` walks: a third less."
        ),
    ] = False,
    witnesses: Annotated[
        bool,
        typer.Option(
            "--witnesses",
            help="Ask the configured witnesses what they remember: they alone notice when everything was put back.",
        ),
    ] = False,
    processes: Annotated[
        int, typer.Option("--processes", min=0, help="At most so many; 0 means as many as the work is worth.")
    ] = 0,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Check everything stored: exit 0 intact, 1 with each fault named, 2 could not check.

    \b
    Examples:
      sekimori verify --json
      sekimori verify --since-last --signatures
      sekimori verify --witnesses --config sekimori.toml
    """
    from sekimori.store.verify import Scope

    if full and since_last:
        raise UsageError("--full and --since-last exclude each other.")
    places = installation(data, keys, config)
    scope = Scope(signatures=signatures, index=not evidence, processes=processes)
    report = _checked(places, config, scope, since_last=since_last, witnesses=witnesses)
    if json:
        print_json(as_json(report))
    else:
        print_report(report)
    if not report.ok:
        raise typer.Exit(_ALTERED)


def _checked(
    places: Places, config: ConfigFile, scope: Scope, *, since_last: bool, witnesses: bool
) -> Report:
    from dataclasses import replace

    from sekimori.cli.asking import recall
    from sekimori.cli.evidence import outside, writers
    from sekimori.cli.opened import node, now_us, policy_names, store, store_keys
    from sekimori.store.verify import markers
    from sekimori.store.verify import verify as check
    from sekimori.store.verifying.verified import read_verified, write_verified

    # Asked before anything is read: what lies here can only be ahead of them.
    asked = recall(places, configured(config)) if witnesses else None
    # Read before the database: what the spool's markers promise must be in it.
    shipped = markers(places.spool)
    opened, state = store_keys(places), places.ledger / _STATE
    if since_last:
        scope = replace(scope, since=read_verified(state, opened.store_key))
    with store(places) as engine, _progress() as progress:
        report = check(
            engine,
            opened,
            writers=writers(places),
            outside=outside(places, configured(config)),
            node=node(places),
            scope=scope,
            policies=policy_names(places),
            people=_people(places),
            progress=progress,
            shipped=shipped,
            recalled=asked.recalled if asked else (),
        )
    if asked and report.ok:
        asked.expect_enough()
    if report.ok and places.ledger.is_dir():
        write_verified(state, opened.store_key, replace(report.verified, time_us=now_us()))
    return report


def _people(places: Places) -> NameSeal | None:
    from sekimori.cli.opened import people_names

    try:
        return people_names(places)
    except KeyAccessError as error:
        say(f"Accounts are not looked at: {error.message}")
        return None


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
