"""What a request's body becomes: a command without what only the server knows.

A body is read strictly: a field that nobody knows, a number that no database holds and a day that no calendar
of ours reaches are refused, so that nothing of it is quietly dropped or breaks further inside.
"""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from typing import Annotated, Any

import msgspec

from sekimori.console.api.nouns import Verb
from sekimori.console.api.problems import Refused

NEW_ID = r"[A-Za-z0-9][A-Za-z0-9._~-]{0,63}"
NewId = Annotated[
    str,
    msgspec.Meta(
        # Of a "$" alone, Python's readers let a line feed follow, which no header takes.
        pattern=f"^{NEW_ID}$(?!\\n)",
        description="Chosen by the caller, or drawn by the server where it is left out.",
    ),
]
_BIGGEST = 2**53  # what every JSON reader takes for the same number
_YEARS = (1900, 2999)


@cache
def body_of(verb: Verb, *, makes: bool) -> type[Any]:
    """Give the type of the body of a command: its own fields, less those of the path and the server."""
    hidden = {verb.key or "id", *verb.fresh, *verb.told}
    fields: list[Any] = [("id", NewId | msgspec.UnsetType, msgspec.UNSET)] if makes else []
    for each in msgspec.structs.fields(verb.command):
        if each.name in hidden:
            continue
        if each.default is not msgspec.NODEFAULT:
            fields.append((each.name, each.type, each.default))
        elif each.default_factory is not msgspec.NODEFAULT:
            fields.append((each.name, each.type, msgspec.field(default_factory=each.default_factory)))
        else:
            fields.append((each.name, each.type))
    name = f"{verb.command.__name__}{'New' if makes else 'Body'}"
    made = msgspec.defstruct(name, fields, forbid_unknown_fields=True, kw_only=True, frozen=True)
    made.__doc__ = verb.command.__doc__
    return made


def is_new_id(id_: str) -> bool:
    """Say whether something may be made under an id: it stands in headers, addresses and on terminals."""
    return re.fullmatch(NEW_ID, id_) is not None


def read(raw: bytes, kind: type[Any]) -> Any:
    """Read a body; nothing at all is an empty object."""
    try:
        value = msgspec.json.decode(raw or b"{}")
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Refused("unreadable") from None
    try:
        made = msgspec.convert(_whole(value), kind)
        _check(made)
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        # msgspec names the place and the types, never the value.
        raise Refused("invalid", why=_why(error)) from None
    return made


def _whole(value: Any) -> Any:
    """Write whole numbers without a fraction: to JSON Schema 7.0 is an integer, to msgspec it is none."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= _BIGGEST:
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(held) for key, held in value.items()}
    return [_whole(held) for held in value] if isinstance(value, list) else value


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, msgspec.ValidationError | _OutOfRangeError) else "not readable"


class _OutOfRangeError(ValueError):
    pass


def _check(value: Any) -> None:
    if isinstance(value, int):
        if abs(value) > _BIGGEST:
            raise _OutOfRangeError("a number is too large")
    elif isinstance(value, date):
        if not _YEARS[0] <= value.year <= _YEARS[1]:
            raise _OutOfRangeError("a date is out of range")
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            _check(getattr(value, name))
    elif isinstance(value, dict):
        for held in value.values():
            _check(held)
    elif isinstance(value, list | tuple | set | frozenset):
        for held in value:
            _check(held)


def fields_of(body: Any) -> dict[str, Any]:
    """Give what the body says, by field."""
    told = {name: getattr(body, name) for name in body.__struct_fields__}
    return {name: value for name, value in told.items() if value is not msgspec.UNSET}
