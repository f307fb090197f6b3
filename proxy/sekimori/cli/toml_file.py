"""A TOML file as values with the line of each key; what is no TOML, in plain sentences.

``tomllib`` keeps no positions and speaks to programmers.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sekimori.errors import ConfigError

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]\[]+?)\s*\]")
_KEY = re.compile(r"\s*(\"[^\"]*\"|'[^']*'|[A-Za-z0-9_-]+)\s*=")

type Place = tuple[str, ...]

_SENTENCES = (
    (
        "Cannot declare|Cannot overwrite|Cannot redefine|Cannot mutate|Duplicate",
        "stands in the file twice; keep one",
    ),
    ("Expected '=' after", "a key needs = and a value, as workers = 1"),
    (
        r"Expected '\]\]?' at the end",
        "the name of a section is not closed; write [name], or [[name]] for one of several",
    ),
    ("Expected newline", "something follows the value; write one key a line, and a comment after #"),
    (
        "Invalid value|Invalid date",
        'the value is none; write text as "…", numbers, true and false without quotes',
    ),
    ("Invalid initial|Invalid statement", "a line begins with a key or a [section]"),
    ("Unclosed|Expected", "a list or table is not closed; add the ] or } that is missing"),
    ("Illegal character|Unterminated", "a text is not closed; add the quote that is missing"),
    (
        "Unescaped|Escaped|Invalid hex",
        r"a backslash in a text stands twice, as \\, or the text in single quotes",
    ),
    ("Found invalid character", "a control character stands here; remove it"),
)


def read_toml(file: Path) -> tuple[dict[str, Any], dict[Place, str]]:
    """Return the values and where each stands, as ``FILE:LINE``; raise ``ConfigError`` in one sentence."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
        return tomllib.loads(text.replace("\r\n", "\n")), {
            place: f"{file}:{line}" for place, line in _lines(text)
        }
    except OSError as error:
        raise ConfigError(
            f"The configuration file {file} cannot be read ({error.strerror}).",
            hint="Name another with --config.",
        ) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{file}:{line}: this is not UTF-8; save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}:{_line_of(error, text)}: {plain(str(error))}") from error


def plain(problem: str) -> str:
    """Say what ``tomllib`` complains of in words for whoever wrote the file."""
    found = (sentence for pattern, sentence in _SENTENCES if re.match(pattern, problem))
    return next(found, 'this is not TOML; write key = "value" below a [section]')


def _line_of(error: tomllib.TOMLDecodeError, text: str) -> str:
    where = re.search(r"line (\d+)", str(error))
    return where[1] if where else str(max(1, len(text.splitlines())))


def _lines(text: str) -> Iterator[tuple[Place, int]]:
    """Guess on which line each key stands."""
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
