"""``sekimori log``: the record of every decision and exchange."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sekimori.cli.command_map import command_group
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
from sekimori.errors import UsageError

if TYPE_CHECKING:
    from sekimori.store.log import LogReader

group = command_group(
    "The record of every decision and exchange: what was asked of which service, and what the gate made of it.",
    "sekimori log list --decision deny --since 15min",
    "sekimori log show CR66SDCP0Q",
)

_COLUMNS = ("time", "id", "user", "service", "model", "class", "decision", "reasons", "state", "parse")


@group.command("list")
def list_records(
    user: Annotated[str | None, typer.Option("--user", help="Only this user's.")] = None,
    service: Annotated[str | None, typer.Option("--service", help="Only this service's.")] = None,
    decision: Annotated[str | None, typer.Option("--decision", help="allow, deny or hold.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="RFC 3339, a day in Japan, or an age: 15min.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="Likewise; a day counts to its end.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, the newest.")] = 100,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """List records, metadata only, the newest last.

    Times are those of Japan, ids are shortened to what `log show` takes. In a pipe: whole ids, UTC, columns
    between tabs; for programs --json. Exit 0 also where there is none.

    \b
    Examples:
      sekimori log list --decision deny --since 2026-04-01
      sekimori log list --user yamada --since 15min --json
    """
    from sekimori.cli.catch_up import catch_up
    from sekimori.cli.opened import log_reader, now_us
    from sekimori.cli.times import parse_time
    from sekimori.policy.people import canonical_name
    from sekimori.store.log import Query

    if decision not in {None, "allow", "deny", "hold"}:
        raise UsageError(f'--decision "{decision}" is none.', hint="Write allow, deny or hold.")
    now = now_us()
    query = Query(
        user=canonical_name(user) if user is not None else None,
        service=service,
        decision=decision,
        since_us=parse_time(since, now_us=now, option="--since") if since else None,
        until_us=parse_time(until, now_us=now, option="--until", end=True) if until else None,
        limit=limit,
    )
    places = installation(data, keys, config)
    _wait(catch_up(places))
    with log_reader(places) as log:
        named = _named_devices(config)
        records = [named(record) for record in log.list(query)]
    if json:
        for record in records:
            print_json(record)
    elif sys.stdout.isatty():
        from sekimori.cli.log_lines import listing

        for line in listing(records, shutil.get_terminal_size().columns):
            print(line)
    else:
        print_table(_COLUMNS, records)


@group.command("show")
def show(
    record_id: Annotated[str, typer.Argument(metavar="ID", help="A record, or the beginning of its id.")],
    content: Annotated[
        bool, typer.Option("--content", help="Add prompt, output, messages, tool calls.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why the content is read; it is recorded.")] = "",
    account: Annotated[
        str | None, typer.Option("--as", metavar="USER", help="Sign in; the password is asked for.")
    ] = None,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Show one record; reading its content needs a reason and is itself a record.

    Exit 1 where there is no such record.

    \b
    Examples:
      sekimori log show CR66SDCP0Q
      sekimori log show CR66SDCP0Q --content --reason "inquiry 2026-15" --json
    """
    from sekimori.cli.catch_up import catch_up
    from sekimori.cli.opened import log_reader
    from sekimori.cli.reading import reader

    places = installation(data, keys, config)
    who = reader(places, configured(config), account=account, reason=reason) if content else None
    _wait(catch_up(places))
    with log_reader(places) as log:
        record_id = _whole(log, record_id)
        found = log.show(record_id)
        if found is not None:
            found = _named_devices(config)({**found, "feedback": _feedback(data, keys, config, found)})
        if found is not None and who is not None:
            read = log.content(record_id, reader=who.name, reader_source=who.source, reason=who.reason)
            found = {**found, **(read.fields() if read is not None else {})}
    if found is None:
        say(f"There is no record {record_id}; sekimori log list names those there are.")
        raise typer.Exit(1)
    if json:
        print_json(found)
    else:
        from sekimori.cli.log_lines import sheet

        for line in sheet(found, shutil.get_terminal_size((100, 0)).columns):
            print(line)


def _feedback(data: Data, keys: Keys, config: ConfigFile, found: dict[str, Any]) -> dict[str, Any] | None:
    """Give the answer that somebody gave on the conversation of a record."""
    from sekimori.cli.governed import governed
    from sekimori.store.answers import feedback_on

    with governed(data, keys, config) as office, office.governing.state() as state:
        return feedback_on(state, found)


def _named_devices(config: ConfigFile) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return what adds to a record how the configuration calls the device at its client's address."""
    from sekimori.policy.devices import Devices

    names = configured(config).devices
    devices = Devices(names)
    return lambda record: (
        {**record, "device": devices.name_of(record.get("client") or "")} if names else record
    )


def _wait(stored: bool) -> None:
    if not stored:
        say("The archivist has not stored everything yet; the newest records may be missing.")


def _whole(log: LogReader, beginning: str) -> str:
    """Give the id that begins like this; the very text where there is none, for that to be said."""
    found = log.beginning(beginning)
    if len(found) > 1:
        raise UsageError(f"{beginning} begins several ids.", hint=f"Write one of {', '.join(found)}.")
    return found[0] if found else beginning
