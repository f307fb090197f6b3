"""``sekimori form``: the 利用計画書 on paper, out and back in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sekimori.cli.command_map import command_group
from sekimori.cli.commands.form_import import import_form
from sekimori.cli.options import DEFAULT_DATA, DEFAULT_KEYS, ConfigFile, Data, Json, Keys
from sekimori.cli.terminal import escape, print_json, say

if TYPE_CHECKING:
    from sekimori.governance.refusals import Missing
    from sekimori.governance.rulebook import Rulebook

group = command_group(
    "The usage plan (利用計画書) on paper: an empty form, a filled-in one taken over, an application written out.",
    "sekimori form blank --out ./plan.xlsx",
    "sekimori form import ./plan.xlsx --as hanako",
)

group.command("import")(import_form)

_NO = 1
Out = Annotated[
    Path, typer.Option("--out", help="A new file; its ending is its format: xlsx, docx, pdf or json.")
]
As = Annotated[str | None, typer.Option("--as", metavar="USER", help="Sign in; the password is asked for.")]


@group.command("export")
def export(
    application: Annotated[str, typer.Argument(help="The application's id.")],
    out: Out,
    draft: Annotated[
        bool, typer.Option("--draft", help="A working copy that says on its face that it is one.")
    ] = False,
    account: As = None,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Write the form of an application; its SHA-256 goes into the ledger before it leaves.

    Refused (exit 1, with everything that is missing) while an applicable item lacks its evidence.

    \b
    Examples:
      sekimori form export app-1 --out ./plan.pdf --as hanako
      sekimori form export app-1 --draft --out ./plan.xlsx
    """
    from sekimori.cli.acting import acting, actor
    from sekimori.cli.governed import governed
    from sekimori.cli.handing_out import digest, format_of, put, written
    from sekimori.cli.opened import new_id, now_us
    from sekimori.governance.application import Application
    from sekimori.governance.form import submission, working_copy
    from sekimori.governance.issued import IssueDocument
    from sekimori.governance.plan_paper import KIND, paper_of
    from sekimori.governance.refusals import Forbidden

    format_, at_us = format_of(out), now_us()
    with governed(data, keys, config) as opened:
        who, rules = acting(opened.places, opened.config, account), opened.rules(at_us)
        try:
            with opened.governing.state() as state:
                found = state.get(Application, application)
                form = (working_copy if draft else submission)(found, state, at_us, rules)
                acts = actor(who, state, at_us)
            document = written(paper_of(form), format_, at_us, opened.config)
            command = IssueDocument(
                id=new_id(),
                kind=KIND,
                about=application,
                format=format_,
                sha256=digest(document),
                size=len(document),
                for_submission=not draft,
                basis=form.application_hash,
            )
            opened.governing.perform(command, acts)
        except Forbidden as refusal:
            if not refusal.missing:
                raise
            _tell_missing(refusal.missing, rules.book, json=json)
            raise typer.Exit(_NO) from refusal
        put(out, document)
    _done(json, application=application, file=str(out), sha256=command.sha256, document=command.id)


def _tell_missing(missing: tuple[Missing, ...], book: Rulebook, *, json: bool) -> None:
    from sekimori.governance.form import told

    for each in missing:
        if json:
            print_json({"field": each.field, "ja": told(each, book), "en": f"{each.field} {each.en}"})
        else:
            print(escape(f"{told(each, book)} ({each.field} {each.en})"))
    say(f"The form was not written: {len(missing)} things are missing. 提出できません。")


def _done(json: bool, **fields: str) -> None:
    if json:
        print_json(fields)
    else:
        print(escape(f"Wrote {fields['file']}, SHA-256 {fields['sha256']} (document {fields['document']})."))


@group.command("blank")
def blank(
    out: Out,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Write an empty form to be filled in: XLSX comes back with form import.

    \b
    Example:
      sekimori form blank --out ./plan.xlsx
    """
    from sekimori.cli.governed import governed
    from sekimori.cli.handing_out import format_of, put, written
    from sekimori.cli.opened import now_us
    from sekimori.governance.form import blank_form
    from sekimori.governance.plan_paper import paper_of

    format_, at_us = format_of(out), now_us()
    with governed(data, keys, config) as opened:
        form = blank_form(opened.rules(at_us))
        put(out, written(paper_of(form), format_, at_us, opened.config))
    print(escape(f"Wrote {out}."))


@group.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A form, register or report of ours.")],
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Say whether a file is, byte for byte, a document that was handed out: exit 0 it is, 1 it is not.

    \b
    Example:
      sekimori form verify ./plan.pdf
    """
    from sekimori.cli.governed import governed
    from sekimori.cli.handing_out import digest, taken
    from sekimori.governance.issued import copies
    from sekimori.store.metadata import rfc3339

    sha256 = digest(taken(file))
    with governed(data, keys, config) as opened, opened.governing.state() as state:
        found = [
            {
                "document": each.id,
                "kind": each.kind,
                "about": each.about,
                "format": each.format,
                "for_submission": each.for_submission,
                "issued_by": each.issued_by,
                "issued": rfc3339(each.issued_us),
                "sha256": each.sha256,
            }
            for each in copies(state, sha256)
        ]
    if json:
        print_json({"found": bool(found), "documents": found})
    else:
        for each in found:
            print(escape(f"Handed out as {each['document']} about {each['about']} at {each['issued']}."))
        if not found:
            print(f"No document with the SHA-256 {sha256} was handed out.")
    if not found:
        raise typer.Exit(_NO)
