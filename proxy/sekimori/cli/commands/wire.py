"""``sekimori wire``: what the wire readers make of recorded traffic, and of the log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from sekimori.cli.command_map import command_group
from sekimori.cli.commands.wire_report import report
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
from sekimori.cli.terminal import cell, print_json, print_table
from sekimori.errors import UsageError

group = command_group(
    "The wire readers, and how much they read of what crossed the barrier.",
    "sekimori wire report --since 7d",
    "sekimori wire try recorded.jsonl.gz --json",
)
group.command("report")(report)

_COLUMNS = ("id", "kind", "dialect", "parse", "model", "stream", "prompt", "output", "skipped")
_SHOWN = 60
_RECORD = re.compile(r"[0-9A-Za-z]{1,40}")  # what can be a record's id and no recording's file name


class _Who(NamedTuple):
    account: str | None
    reason: str


@group.command("try")
def attempt(
    what: Annotated[
        list[str],
        typer.Argument(metavar="FILE|ID...", help="*.json, *.jsonl, each also *.gz; or a record of the log"),
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why a record is read; it is recorded.")] = "",
    account: Annotated[
        str | None, typer.Option("--as", metavar="USER", help="Sign in; the password is asked for.")
    ] = None,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Read recorded interactions, or records of the log, and print what each says and what was skipped.

    \b
    Examples:
      sekimori wire try recorded.jsonl.gz --json
      sekimori wire try 01J8ZQ4Y7K2M5N3P6R9T --reason "inquiry 2026-15"
    """
    who = _Who(account, reason)
    found = (one for name in what for one in _attempts(name, who, data, keys, config))
    if json:
        for one in found:
            print_json(one)
        return
    print_table(_COLUMNS, (_row(one) for one in found))


def _attempts(name: str, who: _Who, data: Path, keys: Path, config: Path | None) -> Iterator[dict[str, Any]]:
    from sekimori.cli.recordings import read_recordings
    from sekimori.cli.summary import summary

    if _RECORD.fullmatch(name) and not Path(name).exists():
        yield _of_record(name, who, data, keys, config)
    else:
        yield from map(summary, read_recordings(Path(name)))


def _of_record(name: str, who: _Who, data: Path, keys: Path, config: Path | None) -> dict[str, Any]:
    from sekimori.cli.catch_up import catch_up
    from sekimori.cli.opened import log_reader
    from sekimori.cli.reading import reader
    from sekimori.cli.stored import summary_of_record

    places = installation(data, keys, config)
    reads = reader(places, configured(config), account=who.account, reason=who.reason)
    catch_up(places)
    with log_reader(places) as log:
        found = log.stored(name, reader=reads.name, reader_source=reads.source, reason=reads.reason)
    if found is None:
        raise UsageError(
            f"There is no record {name}.", hint="Name a file, or a record as sekimori log list names it."
        )
    return summary_of_record(found)


def _row(one: dict[str, Any]) -> dict[str, str]:
    row = {name: cell(one[name])[:_SHOWN] for name in _COLUMNS if name != "skipped"}
    return row | {"skipped": ", ".join(map(cell, one["skipped"]))[:_SHOWN]}
