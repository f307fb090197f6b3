"""A paper as a PDF on A4: the form upright, wide tables across, page numbers, heads again on every page.

reportlab cannot break a row that is taller than a page, so a long text is cut into several rows that share
one frame.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import batched, chain
from typing import Any

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Frame,
    NextPageTemplate,
    PageBreak,
    PageTemplate,
    Spacer,
    Table,
    TableStyle,
)
from reportlab.platypus.flowables import Flowable

from sekimori.documents.fonts import Face, face
from sekimori.documents.package import stamp
from sekimori.governance.paper import Grid, Line, Paper

_MARGIN = 15 * mm
_LARGEST, _SMALLEST = 9.5, 6.0
_LEADING = 1.45
_PAD = 3
# The tallest piece of a text, in lines: what may stay empty at the end of a page.
_TALLEST = 6
_ACROSS_FROM = 130
_NEVER_FIRST = frozenset(
    "、。，．・：；？！）」』】〕］｝〉》ーぁぃぅぇぉっゃゅょァィゥェォッャュョ,.)]}:;?!%"
)
_GREY, _PALE = colors.HexColor(0x7F7F7F), colors.HexColor(0xEDF2F7)
_OURS = colors.HexColor(0xE3E3E3)


def write_pdf(paper: Paper, at_us: int, font: bytes | None = None, number: int = 0) -> bytes:
    """Write a paper as a PDF; ``font`` is the TrueType file to embed (``number``: which one of a .ttc)."""
    shown = face(font, number)
    shown.must_show(_texts(paper))
    buffer = io.BytesIO()
    document = BaseDocTemplate(
        buffer,
        pagesize=A4,
        title=paper.title,
        author="Sekimori",
        lang="ja-JP",
        invariant=1,
        pageCompression=1,
    )
    pages = [_page("upright", A4), _page("across", landscape(A4))]
    document.addPageTemplates(pages[::-1] if _lies_across(paper.grids[0]) else pages)
    document.build(list(_story(paper, shown)), canvasmaker=_canvas(shown, at_us))
    return buffer.getvalue()


def _texts(paper: Paper) -> Iterator[str]:
    yield from (paper.title, *paper.lines)
    for grid in paper.grids:
        yield from (grid.name, *grid.heads)
        yield from chain.from_iterable(line.cells for line in grid.lines)


def _page(name: str, size: tuple[float, float]) -> PageTemplate:
    frame = Frame(_MARGIN, _MARGIN, size[0] - 2 * _MARGIN, size[1] - 2 * _MARGIN, 0, 0, 0, 0)
    return PageTemplate(id=name, frames=[frame], pagesize=size)


def _lies_across(grid: Grid) -> bool:
    return sum(grid.widths) > _ACROSS_FROM


def _story(paper: Paper, shown: Face) -> Iterator[Flowable]:
    for place, grid in enumerate(paper.grids):
        across = _lies_across(grid)
        if place:
            yield NextPageTemplate("across" if across else "upright")
            yield PageBreak()
        if place == 0:
            yield _Lines([paper.title], shown.name, 14)
            yield _Lines(paper.lines, shown.name, _LARGEST)
        else:
            yield _Lines([grid.name], shown.name, 11)
        yield Spacer(1, 3 * mm)
        room = (A4[1] if across else A4[0]) - 2 * _MARGIN
        yield _Laid(grid, shown, room).table()


class _Lines(Flowable):
    """Lines of text as they are. A Paragraph would read markup in them and lose blanks where it breaks."""

    def __init__(self, lines: Sequence[str], font: str, size: float, *, right: bool = False) -> None:
        super().__init__()
        self._lines = lines
        self._look = (font, size)
        self._right = right

    def wrap(self, room: float, _high: float) -> tuple[float, float]:
        """Say how much room the lines take."""
        self.width, self.height = room, len(self._lines) * self._look[1] * _LEADING
        return self.width, self.height

    def draw(self) -> None:
        """Draw them from the top down."""
        size = self._look[1]
        self.canv.setFont(*self._look)
        for place, line in enumerate(self._lines):
            base = self.height - place * size * _LEADING - size
            if self._right:
                self.canv.drawRightString(self.width, base, line)
            else:
                self.canv.drawString(0, base, line)


def folded_lines(text: str, font: str, size: float, room: float) -> Iterator[str]:
    """Break a text into lines that fit; none begins with a mark that may not (行頭禁則)."""
    for line in text.expandtabs(4).split("\n"):
        start, used = 0, 0.0
        for place, char in enumerate(line):
            wide = stringWidth(char, font, size)
            if used + wide > room and place > start:
                end = place
                while end - start > 1 and line[end] in _NEVER_FIRST:
                    end -= 1
                yield line[start:end]
                start, used = end, stringWidth(line[end:place], font, size)
            used += wide
        yield line[start:]


class _Framed(Table):
    """A table whose frame is closed on every page; reportlab closes it at the first break only."""

    def split(self, *room: float) -> list[Flowable]:
        """Split at a row, and draw the line that ends one part and begins the other."""
        parts: list[Any] = super().split(*room)
        for part, line, row in zip(parts, ("LINEBELOW", "LINEABOVE"), (-1, 0), strict=False):
            part.setStyle(TableStyle([(line, (0, row), (-1, row), 0.5, _GREY)]))
        return parts


class _Laid:
    """One table as reportlab wants it: rows of paragraphs, and lines around what belongs together."""

    def __init__(self, grid: Grid, shown: Face, room: float) -> None:
        self._grid = grid
        each = room / sum(grid.widths)
        self._columns = [width * each for width in grid.widths]
        self._size = max(_SMALLEST, min(_LARGEST, 2 * each * 0.94))
        self._font = shown.name
        self._rows: list[list[Any]] = []
        self._looks: list[tuple[Any, ...]] = []

    def table(self) -> Table:
        """Lay the table out."""
        heads = self._grid.heads
        if heads:
            self._row(Line(heads), fill=True)
        for line in self._grid.lines:
            self._row(line)
        if not self._grid.lines:
            self._row(Line(("（なし）", *[""] * (len(self._grid.widths) - 1))))
        style = TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                *((side, (0, 0), (-1, -1), _PAD) for side in ("LEFTPADDING", "RIGHTPADDING")),
                *((side, (0, 0), (-1, -1), 2) for side in ("TOPPADDING", "BOTTOMPADDING")),
                ("BOX", (0, 0), (-1, -1), 0.5, _GREY),
                *self._looks,
            ]
        )
        return _Framed(self._rows, self._columns, style=style, repeatRows=1 if heads else 0)

    def _row(self, line: Line, *, fill: bool = False) -> None:
        joined = self._joined(line)
        cut = [
            self._pieces(
                text, column, self._columns[column] + (self._columns[1] if joined and column == 2 else 0)
            )
            for column, text in enumerate(line.cells)
        ]
        first = len(self._rows)
        for place in range(max(map(len, cut))):
            self._rows.append([part[place] if place < len(part) else "" for part in cut])
        self._frame(line, first, len(self._rows) - 1, fill=fill)

    def _joined(self, line: Line) -> bool:
        """Whether a value takes the place of the caption that is not there."""
        return not self._grid.heads and not line.cells[1]

    def _pieces(self, text: str, column: int, width: float) -> list[_Lines]:
        lines = list(folded_lines(text, self._font, self._size, width - 2 * _PAD))
        right = column in self._grid.numbers
        return [_Lines(part, self._font, self._size, right=right) for part in batched(lines, _TALLEST)]

    def _frame(self, line: Line, first: int, last: int, *, fill: bool) -> None:
        form, end = not self._grid.heads, len(line.cells) - 1
        # A label and what continues it share a cell: no line above a row that has no label of its own.
        start = 1 if form and not line.cells[0] else 0
        self._looks.append(("LINEABOVE", (start, first), (-1, first), 0.5, _GREY))
        caption = self._joined(line)
        for column in range(end):
            if not (caption and column == 1):
                self._looks.append(("LINEAFTER", (column, first), (column, last), 0.5, _GREY))
        if fill:
            self._looks.append(("BACKGROUND", (0, first), (-1, last), _PALE))
        elif form:
            self._looks.append(("BACKGROUND", (0, first), (0 if caption else 1, last), _PALE))
            if caption:
                self._looks += [("SPAN", (1, row), (2, row)) for row in range(first, last + 1)]
                for row in self._rows[first : last + 1]:
                    row[1] = row[2]
            if line.ours:
                self._looks.append(("BACKGROUND", (1 if caption else 2, first), (-1, last), _OURS))


def _canvas(shown: Face, at_us: int) -> Callable[..., Canvas]:
    """Make the kind of canvas that knows how many pages there are, and no other time than ``at_us``."""
    moment = tuple(int(number) for number in re.findall("[0-9]+", stamp(at_us)))

    class Numbered(Canvas):
        # Parts of reportlab's canvas that its type stubs leave out.
        _doc: Any
        _pagesize: tuple[float, float]
        _startPage: Callable[[], None]  # noqa: N815 - reportlab's name

        def __init__(self, *args: Any, **named: Any) -> None:
            super().__init__(*args, **named)
            self._pages: list[dict[str, Any]] = []
            self._doc._timeStamp.YMDhms = moment  # noqa: SLF001 - reportlab asks the clock otherwise

        def showPage(self) -> None:  # noqa: N802 - reportlab's name
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for place, page in enumerate(self._pages, start=1):
                self.__dict__.update(page)
                self.setFont(shown.name, 8)
                self.drawCentredString(self._pagesize[0] / 2, 8 * mm, f"{place} / {len(self._pages)}")
                super().showPage()
            super().save()

    return Numbered
