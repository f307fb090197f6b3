"""``sekimori ledger``: the trees of signed leaves, and what is taken out of them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sekimori.cli.command_map import command_group
from sekimori.cli.commands.export import export
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
from sekimori.cli.terminal import print_json, print_table, say

group = command_group(
    "The transparency log: export, checkpoints, forks. What an auditor gets who trusts neither you nor us.",
    "sekimori ledger export /media/usb/audit --all",
    "sekimori ledger checkpoint --qr",
)

group.command("export")(export)

_COLUMNS = ("log", "state", "published", "locked", "stored", "told", "checkpoint", "age_s", "fault")


@group.command("status")
def status(
    json: Json = False, data: Data = DEFAULT_DATA, keys: Keys = DEFAULT_KEYS, config: ConfigFile = None
) -> None:
    """List the logs of this machine: how far each is published, locked elsewhere, stored, and told of; witnesses.

    Witnesses cosign the super-log, which tells of every tree. Below the table: who cosigned its newest checkpoint
    and when, what is lacking, when the gate closes for it, and which log goes on for one that was given up.

    \b
    Example:
      sekimori ledger status --json
    """
    import time

    from sekimori.cli.ledger_status import status as read

    found = read(installation(data, keys, config), configured(config).ledger, time.time())
    if json:
        for row in found.rows:
            print_json(asdict(row))
        return
    print_table(_COLUMNS, [asdict(row) for row in found.rows])
    for ja, en in found.sentences:
        say(f"{ja} {en}")


@group.command("checkpoint")
def checkpoint(
    qr: Annotated[bool, typer.Option("--qr", help="Draw it as a QR code, too.")] = False,
    svg: Annotated[Path | None, typer.Option("--svg", help="Write the QR code to this file.")] = None,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Print the newest checkpoint as one line for the paper register: log, key, size, root, time.

    \b
    Example:
      sekimori ledger checkpoint --qr
    """
    from sekimori.cli.register_line import qr_svg, qr_text, read_line

    line = read_line(installation(data, keys, config))
    if json:
        drawn = {"qr": qr_text(str(line))} if qr else {}
        print_json(asdict(line) | {"line": str(line)} | drawn)
    else:
        print(line)
    if svg is not None:
        from sekimori.store.exporting.folder import on_disk

        with on_disk(svg):
            qr_svg(str(line), svg)
    if qr and not json:
        print(qr_text(str(line)))


@group.command("fork")
def fork(
    log: Annotated[list[str], typer.Argument(metavar="LANE...", help="As ledger status names them.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the super-log for ever.")],
    by: Annotated[str, typer.Option("--by", help="Who decided; it stands there, too.")],
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Give up logs whose memories disagree, and go on in new ones under new keys. Nothing is deleted.

    Stop the archivist first. Where the super-log is among them, or the lock store is lost, begin with super.

    \b
    Example:
      sekimori ledger fork gate-1-0-2026Q4 --reason "disk restored from the backup of 1 May" --by Tanaka
    """
    from sekimori.cli.forking import forked

    places, settings = installation(data, keys, config), configured(config)
    for done in forked(places, settings, log, reason=reason, by=by):
        if json:
            print_json(asdict(done))
        else:
            leaf = (
                "it had ended before" if done.index is None else f"leaf {done.index} of the super-log says so"
            )
            say(f"{done.log} is given up, {leaf}; {done.goes_on_as} goes on with {done.moved} of its rows.")
