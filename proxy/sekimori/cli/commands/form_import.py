"""``sekimori form import``: a 利用計画書 that somebody filled in becomes a draft."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sekimori.cli.options import DEFAULT_DATA, DEFAULT_KEYS, ConfigFile, Data, Json, Keys
from sekimori.cli.terminal import escape, print_json, say
from sekimori.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sekimori.cli.governed import Governed
    from sekimori.documents.faults import DocumentFault
    from sekimori.documents.plan_reading import Imported
    from sekimori.governance.form import PlanForm
    from sekimori.governance.state import State
    from sekimori.store.people import Account

_NO = 1


def import_form(
    file: Annotated[Path, typer.Argument(metavar="FILE.xlsx", help="A form that was filled in.")],
    account: Annotated[
        str, typer.Option("--as", metavar="USER", help="The applicant signs in; the password is asked for.")
    ],
    application: Annotated[
        str, typer.Option("--application", help="The draft to change; otherwise a new one is made.")
    ] = "",
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Take a filled-in form over as a draft: all of it or, with every fault told (exit 1), nothing.

    \b
    Examples:
      sekimori form import ./plan.xlsx --as hanako
      sekimori form import ./plan.xlsx --as hanako --application app-1
    """
    from sekimori.cli.acting import signed_in
    from sekimori.cli.governed import governed
    from sekimori.cli.handing_out import taken
    from sekimori.documents.faults import UnreadableDocumentError

    if file.suffix.lower() != ".xlsx":
        raise UsageError(f"{file} is no XLSX workbook.", hint="Only XLSX comes back; form blank writes one.")
    document = taken(file)
    with governed(data, keys, config) as opened:
        who = signed_in(opened.places, account)
        try:
            found = _taken_over(opened, who, document, application)
        except UnreadableDocumentError as refusal:
            for fault in refusal.faults:
                _tell_fault(file, fault, json=json)
            say(f"Nothing was taken over: {file} has {len(refusal.faults)} faults. 取り込めません。")
            raise typer.Exit(_NO) from refusal
    if json:
        print_json({"application": found, "status": "DRAFT"})
    else:
        print(escape(f"Draft {found} holds what the form says; submit it in the portal."))


def _taken_over(opened: Governed, who: Account, document: bytes, application: str) -> str:
    from sekimori.cli.acting import actor
    from sekimori.cli.opened import new_id, now_us
    from sekimori.documents.plan_reading import read_plan
    from sekimori.governance.applying import DraftApplication, EditApplication

    at_us = now_us()
    command: DraftApplication | EditApplication
    with opened.governing.state() as state:
        acts = actor(who, state, at_us)
        read, version = _read(opened, state, document, application, at_us, read_plan)
    if application:
        command = EditApplication(application, read.plan, version)
    else:
        command = DraftApplication(new_id(), read.plan)
    opened.governing.perform(command, acts)
    return command.id


def _read(
    opened: Governed,
    state: State,
    document: bytes,
    application: str,
    at_us: int,
    read_plan: Callable[[bytes, PlanForm], Imported],
) -> tuple[Imported, int]:
    from sekimori.governance.application import Application
    from sekimori.governance.form import blank_form, working_copy

    rules = opened.rules(at_us)
    if not application:
        return read_plan(document, blank_form(rules)), 0
    found = state.get(Application, application)
    return read_plan(document, working_copy(found, state, at_us, rules)), found.version


def _tell_fault(file: Path, fault: DocumentFault, *, json: bool) -> None:
    if json:
        print_json(
            {
                "file": str(file),
                "sheet": fault.sheet,
                "cell": fault.cell,
                "field": fault.field,
                "ja": fault.ja,
                "en": fault.en,
            }
        )
    else:
        print(escape(f"{file}: {fault} ({fault.en})"))
