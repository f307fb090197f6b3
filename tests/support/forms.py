"""A usage plan that is ready to be handed in, and plans of any shape to write and read back."""

from __future__ import annotations

import string

from hypothesis import strategies as st

from sekimori.governance import form_kinds as kind
from sekimori.governance.application import Application
from sekimori.governance.form import PlanForm, blank_form, submission
from sekimori.governance.form_fields import ENTRIES, SHEETS, Fields
from sekimori.governance.plan import Answer, with_fields
from sekimori.governance.state import Evidence
from sekimori.policy.model import CHECKLIST
from support.offices import CONTRACTED, NOW, SHA, Office, checklist, class_two

C4 = "c4_risk_assessment"
SIGNED = Answer(item=C4, answer="YES", evidence=Evidence(reference="ra-a1", sha256=SHA, at_us=NOW))


def office_with(plan=None, **fields):
    """Give an office with one application that was submitted and whose risks were assessed."""
    office = Office("gov").ready(CONTRACTED).advised()
    made = plan or class_two(checklist=checklist(c4_risk_assessment=SIGNED))
    office.submit(with_fields(made, **fields)).assessed()
    return office


def ready_form(**fields):
    office = office_with(**fields)
    return submission(office.get(Application, "a1"), office.state, NOW, office.rules)


def empty_form() -> PlanForm:
    return blank_form(Office("gov").rules)


# What an office format can carry, with what trips writers: escapes, formulas, markup, half a kilobyte of kanji.
_LETTERS = st.sampled_from([*string.printable[:95], *"あ漢髙塚𠮷①　。、ｱ―～\u00a0", "\n", "\t"])
_TEXT = st.one_of(
    st.text(_LETTERS, max_size=60),
    st.sampled_from(["=1+1", "+81", "-", "@SUM(A1)", "_x000D_", "<b>&amp;</b>", "'", "0012", "1e5", "TRUE"]),
)
_LINE = _TEXT.map(lambda text: " ".join(text.split())).map(str.strip)
_WORD = _LINE.filter(bool)
_NAMES = st.lists(_WORD, max_size=4).map(kind.NAMES.show)
_DATES = st.one_of(st.just(None), st.dates(kind.DATE.read("1901-01-01"), kind.DATE.read("2999-12-31")))
_MICROSECONDS = st.integers(0, 4_000_000_000_000_000)


def _texts(how):
    if how is kind.CORPORATE_NUMBER:
        return st.sampled_from(["", "7000012050002", "4011001098993"])
    if how is kind.SHA256:
        return st.sampled_from(["", SHA])
    if how is kind.COUNT:
        return st.integers(0, 99_999).map(kind.COUNT.show)
    if how is kind.DATE:
        return _DATES.map(kind.DATE.show)
    if how is kind.INSTANT:
        return _MICROSECONDS.map(kind.INSTANT.show)
    if how is kind.NAMES:
        return _NAMES
    if how is kind.TEXT:
        return _TEXT.map(kind.TEXT.show)
    return _LINE


def _of(how, *, needed=False):
    if how.choices:
        blank = () if needed or how in (kind.CLASS, kind.PHASE, kind.YES_NO) else ("",)
        return st.sampled_from([*how.choices, *blank])
    return _WORD if needed else _texts(how)


@st.composite
def any_fields(draw):
    """Draw fields of any content that the form can carry."""
    texts = {entry.path: draw(_of(entry.kind)) for entry in ENTRIES}
    if texts["usage_period.end"] and not texts["usage_period.start"]:
        texts["usage_period.end"] = ""
    if texts["usage_period.start"] and not texts["usage_period.end"]:
        texts["usage_period.end"] = texts["usage_period.start"]
    tables = {}
    for sheet in SHEETS:
        row = st.tuples(*(_of(column.kind, needed=column.needed) for column in sheet.columns))
        tables[sheet.name] = tuple(draw(st.lists(row, max_size=3)))
    proofs = dict(zip(CHECKLIST, tables["evidence"], strict=False))
    proven = [item for item in CHECKLIST if item in proofs and texts[item] and any(proofs[item][1:])]
    tables["evidence"] = tuple((item, *proofs[item][1:]) for item in proven)
    return Fields(texts=texts, tables=tables)
