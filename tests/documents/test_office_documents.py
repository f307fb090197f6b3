"""Documents as bytes: the same paper gives the same file, it says what the paper says, and it opens."""

import hashlib
import io
import json
import re
import zipfile
from datetime import date
from pathlib import Path

import msgspec
import openpyxl
import pytest
import reportlab
from docx import Document
from hypothesis import given, settings

from sekimori.documents.docx_writing import write_docx
from sekimori.documents.faults import UnprintableError
from sekimori.documents.fonts import face
from sekimori.documents.json_writing import write_json
from sekimori.documents.pdf_writing import folded_lines, write_pdf
from sekimori.documents.plan_reading import read_plan
from sekimori.documents.xlsx_writing import write_xlsx
from sekimori.errors import ConfigError
from sekimori.governance.form import working_copy
from sekimori.governance.paper import Grid, Line, Paper
from sekimori.governance.plan_paper import paper_of
from sekimori.governance.refusals import Forbidden
from sekimori.governance.register_paper import COLUMNS, register_paper
from sekimori.governance.rulebook import editions
from sekimori.governance.usage_report import SUMS, Totals, UsageLine, UsageReport, usage_paper
from support.forms import any_fields, empty_form, office_with, ready_form
from support.offices import HOUR, NOW, Office, everything_there_is

WRITERS = [
    pytest.param(write_xlsx, id="xlsx"),
    pytest.param(write_docx, id="docx"),
    pytest.param(write_pdf, id="pdf"),
    pytest.param(write_json, id="json"),
]
LATIN = (Path(reportlab.__file__).parent / "fonts" / "Vera.ttf").read_bytes()


def usage(**fields):
    lines = tuple(
        UsageLine(
            service=service,
            department=department,
            registered=service != "unknown.example.net",
            users=2,
            first_seen_us=NOW,
            last_seen_us=NOW + HOUR,
            requests=1200,
            refused=3,
            bytes_sent=10,
            bytes_received=2_000_000,
            feedback_due=4,
            feedback_given=1,
        )
        for service in ("Example Chat", "unknown.example.net")
        for department in ("総務部", "財務部")
    )
    totals = Totals(**{name: sum(getattr(line, name) for line in lines) for name in SUMS})
    report = UsageReport(
        tenant="default", organisation="関守市", month=date(2026, 6, 1), users=3, lines=lines, recount=totals
    )
    return msgspec.structs.replace(report, **fields)


PAPERS = [
    pytest.param(lambda: paper_of(ready_form()), id="利用計画書"),
    pytest.param(lambda: register_paper(everything_there_is().state, NOW), id="台帳"),
    pytest.param(lambda: usage_paper(usage()), id="利用状況報告"),
]


def docx_texts(data):
    document = Document(io.BytesIO(data))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return [*(paragraph.text for paragraph in document.paragraphs), *cells]


def xlsx_texts(data):
    book = openpyxl.load_workbook(io.BytesIO(data))
    return [
        str(cell.value)
        for sheet in book
        for row in sheet.iter_rows()
        for cell in row
        if cell.value is not None
    ]


@pytest.mark.req("MOU-2-10")
@pytest.mark.parametrize("make", PAPERS)
@pytest.mark.parametrize("write", WRITERS)
def test_the_same_paper_at_the_same_instant_is_the_same_file(write, make):
    paper = make()
    first, again = write(paper, NOW), write(paper, NOW)
    assert hashlib.sha256(first).hexdigest() == hashlib.sha256(again).hexdigest()
    assert write(paper, NOW + 5_000_000) != first


@pytest.mark.parametrize("make", PAPERS)
def test_a_document_says_when_it_was_made_and_nothing_else_of_the_machine(make):
    paper = make()
    assert b"D:20260601010000" in write_pdf(paper, NOW)
    for write in (write_xlsx, write_docx):
        with zipfile.ZipFile(io.BytesIO(write(paper, NOW))) as package:
            assert {entry.date_time for entry in package.infolist()} == {(1980, 1, 1, 0, 0, 0)}
            assert "2026-06-01T01:00:00Z" in package.read("docProps/core.xml").decode()


@pytest.mark.req("MOU-2-10", "UK-423-2c", "MOU-0-1")
@pytest.mark.parametrize("make", PAPERS)
def test_word_and_spreadsheet_say_everything_that_the_paper_says(make):
    paper = make()
    told = {paper.title, *paper.lines}
    for grid in paper.grids:
        told |= set(grid.heads) | {text for line in grid.lines for text in line.cells}
    told = {text for text in told if text}
    assert told <= set(docx_texts(write_docx(paper, NOW)))
    plain = {text.replace(",", "") if re.fullmatch("[0-9,]+", text) else text for text in told}
    assert plain <= set(xlsx_texts(write_xlsx(paper, NOW)))


@pytest.mark.parametrize("make", PAPERS)
def test_json_holds_the_data_and_the_printed_tables(make):
    paper = make()
    document = json.loads(write_json(paper, NOW))
    assert (document["format"], document["title"], document["made_at"]) == (
        paper.kind,
        paper.title,
        "2026-06-01T01:00:00Z",
    )
    assert [table["name"] for table in document["tables"]] == [grid.name for grid in paper.grids]
    assert document["content"]


@pytest.mark.req("FORM-12", "MOU-2-10")
@settings(max_examples=25, deadline=None)
@given(fields=any_fields())
def test_what_was_exported_is_imported_as_the_same_fields(fields):
    form = msgspec.structs.replace(empty_form(), fields=fields)
    read = read_plan(write_xlsx(paper_of(form), NOW), form)
    assert read.fields == fields


def test_a_form_in_the_words_of_an_older_edition_is_still_read():
    form = ready_form()
    older = msgspec.structs.replace(form, book=editions()[0])
    assert read_plan(write_xlsx(paper_of(older), NOW), form).fields == form.fields


def test_a_text_that_looks_like_a_formula_stays_a_text():
    form = ready_form(free_text='=HYPERLINK("http://example.com")')
    book = openpyxl.load_workbook(io.BytesIO(write_xlsx(paper_of(form), NOW)))
    cells = [
        cell for row in book["利用計画書"].iter_rows() for cell in row if str(cell.value).startswith("=")
    ]
    assert [(cell.data_type, cell.quotePrefix) for cell in cells] == [("s", True)]


def test_a_text_longer_than_a_row_can_be_tall_gets_more_rows_and_comes_back_whole():
    form = ready_form(free_text="長い説明。" * 799)
    data = write_xlsx(paper_of(form), NOW)
    sheet = openpyxl.load_workbook(io.BytesIO(data))["利用計画書"]
    assert max(row.height for row in sheet.row_dimensions.values() if row.height) <= 409
    assert read_plan(data, form).fields == form.fields


def test_the_form_lies_upright_and_a_wide_table_across():
    book = openpyxl.load_workbook(io.BytesIO(write_xlsx(paper_of(empty_form()), NOW)))
    assert book["利用計画書"].page_setup.orientation == "portrait"
    book = openpyxl.load_workbook(io.BytesIO(write_xlsx(usage_paper(usage()), NOW)))
    assert book["利用状況"].page_setup.orientation == "landscape"


def test_the_choices_of_a_field_are_offered_in_the_cell():
    book = openpyxl.load_workbook(io.BytesIO(write_xlsx(paper_of(empty_form()), NOW)))
    offered = {rule.formula1 for rule in book["利用計画書"].data_validations.dataValidation}
    assert '"はい,いいえ,該当なし"' in offered
    assert '"機密性1情報,機密性2情報,機密性3情報"' in offered


def test_counts_in_a_spreadsheet_can_be_added_up():
    book = openpyxl.load_workbook(io.BytesIO(write_xlsx(usage_paper(usage()), NOW)))
    column = [row[4].value for row in book["利用状況"].iter_rows() if isinstance(row[4].value, int)]
    assert column == [1200] * 4 + [4800]


@pytest.mark.parametrize("length", [0, 1, 700, 4000])
def test_a_pdf_breaks_a_text_of_any_length_over_pages(length):
    paper = paper_of(ready_form(genai_risk_text="対" * length))
    assert write_pdf(paper, NOW).startswith(b"%PDF")


@pytest.mark.parametrize("text", ["", "a" * 500, "。" * 500, "あ、" * 300, "一行\n\n二行  と\tタブ"])
def test_breaking_a_text_into_lines_loses_nothing(text):
    lines = list(folded_lines(text, face().name, 9, 120))
    assert "".join(lines) == text.expandtabs(4).replace("\n", "")


def test_no_line_begins_with_a_mark_that_may_not():
    lines = list(folded_lines("これは、" * 50, face().name, 9, 100))
    assert not any(line.startswith("、") for line in lines)


@pytest.mark.parametrize(
    ("text", "font"),
    [
        pytest.param("𠮷野家", None, id="outside the font that readers bring"),
        pytest.param("😀", None, id="a picture"),
        pytest.param("漢字", LATIN, id="outside the font that was given"),
    ],
)
def test_a_pdf_that_would_leave_a_character_out_is_not_written(text, font):
    paper = Paper("k", "t", (), (Grid("g", (Line((text,)),), (20,), ("h",)),))
    with pytest.raises(UnprintableError, match=text[0]) as caught:
        write_pdf(paper, NOW, font)
    assert "フォント" in str(caught.value)


def test_a_given_font_is_put_into_the_file():
    paper = Paper("k", "title", (), (Grid("g", (Line(("text",)),), (20,), ("head",)),))
    assert b"/FontFile2" in write_pdf(paper, NOW, LATIN)
    assert write_pdf(paper, NOW, LATIN) == write_pdf(paper, NOW, LATIN)
    assert b"/FontFile2" not in write_pdf(paper, NOW)
    with pytest.raises(ConfigError, match="cannot be embedded"):
        write_pdf(paper, NOW, b"OTTO not a font")


@pytest.mark.req("UK-423-2c")
def test_the_register_has_a_line_for_each_grant_with_who_and_what():
    paper = register_paper(everything_there_is().state, NOW)
    (entry,) = paper.content["entries"]
    assert set(entry) == {name for _, name, _ in COLUMNS}
    assert (entry["report_no"], entry["approver"], entry["administrator"], entry["max_class"]) == (
        "default-08-0001",
        "taro",
        "jiro",
        "機密性2情報",
    )
    assert (entry["service_name"], entry["work_scopes"], entry["status"]) == (
        "Example Chat",
        "summary",
        "利用中",
    )
    assert register_paper(Office("gov").state, NOW).grids[0].lines == ()


@pytest.mark.req("MOU-0-1")
def test_a_report_whose_lines_do_not_add_up_to_the_log_is_not_written():
    report = usage()
    short = msgspec.structs.replace(report.recount, requests=report.recount.requests + 1)
    with pytest.raises(Forbidden) as caught:
        usage_paper(usage(recount=short))
    assert [each.field for each in caught.value.missing] == ["recount.requests"]
    assert "一致しません" in caught.value.missing[0].ja


@pytest.mark.req("MOU-0-1")
def test_a_report_of_another_month_is_not_written():
    with pytest.raises(Forbidden) as caught:
        usage_paper(usage(month=date(2026, 5, 1)))
    assert len(caught.value.missing) == 4


def test_a_document_of_an_empty_organisation_is_written():
    paper = register_paper(Office("gov").state, NOW)
    for write in (write_xlsx, write_docx, write_pdf, write_json):
        assert write(paper, NOW)


def test_a_form_of_one_organisation_is_not_made_of_anothers_application():
    application = office_with().everything()["application"]["a1"]
    other = Office("gov", tenant="other")
    with pytest.raises(Forbidden):
        working_copy(application, other.state, NOW, other.rules)
