"""A paper as a Word document on A4: the form upright, wide tables across, heads again on every page."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

from docx import Document
from docx.document import Document as WordDocument
from docx.enum.section import WD_ORIENT, WD_SECTION
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt
from docx.table import Table, _Cell, _Row

from sekimori.documents.package import settled
from sekimori.governance.paper import Grid, Line, Paper

_FACE = "游ゴシック"
_SHORT, _LONG, _MARGIN = 210, 297, 15
_ACROSS_FROM = 130
_LARGEST, _SMALLEST = 9.5, 6.0
_PT_A_MM = 72 / 25.4
_STYLES = ("Normal", "DefaultParagraphFont", "TableNormal", "TableGrid", "NoList")
_UNUSED = ("/stylesWithEffects", "/thumbnail", "/customXml", "/numbering")
_LABEL, _OURS = "EDF2F7", "E3E3E3"


def write_docx(paper: Paper, at_us: int) -> bytes:
    """Write a paper as a Word document."""
    document = Document()
    _strip(document)
    _speak_japanese(document)
    for place, grid in enumerate(paper.grids):
        room = _section(document, across=sum(grid.widths) > _ACROSS_FROM, first=place == 0)
        _say(document, paper.title if place == 0 else grid.name, 14 if place == 0 else 11, bold=True)
        for line in paper.lines if place == 0 else ():
            _say(document, line, _LARGEST)
        _TableWriter(document, grid, room).write()
    buffer = io.BytesIO()
    document.save(buffer)
    return settled(buffer.getvalue(), title=paper.title, at_us=at_us)


def _strip(document: WordDocument) -> None:
    """Take out what the library's template brings and no page of ours uses: nine tenths of the file."""
    for relations in (document.part.rels, document.part.package.rels):
        for id_, relation in list(relations.items()):
            if relation.reltype.endswith(_UNUSED):
                del relations[id_]
    styles = document.styles.element
    for style in list(styles):
        if style.get(qn("w:styleId"), "") not in _STYLES and not style.tag.endswith("}docDefaults"):
            styles.remove(style)


def _speak_japanese(document: WordDocument) -> None:
    style: Any = document.styles["Normal"]
    style.font.name = _FACE
    style.font.size = Pt(_LARGEST)
    style.paragraph_format.space_after = Pt(0)
    properties = style.element.get_or_add_rPr()
    properties.rFonts.set(qn("w:eastAsia"), _FACE)
    language = OxmlElement("w:lang")
    language.set(qn("w:val"), "ja-JP")
    language.set(qn("w:eastAsia"), "ja-JP")
    properties.append(language)


def _section(document: WordDocument, *, across: bool, first: bool) -> float:
    """Begin a page; give the room between its margins in mm."""
    section = document.sections[0] if first else document.add_section(WD_SECTION.NEW_PAGE)
    section.orientation = WD_ORIENT.LANDSCAPE if across else WD_ORIENT.PORTRAIT
    wide, high = (_LONG, _SHORT) if across else (_SHORT, _LONG)
    section.page_width, section.page_height = Mm(wide), Mm(high)
    section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = Mm(_MARGIN)
    return wide - 2 * _MARGIN


def _say(document: WordDocument, text: str, size: float, *, bold: bool = False) -> None:
    run = document.add_paragraph().add_run(text)
    run.font.size = Pt(size)
    run.bold = bold


class _TableWriter:
    """Writes one table."""

    def __init__(self, document: WordDocument, grid: Grid, room: float) -> None:
        self._grid = grid
        each = room / sum(grid.widths)
        self._columns = [width * each for width in grid.widths]
        self._size = max(_SMALLEST, min(_LARGEST, 2 * each * _PT_A_MM * 0.9))
        rows = len(grid.lines) + bool(grid.heads)
        self._table: Table = document.add_table(max(rows, 1), len(grid.widths))
        self._table.style = "Table Grid"
        self._table.autofit = False

    def write(self) -> None:
        """Write the heads and every line."""
        rows = list(self._table.rows)
        for column, width in enumerate(self._columns):
            self._table.columns[column].width = Mm(width)
        if self._grid.heads:
            head = rows.pop(0)
            self._fill(head, Line(self._grid.heads))
            properties = head._tr.get_or_add_trPr()  # noqa: SLF001 - python-docx has no other way
            properties.append(OxmlElement("w:tblHeader"))
            for cell in head.cells:
                _shade(cell, _LABEL)
        for row, line in zip(rows, self._grid.lines, strict=False):
            self._fill(row, line)
        if not self._grid.heads:
            self._shape(rows)

    def _fill(self, row: _Row, line: Line) -> None:
        for column, (cell, text) in enumerate(zip(row.cells, line.cells, strict=True)):
            cell.width = Mm(self._columns[column])
            run = cell.paragraphs[0].add_run(text)
            run.font.size = Pt(self._size)
            if column in self._grid.numbers:
                cell.paragraphs[0].alignment = WD_ALIGN_PARAGRAPH.RIGHT

    def _shape(self, rows: list[_Row]) -> None:
        """Join each label with the rows that continue it, and a value with its empty caption."""
        lines = self._grid.lines
        starts = [place for place, line in enumerate(lines) if line.cells[0]]
        cells = [list(row.cells) for row in rows]
        for place, line in enumerate(lines):
            label, caption, value = cells[place]
            _shade(label, _LABEL)
            if line.ours:
                _shade(value, _OURS)
            if line.cells[1]:
                _shade(caption, _LABEL)
            else:
                _join(caption, value)
        for start, after in pairwise((*starts, len(lines))):
            if after - start > 1:
                _join(cells[start][0], cells[after - 1][0])


def _join(first: _Cell, last: _Cell) -> None:
    """Merge two cells and drop the empty paragraphs that merging leaves."""
    merged = first.merge(last)
    spare = [each for each in merged.paragraphs if not each.text]
    for paragraph in spare[: len(merged.paragraphs) - 1]:
        element = paragraph._p  # noqa: SLF001 - python-docx has no other way
        element.getparent().remove(element)


def _shade(cell: _Cell, colour: str) -> None:
    shading = OxmlElement("w:shd")
    shading.set(qn("w:val"), "clear")
    shading.set(qn("w:fill"), colour)
    cell._tc.get_or_add_tcPr().append(shading)  # noqa: SLF001 - python-docx has no other way
