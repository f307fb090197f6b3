"""``sekimori verify-output``: tell whether a text came out of the barrier as an answer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
from sekimori.cli.terminal import escape, print_json
from sekimori.errors import UsageError

if TYPE_CHECKING:
    from sekimori.cli.places import Places
    from sekimori.store.reading_desk import Reader

_NOT_FOUND = 1
_LONGEST = 64 << 20


def verify_output(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The text, in UTF-8; - for standard input.")],
    reason: Annotated[str, typer.Option("--reason", help="Why it is asked; it is recorded.")] = "",
    account: Annotated[
        str | None, typer.Option("--as", metavar="USER", help="Sign in; the password is asked for.")
    ] = None,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Say whether a text passed the barrier as an answer: exit 0 it did, 1 it was erased or never did.

    Spacing, line ends and Unicode forms may differ, not one letter. Asking is recorded, and a person may ask
    only so often in an hour: the answer tells something of what others were told.

    \b
    Example:
      sekimori verify-output ./minutes.txt --reason "inquiry 2026-15"
    """
    from sekimori.cli.catch_up import catch_up
    from sekimori.cli.reading import reader

    if str(file) == "-" and account is not None:
        raise UsageError(
            "The password is read from standard input, so the text cannot be.", hint="Name a file."
        )
    places = installation(data, keys, config)
    asking = reader(places, configured(config), account=account, reason=reason)
    text = _text(file)
    catch_up(places)
    found = _found(places, asking, text)
    if json:
        print_json({"found": bool(found), "records": found})
    elif found:
        print(f"This text passed the barrier: {', '.join(map(escape, found))}.")
    else:
        print("No record of this text: it was erased, or never passed the barrier.")
    if not found:
        raise typer.Exit(_NOT_FOUND)


def _text(file: Path) -> str:
    try:
        if str(file) == "-":
            raw = sys.stdin.buffer.read(_LONGEST + 1)
        else:
            with file.open("rb") as opened:
                raw = opened.read(_LONGEST + 1)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from error
    if len(raw) > _LONGEST:
        raise UsageError(f"{file} is longer than {_LONGEST >> 20} MiB.")
    text = raw.decode("utf-8", "replace").removeprefix("\ufeff")
    if not text.strip():
        raise UsageError(f"{file} holds no text.")
    return text


def _found(places: Places, asking: Reader, text: str) -> list[str]:
    from sekimori.cli.opened import new_id, now_us, store, store_keys
    from sekimori.store.output_search import OutputSearch

    keys = store_keys(places)
    with store(places) as engine:
        return OutputSearch(engine, keys, clock=now_us, new_id=new_id).find(text, asking)
