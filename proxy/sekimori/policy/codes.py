"""Every reason code, in the order in which rules are evaluated.

Codes are a stable interface: clients, dashboards and records rely on the words. What a person reads
about each is in ``texts``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a request was refused, held or changed; the value is what is recorded."""

    AUTH_REQUIRED = "DENY_AUTH_REQUIRED"
    UNKNOWN_AI = "DENY_UNKNOWN_AI"
    NO_GRANT = "DENY_NO_GRANT"
    SECRET_DOC = "DENY_SECRET_DOC"  # noqa: S105 - no password
    MY_NUMBER = "DENY_MY_NUMBER"
    TOS_CONFIDENTIAL = "DENY_TOS_CONFIDENTIAL"
    CHECKLIST_INCOMPLETE = "DENY_CHECKLIST_INCOMPLETE"
    CONSENT_RECORD_MISSING = "DENY_CONSENT_RECORD_MISSING"
    CLASS_EXCEEDED = "DENY_CLASS_EXCEEDED"
    ADVICE_REQUIRED = "DENY_ADVICE_REQUIRED"
    SUSPENDED = "DENY_SUSPENDED"
    USER_OUT_OF_SCOPE = "DENY_USER_OUT_OF_SCOPE"
    PURPOSE_OUT_OF_SCOPE = "DENY_PURPOSE_OUT_OF_SCOPE"
    PLAN_NOT_STARTED = "DENY_PLAN_NOT_STARTED"
    PLAN_EXPIRED = "DENY_PLAN_EXPIRED"
    MODEL_NOT_ALLOWED = "DENY_MODEL_NOT_ALLOWED"
    MODALITY = "DENY_MODALITY"
    OPERATION_NOT_ALLOWED = "DENY_OPERATION_NOT_ALLOWED"
    REGION = "DENY_REGION"
    AGENT_UNREGISTERED = "DENY_AGENT_UNREGISTERED"
    TOOL_NOT_WHITELISTED = "DENY_TOOL_NOT_WHITELISTED"
    TOS_CHANGED = "DENY_TOS_CHANGED"
    TRAINING_REQUIRED = "DENY_TRAINING_REQUIRED"
    CONSENT_MISSING = "DENY_CONSENT_MISSING"
    ACK_REQUIRED = "DENY_ACK_REQUIRED"
    FEEDBACK_OVERDUE = "DENY_FEEDBACK_OVERDUE"
    PII_TRAINING = "DENY_PII_TRAINING"
    LIMIT = "DENY_LIMIT"
    LIMIT_SIZE = "DENY_LIMIT_SIZE"
    LIMIT_RATE = "DENY_LIMIT_RATE"
    LIMIT_WINDOW = "DENY_LIMIT_WINDOW"
    SCAN_UNAVAILABLE = "DENY_SCAN_UNAVAILABLE"
    GUARDRAIL = "DENY_GUARDRAIL"
    HUMAN_REVIEW = "HOLD_HUMAN_REVIEW"
    AUDIT_UNAVAILABLE = "DENY_AUDIT_UNAVAILABLE"
    IP_LITERAL = "DENY_IP_LITERAL"
    PORT = "DENY_PORT"
    MISMATCH = "DENY_MISMATCH"
    PLAIN_HTTP = "DENY_PLAIN_HTTP"
    MALFORMED = "DENY_MALFORMED"
    MISDIRECTED = "DENY_MISDIRECTED"
    PRIVATE_ADDRESS = "DENY_PRIVATE_ADDRESS"
    NOT_TLS = "DENY_NOT_TLS"
    UNCATALOGUED = "DENY_UNCATALOGUED"
    TOO_LARGE = "DENY_TOO_LARGE"
    POLICY_UNAVAILABLE = "DENY_POLICY_UNAVAILABLE"
    IDENTITY_UNAVAILABLE = "DENY_IDENTITY_UNAVAILABLE"
    OVERLOADED = "DENY_OVERLOADED"
    GATE_ERROR = "DENY_GATE_ERROR"
    CLOCK = "DENY_CLOCK"
    MASK_PII = "MASK_PII"
    WARN_EXPIRY_30 = "WARN_EXPIRY_30"
    WARN_EXPIRY_14 = "WARN_EXPIRY_14"
    WARN_EXPIRY_7 = "WARN_EXPIRY_7"
    WARN_EXPIRY_1 = "WARN_EXPIRY_1"
    WARN_MARKING = "WARN_MARKING"
    WARN_ATTACHMENT_UNREAD = "WARN_ATTACHMENT_UNREAD"


@dataclass(frozen=True, slots=True)
class ReasonText:
    """What a person reads about a reason: the sentence, the rule it comes from, what to do, the status."""

    ja: str
    en: str
    rule: str
    action_ja: str
    action_en: str
    status: int = 403


def stage(reason: Reason) -> int:
    """Rank ``reason`` in the order in which rules are evaluated; the lowest rank decides."""
    return _STAGE[reason]


# The members of Reason stand in the order of evaluation, which makes the enum the one place that says it.
_STAGE = {reason: rank for rank, reason in enumerate(Reason)}
