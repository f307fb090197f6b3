"""``sekimori hold``: what may not be erased while a law, a court or an inquiry needs it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from sekimori.cli.command_map import command_group
from sekimori.cli.options import DEFAULT_DATA, DEFAULT_KEYS, By, ConfigFile, Data, Json, Keys, installation
from sekimori.cli.terminal import print_json, print_table
from sekimori.cli.whoami import executing
from sekimori.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sekimori.cli.places import Places
    from sekimori.store.holding_orders import HoldRepo, Kind, LegalHold

group = command_group(
    "Legal holds: what may not be erased, for as long as an inquiry or a suit goes on.",
    'sekimori hold add --subject yamada --reason "inquiry 2026-15" --by sato',
    "sekimori hold list",
)

Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept sealed.")]
_COLUMNS = ("id", "kind", "what", "placed", "lifted", "reason", "by")


@group.command("add")
def add(
    subject: Annotated[str | None, typer.Option("--subject", help="Everything of this user.")] = None,
    record: Annotated[str | None, typer.Option("--record", help="This record.")] = None,
    month: Annotated[str | None, typer.Option("--month", help="Everything of this month: YYYY-MM.")] = None,
    reason: Reason = "",
    by: By = "",
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Place a hold; no erasure and no retention touches what it names until it is lifted.

    \b
    Example:
      sekimori hold add --subject yamada --reason "inquiry 2026-15" --by sato
    """
    from sekimori.cli.opened import new_id, now_us

    given: list[tuple[Kind, str | None]] = [("subject", subject), ("record", record), ("month", month)]
    named = [(kind, what) for kind, what in given if what is not None]
    if len(named) != 1:
        raise UsageError("Say what to hold.", hint="Give one of --subject, --record or --month.")
    (kind, what), *_ = named
    places = installation(data, keys, config)
    with _holds(places) as repo:
        hold = repo.place(new_id(), kind, what, reason=reason, by=executing(by), now_us=now_us())
    _show([hold], json=json)


@group.command("list")
def list_holds(
    every: Annotated[bool, typer.Option("--all", help="Also those that were lifted.")] = False,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """List the holds in force.

    \b
    Example:
      sekimori hold list --json
    """
    places = installation(data, keys, config)
    with _holds(places, writes=False) as repo:
        holds = [hold for hold in repo.all() if every or hold.lifted_us is None]
    _show(holds, json=json)


@group.command("lift")
def lift(
    hold_id: Annotated[str, typer.Argument(metavar="ID", help="A hold, as hold list names it.")],
    reason: Reason = "",
    by: By = "",
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Lift a hold; whom it was about is forgotten with it.

    \b
    Example:
      sekimori hold lift 01J... --reason "inquiry closed" --by sato
    """
    from sekimori.cli.opened import now_us

    places = installation(data, keys, config)
    with _holds(places) as repo:
        hold = repo.lift(hold_id, reason=reason, by=executing(by), now_us=now_us())
    _show([hold], json=json)


@contextmanager
def _holds(places: Places, *, writes: bool = True) -> Iterator[HoldRepo]:
    from sekimori.cli.opened import cipher, store
    from sekimori.store.engine import reading, writing
    from sekimori.store.holding_orders import HoldRepo
    from sekimori.store.keyrows import SqlKeyRows

    key = cipher(places)
    with store(places) as engine, writing(engine) if writes else reading(engine) as connection:
        SqlKeyRows(connection).epochs()  # waits for an erasure that is going on: the next one sees the hold
        yield HoldRepo(connection, key)


def _show(holds: list[LegalHold], *, json: bool) -> None:
    from sekimori.store.metadata import rfc3339

    rows = [
        {
            "id": hold.id,
            "kind": hold.kind,
            "what": hold.what or None,
            "placed": rfc3339(hold.placed_us),
            "lifted": None if hold.lifted_us is None else rfc3339(hold.lifted_us),
            "reason": hold.reason,
            "by": hold.by,
            "lifted_reason": hold.lifted_reason or None,
            "lifted_by": hold.lifted_by or None,
        }
        for hold in holds
    ]
    if not json:
        print_table(_COLUMNS, rows)
        return
    for row in rows:
        print_json(row)
