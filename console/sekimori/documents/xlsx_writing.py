"""A paper as a workbook: one sheet a table, ready to print on A4 and to be filled in.

Every cell is text, whatever it begins with: a value can never become a formula. A row cannot be taller than
409 points, so a long text gets several rows, merged.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise

from openpyxl import Workbook
from openpyxl.cell.cell import Cell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Protection, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.header_footer import HeaderFooterItem, _HeaderFooterPart
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from sekimori.documents.measure import height
from sekimori.documents.package import guarded, settled
from sekimori.governance.paper import Grid, Line, Paper

_FACE = "游ゴシック"
_POINTS, _TALLEST = 17, 22
_THIN = Side(style="thin", color="FF7F7F7F")
_BOX = Border(left=_THIN, right=_THIN, top=_THIN, bottom=_THIN)
_TITLE = Font(name=_FACE, size=14, bold=True)
_PLAIN, _BOLD = Font(name=_FACE, size=10), Font(name=_FACE, size=10, bold=True)
_LABEL = PatternFill("solid", fgColor="FFEDF2F7")
_OURS = PatternFill("solid", fgColor="FFE3E3E3")
_WRAPPED = Alignment(wrap_text=True, vertical="top")
_A4 = 9
_ACROSS_FROM = 130
_CHOICES_AT_MOST = 255
_SHEET_NAME_AT_MOST = 31


def write_xlsx(paper: Paper, at_us: int) -> bytes:
    """Write a paper as a workbook."""
    book = Workbook()
    for place, grid in enumerate(paper.grids):
        name = grid.name[:_SHEET_NAME_AT_MOST]
        sheet = book.active if place == 0 else book.create_sheet()
        assert isinstance(sheet, Worksheet)  # noqa: S101 - a new workbook has a sheet
        sheet.title = name
        _set_up(sheet, grid)
        top = _headed(sheet, (paper.title, *paper.lines) if place == 0 else (grid.name,), len(grid.widths))
        _SheetWriter(sheet, grid).write(top)
    buffer = io.BytesIO()
    book.save(buffer)
    return settled(buffer.getvalue(), title=paper.title, at_us=at_us)


def _set_up(sheet: Worksheet, grid: Grid) -> None:
    for place, room in enumerate(grid.widths, start=1):
        sheet.column_dimensions[get_column_letter(place)].width = room + 2
    sheet.page_setup.paperSize = _A4
    sheet.page_setup.orientation = "landscape" if sum(grid.widths) > _ACROSS_FROM else "portrait"
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.HeaderFooter.oddFooter = HeaderFooterItem(center=_HeaderFooterPart("&P / &N"))
    sheet.sheet_view.showGridLines = False


def _headed(sheet: Worksheet, lines: Sequence[str], columns: int) -> int:
    """Write the title and the lines under it; give the row after them."""
    for row, text in enumerate(lines, start=1):
        cell = _put(sheet, row, 1, text)
        cell.font = _TITLE if row == 1 else _PLAIN
        cell.border = Border()
        sheet.merge_cells(start_row=row, start_column=1, end_row=row, end_column=columns)
        sheet.row_dimensions[row].height = 26 if row == 1 else _POINTS
    return len(lines) + 1


def _put(sheet: Worksheet, row: int, column: int, text: str) -> Cell:
    cell = sheet.cell(row, column)
    assert isinstance(cell, Cell)  # noqa: S101 - nothing is written into the rest of a merge
    if text:
        cell.value = guarded(text)
        cell.data_type = "s"  # else a text that begins with "=" is a formula
        cell.quotePrefix = True
    cell.font, cell.alignment, cell.border = _PLAIN, _WRAPPED, _BOX
    return cell


class _SheetWriter:
    """Writes the rows of one table, from a row on."""

    def __init__(self, sheet: Worksheet, grid: Grid) -> None:
        self._sheet = sheet
        self._grid = grid
        self._labels: list[int] = []
        self._offers: dict[tuple[str, ...], DataValidation] = {}

    def write(self, row: int) -> None:
        """Write the heads and every line."""
        if self._grid.heads:
            for column, head in enumerate(self._grid.heads, start=1):
                cell = _put(self._sheet, row, column, head)
                cell.font, cell.fill = _BOLD, _LABEL
            self._sheet.row_dimensions[row].height = self._tall(self._grid.heads) * _POINTS
            self._sheet.print_title_rows = f"{row}:{row}"
            self._sheet.freeze_panes = f"A{row + 1}"
            row += 1
        blank = Line(("",) * len(self._grid.widths))
        for line in (*self._grid.lines, *(blank,) * self._grid.spare):
            if line.cells[0]:
                self._labels.append(row)
            row = self._line(row, line)
        if not self._grid.heads:
            self._join_labels(row)

    def _line(self, row: int, line: Line) -> int:
        lines = self._tall(line.cells)
        rows = -(-lines // _TALLEST)
        for offset in range(rows):
            self._sheet.row_dimensions[row + offset].height = -(-lines // rows) * _POINTS
        for column, text in enumerate(line.cells, start=1):
            for offset in range(rows):
                cell = _put(self._sheet, row + offset, column, "" if offset else text)
                self._style(cell, column, line)
                if column - 1 in self._grid.numbers and line.cells[0]:
                    self._count(cell, text)
            self._offer(row, column, line)
            if rows > 1 and (self._grid.heads or column > 1):
                self._sheet.merge_cells(
                    start_row=row, end_row=row + rows - 1, start_column=column, end_column=column
                )
        return row + rows

    def _tall(self, cells: Sequence[str]) -> int:
        return max(height(text, room) for text, room in zip(cells, self._grid.widths, strict=True))

    def _style(self, cell: Cell, column: int, line: Line) -> None:
        writing = bool(self._grid.heads) or column == len(line.cells)
        if not writing:
            cell.font, cell.fill = _BOLD if column == 1 else _PLAIN, _LABEL
        elif line.ours:
            cell.fill = _OURS
        cell.protection = Protection(locked=not writing or line.ours)

    def _count(self, cell: Cell, text: str) -> None:
        """Let a count be a number, so that it can be added up."""
        plain = text.replace(",", "")
        if plain.isascii() and plain.isdigit():
            cell.value = int(plain)
            cell.number_format = "#,##0"
        cell.quotePrefix = False
        cell.alignment = Alignment(horizontal="right", vertical="top")

    def _offer(self, row: int, column: int, line: Line) -> None:
        """Let a cell be chosen from a list, where there is one that fits into the format."""
        if self._grid.heads:
            choices = self._grid.choices[column - 1] if self._grid.choices else ()
        else:
            choices = line.choices if column == len(line.cells) else ()
        listed = ",".join(choices)
        if not choices or len(listed) > _CHOICES_AT_MOST:
            return
        offer = self._offers.get(choices)
        if offer is None:
            offer = DataValidation(type="list", formula1=f'"{listed}"', allow_blank=True)
            offer.showErrorMessage = False  # what is read back is checked there, and said better
            self._offers[choices] = offer
            self._sheet.add_data_validation(offer)
        offer.add(f"{get_column_letter(column)}{row}")

    def _join_labels(self, end: int) -> None:
        """Merge each label with the rows that continue it."""
        for start, after in pairwise((*self._labels, end)):
            if after - start > 1:
                self._sheet.merge_cells(start_row=start, end_row=after - 1, start_column=1, end_column=1)
