"""``sekimori wire report``: how much of what crossed the barrier was read, by service, dialect and kind."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sekimori.cli.options import DEFAULT_DATA, DEFAULT_KEYS, ConfigFile, Data, Json, Keys, installation
from sekimori.cli.terminal import print_json, print_table, say

_COLUMNS = (
    "service", "dialect", "kind", "parse", "exchanges", "share", "unread_attachments", "skipped", "examples",
)  # fmt: skip


def report(
    service: Annotated[str | None, typer.Option("--service", help="Only this service's.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="RFC 3339, a day in Japan, or an age: 15min.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="Likewise; a day counts to its end.")] = None,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Count how much was read of what crossed the barrier, the worst first; metadata only.

    \b
    Example:
      sekimori wire report --since 2026-04-01 --json
    """
    from sekimori.cli.catch_up import catch_up
    from sekimori.cli.opened import log_reader, now_us
    from sekimori.cli.times import parse_time

    now = now_us()
    since_us = parse_time(since, now_us=now, option="--since") if since else None
    until_us = parse_time(until, now_us=now, option="--until", end=True) if until else None
    places = installation(data, keys, config)
    if not catch_up(places):
        say("The archivist has not stored everything yet; the newest records may be missing.")
    with log_reader(places) as log:
        lines = list(log.coverage(service=service, since_us=since_us, until_us=until_us))
    if json:
        for line in lines:
            print_json(line)
        return
    total = sum(line["exchanges"] for line in lines)
    print_table(_COLUMNS, (_row(line, total) for line in lines))


def _row(line: dict[str, Any], total: int) -> dict[str, Any]:
    return line | {
        "share": f"{line['exchanges'] / total:.1%}",
        "unread_attachments": line["attachments"]["unread"],
        "skipped": ", ".join(f"{one['field']} ({one['exchanges']})" for one in line["skipped"][:5]),
        "examples": ", ".join(line["examples"]),
    }
