"""``sekimori usage``: who used which AI service, and how much, counted out of the log."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sekimori.cli.command_map import command_group
from sekimori.cli.options import DEFAULT_DATA, DEFAULT_KEYS, ConfigFile, Data, Json, Keys
from sekimori.cli.terminal import print_json, print_table, say
from sekimori.errors import UsageError

if TYPE_CHECKING:
    from sekimori.cli.governed import Governed
    from sekimori.governance.state import State
    from sekimori.governance.usage_report import UsageReport

group = command_group(
    "What was used, by how many, how much; of people only numbers.",
    "sekimori usage report --month 2026-10 --json",
)

_TRIES = 3
_COLUMNS = ("service", "registered", "department", "users", "requests", "refused", "bytes_sent")


@group.command("report")
def report(
    month: Annotated[str, typer.Option("--month", help="A month in Japan: 2026-10.")],
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
    """Count a month service by service and department by department (利用状況報告); registered services or not.

    The lines are counted out of the sealed entries and held against a recount of the index; where the two
    differ nothing is written. A department is the first group of an account. With --out a document is
    written, and its SHA-256 goes into the ledger before it leaves.

    \b
    Examples:
      sekimori usage report --month 2026-10 --out ./report-2026-10.pdf --as saki
      sekimori usage report --month 2026-10 --json
    """
    from sekimori.cli.acting import acting, actor
    from sekimori.cli.catch_up import catch_up
    from sekimori.cli.commands.register import hand_out
    from sekimori.cli.governed import governed
    from sekimori.cli.handing_out import format_of
    from sekimori.cli.opened import now_us
    from sekimori.cli.permitted import expect_all
    from sekimori.governance.usage_report import usage_paper

    day, at_us = _month(month), now_us()
    if out is not None:
        format_of(out)
    with governed(data, keys, config) as opened:
        who = acting(opened.places, opened.config, account)
        if not catch_up(opened.places):
            say("The archivist has not stored everything yet; the newest records may be missing.")
        with opened.governing.state() as state:
            acts = actor(who, state, at_us)
            if who is not None:
                expect_all(acts, "GET /usage")
            found = counted(opened, state, day)
        paper = usage_paper(found)
        if out is not None:
            hand_out(opened, acts, paper, month, out, at_us, json=json)
            return
    _show(found, json=json)


def _month(text: str) -> date:
    from sekimori.governance.issued import month_of

    try:
        return month_of(text)
    except ValueError as error:
        raise UsageError(f'--month "{text}" is no month.', hint="Write 2026-10.") from error


def counted(opened: Governed, state: State, month: date) -> UsageReport:
    """Count a month, and count it again; raises UsageError if the log does not stand still between."""
    from msgspec.structs import asdict

    from sekimori.governance.reporting import month_span, registered_services, usage_report, uses_of
    from sekimori.store.uses import Uses

    uses, departments = Uses(opened.engine, opened.keys), opened.departments()
    span, known = month_span(month), registered_services(state)
    for _ in range(_TRIES):
        before = uses.recount(*span)
        seen = uses_of(uses.each(*span), departments, known)
        organisation = opened.config.documents.organisation or state.tenant
        found = usage_report(state, month, organisation, seen, asdict(before), departments)
        if uses.recount(*span) == before:
            return found
    raise UsageError("The month changed while it was counted.", hint="Count it again when it is over.")


def _show(found: UsageReport, *, json: bool) -> None:
    from sekimori.governance.state import plain

    if json:
        print_json(plain(found))
        return
    print_table(_COLUMNS, [plain(line) for line in found.lines])
    total = found.recount
    print(
        f"{found.users} users, {total.requests} requests, {total.refused} refused, "
        f"{total.bytes_sent} bytes sent, {total.bytes_received} received; the log was recounted."
    )
