"""What stands on a document, whatever its format: titles, lines and tables of text.

The writers of XLSX, DOCX, PDF and JSON all take a ``Paper``; none of them knows what it is about.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Line(msgspec.Struct, frozen=True):
    """A row of a table; ``choices`` are what its last cell may say, ``ours`` that nobody else writes it."""

    cells: tuple[str, ...]
    choices: tuple[str, ...] = ()
    ours: bool = False


class Grid(msgspec.Struct, frozen=True):
    """A table. Without ``heads`` it is a form: label, caption, value; an empty label continues the one above.

    ``widths`` are in half-width characters, ``spare`` is how many empty rows an office copy has for writing,
    ``choices`` are per column, ``numbers`` the columns that hold counts.
    """

    name: str
    lines: tuple[Line, ...]
    widths: tuple[int, ...]
    heads: tuple[str, ...] = ()
    choices: tuple[tuple[str, ...], ...] = ()
    numbers: tuple[int, ...] = ()
    spare: int = 0


class Paper(msgspec.Struct, frozen=True):
    """A document: its format and version, title, the lines under it, its tables, and the same as data."""

    kind: str
    title: str
    lines: tuple[str, ...]
    grids: tuple[Grid, ...]
    content: Any = None
