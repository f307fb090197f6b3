"""``sekimori retention``: what is kept until when, and what is over."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from sekimori.cli.command_map import command_group
from sekimori.cli.erasing_report import tell_damaged
from sekimori.cli.options import (
    DEFAULT_DATA,
    DEFAULT_KEYS,
    By,
    ConfigFile,
    Data,
    Json,
    Keys,
    Yes,
    configured,
    installation,
)
from sekimori.cli.terminal import print_json, print_table
from sekimori.cli.whoami import executing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sekimori.store.retiring import Retirer, Stock

group = command_group(
    "How long what is kept, and the end of it.",
    "sekimori retention status",
    "sekimori retention run",
)

_COLUMNS = ("class", "month", "records", "data_keys", "ends", "due", "held")


@group.command("status")
def status(
    json: Json = False, data: Data = DEFAULT_DATA, keys: Keys = DEFAULT_KEYS, config: ConfigFile = None
) -> None:
    """List what is stored by class and month, and the month in which it is no longer kept.

    \b
    Example:
      sekimori retention status --json
    """
    with _retirer(data, keys, config) as retirer:
        _show(retirer.status(), json=json)


@group.command("run")
def run(
    by: By = "",
    yes: Yes = False,
    clock_is_right: Annotated[
        bool,
        typer.Option("--clock-is-right", help="Believe the clock although it is far ahead of the last look."),
    ] = False,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Show which months are over; with --yes, destroy their keys and delete what lay under them.

    Refused while the clock is more than two weeks ahead of the last look: --clock-is-right confirms it.

    \b
    Example:
      sekimori retention run --yes --by sato
    """
    from sekimori.cli.opened import now_us

    with _retirer(data, keys, config) as retirer:
        if clock_is_right:
            retirer.plausible.confirm(now_us())
        if not yes:
            _show(retirer.due(), json=json)
            return
        done = retirer.run(by=executing(by))
    if json:
        print_json(
            {
                "event": done.event if done else None,
                "records": done.records if done else 0,
                "retired": [_row(stock) for stock in done.due] if done else [],
                "new_epoch": done.shredded.new_epoch if done else None,
            }
        )
    elif done is None:
        print("Nothing is over.")
    else:
        _show(done.due, json=False)
        print(
            f"Retired {done.records} records (event {done.event}); key epoch {done.shredded.new_epoch} begins."
        )
    tell_damaged(done.shredded.damaged if done else ())


@contextmanager
def _retirer(data: Data, keys: Keys, config: ConfigFile) -> Iterator[Retirer]:
    from sekimori.cli.opened import new_id, now_us, store, store_keys
    from sekimori.store.retiring import Retirer

    places = installation(data, keys, config)
    periods = configured(config).retention.periods()
    opened = store_keys(places)
    with store(places) as engine:
        yield Retirer(engine, opened, periods, clock=now_us, new_id=new_id)


def _show(stocks: Sequence[Stock], *, json: bool) -> None:
    rows = [_row(stock) for stock in stocks]
    if not json:
        print_table(_COLUMNS, rows)
        return
    for row in rows:
        print_json(row)


def _row(stock: Stock) -> dict[str, object]:
    row: dict[str, object] = asdict(stock)
    return {"class": row.pop("klass")} | row | {"due": stock.due or None}
