"""``sekimori keys``: the epochs of the key-encryption keys, without erasing anything."""

from __future__ import annotations

from sekimori.cli.command_map import command_group
from sekimori.cli.erasing_report import tell_damaged
from sekimori.cli.options import DEFAULT_DATA, DEFAULT_KEYS, By, ConfigFile, Data, Json, Keys, installation
from sekimori.cli.terminal import print_json
from sekimori.cli.whoami import executing

group = command_group(
    "The keys that wrap all others, and their epochs. Nothing here shows a key.",
    "sekimori keys status",
    "sekimori keys rotate",
)


@group.command("status")
def status(
    json: Json = False, data: Data = DEFAULT_DATA, keys: Keys = DEFAULT_KEYS, config: ConfigFile = None
) -> None:
    """Say which epoch is in force, what keeps it, and how many data keys live under it.

    \b
    Example:
      sekimori keys status --json
    """
    from sekimori.cli.opened import store, store_keys
    from sekimori.store.engine import reading
    from sekimori.store.rotating import rotation

    places = installation(data, keys, config)
    opened = store_keys(places)
    with store(places) as engine, reading(engine) as connection:
        turning = rotation(connection, opened).keys
        rows = turning.rows.epochs()
        living = sum(len(some) for some in turning.each_data_key())
    _print(
        {
            "provider": opened.kek.name,
            "epoch": rows[-1].epoch if rows else None,
            "kept": opened.kek.epochs(),
            "data_keys": living,
            "damaged": len(turning.damaged),
        },
        json=json,
    )
    tell_damaged(turning.damaged)


@group.command("rotate")
def rotate(
    by: By = "",
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Begin a new epoch: every data key is wrapped anew, nothing else changes, the old key is destroyed.

    The ledger says so. A data key that was altered is named and left behind: nothing under it opens any more.

    \b
    Example:
      sekimori keys rotate
    """
    from sekimori.cli.opened import new_id, now_us, store, store_keys
    from sekimori.store.rotating import rotate as turn

    places = installation(data, keys, config)
    with store(places) as engine:
        done = turn(engine, store_keys(places), clock=now_us, new_id=new_id, by=executing(by))
    _print({"old_epoch": done.old_epoch, "new_epoch": done.new_epoch, "data_keys": done.living}, json=json)
    tell_damaged(done.damaged)


@group.command("reinstate")
def reinstate(
    json: Json = False, data: Data = DEFAULT_DATA, keys: Keys = DEFAULT_KEYS, config: ConfigFile = None
) -> None:
    """After a database was restored from a backup: give it the living keys of the key folder.

    What was erased since the backup stays erased.

    \b
    Example:
      sekimori keys reinstate
    """
    from sekimori.cli.opened import new_id, now_us, store, store_keys
    from sekimori.store.reinstating import reinstate as give_back

    places = installation(data, keys, config)
    with store(places) as engine:
        done = give_back(engine, store_keys(places), clock=now_us, new_id=new_id)
    _print({"data_keys": done.data_keys, "erased_again": done.cleared}, json=json)


def _print(fields: dict[str, object], *, json: bool) -> None:
    if json:
        print_json(fields)
        return
    for name, value in fields.items():
        print(f"{name + ':':15}{value}")
