"""A service as the register knows it: the legal facts on which applicants and authorities decide.

Where a fact decides what may be approved (``FOUR_EYES``), nobody changes it alone: the change is proposed
by one person and approved by another. Unknown is the safest: a new service is 約款型.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import ClassVar, Literal

from sekimori.governance.state import Aggregate, Evidence, Value
from sekimori.policy import model
from sekimori.policy.admission import CAUTION_LOCATIONS


class ContractType(StrEnum):
    """How the service was contracted [MOU-1-1]."""

    TERMS_OF_SERVICE = "TERMS_OF_SERVICE"
    INDIVIDUAL_CONTRACT = "INDIVIDUAL_CONTRACT"
    ORG_OPERATED = "ORG_OPERATED"


# The words of the apply file for the same three.
POLICY_CONTRACT: dict[ContractType, model.Contract] = {
    ContractType.TERMS_OF_SERVICE: "terms_of_service",
    ContractType.INDIVIDUAL_CONTRACT: "individual",
    ContractType.ORG_OPERATED: "org_operated",
}


class Contract(Value, frozen=True):
    """What an individual contract must say before anything rests on it [MOU-2-1]."""

    number: str
    counterparty: str = ""
    start: date | None = None
    end: date | None = None
    training_clause: str = ""
    deletion_clause: str = ""
    evidence: Evidence | None = None


class Flag(Value, frozen=True):
    """A caution about a service or its provider, and who says so."""

    code: str
    source: str
    on: date | None = None


class Subprocessor(Value, frozen=True):
    """Whom the provider hands data on to [DSN-A3-1]."""

    name: str
    country: str
    role: str = ""
    source: str = ""
    on: date | None = None


class TermsDocument(Value, frozen=True):
    """The terms as they were fetched: where, which bytes, when."""

    url: str
    sha256: str
    retrieved_on: date


class Summary(Value, frozen=True):
    """A Japanese summary of a policy that is not in Japanese, and who checked it [DSN-1-1]."""

    text: str
    author: str
    reviewer: str


class ProcurementCheck(Value, frozen=True):
    """Whether the IT procurement agreement applies, why, and who checked [DSN-4-1]."""

    applies: bool
    reason: str
    checker: str


class LogPlan(Value, frozen=True):
    """How the use of a service is logged; all of it stands before the service is used [UPD-U2-3]."""

    owner: str = ""
    items: tuple[str, ...] = ()
    retention: str = ""
    viewers: tuple[str, ...] = ()
    review_cycle: str = ""
    storage: str = ""
    time_source: str = ""
    self_test: Evidence | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """List what is still empty."""
        return tuple(name for name in self.__struct_fields__ if not getattr(self, name))


class Facts(Value, frozen=True):
    """What is known about a service. An empty list of locations or languages means: not known."""

    name: str
    provider: str
    hosts: tuple[str, ...]
    models: tuple[str, ...] = ()
    contract_type: ContractType = ContractType.TERMS_OF_SERVICE
    contract: Contract | None = None
    data_locations: tuple[str, ...] = ()
    governing_law: tuple[str, ...] = ()
    foreign_access_note: str = ""
    training_use: Literal["none", "opt_out", "used", "unknown"] = "unknown"
    retention: str = ""
    subprocessors: tuple[Subprocessor, ...] = ()
    policy_languages: tuple[str, ...] = ()
    ja_summary: Summary | None = None
    flags: tuple[Flag, ...] = ()
    procurement: Literal["none", "planned", "contracted"] = "none"
    it_procurement_check: ProcurementCheck | None = None
    audience: Literal["STAFF", "PUBLIC"] = "STAFF"
    phase: Literal["PILOT", "LIMITED", "GENERAL"] = "PILOT"
    ai_label: bool = True
    class_floor: int = 1
    interception: model.Interception = "ai"
    decrypt_mixed: bool = False
    contact: str = ""


# What a decision hangs on: never changed by one person alone once the service may be used.
FOUR_EYES = frozenset(
    {
        *("provider", "hosts", "models", "contract_type", "contract", "data_locations", "governing_law"),
        *("training_use", "flags", "audience", "class_floor", "interception", "decrypt_mixed"),
    }
)


class Proposal(Value, frozen=True):
    """Facts as one person wants them, until another approves."""

    facts: Facts
    by: str
    at_us: int
    reason: str


DISOWNED = "file"
"""Why a service is suspended that its file no longer says."""


class RegisteredService(Aggregate, frozen=True, kw_only=True):
    """An entry of the register (台帳).

    ``editor`` wrote last; ``brought_by`` brought the facts that decisions hang on, as they are in force.
    """

    noun: ClassVar[str] = "service"

    facts: Facts
    terms: TermsDocument | None = None
    log_plan: LogPlan = LogPlan()
    proposal: Proposal | None = None
    editor: str = ""
    brought_by: str = ""
    suspended_for: str = ""
    owner_file: str = ""

    @property
    def abroad(self) -> bool:
        """Whether data may lie outside Japan; not knowing counts as abroad."""
        return set(self.facts.data_locations) != {"JP"}

    def flagged(self, caution: frozenset[str] = frozenset()) -> bool:
        """Whether a decision needs the advice of two bodies, whatever the service costs [DSN-5-2]."""
        flags = {flag.code for flag in self.facts.flags}
        return model.ADVISORY_REQUIRED in flags or bool(self.capped(caution))

    def capped(self, caution: frozenset[str] = frozenset()) -> tuple[str, ...]:
        """List the locations for which nothing above class 1 is possible [DSN-1-2]."""
        return tuple(sorted((CAUTION_LOCATIONS | caution).intersection(self.facts.data_locations)))

    @property
    def trains(self) -> bool:
        """Whether what is sent is known to train a model, which nothing above class 1 may [DSN-A2-1]."""
        return self.facts.training_use == "used"

    def for_policy(self, *, active: bool) -> model.Service:
        """Give the entry in the words of the gate's policy."""
        facts, contract = self.facts, self.facts.contract
        return model.Service(
            id=self.id,
            name=facts.name,
            hosts=facts.hosts,
            provider=facts.provider,
            contract=POLICY_CONTRACT[facts.contract_type],
            contract_no=contract.number if contract else "",
            contract_start=contract.start if contract else None,
            contract_end=contract.end if contract else None,
            data_locations=facts.data_locations,
            class_floor=facts.class_floor,
            models=facts.models,
            interception=facts.interception,
            decrypt_mixed=facts.decrypt_mixed,
            flags=tuple(sorted({flag.code for flag in facts.flags})),
            status="active" if active else "suspended",
        )


def stopped_by_hand(service: RegisteredService) -> bool:
    """Say whether a person suspended it: a file that says so, or says it no more, gives no reason."""
    return service.status == "SUSPENDED" and service.suspended_for not in ("", DISOWNED)
