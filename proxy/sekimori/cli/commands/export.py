"""``sekimori ledger export``: a folder for an auditor, checked with tools that were not written here."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

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


def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    everything: Annotated[
        bool, typer.Option("--all", help="Envelope and proof of every leaf, not only of --record.")
    ] = False,
    records: Annotated[
        list[str] | None,
        typer.Option("--record", help="Envelopes and proofs of this record; may be repeated."),
    ] = None,
    wait: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds to wait for checkpoints that cover everything.")
    ] = 30.0,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Write lanes, super-log, keys and policy into a folder; with --all or --record also the proofs.

    Waits for published checkpoints that cover everything stored. The README in the folder has the commands
    for an auditor: sha256sum, sigsum-verify (Debian: sigsum-go), openssl ts.

    \b
    Examples:
      sekimori ledger export /media/usb/audit-2026 --all
      sekimori ledger export ./inquiry-15 --record 01J...
    """
    from sekimori.cli.exporting import export as write

    places = installation(data, keys, config)
    done = write(
        places,
        configured(config),
        folder,
        records=records or [],
        everything=everything,
        longest=wait,
    )
    if json:
        print_json({"folder": str(folder), **asdict(done)})
        return
    lanes = ", ".join(f"{name} {size}" for name, size in sorted(done.trees.items()))
    print(f"Exported to {folder}: {lanes or 'no lanes'}; {done.proofs} proofs, {done.stamps} time-stamps.")
    if done.unproven:
        say(f"{done.unproven} leaves of trees that were given up can't be proven from their damaged files.")
    if done.elsewhere:
        say(f"These lanes lie on other machines, export them there: {', '.join(done.elsewhere)}.")
