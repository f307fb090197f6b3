"""Reads the cells of a workbook that somebody sent: bounded, and nothing in it is ever carried out.

Not a spreadsheet program: it knows sheets, their names and the texts in their cells. A DTD, an entity, a
formula or anything larger than a form can be is a reason to refuse all of it. Dates are numbers in a workbook;
what a number means is for whoever knows the field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, NoReturn
from xml.parsers import expat

import msgspec

from sekimori.documents.faults import DocumentFault, UnreadableDocumentError, unreadable
from sekimori.documents.package import unguarded
from sekimori.documents.unpacking import DAMAGED, LINKS, TOO_LARGE, unpacked

MOST_SHEETS = 20
MOST_ROWS = 2000
MOST_COLUMNS = 64
MOST_CELLS = 20_000
MOST_TEXT = 32_767
_MOST_DEPTH = 64
# Of one part: what a form has a hundred times over, and what Python walks in a fraction of a second.
_MOST_ELEMENTS = 200_000

_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")


class CellText(NamedTuple):
    """What stands in a cell; ``number`` tells a number (or a date) from a text that looks like one."""

    text: str
    number: bool = False


class Workbook(msgspec.Struct, frozen=True):
    """The texts of a workbook: by sheet, then by row and column, both from 1; ``since_1904`` is its calendar."""

    sheets: Mapping[str, Mapping[tuple[int, int], CellText]]
    since_1904: bool = False


def cell_name(row: int, column: int) -> str:
    """Name a cell the way that a spreadsheet does."""
    letters = ""
    while column:
        column, letter = divmod(column - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return f"{letters}{row}"


def read_workbook(data: bytes) -> Workbook:
    """Read a workbook; raises ``UnreadableDocumentError`` if it is anything but a plain one."""
    parts = unpacked(data)
    names, since_1904 = _sheet_names(parts)
    shared = _Strings(parts, "xl/sharedStrings.xml").texts if "xl/sharedStrings.xml" in parts else []
    sheets: dict[str, dict[tuple[int, int], CellText]] = {}
    cells = 0
    for name, part in names:
        sheets[name] = _Cells(name, parts, part, shared).cells
        cells += len(sheets[name])
        if cells > MOST_CELLS:
            raise unreadable(*TOO_LARGE)
    return Workbook(sheets=sheets, since_1904=since_1904)


class _Xml:
    """Walks one part; a DTD, an entity or a deep nest ends it. Names are without their namespace."""

    def __init__(self, parts: Mapping[str, bytes], part: str) -> None:
        self._path: list[str] = []
        self._elements = 0
        if part not in parts:
            raise unreadable(*DAMAGED)
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._hostile
        parser.EntityDeclHandler = self._hostile
        parser.ExternalEntityRefHandler = self._hostile
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self.text
        try:
            parser.Parse(parts[part], True)
        except (expat.ExpatError, LookupError, ValueError) as fault:
            if isinstance(fault, UnreadableDocumentError):
                raise
            raise unreadable(*DAMAGED) from fault

    def _hostile(self, *_: object) -> NoReturn:
        raise unreadable("DTDや実体宣言を含むファイルは読み込めません。", "declares XML entities")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name.rpartition(" ")[2])
        self._elements += 1
        if len(self._path) > _MOST_DEPTH:
            raise unreadable(*DAMAGED)
        if self._elements > _MOST_ELEMENTS:
            raise unreadable(*TOO_LARGE)
        plain = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        self.start(self._path[-1], plain)

    def _end(self, _name: str) -> None:
        self.end(self._path.pop())

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take the start of an element."""

    def end(self, name: str) -> None:
        """Take the end of an element."""

    def text(self, data: str) -> None:
        """Take text."""

    def inside(self, name: str) -> bool:
        """Whether an element of this name is open."""
        return name in self._path


class _Relations(_Xml):
    """Which part an id stands for; a target outside the package is refused."""

    def __init__(self, parts: Mapping[str, bytes], part: str) -> None:
        self.targets: dict[str, str] = {}
        super().__init__(parts, part)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take a relation."""
        if name != "Relationship":
            return
        target, kind = attributes.get("Target", ""), attributes.get("Type", "")
        outside = attributes.get("TargetMode") == "External"
        if outside and not kind.endswith("/hyperlink"):  # a hyperlink is a text that nobody follows here
            raise unreadable(*LINKS)
        if not outside:
            self.targets[attributes.get("Id", "")] = (
                target.lstrip("/") if target.startswith("/") else f"xl/{target}"
            )


class _Book(_Xml):
    """The names of the sheets and the calendar."""

    def __init__(self, parts: Mapping[str, bytes]) -> None:
        self.sheets: list[tuple[str, str]] = []
        self.since_1904 = False
        super().__init__(parts, "xl/workbook.xml")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take a sheet, or what dates count from."""
        if name == "sheet":
            self.sheets.append((attributes.get("name", ""), attributes.get("id", "")))
        elif name == "workbookPr":
            self.since_1904 = attributes.get("date1904", "0") in ("1", "true")
        elif name == "externalReference":
            raise unreadable(*LINKS)


def _sheet_names(parts: Mapping[str, bytes]) -> tuple[Iterator[tuple[str, str]], bool]:
    book = _Book(parts)
    for part in parts:
        if part.endswith(".rels"):
            _Relations(parts, part)
    targets = _Relations(parts, "xl/_rels/workbook.xml.rels").targets
    names = [name for name, _ in book.sheets]
    if len(names) > MOST_SHEETS or len(set(names)) != len(names):
        raise unreadable(*TOO_LARGE)
    return ((name, targets.get(id_, "")) for name, id_ in book.sheets), book.since_1904


class _Strings(_Xml):
    """The texts that cells share. Readings (ふりがな) are not part of a text."""

    def __init__(self, parts: Mapping[str, bytes], part: str) -> None:
        self.texts: list[str] = []
        self._now: list[str] = []
        super().__init__(parts, part)

    def start(self, name: str, attributes: dict[str, str]) -> None:  # noqa: ARG002 - as in the others
        """Begin a text."""
        if name == "si":
            self._now = []

    def end(self, name: str) -> None:
        """End a text."""
        if name == "si":
            self.texts.append(unguarded("".join(self._now)))

    def text(self, data: str) -> None:
        """Take a piece of a text."""
        if self._path and self._path[-1] == "t" and not self.inside("rPh"):
            self._now.append(data)


class _Cells(_Xml):
    """The cells of a sheet."""

    def __init__(self, sheet: str, parts: Mapping[str, bytes], part: str, shared: list[str]) -> None:
        self.cells: dict[tuple[int, int], CellText] = {}
        self._sheet = sheet
        self._shared = shared
        self._row = self._column = 0
        self._type = "n"
        self._now: list[str] = []
        super().__init__(parts, part)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Begin a row or a cell; both may leave out where they are."""
        if name == "row":
            self._row = self._number(attributes.get("r"), self._row + 1, MOST_ROWS)
            self._column = 0
        elif name == "c":
            self._at(attributes.get("r"))
            self._type, self._now = attributes.get("t", "n"), []
        elif name == "f" and self.inside("c"):
            self._refuse("数式は読み込めません。値を直接入力してください。", "is a formula; write its value")

    def _number(self, text: str | None, otherwise: int, most: int) -> int:
        number = int(text) if text and text.isascii() and text.isdigit() and len(text) < 8 else otherwise
        if not 0 < number <= most:
            raise unreadable(*TOO_LARGE)
        return number

    def _at(self, reference: str | None) -> None:
        self._column += 1
        found = _REFERENCE.fullmatch(reference or "")
        if found:
            self._column = 0
            for letter in found.group(1):
                self._column = self._column * 26 + ord(letter) - ord("A") + 1
            self._row = self._number(found.group(2), self._row, MOST_ROWS)

    def end(self, name: str) -> None:
        """End a cell."""
        if name != "c" or self._type == "":
            return
        text = self._text("".join(self._now))
        if not text:
            return
        if self._column > MOST_COLUMNS or len(self.cells) >= MOST_CELLS:
            raise unreadable(*TOO_LARGE)
        if len(text) > MOST_TEXT:
            self._refuse("文字数が多すぎます。", "has too long a text")
        self.cells[self._row, self._column] = CellText(text, number=self._type == "n")

    def _text(self, raw: str) -> str:
        if self._type == "s":
            place = int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 8 else -1
            if not 0 <= place < len(self._shared):
                raise unreadable(*DAMAGED)
            return self._shared[place]
        if self._type == "e":
            self._refuse(
                "セルがエラー値です。値を入力し直してください。", "is an error value; write it again"
            )
        if self._type == "b":
            return "はい" if raw.strip() == "1" else "いいえ"
        return unguarded(raw) if self._type in ("inlineStr", "str") else raw.strip()

    def text(self, data: str) -> None:
        """Take a piece of a value."""
        if self._path and self._path[-1] in ("v", "t") and self.inside("c") and not self.inside("rPh"):
            self._now.append(data)

    def _refuse(self, ja: str, en: str) -> NoReturn:
        cell = cell_name(self._row, self._column)
        raise UnreadableDocumentError([DocumentFault(self._sheet, cell, "", ja, en)])
