"""``sekimori notice``: what staff were told, and who has read it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sekimori.cli.command_map import command_group
from sekimori.cli.options import DEFAULT_DATA, DEFAULT_KEYS, ConfigFile, Data, Json, Keys
from sekimori.cli.terminal import print_json, print_table

if TYPE_CHECKING:
    from sekimori.cli.governed import Governed

group = command_group(
    "Notices to staff (周知): how many have read them.",
    "sekimori notice rates",
)

_COLUMNS = ("notice", "number", "unit", "people", "acknowledged", "percent")


@group.command("rates")
def rates(
    out: Annotated[
        Path | None,
        typer.Option("--out", help="A new file; its ending is its format: xlsx, docx, pdf or json."),
    ] = None,
    account: Annotated[
        str | None, typer.Option("--as", metavar="USER", help="Sign in; the password is asked for.")
    ] = None,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Count, by notice and department, how many enabled accounts have read the version in force.

    A department is the first group of an account. With --out a document is written, and its SHA-256 goes into
    the ledger before it leaves.

    \b
    Example:
      sekimori notice rates --out ./notices.pdf --as saki
    """
    from sekimori.cli.acting import acting, actor
    from sekimori.cli.commands.register import hand_out
    from sekimori.cli.governed import governed
    from sekimori.cli.handing_out import format_of
    from sekimori.cli.opened import now_us
    from sekimori.cli.permitted import expect_all
    from sekimori.governance.calendar import jst_date
    from sekimori.governance.notice_paper import notice_paper

    at_us = now_us()
    if out is not None:
        format_of(out)
    with governed(data, keys, config) as opened:
        who = acting(opened.places, opened.config, account)
        with opened.governing.state() as state:
            acts = actor(who, state, at_us)
            if who is not None:
                expect_all(acts, "GET /acknowledgements")
            paper = notice_paper(state, at_us, _people(opened))
        if out is not None:
            hand_out(opened, acts, paper, jst_date(at_us).isoformat(), out, at_us, json=json)
            return
    rows = [row | {"percent": 100 * row["acknowledged"] // row["people"]} for row in paper.content["rates"]]
    if json:
        for row in rows:
            print_json(row)
    else:
        print_table(_COLUMNS, rows)


def _people(opened: Governed) -> list[tuple[str, str]]:
    from sekimori.cli.acting import unit_of
    from sekimori.cli.opened import people_names
    from sekimori.store.engine import session
    from sekimori.store.people import PersonRepo

    with session(opened.engine) as reading:
        accounts = PersonRepo(reading, people_names(opened.places)).list()
    return [(each.name, unit_of(each)) for each in accounts if not each.disabled]
