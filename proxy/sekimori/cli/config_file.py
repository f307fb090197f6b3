"""Read the configuration: file, then environment, then options; each fault with where it stands.

A key that nobody reads is an error: a misspelt ``max_uplaod`` must not silently leave the default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from sekimori.cli.config import Config
from sekimori.cli.config_faults import faults_of, meant, where
from sekimori.cli.config_section import Section
from sekimori.cli.toml_file import Place, read_toml
from sekimori.errors import ConfigError

PREFIX = "SEKIMORI_"
# Read by every command, or by programs of ours, and no part of the file.
_NOT_KEYS = frozenset({"DATA", "KEYS", "CONFIG"})
_OPTIONS: dict[tuple[str, ...], str] = {
    ("console", "listen"): "--console",
    ("metrics", "listen"): "--metrics",
}


def load(
    file: Path | None, environment: Mapping[str, str], options: Mapping[Place, object] | None = None
) -> Config:
    """Compose the configuration; raise ``ConfigError`` naming every fault, one a line."""
    values, origins = read_toml(file) if file is not None else ({}, {})
    faults: list[str] = []
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
            faults = faults_of(error, Config, origins, str(file or ""))
    raise ConfigError("\n".join(faults))


def _from_environment(
    environment: Mapping[str, str], faults: list[str]
) -> Iterator[tuple[Place, str, object]]:
    known = {"_".join(place).upper(): place for place in _places()}
    for name in sorted(environment):
        rest = name.removeprefix(PREFIX)
        if rest == name or rest in _NOT_KEYS:
            continue
        if rest not in known:
            faults.append(f"{name}: unknown variable{meant(rest, known, PREFIX)}")
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
    at = where(place, origins)
    return f"{at}{': ' if at else ''}unknown key {'.'.join(place)}{meant(place[-1], known)}"
