"""One input of the fuzzer for workbooks that somebody sends: parts of a package, or a package as it is.

A ZIP made of chance is refused at its first bytes, so most inputs are the parts alone, put into a package here.
``check`` raises AssertionError where the reader stumbles, hangs, or takes more than its bounds over.
"""

from __future__ import annotations

import io
import time
import zipfile

from sekimori.documents.faults import UnreadableDocumentError
from sekimori.documents.plan_reading import read_plan
from sekimori.documents.workbook import (
    MOST_CELLS,
    MOST_COLUMNS,
    MOST_ROWS,
    MOST_SHEETS,
    MOST_TEXT,
    Workbook,
    read_workbook,
)
from sekimori.governance.form import blank_form
from sekimori.governance.rules import rules_for

SECONDS = 5.0
FORM = blank_form(rules_for("enterprise", 1_790_000_000_000_000))
PARTS = (
    "xl/worksheets/sheet1.xml",
    "xl/sharedStrings.xml",
    "xl/workbook.xml",
    "xl/_rels/workbook.xml.rels",
    "xl/worksheets/_rels/sheet1.xml.rels",
    "[Content_Types].xml",
)
MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATED = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
WHOLE = {
    "[Content_Types].xml": b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
    "xl/workbook.xml": (
        f'<workbook {MAIN} xmlns:r="{RELATED}"><sheets><sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>'
    ).encode(),
    "xl/_rels/workbook.xml.rels": (
        b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        b'<Relationship Id="r1" Type="t" Target="worksheets/sheet1.xml"/></Relationships>'
    ),
    "xl/sharedStrings.xml": f"<sst {MAIN}><si><t>x</t></si></sst>".encode(),
    "xl/worksheets/sheet1.xml": (
        f'<worksheet {MAIN}><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c></row></sheetData></worksheet>'
    ).encode(),
}


def check(data: bytes) -> None:
    """Read one input; the first byte says which parts follow, each ended by a zero byte, or that it is a file."""
    if not data:
        return
    started = time.monotonic()
    package = data[1:] if data[0] == 0xFF else packed(data[0], data[1:].split(b"\0"))
    try:
        bounded(read_workbook(package))
    except UnreadableDocumentError as refusal:
        explained(refusal)
    try:
        read_plan(package, FORM)
    except UnreadableDocumentError as refusal:
        explained(refusal)
    assert time.monotonic() - started < SECONDS, "reading took too long"


def bounded(book: Workbook) -> None:
    """Raise AssertionError for a workbook beyond the bounds of the reader."""
    assert len(book.sheets) <= MOST_SHEETS
    cells = [(place, cell) for sheet in book.sheets.values() for place, cell in sheet.items()]
    assert len(cells) <= MOST_CELLS
    for (row, column), cell in cells:
        assert 0 < row <= MOST_ROWS, row
        assert 0 < column <= MOST_COLUMNS, column
        assert len(cell.text) <= MOST_TEXT


def explained(refusal: UnreadableDocumentError) -> None:
    """Raise AssertionError for a refusal that says nothing."""
    assert refusal.faults, "a refusal without a reason"
    assert all(fault.ja and fault.en for fault in refusal.faults), refusal.faults


def packed(which: int, given: list[bytes]) -> bytes:
    """Put parts into a package that is whole but for them."""
    parts = dict(WHOLE)
    chosen = [name for place, name in enumerate(PARTS) if which >> place & 1]
    parts.update(zip(chosen, given, strict=False))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as package:
        for name, content in parts.items():
            package.writestr(name, content)
    return buffer.getvalue()
