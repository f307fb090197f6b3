"""Forms that come back: filled in by people, or made to harm."""

import contextlib
import io
import struct
import zipfile
from datetime import date

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from sekimori.documents.faults import UnreadableDocumentError
from sekimori.documents.plan_reading import read_plan
from sekimori.documents.unpacking import MOST_BYTES
from sekimori.documents.workbook import CellText, cell_name, read_workbook
from sekimori.documents.xlsx_writing import write_xlsx
from sekimori.governance.form_fields import fields_of
from sekimori.governance.plan import UsagePlan
from sekimori.governance.plan_paper import paper_of
from sekimori.policy.model import Period
from support.forms import empty_form, ready_form
from support.offices import NOW

EMPTY = write_xlsx(paper_of(empty_form()), NOW)
READY = write_xlsx(paper_of(ready_form()), NOW)
FORM, MEASURES, EVIDENCE = "利用計画書", "別紙1 リスクへの対応", "別紙2 確認事項の証拠"
MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
PIECES = (
    "<row>",
    '<row r="2">',
    "</row>",
    "<c>",
    '<c r="B2" t="s">',
    '<c t="inlineStr">',
    "</c>",
    "<v>",
    "</v>",
    "0",
    "-1",
    "é",
)
BOMB = b"<x>" + b" " * (9 << 20) + b"</x>"


def written(change, data=READY):
    """Give the form as openpyxl saves it after a person changed it."""
    book = openpyxl.load_workbook(io.BytesIO(data))
    change(book)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def at(book, label, caption="", sheet=FORM):
    """Find the cell of a field."""
    now = ""
    for row in book[sheet].iter_rows():
        now = row[0].value or now
        if now == label and (row[1].value or "") == caption:
            return row[2]
    raise AssertionError(label)


def repacked(parts=(), *, without=(), data=READY, method=zipfile.ZIP_DEFLATED):
    """Give the package with other parts in it."""
    new = dict(parts)
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", method) as package:
        for name in old.namelist():
            if name not in without and name not in new:
                package.writestr(name, old.read(name))
        for name, content in new.items():
            package.writestr(name, content)
    return buffer.getvalue()


def sheet_with(cells):
    return f"<worksheet {MAIN}><sheetData>{cells}</sheetData></worksheet>".encode()


def with_cells(cells):
    """Give a package whose first sheet is this XML."""
    return repacked({"xl/worksheets/sheet1.xml": sheet_with(cells)})


def refusal(data, form=None):
    with pytest.raises(UnreadableDocumentError) as caught:
        read_plan(data, form or ready_form())
    return caught.value.faults


@pytest.mark.req("FORM-02", "FORM-06", "FORM-07", "FORM-08", "FORM-09", "FORM-10", "FORM-12")
def test_a_form_that_a_person_filled_in_becomes_a_plan():
    def fill(book):
        at(book, "報告主体", "名称").value = "　総務部 "
        at(book, "利用目的 (業務内容)", "業務内容").value = "会議資料の要約。\r\n二行目。"
        at(book, "利用目的 (業務内容)", "業務区分").value = "summary\n\nminutes"
        at(book, "取り扱う情報の機密性", "区分").value = "機密性２情報"
        at(book, "利用期間", "開始日").value = date(2026, 6, 1)
        at(book, "利用期間", "終了日").value = "令和９年３月３１日"
        at(book, "利用者の範囲", "人数").value = 12
        at(book, "・サービスにおいて生成 AI を利用していることの明示").value = "はい"
        book[MEASURES].append(["著作権・知財", "出典を確認する", "jiro"])

    plan = read_plan(written(fill, EMPTY), empty_form()).plan
    assert (plan.reporting_entity, plan.purpose) == ("総務部", "会議資料の要約。\n二行目。")
    assert (plan.work_scopes, plan.information_confidentiality) == (("summary", "minutes"), 2)
    assert plan.usage_period == Period(start=date(2026, 6, 1), end=date(2027, 3, 31))
    assert (plan.head_count, plan.measures[0].risk) == (12, "intellectual_property")
    assert plan.answers["c1_disclosure_of_genai"].answer == "YES"


def test_an_empty_form_is_an_empty_plan():
    assert read_plan(EMPTY, empty_form()).plan == UsagePlan()


def test_dates_of_the_calendar_from_1904_are_the_same_dates():
    def since_1904(book):
        book.epoch = CALENDAR_MAC_1904
        at(book, "利用期間", "開始日").value = date(2026, 6, 1)

    read = read_plan(written(since_1904), ready_form())
    assert read.fields.texts["usage_period.start"] == "2026年6月1日"


def test_rows_that_a_person_added_or_moved_do_not_matter():
    def move(book):
        book[MEASURES].move_range("A2:C9", rows=5)
        book[FORM].append([None, None, None])
        book.create_sheet("メモ").append(["自由に"])

    assert read_plan(written(move), ready_form()).fields == ready_form().fields


def test_readings_of_kanji_are_not_part_of_the_text():
    texts = f'<sst {MAIN}><si><t>総務部</t><rPh sb="0" eb="3"><t>ソウムブ</t></rPh></si></sst>'
    data = repacked(
        {
            "xl/sharedStrings.xml": texts.encode(),
            "xl/worksheets/sheet1.xml": sheet_with('<row r="1"><c r="A1" t="s"><v>0</v></c></row>'),
        }
    )
    assert read_workbook(data).sheets[FORM][1, 1] == CellText("総務部")


@pytest.mark.parametrize(
    ("change", "place", "word"),
    [
        pytest.param(
            lambda book: setattr(at(book, "利用期間", "開始日"), "value", "来月"),
            (FORM, "C"),
            "日付",
            id="no date",
        ),
        pytest.param(
            lambda book: setattr(at(book, "利用者の範囲", "人数"), "value", "多数"),
            (FORM, "C"),
            "人数",
            id="no number",
        ),
        pytest.param(
            lambda book: setattr(at(book, "利用者の範囲", "段階"), "value", "全部"),
            (FORM, "C"),
            "試行",
            id="no choice",
        ),
        pytest.param(
            lambda book: setattr(at(book, "外部サービス提供者の名称", "法人番号"), "value", 1000012050002),
            (FORM, "C"),
            "検査用数字",
            id="a corporate number that does not fit",
        ),
        pytest.param(
            lambda book: setattr(at(book, "報告番号"), "value", "default-08-9999-00"),
            (FORM, "C4"),
            "変更できません",
            id="another report number",
        ),
        pytest.param(
            lambda book: setattr(at(book, "要機密情報の取り扱いに関する確認事項への対応"), "value", "いいえ"),
            (FORM, "C"),
            "6項目",
            id="row 11 by hand",
        ),
        pytest.param(
            lambda book: setattr(at(book, "(自由記述欄)"), "value", "=1+1"),
            (FORM, "C"),
            "数式",
            id="a formula",
        ),
        pytest.param(
            lambda book: setattr(at(book, "(自由記述欄)"), "value", "あ" * 4001),
            (FORM, "C"),
            "4000字",
            id="too long",
        ),
        pytest.param(
            lambda book: setattr(book[FORM]["A4"], "value", "番号"),
            (FORM, "A4"),
            "様式にない",
            id="a changed label",
        ),
        pytest.param(
            lambda book: setattr(book[FORM]["B5"], "value", "名"),
            (FORM, "B5"),
            "小項目",
            id="a changed caption",
        ),
        pytest.param(
            lambda book: book[MEASURES].append(["", "対応のみ", ""]),
            (MEASURES, "A"),
            "記載",
            id="a row of nothing",
        ),
        pytest.param(
            lambda book: book[EVIDENCE].append(["知らない項目", "証拠", "", "", "", "", ""]),
            (EVIDENCE, "A"),
            "確認事項ごと",
            id="evidence of nothing",
        ),
        pytest.param(
            lambda book: setattr(book[MEASURES]["A2"], "value", "危険"),
            (MEASURES, ""),
            "見出し",
            id="changed heads",
        ),
        pytest.param(
            lambda book: book.remove(book[EVIDENCE]), (EVIDENCE, ""), "シート", id="a sheet removed"
        ),
    ],
)
def test_a_fault_names_sheet_cell_and_field_and_says_what_to_do(change, place, word):
    fault = next(each for each in refusal(written(change)) if word in each.ja)
    assert fault.sheet == place[0]
    assert fault.cell.startswith(place[1])
    assert fault.field or word == "数式"
    assert fault.en
    assert not fault.en.endswith("。")


def test_all_faults_are_told_at_once():
    def spoil(book):
        at(book, "利用期間", "開始日").value = "来月"
        at(book, "利用者の範囲", "人数").value = "多数"
        book[MEASURES].append(["", "対応のみ", ""])

    assert len(refusal(written(spoil))) == 3


def test_a_table_has_a_bound():
    def fill(book):
        for _ in range(201):
            book[MEASURES].append(["個人情報", "対応", "jiro"])

    assert any("200行" in fault.ja for fault in refusal(written(fill)))


@pytest.mark.parametrize(
    ("data", "word"),
    [
        pytest.param(b"", "壊れ", id="nothing"),
        pytest.param(b"PK\x03\x04" + b"\0" * 40, "壊れ", id="half a package"),
        pytest.param(READY[: len(READY) // 2], "壊れ", id="cut off"),
        pytest.param(b"\xd0\xcf\x11\xe0" + b"\0" * 600, "パスワード", id="an old or locked file"),
        pytest.param(b"\0" * (MOST_BYTES + 1), "大きすぎ", id="a large file"),
        pytest.param(repacked({"xl/vbaProject.bin": b"x"}), "マクロ", id="macros"),
        pytest.param(repacked({"xl/macrosheets/sheet1.xml": b"<x/>"}), "マクロ", id="old macros"),
        pytest.param(
            repacked({"xl/externalLinks/externalLink1.xml": b"<x/>"}), "リンク", id="links to other files"
        ),
        pytest.param(repacked({"xl/connections.xml": b"<x/>"}), "リンク", id="connections"),
        pytest.param(repacked({"xl/embeddings/oleObject1.xml": b"<x/>"}), "埋め込み", id="embedded objects"),
        pytest.param(
            repacked({f"xl/a{n}.xml": b"<x/>" for n in range(201)}), "大きすぎ", id="too many parts"
        ),
        pytest.param(repacked({"xl/sharedStrings.xml": BOMB}), "大きすぎ", id="a ZIP bomb"),
        pytest.param(
            repacked({f"xl/b{n}.xml": BOMB for n in range(2)}), "大きすぎ", id="a bomb in two parts"
        ),
        pytest.param(repacked(without=["xl/workbook.xml"]), "壊れ", id="no workbook"),
        pytest.param(repacked({"xl/workbook.xml": b"<workbook"}), "壊れ", id="no XML"),
        pytest.param(repacked(without=["xl/worksheets/sheet2.xml"]), "壊れ", id="a sheet without its part"),
        pytest.param(
            repacked({"xl/sharedStrings.xml": b'<!DOCTYPE s [<!ENTITY a "aa">]><s>&a;</s>'}),
            "DTD",
            id="entities",
        ),
        pytest.param(
            repacked(
                {"xl/sharedStrings.xml": '<!DOCTYPE s SYSTEM "file:///etc/passwd"><s/>'.encode("utf-16")}
            ),
            "DTD",
            id="an outside entity in UTF-16",
        ),
        pytest.param(
            repacked(
                {
                    "xl/worksheets/_rels/sheet1.xml.rels": b'<Relationships><Relationship Id="r1" Type="x/oleObject"'
                    b' Target="http://example.com/x" TargetMode="External"/></Relationships>'
                }
            ),
            "リンク",
            id="a relation to the outside",
        ),
        pytest.param(
            repacked({"xl/sharedStrings.xml": b"<a>" * 100 + b"</a>" * 100}), "壊れ", id="a deep nest"
        ),
        pytest.param(
            with_cells('<row r="9999999"><c r="A9999999"><v>1</v></c></row>'), "大きすぎ", id="a far row"
        ),
        pytest.param(with_cells('<row r="1"><c r="XFD1"><v>1</v></c></row>'), "大きすぎ", id="a far column"),
        pytest.param(with_cells('<row r="0"><c r="A0"><v>1</v></c></row>'), "大きすぎ", id="row 0"),
        pytest.param(
            with_cells('<row r="1"><c r="A1" t="s"><v>99999</v></c></row>'), "壊れ", id="no such text"
        ),
        pytest.param(
            with_cells('<row r="1"><c r="A1" t="e"><v>#REF!</v></c></row>'), "エラー値", id="an error value"
        ),
        pytest.param(
            with_cells('<row r="1"><c r="A1"><f>cmd|"/c calc"!A1</f><v>1</v></c></row>'),
            "数式",
            id="a DDE formula",
        ),
        pytest.param(
            with_cells(
                "<row>"
                + "<c><v>1</v></c>" * 60
                + "</row>"
                + ("<row>" + "<c><v>1</v></c>" * 60 + "</row>") * 400
            ),
            "大きすぎ",
            id="too many cells",
        ),
    ],
)
def test_a_file_that_is_not_a_plain_workbook_is_refused_as_a_whole(data, word):
    (fault,) = refusal(data)
    assert word in fault.ja


def test_a_sheet_of_cells_without_texts_has_a_bound_too():
    rows = "".join(f'<row r="{row}">' + "<c/>" * 200 + f"<!--{row * 7919}--></row>" for row in range(1, 1200))
    assert "大きすぎ" in refusal(with_cells(rows))[0].ja


def test_an_encrypted_part_is_refused():
    data = bytearray(repacked())
    at_ = data.rindex(b"PK\x01\x02")
    flags = struct.unpack_from("<H", data, at_ + 8)[0]
    struct.pack_into("<H", data, at_ + 8, flags | 1)
    assert "壊れ" in refusal(bytes(data))[0].ja


def test_a_header_that_lies_about_its_size_does_not_get_more_room():
    data = bytearray(repacked({"xl/sharedStrings.xml": BOMB}))
    at_ = data.index(b"PK\x01\x02")
    while True:
        name = bytes(data[at_ + 46 : at_ + 46 + struct.unpack_from("<H", data, at_ + 28)[0]])
        if name == b"xl/sharedStrings.xml":
            break
        at_ = data.index(b"PK\x01\x02", at_ + 1)
    struct.pack_into("<I", data, at_ + 24, 10)
    assert refusal(bytes(data))


@pytest.mark.parametrize(
    ("row", "column", "name"),
    [(1, 1, "A1"), (10, 26, "Z10"), (3, 27, "AA3"), (1, 702, "ZZ1"), (1, 703, "AAA1")],
)
def test_cells_are_named_as_spreadsheets_name_them(row, column, name):
    assert cell_name(row, column) == name


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.tuples(st.integers(0, len(READY) - 1), st.integers(0, 255)), min_size=1, max_size=12))
def test_a_damaged_file_is_refused_and_never_anything_else(cuts):
    data = bytearray(READY)
    for place, byte in cuts:
        data[place] = byte
    with contextlib.suppress(UnreadableDocumentError):
        read_plan(bytes(data), ready_form())


@settings(max_examples=60, deadline=None)
@given(xml=st.lists(st.sampled_from(PIECES), max_size=30))
def test_a_sheet_of_anything_is_read_or_refused(xml):
    with contextlib.suppress(UnreadableDocumentError):
        read_workbook(with_cells("".join(xml)))


def test_nothing_of_a_refused_form_is_taken_over():
    form = ready_form()
    before = fields_of(read_plan(READY, form).plan)
    refusal(written(lambda book: setattr(at(book, "利用期間", "開始日"), "value", "来月")), form)
    assert form.fields == before
