"""The 利用計画書 on paper: the form in its exact layout, then the sheets behind it.

``paper_of`` lays out, ``Layout`` tells a reader where each field stands, in the words of every edition.
"""

from __future__ import annotations

from collections.abc import Iterator

from sekimori.governance import form_kinds as kind
from sekimori.governance.form import ROW_11, PlanForm, wordings
from sekimori.governance.form_fields import ENTRIES, SHEETS, TERMS_SHEET, Entry, Sheet, item_words
from sekimori.governance.paper import Grid, Line, Paper
from sekimori.governance.state import plain
from sekimori.policy.model import CHECKLIST

KIND = "sekimori.usage-plan/1"
FORM_SHEET = "利用計画書"
# The rows of the form in the order of 様式.
FORM_ROWS = (
    *("report_no", "reporting_entity", "first_report_date", "external_service_name"),
    *("external_provider_name", "purpose", "information_confidentiality", "usage_period", "user_scope"),
    *("genai_risk_and_security_measures", ROW_11, *CHECKLIST, "free_text"),
)
# What the organisation writes: the key of ``PlanForm.ours``, the row, the caption.
OURS = (
    ("report_no", "report_no", ""),
    ("first_report_date", "first_report_date", ""),
    ("first_report_date.revised", "first_report_date", "改訂日"),
    ("external_service_name", "external_service_name", "名称"),
    (ROW_11, ROW_11, ""),
)
_FORM_WIDTHS = (44, 18, 64)
_SHEET_WIDTHS = {
    "measures": (30, 72, 24),
    "evidence": (34, 20, 38, 20, 20, 12, 16),
    "terms_risks": (38, 14, 44, 30),
    "scope_conditions": (30, 96),
}
_SPARE = 8


def paper_of(form: PlanForm) -> Paper:
    """Lay a form out."""
    return Paper(
        kind=KIND,
        title=form.book.form_title,
        lines=tuple(_lines(form)),
        grids=(_form_grid(form), *_sheet_grids(form)),
        content=_content(form),
    )


def _lines(form: PlanForm) -> Iterator[str]:
    yield form.book.mou_title
    if not form.for_submission:
        yield "作業用の写し（提出用ではありません）"
    elif form.row_11 == "はい":
        yield f"提出先：{form.book.consent_body}"


def _content(form: PlanForm) -> dict[str, object]:
    return {
        "mou": form.book.mou,
        "for_submission": form.for_submission,
        "application_sha256": form.application_hash,
        "ours": form.ours,
        "fields": plain(form.fields),
    }


def _form_grid(form: PlanForm) -> Grid:
    lines = [line for row in FORM_ROWS for line in _row_lines(form, row)]
    return Grid(name=FORM_SHEET, lines=tuple(lines), widths=_FORM_WIDTHS)


def _row_lines(form: PlanForm, row: str) -> Iterator[Line]:
    label, texts = form.book.form[row], form.fields.texts
    ours = form.ours
    for key, where, caption in OURS:
        if where == row:
            yield Line((label, caption, ours[key]), ours=True)
            label = ""
    for entry in ENTRIES:
        if entry.row == row:
            yield Line((label, entry.caption, texts.get(entry.path, "")), entry.kind.choices)
            label = ""


def _sheet_grids(form: PlanForm) -> Iterator[Grid]:
    measures, evidence, risks, scopes = SHEETS
    yield _table(form, measures)
    yield _table(form, evidence)
    lines = [_terms_line(form, entry) for entry in ENTRIES if not entry.row]
    yield Grid(name=TERMS_SHEET, lines=tuple(lines), widths=_FORM_WIDTHS)
    yield _table(form, risks)
    yield _table(form, scopes)


def _terms_line(form: PlanForm, entry: Entry) -> Line:
    return Line((entry.caption, "", form.fields.texts.get(entry.path, "")), entry.kind.choices)


def _table(form: PlanForm, sheet: Sheet) -> Grid:
    rows = form.fields.tables.get(sheet.name, ())
    if sheet.name == "evidence":
        rows = tuple((item_words(form.book.form.get(row[0], row[0])), *row[1:]) for row in rows)
    choices = tuple(column.kind.choices for column in sheet.columns)
    if sheet.name == "evidence":
        choices = (tuple(item_words(form.book.form[item]) for item in CHECKLIST), *choices[1:])
    return Grid(
        name=sheet.title,
        heads=tuple(column.caption for column in sheet.columns),
        lines=tuple(Line(row) for row in rows),
        widths=_SHEET_WIDTHS[sheet.name],
        choices=choices,
        spare=_SPARE,
    )


def places() -> dict[tuple[str, str], str]:
    """Say which field stands at which label and caption of the form, in the words of every edition.

    What the organisation writes itself is named ``ours:`` and its key.
    """
    found = {}
    for entry in ENTRIES:
        for label in wordings(entry.row) if entry.row else (entry.caption,):
            found[folded(label), entry.caption if entry.row else ""] = entry.path
    for key, row, caption in OURS:
        for label in wordings(row):
            found[folded(label), caption] = f"ours:{key}"
    return found


def items_by_words() -> dict[str, str]:
    """Say which of the six items a wording is of."""
    return {folded(item_words(words)): item for item in CHECKLIST for words in wordings(item)}


def folded(label: str) -> str:
    """Give a label as it is compared: office programs put line breaks and other widths into it."""
    return kind.folded(label)
