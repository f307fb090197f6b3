"""What an erasure would take or took, for a reader or as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import typer

from sekimori.cli.terminal import escape, print_json, print_table, say

if TYPE_CHECKING:
    from sekimori.store.erasing import Erased
    from sekimori.store.surveying import Preview

_COLUMNS = ("class", "month", "records", "data_keys")
_SHOWN = 5


def tell_damaged(ids: Iterable[bytes]) -> None:
    """Name data keys that don't open, and end with 1: something here needs a look."""
    named = sorted(ids)
    if not named:
        return
    shown = ", ".join(id_.hex() for id_ in named[:_SHOWN]) + (" …" if len(named) > _SHOWN else "")
    say(
        f"{len(named)} data keys don't open, and whose they are can't be told: {shown}. Nothing under them can be"
        " read. Find out who edited the database: sekimori verify."
    )
    raise typer.Exit(1)


STAYS = (
    "application",
    "decision",
    "appointment",
    "grant",
    "report",
    "task",
    "notice",
    "acknowledgement",
    "answer",
)
"""Official acts: an erasure of a person leaves them, because other law keeps them (docs/governance.md)."""


def show_preview(preview: Preview, *, json: bool, of_person: bool = False) -> None:
    """Print what an erasure would do; one ``of_person`` says what of them stays."""
    if json:
        print_json(
            {
                "dry_run": True,
                "counts": [_row(count) for count in preview.counts],
                "records": preview.records,
                "covered": preview.covered,
                "rebased": preview.rebased,
                "held": [_row(count) for count in preview.held],
                "held_records": preview.held_records,
                "unknown": preview.unknown,
                "damaged": [id_.hex() for id_ in preview.damaged],
                "in_flight": preview.in_flight,
                "spool": preview.spool,
                "stays": STAYS if of_person else (),
            }
        )
        return
    print_table(_COLUMNS, [_row(count) for count in preview.counts])
    for line in _lines(preview):
        print(escape(line))
    if of_person:
        print(f"Stays as an official act, with who did it: {', '.join(f'{noun}s' for noun in STAYS)}.")
        print("Of feedback the text goes, counted here without records; the answer stays.")
    print("Nothing would be erased." if preview.is_nothing else "Nothing was erased. To do it: --yes")


def _lines(preview: Preview) -> Iterator[str]:
    for rid, covered in preview.covered.items():
        yield f"{rid} is repeated by, and takes along: {', '.join(covered)}"
    if preview.rebased:
        yield f"Stay, and are written anew without it: {', '.join(preview.rebased)}"
    for count in preview.held:
        yield f"A legal hold keeps {count.records} records of {count.klass}, {count.month}."
    if preview.held_records:
        yield f"A legal hold keeps: {', '.join(preview.held_records)}"
    if preview.unknown:
        yield f"Unknown, or erased already: {', '.join(preview.unknown)}"
    if preview.in_flight:
        yield f"{preview.in_flight} exchanges are still going on; what comes of them later is not kept."
    for lane, entries in preview.spool.items():
        yield f"The spool still holds {entries} entries in {lane}; the erasure waits until it gives them up."


def _row(count: Any) -> dict[str, object]:
    return {
        "class": count.klass,
        "month": count.month,
        "records": count.records,
        "data_keys": count.data_keys,
    }


def show_done(done: Erased, *, json: bool) -> None:
    """Print what an erasure did."""
    if json:
        print_json(
            {
                "dry_run": False,
                "event": done.event,
                "counts": [_row(count) for count in done.counts],
                "records": done.records,
                "rebased": done.rebased,
                "data_keys": [id_.hex() for id_ in done.shredded.data_keys],
                "old_epoch": done.shredded.old_epoch,
                "new_epoch": done.shredded.new_epoch,
                "living": done.shredded.living,
                "damaged": [id_.hex() for id_ in done.shredded.damaged],
            }
        )
        return
    print_table(_COLUMNS, [_row(count) for count in done.counts])
    print(
        f"Erased {done.records} records (event {done.event}); key epoch {done.shredded.old_epoch} is destroyed,"
        f" {done.shredded.new_epoch} begins. Copies of the key folder from before now must be destroyed too."
    )
