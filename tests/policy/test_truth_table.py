"""Every cell of the truth table (requirements 0.1), decided from a snapshot that nobody checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from policy.build import DIGITAL, EVIDENCE, NISC, changed, facts, grant, service, snapshot
from sekimori.policy.decide import decide
from sekimori.policy.model import CHECKLIST

# contract, class, evidence for class 2, advice on a flagged service -> the deciding code, then the others
TABLE = """
terms_of_service 1 none     unflagged  allow
terms_of_service 1 complete unflagged  allow
terms_of_service 1 none     both       allow
terms_of_service 1 none     one        DENY_ADVICE_REQUIRED
terms_of_service 1 none     twice      DENY_ADVICE_REQUIRED
terms_of_service 1 none     no         DENY_ADVICE_REQUIRED
terms_of_service 1 complete no         DENY_ADVICE_REQUIRED
terms_of_service 2 none     unflagged  DENY_TOS_CONFIDENTIAL
terms_of_service 2 complete unflagged  DENY_TOS_CONFIDENTIAL
terms_of_service 2 complete both       DENY_TOS_CONFIDENTIAL
terms_of_service 2 complete no         DENY_TOS_CONFIDENTIAL DENY_ADVICE_REQUIRED
terms_of_service 3 none     unflagged  DENY_SECRET_DOC DENY_TOS_CONFIDENTIAL DENY_CLASS_EXCEEDED
terms_of_service 3 complete unflagged  DENY_SECRET_DOC DENY_TOS_CONFIDENTIAL DENY_CLASS_EXCEEDED
terms_of_service 3 complete both       DENY_SECRET_DOC DENY_TOS_CONFIDENTIAL DENY_CLASS_EXCEEDED
terms_of_service 3 complete no         DENY_SECRET_DOC DENY_TOS_CONFIDENTIAL DENY_CLASS_EXCEEDED DENY_ADVICE_REQUIRED
individual       1 none     unflagged  allow
individual       1 complete unflagged  allow
individual       1 none     both       allow
individual       1 none     one        DENY_ADVICE_REQUIRED
individual       1 none     no         DENY_ADVICE_REQUIRED
individual       2 complete unflagged  allow
individual       2 complete both       allow
individual       2 complete one        DENY_ADVICE_REQUIRED
individual       2 complete no         DENY_ADVICE_REQUIRED
individual       2 none     unflagged  DENY_CHECKLIST_INCOMPLETE DENY_CONSENT_RECORD_MISSING DENY_CLASS_EXCEEDED
individual       2 none     no         DENY_CHECKLIST_INCOMPLETE DENY_CONSENT_RECORD_MISSING DENY_CLASS_EXCEEDED DENY_ADVICE_REQUIRED
individual       3 none     unflagged  DENY_SECRET_DOC DENY_CHECKLIST_INCOMPLETE DENY_CONSENT_RECORD_MISSING DENY_CLASS_EXCEEDED
individual       3 complete unflagged  DENY_SECRET_DOC DENY_CLASS_EXCEEDED
individual       3 complete both       DENY_SECRET_DOC DENY_CLASS_EXCEEDED
individual       3 complete no         DENY_SECRET_DOC DENY_CLASS_EXCEEDED DENY_ADVICE_REQUIRED
org_operated     1 none     unflagged  allow
org_operated     1 none     both       allow
org_operated     1 none     no         DENY_ADVICE_REQUIRED
org_operated     2 complete unflagged  allow
org_operated     2 complete both       allow
org_operated     2 complete no         DENY_ADVICE_REQUIRED
org_operated     2 none     unflagged  DENY_CHECKLIST_INCOMPLETE DENY_CONSENT_RECORD_MISSING DENY_CLASS_EXCEEDED
org_operated     3 none     unflagged  DENY_SECRET_DOC DENY_CHECKLIST_INCOMPLETE DENY_CONSENT_RECORD_MISSING DENY_CLASS_EXCEEDED
org_operated     3 complete unflagged  DENY_SECRET_DOC DENY_CLASS_EXCEEDED
org_operated     3 complete no         DENY_SECRET_DOC DENY_CLASS_EXCEEDED DENY_ADVICE_REQUIRED
"""
ADVICE = {"unflagged": (), "no": (), "one": (NISC,), "twice": (NISC, NISC), "both": (NISC, DIGITAL)}


def cells() -> Iterator[Any]:
    for line in TABLE.strip().splitlines():
        contract, klass, evidence, advice, *outcome = line.split()
        name = f"{contract}, class {klass}, {evidence} evidence, advice {advice}"
        yield pytest.param(contract, int(klass), evidence, advice, outcome, id=name)


@pytest.mark.req("MOU-1-1", "MOU-1-2", "MOU-1-13", "MOU-2-1", "MOU-2-11", "MOU-2-12", "DSN-2-1", "DSN-5-2")
@pytest.mark.parametrize(("contract", "klass", "evidence", "advice", "outcome"), list(cells()))
def test_each_cell_of_the_truth_table_decides_as_written(contract, klass, evidence, advice, outcome):
    entry = service(contract=contract, flags=() if advice == "unflagged" else ("advisory_required",))
    given = EVIDENCE if evidence == "complete" else {}
    policy = snapshot([entry], [grant(max_class=2, advice=ADVICE[advice], **given)])

    decision = decide(facts(declared_class=klass), policy)

    assert ([str(finding.code) for finding in decision.reasons] or [decision.verdict]) == outcome


@pytest.mark.req("MOU-1-7", "MOU-1-11")
@pytest.mark.parametrize("klass", [1, 2, 3])
def test_without_any_approval_that_is_what_decides_whatever_the_class(klass):
    known = decide(facts(declared_class=klass), snapshot(grants=[]))
    catalogued = decide(facts(declared_class=klass, service="chatgpt"), snapshot())
    unknown = decide(facts(declared_class=klass, service=None), snapshot())

    assert [d.reasons[0].code for d in (known, catalogued, unknown)] == [
        "DENY_NO_GRANT",
        "DENY_NO_GRANT",
        "DENY_UNKNOWN_AI",
    ]


@pytest.mark.req("MOU-1-1")
def test_a_service_that_nobody_described_counts_as_terms_of_service():
    decision = decide(facts(declared_class=2, service="chatgpt"), snapshot())

    assert [f.code for f in decision.reasons] == ["DENY_NO_GRANT", "DENY_TOS_CONFIDENTIAL"]


MISSING = [
    *(
        pytest.param(
            {"checklist": tuple(x for x in CHECKLIST if x != item)}, "DENY_CHECKLIST_INCOMPLETE", id=item
        )
        for item in CHECKLIST
    ),
    pytest.param({"risk_analysis": None}, "DENY_CHECKLIST_INCOMPLETE", id="risk analysis"),
    pytest.param({"consent": None}, "DENY_CONSENT_RECORD_MISSING", id="consent"),
    pytest.param({"information_types": ()}, "DENY_CLASS_EXCEEDED", id="information types"),
    pytest.param({"max_class": 1}, "DENY_CLASS_EXCEEDED", id="approved for class 1 only"),
]


@pytest.mark.req("MOU-2-2", "MOU-2-3", "MOU-2-4", "MOU-2-5", "MOU-2-6", "MOU-2-9", "MOU-2-10", "MOU-2-11")
@pytest.mark.parametrize(("missing", "code"), MISSING)
def test_class_2_needs_each_single_piece_of_evidence(missing, code):
    complete = grant(max_class=2, **EVIDENCE)

    decision = decide(facts(declared_class=2), snapshot(grants=[changed(complete, **missing)]))

    assert [f.code for f in decision.reasons] == [code]


@pytest.mark.req("MOU-2-11")
@pytest.mark.parametrize(
    ("listed", "stated", "verdict"),
    [
        pytest.param(("会議録",), None, "allow", id="the only one need not be stated"),
        pytest.param(("会議録", "照会文"), None, "deny", id="one of two must be stated"),
        pytest.param(("会議録", "照会文"), "照会文", "allow", id="stated and listed"),
        pytest.param(("会議録",), "人事評価", "deny", id="stated and not listed"),
    ],
)
def test_only_listed_types_of_class_2_information_pass(listed, stated, verdict):
    policy = snapshot(grants=[grant(max_class=2, **(EVIDENCE | {"information_types": listed}))])

    decision = decide(facts(declared_class=2, information_type=stated), policy)

    assert decision.verdict == verdict
    assert {f.code for f in decision.reasons} <= {"DENY_CLASS_EXCEEDED"}


@pytest.mark.req("DSN-1-2")
def test_where_data_is_stored_in_a_country_of_caution_class_2_is_refused():
    entry = service(data_locations=("JP", "CN"), flags=("advisory_required",))
    policy = snapshot([entry], [grant(max_class=2, advice=(NISC, DIGITAL), **EVIDENCE)])

    assert decide(facts(), policy).verdict == "allow"
    assert [f.code for f in decide(facts(declared_class=2), policy).reasons] == ["DENY_CLASS_EXCEEDED"]


def test_an_enterprise_may_do_without_consent_and_advice_from_outside():
    entry = service(flags=("advisory_required",))
    policy = snapshot(
        [entry],
        [grant(max_class=2, **(EVIDENCE | {"consent": None}))],
        consent_required=False,
        advice_required=False,
    )

    assert decide(facts(declared_class=2), policy).verdict == "allow"


@pytest.mark.parametrize("contract", ["terms_of_service", "individual", "org_operated"])
@pytest.mark.parametrize("klass", [1, 2, 3])
def test_a_my_number_never_passes(contract, klass):
    policy = snapshot([service(contract=contract)], [grant(max_class=2, **EVIDENCE)])

    decision = decide(facts(declared_class=klass, my_number=True), policy)

    assert decision.verdict == "deny"
    assert "DENY_MY_NUMBER" in [f.code for f in decision.reasons][:2]
