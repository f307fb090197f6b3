"""Services, groups and grants: the words of the policy.

Plain values without behaviour beyond their own fields. What they must satisfy is in ``checks``, what
follows from them for a request in ``decide``.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from sekimori.policy.period import day_end_us, day_start_us

Contract = Literal["terms_of_service", "individual", "org_operated"]
Interception = Literal["ai", "mixed", "support"]
Profile = Literal["gov", "local_gov", "enterprise"]
Status = Literal["active", "suspended", "revoked"]

ADVISORY_REQUIRED = "advisory_required"
DEFAULT_OPERATIONS = ("generate", "model-list", "count-tokens")
OPERATIONS = (
    *DEFAULT_OPERATIONS,
    *("embed", "rerank", "moderate", "image", "audio", "realtime", "file", "batch"),
    *("tool", "agent", "state", "train", "other-ai", "not-ai"),
)
# What has no model of its own: a grant that names models says nothing about these, so it must list them.
MODELLESS = frozenset({"model-list", "file", "batch", "state", "not-ai"})
MODALITIES = frozenset({"image", "audio", "realtime"})
# 様式 (利用計画書) row 11, in its order.
CHECKLIST = (
    "c1_disclosure_of_genai",
    "c2_secondary_use_responsibility",
    "c3_limited_initial_audience",
    "c4_risk_assessment",
    "c5_logging_and_feedback",
    "c6_trial_notice_and_consent",
)


class _Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A policy value; a field that this version does not know makes a file unreadable, not half-read."""


class Rules(_Value, frozen=True):
    """What an installation asks for; ``gov`` cannot switch advice or consent off."""

    profile: Profile = "enterprise"
    advice_required: bool = True
    consent_required: bool = True


class Period(_Value, frozen=True):
    """JST calendar dates, both inclusive."""

    start: date
    end: date

    @property
    def start_us(self) -> int:
        """The first instant of the period."""
        return day_start_us(self.start)

    @property
    def end_us(self) -> int:
        """The first instant after the period."""
        return day_end_us(self.end)


class Opinion(_Value, frozen=True):
    """A consent (了解) or an advice (助言): which body gave it, under which reference, when."""

    body: str
    reference: str
    date: date


class RiskAnalysis(_Value, frozen=True):
    """The signed risk analysis behind handling class 2 information."""

    reference: str
    signed_by: str = ""
    signed_on: date | None = None


class Service(_Value, frozen=True):
    """An AI service as this organisation knows it: where it is and what it was agreed on.

    A host is a canonical name, or ``*.name`` for the names under it. Where ``models`` is set, the entry
    is only about those models at its hosts. ``mixed_hosts`` and ``support_hosts`` are those of ``hosts``
    that the catalogue knows as such.
    """

    id: str
    name: str
    hosts: tuple[str, ...]
    provider: str = ""
    contract: Contract = "terms_of_service"
    contract_no: str = ""
    contract_start: date | None = None
    contract_end: date | None = None
    data_locations: tuple[str, ...] = ()
    class_floor: int = 1
    models: tuple[str, ...] = ()
    interception: Interception = "ai"
    decrypt_mixed: bool = False
    flags: tuple[str, ...] = ()
    mixed_hosts: tuple[str, ...] = ()
    support_hosts: tuple[str, ...] = ()
    status: Status = "active"

    @property
    def flagged(self) -> bool:
        """Whether a decision on this service needs the advice of two bodies."""
        return ADVISORY_REQUIRED in self.flags


class Group(_Value, frozen=True):
    """People who share grants; ``class_floor`` is the least class that their requests have."""

    name: str
    members: tuple[str, ...] = ()
    class_floor: int = 1


class Grant(_Value, frozen=True):
    """A decision taken by people: who may use a service, for what, when, up to which class.

    Names in ``users`` and ``groups`` are canonical.
    """

    id: str
    service: str
    purpose: str
    period: Period
    administrator: str
    decided_by: str
    decided_on: date | None = None
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    max_class: int = 1
    models: tuple[str, ...] = ()
    operations: tuple[str, ...] = DEFAULT_OPERATIONS
    unparsed: bool = False
    reference: str = ""
    status: Status = "active"
    checklist: tuple[str, ...] = ()
    consent: Opinion | None = None
    advice: tuple[Opinion, ...] = ()
    risk_analysis: RiskAnalysis | None = None
    information_types: tuple[str, ...] = ()
