"""``sekimori review``: the log of each service, looked at every week or day and signed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sekimori.cli.command_map import command_group
from sekimori.cli.options import DEFAULT_DATA, DEFAULT_KEYS, ConfigFile, Data, Json, Keys
from sekimori.cli.terminal import escape, print_json, print_table, say
from sekimori.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sekimori.cli.governed import Governed
    from sekimori.governance.review_sheet import Remark, ReviewSheet

group = command_group(
    "Review sheets: prepared, signed, escalated.",
    "sekimori review list --open",
    "sekimori review sign chat:weekly:2026-10-05 --as rin",
)

_COLUMNS = ("id", "status", "service", "start", "end", "due_on", "requests", "anomalies", "signed_by")
_LATE = 1


@group.command("prepare")
def prepare(
    json: Json = False, data: Data = DEFAULT_DATA, keys: Keys = DEFAULT_KEYS, config: ConfigFile = None
) -> None:
    """Prepare the sheets of the last whole week (daily: of yesterday) that are not there yet.

    Every service in the register has one, and every one that was used and is in no register. Running it again
    prepares nothing twice.

    \b
    Example:
      sekimori review prepare
    """
    from sekimori.cli.catch_up import catch_up
    from sekimori.cli.governed import governed

    with governed(data, keys, config) as opened:
        if not catch_up(opened.places):
            say("The archivist has not stored everything yet; the newest records may be missing.")
        _show(_prepared(opened), json=json)


def _prepared(opened: Governed) -> list[ReviewSheet]:
    from sekimori.cli.opened import now_us
    from sekimori.store.reviewing import Reviewing
    from sekimori.store.uses import Uses

    uses = Uses(opened.engine, opened.keys)
    reviewing = Reviewing(opened.governing, uses, rules_of=opened.rules, clock=now_us, alarm=say)
    return [sheet for sheet in reviewing.work() if sheet is not None]


@group.command("list")
def list_sheets(
    unsigned: Annotated[bool, typer.Option("--open", help="Only those that nobody signed yet.")] = False,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """List the sheets by date: those that were signed are the evidence that the log was reviewed.

    \b
    Example:
      sekimori review list --open
    """
    from sekimori.cli.governed import governed
    from sekimori.governance.review_sheet import ReviewSheet

    with governed(data, keys, config) as opened, opened.governing.state() as state:
        sheets = sorted(state.all(ReviewSheet), key=lambda each: (each.start, each.id))
    _show([each for each in sheets if not unsigned or each.status != "SIGNED"], json=json)


@group.command("sign")
def sign(
    sheet: Annotated[str, typer.Argument(metavar="ID", help="A sheet, as review list names it.")],
    account: Annotated[
        str, typer.Option("--as", metavar="USER", help="The reviewer signs in; the password is asked for.")
    ],
    remarks: Annotated[
        list[str] | None,
        typer.Option("--remark", metavar="ANOMALY=NOTE", help="A finding on an anomaly; may be repeated."),
    ] = None,
    followed_up: Annotated[
        list[str] | None,
        typer.Option(
            "--follow-up", metavar="ANOMALY=REPORT", help="The report in which an anomaly is followed up."
        ),
    ] = None,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Sign a sheet: every anomaly on it needs a finding, and whoever one is about does not sign.

    \b
    Examples:
      sekimori review sign chat:weekly:2026-10-05 --as rin
      sekimori review sign chat:weekly:2026-10-05 --as rin --remark "VOLUME:=決算期のため"
      sekimori review sign ID --as rin --remark "USER_VOLUME:miki=確認中" --follow-up "USER_VOLUME:miki=i-7"
    """
    from sekimori.cli.acting import actor, signed_in
    from sekimori.cli.governed import governed
    from sekimori.cli.opened import now_us
    from sekimori.governance.review_sheet import ReviewSheet, SignSheet

    with governed(data, keys, config) as opened:
        who = signed_in(opened.places, account)
        with opened.governing.state() as state:
            acts = actor(who, state, now_us())
            found = state.get(ReviewSheet, sheet)
        command = SignSheet(sheet, tuple(_remarks(found, remarks or [], followed_up or [])))
        opened.governing.perform(command, acts)
        with opened.governing.state() as state:
            _show([state.get(ReviewSheet, sheet)], json=json)


def _remarks(sheet: ReviewSheet, notes: list[str], reports: list[str]) -> Iterator[Remark]:
    from sekimori.governance.review_sheet import Remark

    told, followed = _by_anomaly(sheet, notes, "--remark"), _by_anomaly(sheet, reports, "--follow-up")
    for key in dict.fromkeys((*told, *followed)):
        note, report = told.get(key, ""), followed.get(key, "")
        yield Remark(
            anomaly=key, verdict="FOLLOWED_UP" if key in followed else "EXPLAINED", note=note, report=report
        )


def _by_anomaly(sheet: ReviewSheet, told: list[str], option: str) -> dict[str, str]:
    """Read KEY=TEXT; keys are those of the sheet, since a name in one may hold any sign."""
    keys = sorted((each.key for each in sheet.anomalies), key=len, reverse=True)
    found = {}
    for text in told:
        key = next((key for key in keys if text.startswith(f"{key}=")), None)
        if key is None:
            named = ", ".join(keys) or "none"
            raise UsageError(
                f'{option} "{text}" names no anomaly of this sheet.', hint=f"There are: {named}."
            )
        found[key] = text.removeprefix(f"{key}=")
    return found


@group.command("escalate")
def escalate(
    json: Json = False, data: Data = DEFAULT_DATA, keys: Keys = DEFAULT_KEYS, config: ConfigFile = None
) -> None:
    """Remind of what is a day late and escalate what is three: exit 1 if anything is escalated and unsigned.

    A running archivist does it by itself; this is for whoever is told by a timer. Each happens once.

    \b
    Example:
      sekimori review escalate
    """
    from sekimori.cli.governed import governed
    from sekimori.governance.actors import clock
    from sekimori.governance.review_sheet import ReviewSheet, press_sheets

    with governed(data, keys, config) as opened:
        opened.governing.carry_out(
            lambda state, at_us, rules: press_sheets(state, clock(state.tenant), at_us, rules)
        )
        with opened.governing.state() as state:
            late = [each for each in state.all(ReviewSheet) if each.status in ("REMINDED", "ESCALATED")]
    _show(sorted(late, key=lambda each: (each.start, each.id)), json=json)
    if any(each.status == "ESCALATED" for each in late):
        raise typer.Exit(_LATE)


def _show(sheets: Iterable[ReviewSheet], *, json: bool) -> None:
    from sekimori.governance.state import plain

    found = list(sheets)
    if json:
        for sheet in found:
            told = [{"key": each.key, **plain(each)} for each in sheet.anomalies]
            print_json(plain(sheet) | {"anomalies": told})
        return
    print_table(_COLUMNS, [_row(sheet) for sheet in found])
    for sheet in found:
        for each in sheet.anomalies:
            print(escape(f"{sheet.id}: {each.key} {each.count} (usually {each.usual})"))


def _row(sheet: ReviewSheet) -> dict[str, Any]:
    fields = {name: getattr(sheet, name) for name in _COLUMNS if hasattr(sheet, name)}
    return fields | {"requests": sheet.counts.requests, "anomalies": len(sheet.anomalies)}
