"""A command of governance read from a file, its verbs and fields named, and who may look at things."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from sekimori.errors import UsageError
from sekimori.governance import commands, using
from sekimori.governance.change import Event
from sekimori.governance.state import Aggregate, State

if TYPE_CHECKING:
    from sekimori.cli.governed import Governed
    from sekimori.store.governing import Governing

_MOST = 4 << 20
_PAGE = 200
_WORD = re.compile(r"(?<!^)(?=[A-Z])")


def verb_name(command: type[Any]) -> str:
    """Give the name of a command as it is typed: open-report."""
    return _WORD.sub("-", command.__name__).lower()


def commands_by_verb() -> dict[str, type[Any]]:
    """Give every command by its name."""
    return {verb_name(command): command for command in sorted(_known(), key=verb_name)}


def described() -> list[dict[str, str]]:
    """Name every command with its fields; those that must be given are marked."""
    return [
        {"verb": verb, "fields": " ".join(_fields(command))} for verb, command in commands_by_verb().items()
    ]


def read_command(verb: str, file: Path | None) -> Any:
    """Read a command; raises UsageError naming the file, the field and what to do."""
    command = commands_by_verb().get(verb.lower().replace("_", "-"))
    if command is None:
        raise UsageError(f'There is no command "{verb}".', hint="sekimori govern verbs lists all.")
    name = "standard input" if file == Path("-") else str(file or "")
    fields = _object(file, name) if file is not None else {}
    unknown = sorted(fields.keys() - {each.name for each in msgspec.structs.fields(command)})
    if unknown:
        raise UsageError(
            f"{name}: {', '.join(unknown)} is no field of {verb_name(command)}.",
            hint=f"Its fields are {', '.join(_fields(command))}.",
        )
    try:
        return msgspec.convert(fields, command)
    except (msgspec.ValidationError, RecursionError) as fault:
        where = name or "no --file was given"
        raise UsageError(
            f"{where}: {str(fault).replace('$.', '')}.",
            hint=f"{verb_name(command)} takes {', '.join(_fields(command))}; give those with a *.",
        ) from None


def expected_of(state: State, command: Any, read: int | None) -> dict[tuple[str, str], int] | None:
    """Say which version a command is about; raises UsageError where it must be named, as the API does."""
    from sekimori.console.api.nouns import verbs
    from sekimori.governance.risks import REGISTER

    found = next(((noun, verb) for noun, verb in verbs() if verb.command is type(command)), None)
    if found is None:
        return None
    (noun, verb), name = found, verb_name(type(command))
    id_ = getattr(command, verb.key) if verb.key else REGISTER
    if read is not None:
        return {(noun.kind.noun, id_): read}
    there = state.find(noun.kind, id_)
    if there is not None and (verb.replaces or verb.settles):
        raise UsageError(
            f"{name} is about what you read of {noun.kind.noun} {id_}: say which version, with --read.",
            hint=f"Look at it again: sekimori govern show {noun.kind.noun} {id_}.",
        )
    return {(noun.kind.noun, id_): 0} if verb.replaces else None


def expect_noun(noun: str) -> type[Aggregate]:
    """Give the kind of a noun; raises UsageError when there is none."""
    nouns = {**commands.NOUNS, **using.NOUNS}
    if noun not in nouns:
        raise UsageError(
            f'There is no kind of thing "{noun}".', hint=f"There are {', '.join(sorted(nouns))}."
        )
    return nouns[noun]


def may_read(opened: Governed, account: str | None, noun: str) -> str | None:
    """Ask who looks, as the API asks; give their name where they may see only what is theirs, else None."""
    from sekimori.cli.acting import acting, actor
    from sekimori.cli.opened import now_us
    from sekimori.cli.permitted import expect_noun_row

    who = acting(opened.places, opened.config, account)
    if who is None:
        return None  # whoever runs the system, where the profile lets them act
    with opened.governing.state() as state:
        acts = actor(who, state, now_us())
    return acts.name if expect_noun_row(acts, noun) else None


def is_about(state: State, value: Aggregate, name: str) -> bool:
    """Say whether a thing is about somebody, as the API does."""
    from sekimori.console.api.nouns import NOUNS
    from sekimori.governance.actors import among

    owners = (each.owners(state, value) for each in NOUNS if each.kind is type(value))
    return any(among(name, names) for names in owners)


def pages(
    governing: Governing, noun: str, *, status: str | None, after: str, limit: int, own: str | None = None
) -> Iterator[Aggregate]:
    """Walk things page by page, those in a state or about somebody where that is asked for."""
    every = _walk(governing, noun, after)
    found = (value for value in every if status is None or value.status == status)
    return islice(found if own is None else _about(governing, found, own), limit)


def _about(governing: Governing, found: Iterator[Aggregate], own: str) -> Iterator[Aggregate]:
    with governing.state() as state:
        yield from (value for value in found if is_about(state, value, own))


def happened(governing: Governing, noun: str, id_: str) -> Iterator[Event]:
    """Walk all that happened to a thing."""
    after = ""
    while page := governing.history(noun, id_, after=after, limit=_PAGE):
        yield from page
        after = str(page[-1].version)


def told(event: Event) -> dict[str, object]:
    """Give an event as a line of a table."""
    at = datetime.fromtimestamp(event.at_us // 1_000_000, UTC).isoformat().replace("+00:00", "Z")
    changed = ", ".join(sorted({*event.changed, *event.facts}))
    return {"time": at, "version": event.version, "by": event.by, "kind": event.kind, "changed": changed}


def _walk(governing: Governing, noun: str, after: str) -> Iterator[Aggregate]:
    while page := governing.list(noun, after=after, limit=_PAGE):
        yield from page
        after = page[-1].id


def _known() -> set[type[Any]]:
    return {*commands.VERBS, *using.VERBS}


def _fields(command: type[Any]) -> list[str]:
    return [f"{each.name}*" if each.required else each.name for each in msgspec.structs.fields(command)]


def _object(file: Path, name: str) -> dict[str, Any]:
    try:
        data = sys.stdin.read(_MOST + 1).encode() if file == Path("-") else _read(file)
    except OSError as fault:
        raise UsageError(f"{name} can't be read: {fault.strerror}.") from fault
    if len(data) > _MOST:
        raise UsageError(f"{name} has more than {_MOST >> 20} MiB.", hint="Give one command a file.")
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as fault:
        raise UsageError(f"{name} is no JSON: {fault}.", hint="Give one JSON object in UTF-8.") from None
    if not isinstance(found, dict):
        raise UsageError(f"{name} holds no JSON object.", hint='Write {"id": ...}.')
    return found


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(_MOST + 1)
