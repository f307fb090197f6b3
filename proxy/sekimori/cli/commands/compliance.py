"""``sekimori compliance``: how this installation stands to each row that it is held to."""

from __future__ import annotations

from typing import Annotated

import typer

from sekimori.cli.command_map import command_group
from sekimori.cli.options import DEFAULT_DATA, DEFAULT_KEYS, ConfigFile, Data, Json, Keys
from sekimori.cli.terminal import print_json, print_table, say

group = command_group(
    "The state of the agreement's rows (遵守状況).",
    "sekimori compliance report --json",
)

_COLUMNS = ("id", "status", "evidence", "counts", "ja")


@group.command("report")
def report(
    since: Annotated[
        str | None,
        typer.Option("--since", help="Of the log only this: RFC 3339, a day in Japan, or an age: 30d."),
    ] = None,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """List every MOU, UK, DSN and FORM row: what this release proves of it, and the evidence there is here.

    Counts come out of the log and out of what is governed, at this moment. A row without any evidence says so:
    it may be that nothing of the kind has happened yet.

    \b
    Example:
      sekimori compliance report --since 30d --json
    """
    from sekimori.cli.catch_up import catch_up
    from sekimori.cli.governed import governed
    from sekimori.cli.opened import now_us
    from sekimori.cli.times import parse_time
    from sekimori.governance.compliance import log_counts, standings
    from sekimori.governance.state import plain
    from sekimori.store.uses import Uses

    until_us = now_us() + 1
    since_us = parse_time(since, now_us=until_us, option="--since") if since else 0
    with governed(data, keys, config) as opened:
        if not catch_up(opened.places):
            say("The archivist has not stored everything yet; the newest records may be missing.")
        uses = Uses(opened.engine, opened.keys)
        log = log_counts(uses.decisions(since_us, until_us), uses.reasons(since_us, until_us))
        with opened.governing.state() as state:
            rows = list(standings(state, log))
    if json:
        for row in rows:
            print_json(plain(row))
        return
    print_table(_COLUMNS, [_line(row.id, row.status, row.ja, row.evidence) for row in rows])
    print(f"{len(rows)} rows, {sum(row.seen for row in rows)} with evidence.")


def _line(id_: str, status: str, ja: str, evidence: dict[str, int]) -> dict[str, object]:
    return {
        "id": id_,
        "status": status,
        "evidence": "yes" if any(evidence.values()) else "none yet",
        "counts": ", ".join(f"{source} {count}" for source, count in evidence.items()),
        "ja": ja,
    }
