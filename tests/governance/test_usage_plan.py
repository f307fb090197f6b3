"""The form: which field says what, before an application may be submitted."""

from datetime import date, timedelta

import msgspec
import pytest

from sekimori.governance import applying
from sekimori.governance.plan import GENAI_RISKS, Measure, ScopeCondition, TermsRisk, UsagePlan
from sekimori.governance.risks import RISK_KEYS, TEN_RISKS
from sekimori.governance.rulebook import rulebook
from sekimori.policy.model import CHECKLIST, Period
from support.offices import (
    CONTRACTED,
    FACTS,
    HANAKO,
    NOTE,
    NOW,
    OTHER_SHA,
    RIN,
    TARO,
    TODAY,
    Office,
    class_two,
    plan,
)


def faults(of=FACTS, *, asked=None, **fields):
    """Give the fields that keep a plan from being submitted."""
    office = Office("gov").ready(of)
    office.do(HANAKO, applying.DraftApplication("a1", asked or plan(**fields)))
    return office.missing(HANAKO, applying.SubmitApplication("a1"))


def submitted(of=FACTS, **fields):
    Office("gov").ready(of).submit(plan(**fields))


def sheet(**fields):
    return msgspec.structs.replace(plan().terms_check, **fields)


@pytest.mark.req("MOU-1-4", "FORM-02", "FORM-05", "MOU-2-4")
@pytest.mark.parametrize(
    "field", ["reporting_entity", "responsible_head", "external_provider_name", "secondary_use_owner"]
)
@pytest.mark.parametrize("empty", ["", "　 "])
def test_a_plan_says_who_reports_and_who_answers(field, empty):
    assert faults(**{field: empty}) == {field}


@pytest.mark.req("MOU-1-4")
def test_an_empty_plan_is_told_everything_at_once():
    found = faults(asked=UsagePlan(external_service="chat"))
    assert {
        "purpose",
        "work_scopes",
        "usage_period",
        "user_scope",
        "reporting_entity",
        "terms_check",
    } <= found


@pytest.mark.req("MOU-1-4", "FORM-04")
def test_the_service_is_one_of_the_register():
    office = Office("gov").ready()
    office.do(HANAKO, applying.DraftApplication("a1", plan(external_service="unknown")))
    assert office.refused(HANAKO, applying.SubmitApplication("a1")) == "not-found"


@pytest.mark.req("FORM-06", "MOU-1-4")
@pytest.mark.parametrize(
    ("purpose", "told"),
    [
        pytest.param("あ" * 19, True, id="19"),
        pytest.param("あ" * 20, False, id="20"),
        pytest.param("あ" * 2000, False, id="2000"),
        pytest.param("あ" * 2001, True, id="2001"),
        pytest.param("あ" * 10 + " " * 30, True, id="mostly space"),
    ],
)
def test_the_purpose_has_20_to_2000_characters(purpose, told):
    if told:
        assert faults(purpose=purpose) == {"purpose"}
    else:
        submitted(purpose=purpose)


@pytest.mark.req("MOU-1-3", "FORM-06")
@pytest.mark.parametrize(
    ("verdict", "met", "told"),
    [
        pytest.param("ALLOWED", (), set(), id="allowed"),
        pytest.param("FORBIDDEN", (), {"work_scopes"}, id="forbidden"),
        pytest.param("CONDITIONAL", (), {"scope_conditions"}, id="conditional, not met"),
        pytest.param(
            "CONDITIONAL",
            (ScopeCondition(scope="second", how="上司が確認する"),),
            set(),
            id="conditional, met",
        ),
    ],
)
def test_only_work_that_a_published_scope_admits_is_applied_for(verdict, met, told):
    office = Office("gov").ready().scope("second", verdict, service="chat", condition="上司の確認")
    asked = plan(work_scopes=("second",), scope_conditions=met)
    office.do(HANAKO, applying.DraftApplication("a1", asked))
    command = applying.SubmitApplication("a1")
    if told:
        assert office.missing(HANAKO, command) == told
    else:
        office.do(HANAKO, command)


@pytest.mark.req("MOU-1-3")
@pytest.mark.parametrize("scopes", [(), ("unknown",), ("summary", "unknown")])
def test_a_plan_names_work_scopes_of_the_catalogue(scopes):
    assert faults(work_scopes=scopes) == {"work_scopes"}


@pytest.mark.req("FORM-07", "MOU-2-11")
def test_class_two_lists_the_types_of_information():
    assert faults(CONTRACTED, asked=class_two(information_types=())) == {"information_types"}


@pytest.mark.req("FORM-08")
@pytest.mark.parametrize(
    ("start", "end", "told"),
    [
        pytest.param(TODAY, TODAY, False, id="a day"),
        pytest.param(TODAY, date(2027, 5, 31), False, id="a year less a day"),
        pytest.param(TODAY, date(2027, 6, 1), True, id="a year"),
        pytest.param(date(2028, 2, 29), date(2029, 2, 27), False, id="from a leap day"),
        pytest.param(date(2028, 2, 29), date(2029, 2, 28), True, id="from a leap day, a day more"),
        pytest.param(TODAY, TODAY - timedelta(days=1), True, id="backwards"),
        pytest.param(date(2026, 5, 1), date(2026, 5, 31), True, id="over already"),
    ],
)
def test_a_period_is_at_most_a_year(start, end, told):
    period = Period(start=start, end=end)
    if told:
        assert faults(usage_period=period) == {"usage_period"}
    else:
        submitted(usage_period=period)


@pytest.mark.req("FORM-08", "MOU-2-1")
def test_a_period_ends_with_the_contract():
    assert faults(CONTRACTED, usage_period=Period(start=TODAY, end=date(2027, 4, 1))) == {"usage_period"}
    submitted(CONTRACTED, usage_period=Period(start=TODAY, end=date(2027, 3, 31)))


@pytest.mark.req("FORM-09", "MOU-1-4", "MOU-2-5")
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"users": (), "groups": ()}, id="nobody"),
        pytest.param({"users": ("",)}, id="an empty name"),
        pytest.param({"groups": ("*",)}, id="a wildcard"),
        pytest.param({"groups": ("Everyone",)}, id="everyone"),
        pytest.param({"users": ("全職員",)}, id="全職員"),
    ],
)
def test_the_range_of_users_is_a_list(fields):
    assert faults(**fields) == {"user_scope"}


@pytest.mark.req("FORM-09")
def test_the_number_of_users_is_given():
    assert faults(head_count=0) == {"head_count"}


@pytest.mark.req("FORM-10")
@pytest.mark.parametrize("risk", GENAI_RISKS)
def test_each_risk_of_generative_ai_has_a_measure_and_an_owner(risk):
    ownerless = tuple(
        Measure(risk=key, measure="確認", owner="" if key == risk else "jiro") for key in GENAI_RISKS
    )
    assert faults(measures=ownerless) == {"genai_risk_and_security_measures"}


@pytest.mark.req("FORM-12")
@pytest.mark.parametrize(("length", "told"), [(4000, False), (4001, True)])
def test_the_free_text_has_at_most_4000_characters(length, told):
    if told:
        assert faults(free_text="あ" * length) == {"free_text"}
    else:
        submitted(free_text="あ" * length)


def test_an_unknown_operation_is_told():
    assert faults(operations=("generate", "everything")) == {"operations"}


@pytest.mark.req("DSN-A2-2")
def test_publishing_outside_needs_a_check_by_public_relations():
    assert faults(published_outside=True) == {"public_relations_check"}
    submitted(published_outside=True, public_relations_check="広報課 確認済")


# --- the terms-check sheet ---------------------------------------------------------------------------


@pytest.mark.req(
    *("UK-423-2a", "DSN-A2-1", "DSN-A2-2", "DSN-A2-3", "DSN-A2-4", "DSN-A2-5"),
    *("DSN-A2-6", "DSN-A2-7", "DSN-A2-8", "DSN-A2-9", "DSN-A2-10"),
)
@pytest.mark.parametrize("risk", TEN_RISKS, ids=lambda risk: risk.row)
def test_each_of_the_ten_risks_is_answered(risk):
    risks = tuple(each for each in plan().terms_check.risks if each.risk != risk.key)
    assert faults(terms_check=sheet(risks=risks)) == {f"terms_check.{risk.key}"}


@pytest.mark.req("UK-423-2a")
def test_a_risk_that_is_not_acceptable_needs_a_mitigation():
    def answered(mitigation):
        return tuple(
            TermsRisk(risk=key, verdict="NOT_ACCEPTABLE", note=NOTE, mitigation=mitigation)
            for key in RISK_KEYS
        )

    assert faults(terms_check=sheet(risks=answered(" "))) == {f"terms_check.{key}" for key in RISK_KEYS}
    submitted(terms_check=sheet(risks=answered("入力を公開情報に限る")))


@pytest.mark.req("UK-423-2a")
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"url": ""}, id="no address"),
        pytest.param({"sha256": ""}, id="no hash"),
        pytest.param({"retrieved_on": None}, id="no day"),
        pytest.param({"retrieved_on": TODAY - timedelta(days=91)}, id="91 days old"),
        pytest.param({"retrieved_on": TODAY + timedelta(days=1)}, id="tomorrow's"),
        pytest.param({"sha256": OTHER_SHA}, id="not the current terms"),
    ],
)
def test_the_copy_of_the_terms_is_the_current_one_and_young(fields):
    assert faults(terms_check=sheet(**fields)) == {"terms_check"}


@pytest.mark.req("UK-423-2a")
def test_a_copy_of_90_days_is_young_enough():
    submitted(terms_check=sheet(retrieved_on=TODAY - timedelta(days=90)))


@pytest.mark.req("DSN-3-1", "DSN-A2-3")
@pytest.mark.parametrize(
    ("locations", "length", "told"),
    [
        pytest.param(("JP",), 0, False, id="at home"),
        pytest.param(("JP", "US"), 19, True, id="abroad, 19 characters"),
        pytest.param(("US",), 20, False, id="abroad, 20 characters"),
        pytest.param(("unknown",), 0, True, id="unknown"),
    ],
)
def test_data_abroad_asks_for_a_text_about_local_law(locations, length, told):
    of = msgspec.structs.replace(FACTS, data_locations=locations)
    risks = tuple(TermsRisk(risk=key, verdict="CONFIRMED", note="あ" * length) for key in RISK_KEYS)
    if told:
        assert faults(of, terms_check=sheet(risks=risks)) == {"terms_check.foreign_law"}
    else:
        submitted(of, terms_check=sheet(risks=risks))


@pytest.mark.req("DSN-1-3")
def test_foreign_law_is_acknowledged_by_the_applicant_and_by_the_approver():
    of = msgspec.structs.replace(FACTS, governing_law=("CN",))
    assert faults(of, terms_check=sheet(foreign_law_acknowledged=False)) == {"terms_check.foreign_law"}
    office = Office("enterprise").ready(of).submit()
    office.do(RIN, applying.TakeUpApplication("a1"))
    office.do(TARO, office.review(foreign_law_acknowledged=False))
    assert office.missing(TARO, office.approval()) == {"foreign_law"}


# --- the words ---------------------------------------------------------------------------------------


@pytest.mark.req(
    *("FORM-01", "FORM-02", "FORM-03", "FORM-04", "FORM-05", "FORM-06", "FORM-07", "FORM-08"),
    *("FORM-09", "FORM-10", "FORM-11", "FORM-12"),
    *("FORM-C1", "FORM-C2", "FORM-C3", "FORM-C4", "FORM-C5", "FORM-C6"),
)
def test_the_form_has_its_exact_words_in_their_order():
    form = rulebook(NOW).form
    assert list(form.values()) == [
        "報告番号",
        "報告主体",
        "初回報告日",
        "外部サービスの名称",
        "外部サービス提供者の名称",
        "利用目的 (業務内容)",
        "取り扱う情報の機密性",
        "利用期間",
        "利用者の範囲",
        "生成 AI に係る固有のリスクやセキュリティ懸念への対応",
        "要機密情報の取り扱いに関する確認事項への対応",
        "・サービスにおいて生成 AI を利用していることの明示",
        "・生成 AI の出力結果を二次利用する場合の責任の明確化",
        "・当初は行政職員、自治体職員など対象となる利用者層を限定",
        "・学習に利用するデータ、入力され得るプロンプト、出力結果の社会影響に係るリスク評価の実施",
        "・入力されたプロンプト及び出力結果のロギングを行った上で、必ず利用者からフィードバックを受ける仕組みを設けること",
        "・一般利用者を対象とする場合は検証段階であることの明示とテスト参加の同意の取得",
        "(自由記述欄)",
    ]
    assert tuple(key for key in form if key[0] == "c" and key[1].isdigit()) == CHECKLIST
