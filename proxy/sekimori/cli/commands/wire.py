"""``sekimori wire``: what the wire readers make of recorded traffic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sekimori.cli.options import DEFAULT_DATA, DEFAULT_KEYS, Data, Json, Keys
from sekimori.cli.terminal import cell, print_json, print_table

group = typer.Typer(help="The wire readers, tried on recorded traffic.", no_args_is_help=True)

_COLUMNS = ("id", "kind", "dialect", "parse", "model", "stream", "prompt", "output")
_SHOWN = 60


@group.callback()
def _group() -> None:
    """Keep ``try`` a command of its own."""


@group.command("try")
def attempt(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="*.json, *.jsonl, each also *.gz")],
    json: Json = False,
    data: Data = DEFAULT_DATA,  # noqa: ARG001 (every command takes it)
    keys: Keys = DEFAULT_KEYS,  # noqa: ARG001
) -> None:
    """Read recorded interactions and print what each one says.

    \b
    Example:
      sekimori wire try recorded.jsonl.gz --json
    """
    from sekimori.cli.recordings import read_recordings, summary

    found = (summary(recording) for file in files for recording in read_recordings(file))
    if json:
        for one in found:
            print_json(one)
        return
    print_table(_COLUMNS, ({name: cell(one[name])[:_SHOWN] for name in _COLUMNS} for one in found))
