"""The decision beyond the truth table: order, class, time, users, purposes, models, operations, content."""

from __future__ import annotations

import dataclasses
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.build import DIGITAL, EVIDENCE, NISC, NOON_US, changed, facts, grant, service, snapshot
from sekimori.policy.codes import stage
from sekimori.policy.decide import Decision, decide
from sekimori.policy.model import DEFAULT_OPERATIONS, OPERATIONS, Group, Period
from sekimori.policy.period import day_start_us


def codes(decision: Decision) -> list[str]:
    return [finding.code.value for finding in decision.reasons]


def test_an_approved_request_passes_under_its_grant():
    decision = decide(facts(), snapshot())

    assert (decision.verdict, decision.grant, decision.service, decision.purpose) == (
        "allow",
        "g-1",
        "llm",
        "会議録の要約",
    )
    assert "MOU-2-12" in decision.rule
    assert decision.reasons == ()


def test_all_reasons_are_recorded_in_the_order_of_evaluation():
    policy = snapshot(
        [service(contract="terms_of_service", flags=("advisory_required",), status="suspended")],
        [grant(models=("other",), operations=("embed",))],
    )
    request = facts(
        time_us=day_start_us(date(2030, 1, 1)),
        declared_class=3,
        my_number=True,
        purpose="雑談",
        parse="partial",
        unread_attachments=1,
    )

    assert codes(decide(request, policy)) == [
        "DENY_SECRET_DOC",
        "DENY_MY_NUMBER",
        "DENY_TOS_CONFIDENTIAL",
        "DENY_CLASS_EXCEEDED",
        "DENY_ADVICE_REQUIRED",
        "DENY_SUSPENDED",
        "DENY_PURPOSE_OUT_OF_SCOPE",
        "DENY_PLAN_EXPIRED",
        "DENY_MODEL_NOT_ALLOWED",
        "DENY_OPERATION_NOT_ALLOWED",
        "DENY_SCAN_UNAVAILABLE",
    ]


@pytest.mark.req("MOU-1-8")
@pytest.mark.parametrize("user", [None, "", "  "])
def test_nobody_is_asked_to_sign_in_before_anything_else(user):
    decision = decide(facts(user=user, service=None, declared_class=3), snapshot())

    assert codes(decision)[:2] == ["DENY_AUTH_REQUIRED", "DENY_UNKNOWN_AI"]


# class


@pytest.mark.parametrize(
    ("changes", "klass", "source"),
    [
        pytest.param({}, 1, "default", id="nothing said"),
        pytest.param({"declared_class": 1}, 1, "declared", id="declared 1"),
        pytest.param({"declared_class": 2}, 2, "declared", id="declared 2"),
        pytest.param({"declared_class": 1, "detected_class": 2}, 2, "detected", id="declared too low"),
        pytest.param({"declared_class": 3, "detected_class": 2}, 3, "declared", id="declared higher"),
        pytest.param({"service": "floor"}, 2, "service", id="floor of the service"),
        pytest.param({"user": "sato"}, 2, "group", id="floor of the group"),
        pytest.param({"my_number": True}, 2, "detected", id="a my number is never class 1"),
        pytest.param({"declared_class": 99}, 3, "declared", id="beyond the scale"),
        pytest.param({"declared_class": -5}, 1, "default", id="below the scale"),
    ],
)
def test_the_highest_source_gives_the_class(changes, klass, source):
    policy = snapshot(
        [service(), service(id="floor", hosts=("b.example",), class_floor=2)],
        groups=[Group(name="jinji", members=("sato",), class_floor=2)],
    )

    decision = decide(facts(**changes), policy)

    assert (decision.klass, decision.class_source) == (klass, source)


@pytest.mark.req("MOU-1-2")
def test_a_lower_declared_class_is_not_believed():
    policy = snapshot([service(contract="terms_of_service")])

    assert codes(decide(facts(declared_class=1, detected_class=2), policy)) == [
        "DENY_TOS_CONFIDENTIAL",
        "DENY_CLASS_EXCEEDED",
    ]


# time

START, AFTER = day_start_us(date(2026, 4, 1)), day_start_us(date(2027, 4, 1))


@pytest.mark.parametrize(
    ("time_us", "outcome"),
    [
        pytest.param(START - 1, ["DENY_PLAN_NOT_STARTED"], id="a microsecond before the first day"),
        pytest.param(START, [], id="00:00:00 JST of the first day"),
        pytest.param(AFTER - 1, [], id="23:59:59.999999 JST of the last day"),
        pytest.param(AFTER, ["DENY_PLAN_EXPIRED"], id="00:00:00 JST of the day after"),
    ],
)
def test_a_period_is_open_from_its_first_to_its_last_microsecond(time_us, outcome):
    decision = decide(facts(time_us=time_us), snapshot())

    assert codes(decision) == outcome
    assert decision.valid_until_us == (None if outcome else AFTER)


@pytest.mark.req("MOU-2-1")
def test_a_contract_that_ends_earlier_ends_the_grant():
    policy = snapshot([service(contract_start=date(2026, 5, 1), contract_end=date(2026, 12, 31))])
    end = day_start_us(date(2027, 1, 1))

    assert decide(facts(), policy).valid_until_us == end
    assert codes(decide(facts(time_us=end), policy)) == ["DENY_PLAN_EXPIRED"]
    assert codes(decide(facts(time_us=START), policy)) == ["DENY_PLAN_NOT_STARTED"]
    assert [policy.may_use("llm", "yamada", (), at) for at in (START, NOON_US, end)] == [False, True, False]


# who


@pytest.mark.req("MOU-1-4", "MOU-2-5")
@pytest.mark.parametrize(
    ("user", "groups", "verdict"),
    [
        pytest.param("yamada", frozenset(), "allow", id="by name"),
        pytest.param("ＹＡＭＡＤＡ", frozenset(), "allow", id="by name, wide letters"),
        pytest.param("sato", frozenset(), "allow", id="by a group of the policy"),
        pytest.param("kato", frozenset({"Soumu"}), "allow", id="by a group of the account"),
        pytest.param("kato", frozenset({"eigyo"}), "deny", id="another group"),
        pytest.param("soumu", frozenset(), "deny", id="a person named like a group"),
    ],
)
def test_the_range_of_users_is_enforced(user, groups, verdict):
    policy = snapshot(
        grants=[grant(groups=("youyaku", "soumu"))], groups=[Group(name="youyaku", members=("sato",))]
    )

    decision = decide(facts(user=user, groups=groups), policy)

    assert decision.verdict == verdict
    assert codes(decision) == ([] if verdict == "allow" else ["DENY_USER_OUT_OF_SCOPE"])
    assert policy.may_use("llm", user, groups, NOON_US) == (verdict == "allow")


@pytest.mark.parametrize(
    ("service_status", "grant_status", "outcome"),
    [
        pytest.param("suspended", "active", ["DENY_SUSPENDED"], id="service suspended"),
        pytest.param("active", "suspended", ["DENY_SUSPENDED"], id="grant suspended"),
        pytest.param("active", "revoked", ["DENY_NO_GRANT"], id="grant revoked"),
        pytest.param("revoked", "active", ["DENY_NO_GRANT"], id="service revoked"),
    ],
)
def test_what_was_stopped_stays_stopped(service_status, grant_status, outcome):
    policy = snapshot([service(status=service_status)], [grant(status=grant_status)])

    assert codes(decide(facts(), policy)) == outcome
    assert not policy.may_use("llm", "yamada", (), NOON_US)


# several grants


def test_the_grant_that_admits_is_preferred_and_the_longest_of_those():
    expired = grant(id="a", period=Period(start=date(2025, 4, 1), end=date(2026, 3, 31)))
    short = grant(id="b", period=Period(start=date(2026, 4, 1), end=date(2026, 12, 31)))

    assert decide(facts(), snapshot(grants=[expired, short, grant(id="c")])).grant == "c"
    assert decide(facts(), snapshot(grants=[expired, short])).grant == "b"


def test_the_nearest_miss_explains_a_refusal():
    far = grant(id="a", models=("x",), status="suspended", operations=("embed",))
    near = grant(id="b", models=("x",))

    decision = decide(facts(), snapshot(grants=[far, near]))

    assert (decision.grant, codes(decision)) == ("b", ["DENY_MODEL_NOT_ALLOWED"])


# purpose


@pytest.mark.req("MOU-1-3", "MOU-1-4")
@pytest.mark.parametrize(
    ("stated", "purposes", "outcome"),
    [
        pytest.param(None, ["要約"], "要約", id="the only one"),
        pytest.param(None, ["要約", "翻訳"], None, id="two and none stated"),
        pytest.param("翻訳", ["要約", "翻訳"], "翻訳", id="stated"),
        pytest.param(" ﾎﾝﾔｸ ", ["ホンヤク"], "ホンヤク", id="stated in another width"),
        pytest.param("雑談", ["要約", "翻訳"], None, id="none of them"),
        pytest.param(None, ["要約", "要約"], "要約", id="the same twice"),
    ],
)
def test_a_purpose_is_the_stated_one_or_the_only_one(stated, purposes, outcome):
    grants = [grant(id=f"g-{number}", purpose=purpose) for number, purpose in enumerate(purposes)]

    decision = decide(facts(purpose=stated), snapshot(grants=grants))

    if outcome is None:
        assert codes(decision) == ["DENY_PURPOSE_OUT_OF_SCOPE"]
        assert decision.reasons[0].detail == "要約 / 翻訳"
    else:
        assert (decision.verdict, decision.purpose) == ("allow", outcome)


def test_a_purpose_whose_grant_cannot_admit_does_not_make_the_other_one_unclear():
    grants = [grant(id="a", purpose="要約"), grant(id="b", purpose="翻訳", models=("x",))]

    assert decide(facts(), snapshot(grants=grants)).purpose == "要約"
    assert codes(decide(facts(purpose="翻訳"), snapshot(grants=grants))) == ["DENY_PURPOSE_OUT_OF_SCOPE"]


# models and operations


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        pytest.param({"model": "gpt-4o"}, [], id="fits"),
        pytest.param({"model": "GPT-4o"}, [], id="fits in upper case"),
        pytest.param({"model": "o1"}, ["DENY_MODEL_NOT_ALLOWED"], id="another model"),
        pytest.param({"model": None}, ["DENY_MODEL_NOT_ALLOWED"], id="absent"),
        pytest.param(
            {"model": "gpt-4o", "model_certain": False}, ["DENY_MODEL_NOT_ALLOWED"], id="given twice"
        ),
        pytest.param({"model": None, "operation": "model-list"}, [], id="a list of models names none"),
        pytest.param({"model": None, "operation": "file"}, [], id="a file names none, and is listed"),
        pytest.param(
            {"model": "o1", "operation": "state"}, ["DENY_MODEL_NOT_ALLOWED"], id="state with a model"
        ),
        pytest.param({"model": None, "operation": "other-ai"}, ["DENY_MODEL_NOT_ALLOWED"], id="unknown call"),
    ],
)
def test_a_grant_that_names_models_admits_only_those_for_certain(changes, outcome):
    policy = snapshot(grants=[grant(models=("gpt-*",), operations=OPERATIONS)])

    assert codes(decide(facts(**changes), policy)) == outcome


def test_an_ambiguous_model_is_refused_even_where_no_models_are_named():
    assert codes(decide(facts(model="a", model_certain=False), snapshot())) == ["DENY_MODEL_NOT_ALLOWED"]
    assert decide(facts(model=None, model_certain=False), snapshot()).verdict == "allow"


@pytest.mark.parametrize("operation", [*OPERATIONS, "made-up"])
def test_only_listed_operations_pass(operation):
    modality = operation in ("image", "audio", "realtime")
    refusal = "DENY_MODALITY" if modality else "DENY_OPERATION_NOT_ALLOWED"

    assert codes(decide(facts(operation=operation), snapshot())) == (
        [] if operation in DEFAULT_OPERATIONS else [refusal]
    )


# flagged models and services

FLAGGED = ("deepseek*",)


@pytest.mark.req("DSN-0-1", "DSN-5-1", "DSN-5-2")
@pytest.mark.parametrize(
    ("entry", "given", "outcome"),
    [
        pytest.param({}, {}, ["DENY_ADVICE_REQUIRED", "DENY_NO_GRANT"], id="part of a general entry"),
        pytest.param(
            {"models": ("deepseek-*",), "flags": ("advisory_required",)},
            {},
            ["DENY_ADVICE_REQUIRED"],
            id="its own entry without advice",
        ),
        pytest.param(
            {"models": ("deepseek-*",), "flags": ("advisory_required",)},
            {"advice": (NISC, DIGITAL)},
            [],
            id="its own entry with advice",
        ),
        pytest.param(
            {"flags": ("advisory_required",)},
            {"advice": (NISC, DIGITAL)},
            [],
            id="the flagged provider itself",
        ),
    ],
)
@pytest.mark.parametrize("told", [True, False], ids=["caller tells", "snapshot knows"])
def test_a_flagged_model_served_by_someone_else_needs_its_own_approval(entry, given, outcome, told):
    policy = snapshot([service(**entry)], [grant(**given)], flagged_models=FLAGGED)
    request = facts(model="deepseek-r1", flagged_model="deepseek-r1" if told else None)

    assert codes(decide(request, policy)) == outcome


@pytest.mark.req("DSN-5-1", "DSN-5-2")
def test_a_flagged_service_without_any_approval_lacks_advice_first_even_when_free():
    decision = decide(facts(service="deepseek-web", flagged=True), snapshot())

    assert codes(decision) == ["DENY_ADVICE_REQUIRED", "DENY_NO_GRANT"]


# content that was not read


@pytest.mark.parametrize(
    ("contract", "unparsed", "changes", "refused"),
    [
        pytest.param("individual", False, {"parse": "partial"}, True, id="partial"),
        pytest.param("individual", False, {"parse": "unparsed"}, True, id="unparsed"),
        pytest.param("individual", True, {"parse": "unparsed"}, False, id="unparsed, allowed"),
        pytest.param("individual", True, {"parse": "partial", "declared_class": 2}, True, id="class 2"),
        pytest.param("individual", False, {"unread_attachments": 1}, True, id="attachment"),
        pytest.param("individual", True, {"unread_attachments": 1}, False, id="attachment, allowed"),
        pytest.param("terms_of_service", True, {"parse": "unparsed"}, False, id="約款型, unparsed, allowed"),
        pytest.param("terms_of_service", True, {"unread_attachments": 1}, True, id="約款型, attachment"),
    ],
)
def test_what_no_detector_saw_passes_only_where_it_may(contract, unparsed, changes, refused):
    policy = snapshot([service(contract=contract)], [grant(max_class=2, unparsed=unparsed, **EVIDENCE)])

    assert codes(decide(facts(**changes), policy)) == (["DENY_SCAN_UNAVAILABLE"] if refused else [])


# properties

names = st.sampled_from(["yamada", "sato", "", "x" * 300]) | st.text(max_size=8)
any_facts = st.builds(
    facts,
    time_us=st.sampled_from([START - 1, START, NOON_US, AFTER]) | st.integers(),
    host=st.text(max_size=10),
    user=st.none() | names,
    groups=st.frozensets(names, max_size=3),
    service=st.sampled_from(["llm", "other", None]) | st.text(max_size=5),
    flagged=st.booleans(),
    operation=st.sampled_from(OPERATIONS) | st.text(max_size=5),
    model=st.none() | st.sampled_from(["gpt-4o", "deepseek-r1"]) | st.text(max_size=8),
    model_certain=st.booleans(),
    flagged_model=st.none() | st.text(max_size=5),
    declared_class=st.none() | st.integers(-2, 9),
    detected_class=st.integers(0, 4),
    my_number=st.booleans(),
    purpose=st.none() | st.sampled_from(["要約", "翻訳"]),
    information_type=st.none() | st.just("会議録"),
    parse=st.sampled_from(["parsed", "partial", "unparsed"]),
    unread_attachments=st.integers(0, 2),
)
any_grant = st.builds(
    grant,
    service=st.sampled_from(["llm", "other"]),
    users=st.lists(names, max_size=2).map(tuple),
    groups=st.lists(names, max_size=2).map(tuple),
    purpose=st.sampled_from(["要約", "翻訳"]),
    max_class=st.integers(1, 2),
    models=st.sampled_from([(), ("gpt-*",)]),
    operations=st.sampled_from([DEFAULT_OPERATIONS, OPERATIONS]),
    unparsed=st.booleans(),
    status=st.sampled_from(["active", "suspended", "revoked"]),
    advice=st.sampled_from([(), (NISC, DIGITAL)]),
)
any_service = st.builds(
    service,
    contract=st.sampled_from(["terms_of_service", "individual", "org_operated"]),
    class_floor=st.integers(1, 3),
    models=st.sampled_from([(), ("gpt-*",)]),
    flags=st.sampled_from([(), ("advisory_required",)]),
    status=st.sampled_from(["active", "suspended", "revoked"]),
)
any_grants = st.lists(any_grant, max_size=4).map(
    lambda grants: [changed(one, id=f"g-{number}") for number, one in enumerate(grants)]
)


@given(request=any_facts, entry=any_service, grants=any_grants)
def test_a_decision_is_always_given_and_always_explained(request, entry, grants):
    decision = decide(request, snapshot([entry], grants, flagged_models=FLAGGED))

    assert (decision.verdict == "allow") == (not decision.reasons)
    assert decision.rule
    assert len({finding.code for finding in decision.reasons}) == len(decision.reasons)
    if decision.verdict == "allow":
        assert decision.klass < 3
        assert request.user
        assert decision.valid_until_us is not None
        assert request.time_us < decision.valid_until_us


@given(request=any_facts, entry=any_service, grants=any_grants, gone=st.integers(0, 3))
def test_taking_a_grant_away_never_admits_what_was_refused(request, entry, grants, gone):
    before = decide(request, snapshot([entry], grants))
    after = decide(request, snapshot([entry], [one for number, one in enumerate(grants) if number != gone]))

    # Two grants with two purposes ask for a stated one; with one left, its purpose is clear.
    unclear = codes(before) == ["DENY_PURPOSE_OUT_OF_SCOPE"] and request.purpose is None
    if before.verdict == "deny" and not unclear:
        assert after.verdict == "deny"


@given(request=any_facts, entry=any_service, grants=any_grants)
def test_whoever_may_not_use_a_service_is_never_admitted_to_it(request, entry, grants):
    policy = snapshot([entry], grants)

    if decide(request, policy).verdict == "allow":
        assert policy.may_use("llm", request.user or "", request.groups, request.time_us)


@given(request=any_facts, klass=st.integers(1, 3))
def test_a_higher_class_never_helps(request, klass):
    policy = snapshot(grants=[grant(max_class=2, operations=OPERATIONS, unparsed=True, **EVIDENCE)])
    higher = dataclasses.replace(request, detected_class=max(request.detected_class, klass))

    if decide(request, policy).verdict == "deny":
        assert decide(higher, policy).verdict == "deny"


@given(request=any_facts, entry=any_service, grants=any_grants)
def test_reasons_stand_in_the_order_of_evaluation(request, entry, grants):
    found = [finding.code for finding in decide(request, snapshot([entry], grants)).reasons]
    if "DENY_ADVICE_REQUIRED" in found and "DENY_NO_GRANT" in found:
        return  # a flagged service without approval says first what would be needed for one

    assert found == sorted(found, key=stage)
