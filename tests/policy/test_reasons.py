"""Each reason can be explained to whoever was refused, in both languages."""

from __future__ import annotations

import re

import pytest

from sekimori.policy.reasons import Reason, explain

# requirements 0.2; WARN_* stands for several
LISTED = [
    "DENY_NO_GRANT",
    "DENY_UNKNOWN_AI",
    "DENY_TOS_CONFIDENTIAL",
    "DENY_SECRET_DOC",
    "DENY_CLASS_EXCEEDED",
    "DENY_CHECKLIST_INCOMPLETE",
    "DENY_CONSENT_RECORD_MISSING",
    "DENY_ADVICE_REQUIRED",
    "DENY_PURPOSE_OUT_OF_SCOPE",
    "DENY_USER_OUT_OF_SCOPE",
    "DENY_PLAN_NOT_STARTED",
    "DENY_PLAN_EXPIRED",
    "DENY_SUSPENDED",
    "DENY_REGION",
    "DENY_TOS_CHANGED",
    "DENY_MY_NUMBER",
    "DENY_PII_TRAINING",
    "DENY_MODEL_NOT_ALLOWED",
    "DENY_AGENT_UNREGISTERED",
    "DENY_TOOL_NOT_WHITELISTED",
    "DENY_CONSENT_MISSING",
    "DENY_ACK_REQUIRED",
    "DENY_TRAINING_REQUIRED",
    "DENY_FEEDBACK_OVERDUE",
    "DENY_LIMIT",
    "DENY_MODALITY",
    "DENY_GUARDRAIL",
    "DENY_AUDIT_UNAVAILABLE",
    "DENY_SCAN_UNAVAILABLE",
    "HOLD_HUMAN_REVIEW",
    "MASK_PII",
]


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_has_a_sentence_a_rule_and_an_action_in_both_languages(reason):
    text = explain(reason)

    assert re.search("[ぁ-んァ-ヶ一-龠]", text.ja)
    assert re.search("[ぁ-んァ-ヶ一-龠]", text.action_ja)
    assert text.en.isascii()
    assert text.action_en.isascii()
    assert text.ja.endswith("。")
    assert text.en.endswith(".")
    assert text.rule


@pytest.mark.parametrize("code", LISTED)
def test_no_listed_code_is_missing(code):
    assert Reason(code).value == code


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        pytest.param(Reason.NO_GRANT, 403, id="policy"),
        pytest.param(Reason.AUTH_REQUIRED, 407, id="nobody"),
        pytest.param(Reason.MALFORMED, 400, id="malformed"),
        pytest.param(Reason.MISDIRECTED, 421, id="misdirected"),
        pytest.param(Reason.TOO_LARGE, 413, id="too large"),
        pytest.param(Reason.AUDIT_UNAVAILABLE, 503, id="audit"),
        pytest.param(Reason.OVERLOADED, 503, id="overload"),
        pytest.param(Reason.SCAN_UNAVAILABLE, 403, id="scan"),
    ],
)
def test_a_status_tells_a_client_whether_to_try_again(reason, status):
    assert explain(reason).status == status


@pytest.mark.req("MOU-1-10", "MOU-1-11")
def test_the_sentences_that_staff_must_know_stand_word_for_word():
    assert (
        "約款型クラウドサービスでは、要機密情報を取り扱うことはできません。"
        in explain(Reason.TOS_CONFIDENTIAL).ja
    )
    assert (
        "利用に当たっては、組織の規程に則り承認を得る手続きが必要であること" in explain(Reason.NO_GRANT).rule
    )
