"""``sekimori register``: the register of approved cloud services (承認クラウドサービス台帳)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sekimori.cli.command_map import command_group
from sekimori.cli.options import DEFAULT_DATA, DEFAULT_KEYS, ConfigFile, Data, Json, Keys
from sekimori.cli.terminal import escape, print_json

if TYPE_CHECKING:
    from sekimori.cli.governed import Governed
    from sekimori.governance.actors import Actor
    from sekimori.governance.paper import Paper

group = command_group(
    "The register of approved cloud services (台帳).",
    "sekimori register export --out ./register.xlsx --as taro",
)

Out = Annotated[
    Path, typer.Option("--out", help="A new file; its ending is its format: xlsx, docx, pdf or json.")
]
As = Annotated[str | None, typer.Option("--as", metavar="USER", help="Sign in; the password is asked for.")]


@group.command("export")
def export(
    out: Out,
    account: As = None,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Write the register as of now, one line a grant; its SHA-256 goes into the ledger before it leaves.

    \b
    Example:
      sekimori register export --out ./register.xlsx
    """
    from sekimori.cli.acting import acting, actor
    from sekimori.cli.governed import governed
    from sekimori.cli.handing_out import format_of
    from sekimori.cli.opened import now_us
    from sekimori.governance.calendar import jst_date
    from sekimori.governance.register_paper import register_paper

    format_of(out)
    at_us = now_us()
    with governed(data, keys, config) as opened:
        who = acting(opened.places, opened.config, account)
        with opened.governing.state() as state:
            acts = actor(who, state, at_us)
            paper = register_paper(state, at_us)
        hand_out(opened, acts, paper, jst_date(at_us).isoformat(), out, at_us, json=json)


def hand_out(
    opened: Governed, acts: Actor, paper: Paper, about: str, out: Path, at_us: int, *, json: bool
) -> None:
    """Write a paper that is not an application's, record it, put it on disk."""
    from sekimori.cli.handing_out import digest, format_of, put, written
    from sekimori.cli.opened import new_id
    from sekimori.governance.issued import IssueDocument

    format_ = format_of(out)
    document = written(paper, format_, at_us, opened.config)
    command = IssueDocument(
        id=new_id(),
        kind=paper.kind,
        about=about,
        format=format_,
        sha256=digest(document),
        size=len(document),
    )
    opened.governing.perform(command, acts)
    put(out, document)
    if json:
        print_json({"file": str(out), "sha256": command.sha256, "document": command.id, "about": about})
    else:
        print(escape(f"Wrote {out}, SHA-256 {command.sha256} (document {command.id})."))
