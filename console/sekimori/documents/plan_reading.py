"""Takes over a 利用計画書 that somebody filled in as a workbook.

A field is found by the form's own words in front of it, so that rows may be moved or added; a label that was
changed is a fault. Everything that is wrong is told at once: sheet, cell, field, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

import msgspec

from sekimori.documents.faults import DocumentFault, UnreadableDocumentError
from sekimori.documents.workbook import CellText, Workbook, cell_name, read_workbook
from sekimori.governance import form_kinds as kind
from sekimori.governance.form import PlanForm, form_mismatches, place
from sekimori.governance.form_fields import (
    BY_PATH,
    ROWS_AT_MOST,
    SHEETS,
    TERMS_SHEET,
    Fields,
    Row,
    Sheet,
    plan_of,
)
from sekimori.governance.form_kinds import Kind
from sekimori.governance.plan import UsagePlan
from sekimori.governance.plan_paper import FORM_SHEET, folded, items_by_words, places
from sekimori.governance.refusals import Forbidden, Missing

_OURS = "ours:"
_VALUE = 3
_DAY_ZERO, _DAY_ZERO_1904 = date(1899, 12, 30), date(1904, 1, 1)
# 9999-12-31 in the later of the two calendars.
_LAST_DAY = 2_957_003


class Imported(msgspec.Struct, frozen=True):
    """What a filled-in form says: the fields as text, the plan, and what it claims about our own fields."""

    fields: Fields
    plan: UsagePlan
    ours: dict[str, str]


def read_plan(data: bytes, form: PlanForm) -> Imported:
    """Read a filled-in form; ``form`` is the one that it was handed out as, whose own fields must not differ.

    Raises ``UnreadableDocumentError`` with every fault; nothing is taken over from such a form.
    """
    reading = _Reading(read_workbook(data), form)
    fields, ours = reading.read()
    faults = [*reading.faults, *map(reading.located, form_mismatches(ours, form))]
    try:
        plan = plan_of(fields)
    except Forbidden as refusal:
        faults += map(reading.located, refusal.missing)
    if faults:
        raise UnreadableDocumentError(dict.fromkeys(faults))
    return Imported(fields=fields, plan=plan, ours=ours)


class _Reading:
    """One form being read: remembers where each field stood, to say it when something is wrong with it."""

    def __init__(self, book: Workbook, form: PlanForm) -> None:
        self._book = book
        self._form = form
        self._found: dict[str, tuple[str, str]] = {}
        self.faults: list[DocumentFault] = []

    def read(self) -> tuple[Fields, dict[str, str]]:
        """Give the fields as text, and what stands in those that are not the applicant's."""
        told: dict[str, str] = {}
        for sheet in (FORM_SHEET, TERMS_SHEET):
            told |= dict(self._entries(sheet))
        for path in BY_PATH:
            if path not in told:
                self._fault(
                    "",
                    "",
                    place(path, self._form.book),
                    "この欄が見つかりません。様式の項目名を元に戻してください。",
                    "is not on the form any more",
                )
        tables = {sheet.name: tuple(self._rows(sheet)) for sheet in SHEETS}
        ours = {key.removeprefix(_OURS): text for key, text in told.items() if key.startswith(_OURS)}
        texts = {path: told.get(path, "") for path in BY_PATH}
        return Fields(texts=texts, tables=tables), ours

    def _entries(self, sheet: str) -> Iterator[tuple[str, str]]:
        cells = self._cells(sheet)
        known, labels = places(), {label for label, _ in places()}
        label = ""
        for row in sorted({row for row, _ in cells}):
            head = folded(_text(cells, row, 1))
            label = head or label
            if label not in labels:
                if _text(cells, row, _VALUE):
                    why = (
                        "様式にない項目です。項目名を元に戻すか、行を削除してください。",
                        "is not a label of the form",
                    )
                    self._fault(sheet, cell_name(row, 1), _text(cells, row, 1), *why)
                continue
            path = known.get((label, _text(cells, row, 2).strip()))
            if path is None:
                why = ("様式にない小項目です。元に戻してください。", "is not a caption of the form")
                self._fault(sheet, cell_name(row, 2), _text(cells, row, 2), *why)
            elif path in self._found:
                self._fault(sheet, cell_name(row, 1), label, "同じ項目が2回あります。", "is there twice")
            else:
                self._found[path] = (sheet, cell_name(row, _VALUE))
                yield path, self._value(cells, row, _VALUE, _kind(path))

    def _rows(self, sheet: Sheet) -> Iterator[Row]:
        cells = self._cells(sheet.title)
        heads = tuple(folded(column.caption) for column in sheet.columns)
        rows = sorted({row for row, _ in cells})
        at = next((row for row in rows if self._heads(cells, row, len(heads)) == heads), None)
        if at is None:
            if rows:
                self._fault(
                    sheet.title, "", sheet.title, "見出しの行を元に戻してください。", "has lost its heads"
                )
            return
        items, found = items_by_words(), 0
        for row in rows:
            texts = tuple(
                self._value(cells, row, place_, column.kind)
                for place_, column in enumerate(sheet.columns, start=1)
            )
            if row <= at or not any(text.strip() for text in texts):
                continue
            if found == ROWS_AT_MOST:
                self._fault(
                    sheet.title, f"A{row}", sheet.title, f"{ROWS_AT_MOST}行までです。", "has too many rows"
                )
                return
            for place_, column in enumerate(sheet.columns, start=1):
                self._found[f"{sheet.name}[{found}].{column.name}"] = (sheet.title, cell_name(row, place_))
            found += 1
            yield (items.get(folded(texts[0]), texts[0]), *texts[1:]) if sheet.name == "evidence" else texts

    def _heads(self, cells: Mapping[tuple[int, int], CellText], row: int, count: int) -> tuple[str, ...]:
        return tuple(folded(_text(cells, row, column)) for column in range(1, count + 1))

    def _cells(self, sheet: str) -> Mapping[tuple[int, int], CellText]:
        cells = self._book.sheets.get(sheet)
        if cells is None:
            self._fault(
                sheet, "", sheet, "シートがありません。シート名を元に戻してください。", "sheet is missing"
            )
            return {}
        return cells

    def _value(self, cells: Mapping[tuple[int, int], CellText], row: int, column: int, how: Kind) -> str:
        cell = cells.get((row, column))
        if cell is None:
            return ""
        if how is kind.DATE and cell.number:
            return kind.DATE.show(_day(cell.text, since_1904=self._book.since_1904)) or cell.text
        return _whole(cell)

    def located(self, missing: Missing) -> DocumentFault:
        """Say where a fault stands."""
        for key in (missing.field, f"{_OURS}{missing.field}"):
            if key in self._found:
                sheet, cell = self._found[key]
                break
        else:
            sheet, cell = "", ""
        return DocumentFault(sheet, cell, place(missing.field, self._form.book), missing.ja, missing.en)

    def _fault(self, sheet: str, cell: str, field: str, ja: str, en: str) -> None:
        self.faults.append(DocumentFault(sheet, cell, field, ja, en))


def _kind(path: str) -> Kind:
    if path.startswith(_OURS):
        return kind.DATE if "date" in path else kind.LINE
    return BY_PATH[path].kind


def _text(cells: Mapping[tuple[int, int], CellText], row: int, column: int) -> str:
    cell = cells.get((row, column))
    return cell.text if cell else ""


def _whole(cell: CellText) -> str:
    """Write a number the way that a person did: 12, not 12.0."""
    if cell.number and cell.text.endswith(".0"):
        return cell.text.removesuffix(".0")
    return cell.text


def _day(serial: str, *, since_1904: bool) -> date | None:
    whole = serial.partition(".")[0]
    if not (whole.isascii() and whole.isdigit() and len(whole) <= 7 and 60 < int(whole) <= _LAST_DAY):
        return None  # day 60 is a 1900-02-29 that never was; nobody plans before it
    return (_DAY_ZERO_1904 if since_1904 else _DAY_ZERO) + timedelta(days=int(whole))
