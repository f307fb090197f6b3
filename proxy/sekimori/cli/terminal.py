"""Printing for people and for programs: what came over the wire never reaches a terminal as it came."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

# Cc control, Cf format (bidirectional marks and overrides, zero width), Cs surrogates,
# Co private use, Cn unassigned, Zl and Zp line and paragraph separators.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def escape(text: str) -> str:
    """Write every character that could steer a terminal or reorder a line as ``\\uXXXX``.

    A backslash is doubled, so that what was escaped can be told from what was sent.
    """
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return "".join(_shown(char) for char in text)


def _shown(char: str) -> str:
    if char == "\\":
        return "\\\\"
    if unicodedata.category(char) not in _UNPRINTABLE:
        return char
    code = ord(char)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def json_line(value: object) -> str:
    """Encode ``value`` as one line of JSON that any terminal shows harmlessly."""
    # json, not msgspec's encoder: a lone surrogate that a service sent must be shown, not raise.
    text = json.dumps(msgspec.to_builtins(value), ensure_ascii=False, separators=(",", ":"))
    return (
        "".join(_json_shown(char) for char in text) if not text.isascii() else text.replace("\x7f", "\\u007f")
    )


def _json_shown(char: str) -> str:
    """Escape for JSON: valid in strings, the only place where such characters can stand."""
    if unicodedata.category(char) not in _UNPRINTABLE:
        return char
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def print_json(value: object) -> None:
    """Print ``value`` as one JSON line."""
    print(json_line(value))


def say(sentence: str) -> None:
    """Tell the person at the keyboard something, on standard error."""
    print(escape_lines(sentence), file=sys.stderr, flush=True)


def escape_lines(text: str) -> str:
    """Escape like ``escape`` but keep line feeds, for text of ours that has several lines."""
    return "\n".join(escape(line) for line in text.split("\n"))


def print_table(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Print rows for a reader: a rich table on a terminal, tab-separated lines in a pipe."""
    cells = ([cell(row.get(column)) for column in columns] for row in rows)
    if sys.stdout.isatty():
        _rich_table(columns, cells)
        return
    print("\t".join(columns))
    for line in cells:
        print("\t".join(line))


def cell(value: object) -> str:
    """Show one value in a table."""
    if value is None:
        return ""
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(cell(item) for item in value)
    return escape(str(value))


def _rich_table(columns: Sequence[str], cells: Iterator[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for line in cells:
        table.add_row(*(Text(text) for text in line))
    Console().print(table)
