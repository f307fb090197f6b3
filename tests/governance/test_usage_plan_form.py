"""The 利用計画書: its words, what each row takes, what follows from what, and what it still lacks."""

import re
from datetime import date
from pathlib import Path

import msgspec
import pytest
from hypothesis import given

from sekimori.governance import applying, rulebook
from sekimori.governance.application import Application
from sekimori.governance.calendar import jst_us
from sekimori.governance.form import (
    ROW_11,
    UNDECIDED,
    form_faults,
    form_mismatches,
    place,
    submission,
    told,
    unreadable,
    wordings,
    working_copy,
)
from sekimori.governance.form_fields import BY_PATH, Fields, fields_of, plan_of
from sekimori.governance.paper import Grid
from sekimori.governance.plan import Answer, UsagePlan, with_fields
from sekimori.governance.plan_paper import FORM_ROWS, paper_of
from sekimori.governance.refusals import Forbidden
from sekimori.governance.rules import rules_for
from sekimori.governance.state import Evidence
from sekimori.policy.model import CHECKLIST, Period
from support.forms import C4, SIGNED, any_fields, empty_form, office_with, ready_form
from support.offices import HANAKO, NOW, SHA, TODAY, Office, checklist, class_two, plan

# 様式, character for character; the item about 社会影響 differs from the agreement's own text (社会的影響).
LABELS = {
    "FORM-01": ("report_no", "報告番号"),
    "FORM-02": ("reporting_entity", "報告主体"),
    "FORM-03": ("first_report_date", "初回報告日"),
    "FORM-04": ("external_service_name", "外部サービスの名称"),
    "FORM-05": ("external_provider_name", "外部サービス提供者の名称"),
    "FORM-06": ("purpose", "利用目的 (業務内容)"),
    "FORM-07": ("information_confidentiality", "取り扱う情報の機密性"),
    "FORM-08": ("usage_period", "利用期間"),
    "FORM-09": ("user_scope", "利用者の範囲"),
    "FORM-10": (
        "genai_risk_and_security_measures",
        "生成 AI に係る固有のリスクやセキュリティ懸念への対応",
    ),
    "FORM-11": ("confidential_checklist_done", "要機密情報の取り扱いに関する確認事項への対応"),
    "FORM-C1": ("c1_disclosure_of_genai", "・サービスにおいて生成 AI を利用していることの明示"),
    "FORM-C2": ("c2_secondary_use_responsibility", "・生成 AI の出力結果を二次利用する場合の責任の明確化"),
    "FORM-C3": ("c3_limited_initial_audience", "・当初は行政職員、自治体職員など対象となる利用者層を限定"),
    "FORM-C4": (
        "c4_risk_assessment",
        "・学習に利用するデータ、入力され得るプロンプト、出力結果の社会影響に係るリスク評価の実施",
    ),
    "FORM-C5": (
        "c5_logging_and_feedback",
        "・入力されたプロンプト及び出力結果のロギングを行った上で、必ず利用者からフィードバックを受ける仕組みを設けること",
    ),
    "FORM-C6": (
        "c6_trial_notice_and_consent",
        "・一般利用者を対象とする場合は検証段階であることの明示とテスト参加の同意の取得",
    ),
    "FORM-12": ("free_text", "(自由記述欄)"),
}


def form_grid(form) -> Grid:
    return paper_of(form).grids[0]


def values(form, label):
    """Give what stands at a label of the printed form, by caption."""
    found, at = {}, ""
    for line in form_grid(form).lines:
        at = line.cells[0] or at
        if at == label:
            found[line.cells[1]] = line.cells[2]
    return found


def misread(**texts):
    """Give the fields that cannot be read when a form says this."""
    fields = fields_of(class_two())
    with pytest.raises(Forbidden) as caught:
        plan_of(Fields(texts=fields.texts | texts, tables=fields.tables))
    return {each.field: each.ja for each in caught.value.missing}


def lacking(office, **changes):
    application = office.get(Application, "a1")
    after = msgspec.structs.replace(application, **changes)
    state = office.state.put(after)
    return {each.field: each for each in form_faults(after, state, office.at_us, office.rules)}


@pytest.mark.parametrize(
    ("row", "key", "label"),
    [
        pytest.param(row, key, label, id=row, marks=pytest.mark.req(row))
        for row, (key, label) in LABELS.items()
    ],
)
def test_the_form_prints_the_label_character_for_character(row, key, label):
    assert rulebook.rulebook(NOW).form[key] == label
    assert label in [line.cells[0] for line in form_grid(empty_form()).lines]


@pytest.mark.req("FORM-01", "FORM-12")
def test_the_rows_stand_in_the_order_of_the_form():
    printed = [line.cells[0] for line in form_grid(ready_form()).lines if line.cells[0]]
    assert printed == [label for _, label in LABELS.values()]
    assert [key for key, _ in LABELS.values()] == list(FORM_ROWS)


@given(fields=any_fields())
def test_what_stands_on_a_form_is_what_its_plan_says(fields):
    assert fields_of(plan_of(fields)) == fields


@given(fields=any_fields())
def test_a_plan_written_and_read_is_the_same_plan(fields):
    made = plan_of(fields)
    assert plan_of(fields_of(made)) == made


@pytest.mark.req("FORM-01", "FORM-03")
def test_number_and_day_of_the_first_report_are_given_once_and_stay_over_revisions():
    office = office_with()
    first = working_copy(office.get(Application, "a1"), office.state, NOW, office.rules)
    assert (first.numbered, first.ours["first_report_date"]) == ("default-08-0001-00", "2026年6月1日")
    application = office.get(Application, "a1")
    revised = msgspec.structs.replace(application, revision=1, revised_on=date(2026, 7, 2))
    second = working_copy(revised, office.state.put(revised), NOW, office.rules)
    assert (second.numbered, second.ours["first_report_date"]) == ("default-08-0001-01", "2026年6月1日")
    assert values(second, "初回報告日") == {"": "2026年6月1日", "改訂日": "2026年7月2日"}


@pytest.mark.req("FORM-01", "FORM-03", "FORM-04", "FORM-11")
@pytest.mark.parametrize(
    ("key", "text"),
    [
        pytest.param("report_no", "default-08-0002-00", id="another report number"),
        pytest.param("first_report_date", "2026年5月1日", id="another day of the first report"),
        pytest.param("external_service_name", "別のサービス", id="another service"),
        pytest.param(ROW_11, "いいえ", id="row 11 by hand"),
    ],
)
def test_nobody_writes_what_is_the_organisations_to_write(key, text):
    form = ready_form()
    assert [each.field for each in form_mismatches(form.ours | {key: text}, form)] == [key]
    assert list(form_mismatches(form.ours | {key: ""}, form)) == []


@pytest.mark.req("FORM-03")
def test_the_day_of_the_first_report_may_be_written_in_another_way():
    form = ready_form()
    assert list(form_mismatches({"first_report_date": "令和8年6月1日"}, form)) == []


@pytest.mark.req("FORM-05")
@pytest.mark.parametrize("number", ["1000012050002", "700001205000", "70000120500021", "７０００"])
def test_a_corporate_number_whose_check_digit_does_not_fit_is_refused(number):
    assert "corporate_number" in misread(corporate_number=number)


@pytest.mark.req("FORM-05")
def test_a_corporate_number_may_be_typed_in_full_width():
    fields = fields_of(class_two())
    read = plan_of(
        Fields(texts=fields.texts | {"corporate_number": "７０００-0120 50002"}, tables=fields.tables)
    )
    assert read.corporate_number == "7000012050002"


@pytest.mark.req("FORM-06", "FORM-12")
def test_a_text_longer_than_the_form_takes_is_refused():
    assert "4000字以内" in misread(purpose="あ" * 4001)["purpose"]
    assert "4000字以内" in misread(free_text="あ" * 4001)["free_text"]
    assert "purpose" in lacking(office_with(), plan=class_two(purpose="短い"))


@pytest.mark.req("FORM-07")
@pytest.mark.parametrize(
    ("text", "klass"),
    [
        pytest.param("機密性1情報", 1, id="class 1"),
        pytest.param("機密性２情報", 2, id="full-width digit"),
        pytest.param(" 機密性 3 情報", 3, id="blanks"),
        pytest.param("", 1, id="left blank"),
    ],
)
def test_the_class_is_read_as_people_type_it(text, klass):
    fields = fields_of(class_two())
    texts = fields.texts | {"information_confidentiality": text}
    assert plan_of(Fields(texts=texts, tables=fields.tables)).information_confidentiality == klass


@pytest.mark.req("FORM-07")
def test_class_3_is_never_handed_in_and_class_2_needs_its_types():
    assert "information_confidentiality" in lacking(
        office_with(), plan=class_two(information_confidentiality=3)
    )
    assert "information_types" in lacking(office_with(), plan=class_two(information_types=()))
    assert "information_confidentiality" in misread(information_confidentiality="機密性4情報")


@pytest.mark.req("FORM-08")
def test_an_end_left_blank_is_the_end_of_the_fiscal_year():
    fields = fields_of(class_two())
    texts = fields.texts | {"usage_period.start": "令和８年１０月１日", "usage_period.end": ""}
    period = plan_of(Fields(texts=texts, tables=fields.tables)).usage_period
    assert period == Period(start=date(2026, 10, 1), end=date(2027, 3, 31))


@pytest.mark.req("FORM-08")
def test_a_day_that_is_none_and_an_end_without_a_start_are_refused():
    assert set(misread(**{"usage_period.start": "来月", "usage_period.end": "2月30日"})) >= {
        "usage_period.start",
        "usage_period.end",
    }
    assert set(misread(**{"usage_period.start": "", "usage_period.end": "2026-07-01"})) == {
        "usage_period.start"
    }


@pytest.mark.req("FORM-02", "FORM-04", "FORM-09", "FORM-10")
@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param({"reporting_entity": " "}, "reporting_entity", id="no entity"),
        pytest.param({"external_service": "nowhere"}, "external_service_name", id="unregistered service"),
        pytest.param({"users": (), "groups": ()}, "user_scope", id="nobody"),
        pytest.param({"groups": ("全員",)}, "user_scope", id="everybody"),
        pytest.param({"head_count": 0}, "head_count", id="no head-count"),
        pytest.param({"measures": ()}, "genai_risk_and_security_measures", id="no measures"),
        pytest.param({"external_provider_name": ""}, "external_provider_name", id="no provider"),
    ],
)
def test_a_form_that_lacks_a_row_is_not_handed_in(change, field):
    assert field in lacking(office_with(), plan=with_fields(class_two(), **change))


@pytest.mark.req("FORM-11", "MOU-2-10")
@pytest.mark.parametrize("item", CHECKLIST)
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(None, id="not answered"),
        pytest.param("NO", id="いいえ"),
        pytest.param("YES", id="はい without evidence"),
    ],
)
def test_row_11_is_yes_only_when_every_item_is_proven(item, answer):
    made = None if answer is None else Answer(item=item, answer=answer)
    office = office_with(class_two(checklist=checklist(**({C4: SIGNED} | {item: made}))))
    application = office.get(Application, "a1")
    assert working_copy(application, office.state, NOW, office.rules).ours[ROW_11] == "いいえ"
    with pytest.raises(Forbidden) as caught:
        submission(application, office.state, NOW, office.rules)
    assert [each.field for each in caught.value.missing] == [item]
    assert re.match("・.+：.+", told(caught.value.missing[0], office.rules.book))


@pytest.mark.req("FORM-11", "MOU-2-10")
def test_a_complete_form_is_handed_in_to_the_body_of_its_day():
    form = ready_form()
    assert form.ours[ROW_11] == "はい"
    assert paper_of(form).lines[-1] == "提出先：AI戦略推進関係省庁会議幹事会"
    assert empty_form().ours[ROW_11] == UNDECIDED


def proven(item, **fields):
    """Give class 2 with one item answered otherwise."""
    answers = {C4: SIGNED}
    answers[item] = Answer(**({"item": item, "answer": "YES", "evidence": SIGNED.evidence} | fields))
    return class_two(checklist=checklist(**answers))


@pytest.mark.parametrize(
    ("item", "fields"),
    [
        pytest.param(
            "c2_secondary_use_responsibility",
            {"responsible": "somebody"},
            id="another person is responsible",
            marks=pytest.mark.req("FORM-C2"),
        ),
        pytest.param(
            "c3_limited_initial_audience",
            {"groups": ("zaimu",)},
            id="other groups than in row 9",
            marks=pytest.mark.req("FORM-C3"),
        ),
        pytest.param(
            C4,
            {"evidence": Evidence(reference="ra-none", sha256=SHA, at_us=NOW)},
            id="no signed assessment",
            marks=pytest.mark.req("FORM-C4"),
        ),
        pytest.param(
            "c5_logging_and_feedback",
            {"evidence": Evidence(reference="t", sha256=SHA, at_us=NOW - 25 * 3_600_000_000)},
            id="self-test of yesterday",
            marks=pytest.mark.req("FORM-C5"),
        ),
        pytest.param(
            "c5_logging_and_feedback",
            {"answer": "NOT_APPLICABLE"},
            id="an item that always applies",
            marks=pytest.mark.req("FORM-C5"),
        ),
    ],
)
def test_evidence_that_does_not_fit_is_no_evidence(item, fields):
    assert set(lacking(office_with(), plan=proven(item, **fields))) == {item}


@pytest.mark.req("FORM-C1")
def test_disclosure_is_not_proven_while_the_label_is_off():
    office = office_with()
    registered = office.everything()["service"]["chat"]
    off = msgspec.structs.replace(registered, facts=msgspec.structs.replace(registered.facts, ai_label=False))
    office.state = office.state.put(off)
    assert set(lacking(office)) == {"c1_disclosure_of_genai"}


@pytest.mark.req("FORM-C6")
def test_the_sixth_item_is_not_applicable_only_while_the_public_is_not_served():
    office = office_with()
    assert lacking(office) == {}
    registered = office.everything()["service"]["chat"]
    public = msgspec.structs.replace(
        registered, facts=msgspec.structs.replace(registered.facts, audience="PUBLIC")
    )
    office.state = office.state.put(public)
    assert set(lacking(office)) == {"c6_trial_notice_and_consent"}


@pytest.mark.req("FORM-11", "MOU-2-12")
def test_class_1_needs_no_items_but_what_is_claimed_must_be_proven():
    office = office_with(plan())
    assert lacking(office) == {}
    assert submission(office.get(Application, "a1"), office.state, NOW, office.rules).row_11 == "いいえ"
    claimed = plan(checklist=(Answer(item="c1_disclosure_of_genai", answer="YES"),))
    assert set(lacking(office, plan=claimed)) == {"c1_disclosure_of_genai"}


def test_a_draft_is_not_handed_in_and_says_on_its_face_that_it_is_a_copy():
    office = Office("gov").ready()
    office.do(HANAKO, applying.DraftApplication("a1", plan()))
    application = office.get(Application, "a1")
    assert set(lacking(office)) == {"report_no"}
    copy = paper_of(working_copy(application, office.state, NOW, office.rules))
    assert "作業用の写し" in copy.lines[-1]


def test_every_fault_is_named_in_japanese():
    office = office_with()
    faults = lacking(office, plan=UsagePlan(external_service="chat", information_confidentiality=2))
    assert len(faults) > 15
    for fault in faults.values():
        sentence = told(fault, office.rules.book)
        assert re.match(r"[^\x00-\x7f(]|\(", sentence), sentence
        assert "：" in sentence


@pytest.mark.req("FORM-12")
def test_what_no_office_format_can_carry_is_told_before_it_is_written():
    assert [each.field for each in unreadable(plan(free_text="a\x0bb"))] == ["free_text"]
    assert [each.field for each in unreadable(plan(groups=("a\nb",)))] == ["groups"]
    assert list(unreadable(class_two())) == []


@pytest.mark.parametrize(
    ("day", "edition", "body", "cyber"),
    [
        pytest.param(
            date(2023, 9, 15), "第2版", "AI戦略チーム", "内閣サイバーセキュリティセンター", id="2nd edition"
        ),
        pytest.param(
            date(2025, 3, 24), "第2版", "AI戦略チーム", "内閣サイバーセキュリティセンター", id="its last day"
        ),
        pytest.param(
            date(2025, 3, 25),
            "第2.1版",
            "AI戦略推進関係省庁会議幹事会",
            "内閣サイバーセキュリティセンター",
            id="2.1",
        ),
        pytest.param(
            date(2025, 7, 1),
            "第2.1版",
            "AI戦略推進関係省庁会議幹事会",
            "国家サイバー統括室",
            id="NISC becomes NCO",
        ),
    ],
)
@pytest.mark.req("MOU-2-2")
def test_the_names_on_a_form_are_those_of_its_day(day, edition, body, cyber):
    book = rules_for("gov", jst_us(day)).book
    assert (book.mou, book.consent_body, book.advice_bodies["cyber_advice_body"]) == (edition, body, cyber)
    assert book.form["report_no"] in wordings("report_no")


def test_a_part_of_a_form_is_named_in_its_own_words():
    book = rules_for("gov", jst_us(TODAY)).book
    assert place("usage_period.start", book) == "利用期間・開始日"
    assert place("measures[1].owner", book) == "別紙1 リスクへの対応 2行目担当者"
    assert place("terms_check.url", book) == "約款のURL"
    assert all(place(path, book) for path in BY_PATH)


def test_no_seed_wording_was_repaired():
    data = Path(rulebook.__file__).parent / "data" / "rulebook.toml"
    assert "社会的影響" not in data.read_text("utf-8")
