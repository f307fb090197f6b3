"""Read the configuration: file, then environment, then options; each fault with where it stands.

A key that nobody reads is an error: a misspelt ``max_uplaod`` must not silently leave the default.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from sekimori.cli.config import Config
from sekimori.cli.config_section import Section
from sekimori.errors import ConfigError

PREFIX = "SEKIMORI_"
# Read by every command, or by programs of ours, and no part of the file.
_NOT_KEYS = frozenset({"DATA", "KEYS", "CONFIG"})
_OPTIONS: dict[tuple[str, ...], str] = {
    ("console", "listen"): "--console",
    ("metrics", "listen"): "--metrics",
}
_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]\[]+?)\s*\]")
_KEY = re.compile(r"\s*(\"[^\"]*\"|'[^']*'|[A-Za-z0-9_-]+)\s*=")

type Place = tuple[str, ...]


def load(
    file: Path | None, environment: Mapping[str, str], options: Mapping[Place, object] | None = None
) -> Config:
    """Compose the configuration; raise ``ConfigError`` naming every fault, one a line."""
    values, origins, faults = _from_file(file) if file is not None else ({}, {}, [])
    for place, name, value in _from_environment(environment, faults):
        _put(values, place, value)
        origins[place] = name
    for place, value in (options or {}).items():
        _put(values, place, value)
        origins[place] = _OPTIONS.get(place, "--" + place[-1])
    faults += list(_unknown(values, origins))
    if not faults:
        try:
            return Config.model_validate(values)
        except ValidationError as error:
            faults = [_sentence(fault["loc"], fault["msg"], origins, file) for fault in error.errors()]
    raise ConfigError("\n".join(faults))


def _from_file(file: Path) -> tuple[dict[str, Any], dict[Place, str], list[str]]:
    try:
        text = file.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(
            f"The configuration file {file} cannot be read ({error.strerror}).",
            hint="Name another with --config.",
        ) from error
    except ValueError as error:
        where = re.search(r"line (\d+)", str(error))
        raise ConfigError(f"{file}:{where[1] if where else 1}: {error}") from error
    return values, {place: f"{file}:{line}" for place, line in _lines(text)}, []


def _lines(text: str) -> Iterator[tuple[Place, int]]:
    """Guess on which line each key stands; tomllib keeps no positions."""
    table: Place = ()
    counted: Counter[Place] = Counter()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = tuple(part.strip("\"' ") for part in header[2].split("."))
            if header[1] == "[[":
                counted[table] += 1
                table = (*table, str(counted[table] - 1))
            yield table, number
        elif key := _KEY.match(line):
            yield (*table, key[1].strip("\"'")), number


def _from_environment(
    environment: Mapping[str, str], faults: list[str]
) -> Iterator[tuple[Place, str, object]]:
    known = {"_".join(place).upper(): place for place in _places()}
    for name in sorted(environment):
        rest = name.removeprefix(PREFIX)
        if rest == name or rest in _NOT_KEYS:
            continue
        if rest not in known:
            faults.append(f"{name}: unknown variable{_meant(rest, known, PREFIX)}")
            continue
        yield known[rest], name, _from_text(known[rest], environment[name])


def _places(section: type[Section] = Config, under: Place = ()) -> Iterator[Place]:
    for name, field in section.model_fields.items():
        if isinstance(field.default, Section):
            yield from _places(type(field.default), (*under, name))
        else:
            yield (*under, name)


def _from_text(place: Place, text: str) -> object:
    """Read a variable; a list is ``a,b`` or JSON, a table is ``name=value,...`` or JSON."""
    default = _default(place)
    if text.lstrip().startswith(("[", "{")) and isinstance(default, (tuple, dict)):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if isinstance(default, tuple):
        return parts
    if isinstance(default, dict):
        return dict(part.partition("=")[::2] for part in parts)
    return text


def _default(place: Place) -> object:
    default: object = Config()
    for name in place:
        default = getattr(default, name)
    return default


def _put(values: dict[str, Any], place: Place, value: object) -> None:
    for name in place[:-1]:
        values = values.setdefault(name, {})
        if not isinstance(values, dict):  # the file says `gate = 1`; the model will name that fault
            return
    values[place[-1]] = value


def _unknown(
    values: dict[str, Any], origins: Mapping[Place, str], section: type[Section] = Config, under: Place = ()
) -> Iterator[str]:
    for name, value in values.items():
        place = (*under, name)
        if name not in section.model_fields:
            yield _unknown_sentence(place, section.model_fields, origins)
            continue
        default = section.model_fields[name].default
        if isinstance(default, Section) and isinstance(value, dict):
            yield from _unknown(value, origins, type(default), place)


def _unknown_sentence(place: Place, known: Mapping[str, object], origins: Mapping[Place, str]) -> str:
    where = origins.get(place, "")
    return f"{where}{': ' if where else ''}unknown key {'.'.join(place)}{_meant(place[-1], known)}"


def _meant(name: str, known: Mapping[str, object], prefix: str = "") -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {prefix}{close[0]}?" if close else ""


def _sentence(
    loc: tuple[int | str, ...], message: str, origins: Mapping[Place, str], file: Path | None
) -> str:
    place = tuple(str(part) for part in loc)
    found = next((origins[place[:end]] for end in range(len(place), 0, -1) if place[:end] in origins), None)
    where = found or (str(file) if file else "")
    message = message.removeprefix("Value error, ")
    return f"{where}{': ' if where else ''}{'.'.join(place)}: {message}"
