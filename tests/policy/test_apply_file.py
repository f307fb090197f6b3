"""The apply file: what is accepted, and every fault with its line."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.build import TODAY
from sekimori.errors import Fault, PolicyFileError
from sekimori.policy.document import Document, merge, read_document
from sekimori.policy.model import CHECKLIST, Rules

GOOD = """\
services:
  - id: openai-api
    name: OpenAI API
    provider: openai
    hosts: [api.openai.com]
    contract: individual
    contract_no: K-2026-12
    data_locations: [US]
groups:
  summarisers: [Yamada, sato]
grants:
  - id: g-2026-001
    service: openai-api
    users: [yamada]
    groups: [summarisers]
    purpose: 会議録の要約
    period: {start: 2026-04-01, end: 2027-03-31}
    max_class: 1
    models: ["gpt-*"]
    administrator: tanaka
    decided_by: sasaki
    decided_on: 2026-03-20
    reference: 情シ第12号
"""
CLASS_2 = (
    GOOD.replace("max_class: 1", "max_class: 2")
    + "    checklist:\n"
    + "".join(f"      {item}: はい\n" for item in CHECKLIST)
    + """\
    consent: {body: AI戦略チーム, reference: 報告第3号, date: 2026-03-10}
    risk_analysis: リスク分析書第1号
    information_types: [会議録]
"""
)
ADVICE = """\
    advice:
      - {body: 内閣サイバーセキュリティセンター, reference: 閣サ第1号, date: 2026-03-01}
      - {body: デジタル庁, reference: デ戦第2号, date: 2026-03-02}
"""


def read(text: str, **options: Any) -> Document:
    return read_document(text, file="apply.yaml", today=TODAY, **options)


def faults(text: str, **options: Any) -> list[str]:
    with pytest.raises(PolicyFileError) as caught:
        read(text, **options)
    return [str(fault).removeprefix("apply.yaml:") for fault in caught.value.faults]


def test_the_example_of_the_contract_is_read():
    document = read(GOOD)

    grant = document.grants["g-2026-001"]
    assert document.services["openai-api"].hosts == ("api.openai.com",)
    assert document.groups["summarisers"].members == ("yamada", "sato")
    assert (grant.period.start, grant.period.end) == (date(2026, 4, 1), date(2027, 3, 31))
    assert grant.operations == ("generate", "model-list", "count-tokens")
    assert not grant.unparsed
    assert document.unsigned


@pytest.mark.req("MOU-1-1")
def test_a_service_without_a_contract_counts_as_terms_of_service():
    text = GOOD.replace("    contract: individual\n    contract_no: K-2026-12\n", "")

    assert read(text).services["openai-api"].contract == "terms_of_service"


def test_dates_are_read_as_offices_write_them():
    period = read(GOOD.replace("start: 2026-04-01", "start: 令和８年４月１日")).grants["g-2026-001"].period

    assert period.start == date(2026, 4, 1)


def test_class_2_is_accepted_with_all_its_evidence():
    grant = read(CLASS_2).grants["g-2026-001"]

    assert grant.checklist == CHECKLIST
    assert grant.risk_analysis is not None
    assert grant.risk_analysis.reference == "リスク分析書第1号"


def test_a_group_may_have_a_floor():
    text = GOOD.replace("summarisers: [Yamada, sato]", "summarisers: {members: [yamada], class_floor: 2}")

    assert read(text).groups["summarisers"].class_floor == 2


def test_norway_stays_a_country():
    assert read(GOOD.replace("[US]", "[NO]")).services["openai-api"].data_locations == ("NO",)


REFUSED = [
    pytest.param("hosts: [api", "host: [api", "5: services[0].host: is not known here (did you mean 'hosts'?)", id="misspelt key"),
    pytest.param("    max_class: 1", "    max_klass: 1", "18: grants[0].max_klass: is not known here (did you mean 'max_class'?)", id="misspelt class"),
    pytest.param("max_class: 1", "max_class: 3", "18: grants[0].max_class: class 3 cannot be approved", id="class 3"),
    pytest.param("max_class: 1", "max_class: two", "18: grants[0].max_class: must be 1 or 2 or 3", id="class in words"),
    pytest.param("contract: individual", "contract: indivdual", "(did you mean 'individual'?)", id="misspelt contract"),
    pytest.param("    contract_no: K-2026-12\n", "", "2: services[0].contract_no: an individual contract has a number", id="no contract number"),
    pytest.param("service: openai-api", "service: openai-ap", "13: grants[0].service: 'openai-ap' is not a service (did you mean 'openai-api'?)", id="unknown service"),
    pytest.param("end: 2027-03-31", "end: 2025-03-31", "17: grants[0].period: ends before it starts", id="period backwards"),
    pytest.param("end: 2027-03-31", "end: 2027-02-30", "17: grants[0].period.end: day", id="no such day"),
    pytest.param("end: 2027-03-31", "end: soon", "17: grants[0].period.end: 'soon' is not a date", id="no date"),
    pytest.param("    administrator: tanaka\n", "", "12: grants[0].administrator: is missing", id="no administrator"),
    pytest.param("decided_by: sasaki", "decided_by: ＹＡＭＡＤＡ", "21: grants[0].decided_by: decides on their own use", id="four eyes"),
    pytest.param("decided_by: sasaki", "decided_by: sato", "21: grants[0].decided_by: decides on their own use, in summarisers", id="four eyes through a group"),
    pytest.param("decided_on: 2026-03-20", "decided_on: 2026-11-22", "22: grants[0].decided_on: 2026-11-22 has not come yet", id="decided tomorrow"),
    pytest.param("    users: [yamada]\n    groups: [summarisers]\n", "", "users: names nobody", id="nobody"),
    pytest.param("users: [yamada]", "users: [全員]", "14: grants[0].users: the range of users is a list of people", id="everybody"),
    pytest.param("users: [yamada]", "users: yamada", "14: grants[0].users: must be a list", id="a name instead of a list"),
    pytest.param("[api.openai.com]", "[203.0.113.7]", "5: services[0].hosts: '203.0.113.7' is an address", id="address"),
    pytest.param("[api.openai.com]", "['*.com']", "5: services[0].hosts: 'com' is not a host name", id="top-level domain"),
    pytest.param("[api.openai.com]", "['https://x.example/']", "is not a host name", id="URL"),
    pytest.param("[api.openai.com]", "[]", "5: services[0].hosts: names no host", id="no host"),
    pytest.param("[US]", "[Japan]", "8: services[0].data_locations: 'Japan' is not an ISO 3166", id="country name"),
    pytest.param('["gpt-*"]', '["gpt-[45]"]', "19: grants[0].models: 'gpt-[45]' is not a model pattern", id="brackets in a pattern"),
    pytest.param("purpose: 会議録の要約", "purpose: ''", "16: grants[0].purpose: is empty", id="empty purpose"),
    pytest.param("purpose: 会議録の要約", 'purpose: "要約\\u202e"', "holds a control or invisible character", id="bidirectional control"),
    pytest.param("id: g-2026-001", "id: g 2026", "12: grants[0].id: 'g 2026' is not an id", id="space in an id"),
    pytest.param("    reference: 情シ第12号\n", "    unparsed: maybe\n", "23: grants[0].unparsed: must be deny or allow", id="neither deny nor allow"),
    pytest.param("    reference: 情シ第12号\n", "    operations: [generat]\n", "23: grants[0].operations: 'generat' is not known here (did you mean 'generate'?)", id="unknown operation"),
    pytest.param("provider: openai", "provider: openai\n    provider: other", "stands here twice, first in line 4", id="key twice"),
    pytest.param("provider: openai", "provider: &x openai", "4: anchors and aliases are not used here", id="anchor"),
    pytest.param("provider: openai", "provider: !!python/name:os.system x", "4: tags (!…) are not used here", id="tag"),
    pytest.param("grants:", "---\ngrants:", "write one a file", id="two documents"),
    pytest.param("hosts: [api.openai.com]", "hosts: [api.openai.com", "5: a bracket that is opened here is not closed", id="unclosed list"),
    pytest.param("  summarisers: [Yamada, sato]", "  summarisers:", "10: groups.summarisers: has no members; write []", id="no members"),
    pytest.param("  summarisers: [Yamada, sato]", "  - summarisers", "9: groups: must be a mapping", id="groups as a list"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), REFUSED)
def test_a_fault_is_told_with_its_line(old, new, message):
    assert old in GOOD
    found = faults(GOOD.replace(old, new, 1))

    assert any(message in fault for fault in found), found


@pytest.mark.req("MOU-1-2", "MOU-2-2", "MOU-2-10", "MOU-2-11")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(CLASS_2.replace("individual\n    contract_no: K-2026-12", "terms_of_service"), "要機密情報を取り扱うことはできない", id="約款型"),
        pytest.param(CLASS_2.replace("c4_risk_assessment: はい", "c4_risk_assessment: いいえ"), "checklist: max_class 2 needs all six items", id="an item is no"),
        pytest.param(CLASS_2.replace("      c6_trial_notice_and_consent: はい\n", ""), "c6_trial_notice_and_consent", id="an item is absent"),
        pytest.param(CLASS_2.replace("    consent:", "    #"), "consent: max_class 2 needs the recorded consent", id="no consent"),
        pytest.param(CLASS_2.replace("    risk_analysis:", "    #"), "risk_analysis", id="no risk analysis"),
        pytest.param(CLASS_2.replace("    information_types:", "    #"), "no class 2 information types", id="no information types"),
        pytest.param(CLASS_2.replace("[US]", "[CN]") + ADVICE, "data is stored in CN", id="country of caution"),
    ],
)  # fmt: skip
def test_what_the_truth_table_forbids_is_refused(text, message):
    assert any(message in fault for fault in faults(text))


@pytest.mark.req("DSN-0-1", "DSN-5-1", "DSN-5-2")
@pytest.mark.parametrize(
    ("text", "options"),
    [
        pytest.param(GOOD.replace("[US]", "[CN]"), {}, id="stored in a country of caution"),
        pytest.param(GOOD.replace("    contract:", "    flags: [advisory_required]\n    contract:"), {}, id="own flag"),
        pytest.param(GOOD, {"catalogue_flags": lambda host: ("advisory_required",)}, id="flag of the catalogue"),
        pytest.param(GOOD.replace("    contract:", "    models: ['deep*']\n    contract:"), {"flagged_models": ("deepseek*",)}, id="about a flagged model"),
        pytest.param(GOOD.replace("provider: openai", "provider: DeepSeek"), {"flagged_models": ("deepseek*",)}, id="flagged provider"),
    ],
)  # fmt: skip
def test_a_flagged_service_needs_recorded_advice_of_two_bodies(text, options):
    assert any("advice of two different bodies" in fault for fault in faults(text, **options))
    one_body = ADVICE.replace("デジタル庁", "内閣サイバーセキュリティセンター")
    assert any("1 of 2 bodies" in fault for fault in faults(text + one_body, **options))
    assert read(text + ADVICE, **options).grants
    assert read(text, rules=Rules(advice_required=False), **options).grants


def test_every_fault_is_told_at_once_and_in_order():
    text = GOOD.replace("hosts:", "host:").replace("max_class: 1", "max_class: 9").replace("sasaki", "''")
    lines = [int(fault.split(":")[0]) for fault in faults(text)]

    assert len(lines) >= 4
    assert lines == sorted(lines)


def test_a_fault_of_a_service_is_not_told_again_for_its_grants():
    assert len(faults(GOOD.replace("contract: individual", "contract: maybe"))) == 1


def test_an_id_used_twice_is_told():
    twice = GOOD + GOOD.partition("grants:\n")[2]

    assert faults(twice) == ["24: grants[1].id: 'g-2026-001' is used twice, first in line 12"]


def test_a_host_belongs_to_one_service_unless_models_tell_them_apart():
    def second(models: str) -> str:
        entry = f"  - {{id: other, hosts: [api.openai.com]{models}}}\ngroups:\n"
        return GOOD.replace("groups:\n", entry, 1)

    assert faults(second("")) == ["9: services[1].hosts: api.openai.com already belongs to openai-api"]
    assert read(second(", models: ['ft-*']")).services["other"].models == ("ft-*",)


def test_an_unknown_group_is_a_fault_where_all_groups_are_known():
    text = GOOD.replace("groups: [summarisers]", "groups: [sumarisers]")

    assert read(text).grants
    assert "did you mean 'summarisers'" in faults(text, known_groups=())[0]
    assert read(text, known_groups=("sumarisers",)).grants


def test_a_file_may_use_the_services_and_groups_of_another():
    services, _, rest = GOOD.partition("groups:\n")
    groups, _, grants = rest.partition("grants:\n")
    first = read(services + "groups:\n" + groups)

    assert read("grants:\n" + grants, known=first, known_groups=()).grants
    assert "is not a service" in faults("grants:\n" + grants)[0]


def test_a_service_cannot_be_changed_under_a_grant_that_would_be_forbidden_then():
    text = "services:\n  - {id: openai-api, hosts: [api.openai.com]}\n"

    found = faults(text, known=read(CLASS_2))

    assert found[0].startswith("2: services[0]: apply.yaml says otherwise: grant g-2026-001: max_class")


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "~"])
def test_an_empty_file_is_a_fault(text):
    assert faults(text) == ["1: holds no services, groups or grants"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 100_000, id="nested lists"),
        pytest.param("{a: " * 100_000, id="nested mappings"),
        pytest.param("- " * 100_000, id="nested dashes"),
        pytest.param("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", id="aliases of aliases"),
        pytest.param("x" * (5 << 20), id="too long"),
        pytest.param("services: 1\ngroups: x\ngrants: [1, [2], {}]\n", id="wrong kinds"),
        pytest.param("? [a]\n: b\n", id="a list as a key"),
        pytest.param("? {a: b}\n: c\n", id="a mapping as a key"),
        pytest.param("\ud800", id="half a surrogate"),
        pytest.param("%YAML 9.9\n---\nservices: []", id="another YAML"),
    ],
)
def test_hostile_text_is_a_fault_and_costs_little(text):
    assert faults(text)


words = st.sampled_from(
    [*"[]{}:,-?&*!|>'\"%@`#~ \n\t", "services:", "groups:", "grants:", "\n  - ", "id: ", "hosts: ", "\n    "]
)


def outcome(text: str) -> Document | list[Fault]:
    """Read, and give what was read or the faults; anything else that is raised fails the test."""
    try:
        return read(text)
    except PolicyFileError as error:
        return error.faults


@given(st.text(max_size=80) | st.lists(words | st.text(max_size=3), max_size=30).map("".join))
def test_reading_never_raises_anything_but_a_policy_file_error(text):
    read_or_faults = outcome(text)

    assert isinstance(read_or_faults, Document) or all(fault.line >= 1 for fault in read_or_faults)


@given(at=st.integers(0, len(CLASS_2)), gone=st.integers(0, 20), new=st.text(max_size=5))
def test_a_damaged_file_is_read_or_refused(at, gone, new):
    assert outcome(CLASS_2[:at] + new + CLASS_2[at + gone :])


def test_later_documents_take_over_ids_and_it_is_told():
    first = read(GOOD)
    second = read_document(GOOD.replace("gpt-*", "o1"), file="second.yaml", today=TODAY)

    merged = merge([first, second])

    assert merged.document.grants["g-2026-001"].models == ("o1",)
    assert merged.document.file_of("grant", "g-2026-001") == "second.yaml"
    assert {(one.kind, one.id, one.from_file, one.to_file) for one in merged.takeovers} == {
        ("service", "openai-api", "apply.yaml", "second.yaml"),
        ("group", "summarisers", "apply.yaml", "second.yaml"),
        ("grant", "g-2026-001", "apply.yaml", "second.yaml"),
    }
    assert merge([first, first]).takeovers == ()
    assert not merge([]).document.unsigned
