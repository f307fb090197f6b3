"""What one grant asks of a request: evidence, class, period, model, operation, readable content."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sekimori.policy.admission import Finding, advice_findings, evidence_findings
from sekimori.policy.codes import Reason
from sekimori.policy.facts import Facts
from sekimori.policy.globs import matches_any
from sekimori.policy.model import MODALITIES, MODELLESS, Grant, Service
from sekimori.policy.people import canonical_name
from sekimori.policy.period import day_end_us, day_start_us
from sekimori.policy.snapshot import Snapshot

_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Case:
    """A request beside the policy: the facts, and what the snapshot says about who and where."""

    facts: Facts
    snapshot: Snapshot
    service: Service | None
    user: str
    groups: frozenset[str]
    klass: int
    class_source: str


def valid_until_us(grant: Grant, service: Service | None) -> int:
    """Give the first instant at which ``grant`` no longer holds; a contract that ends earlier ends it."""
    if service is not None and service.contract_end is not None:
        return min(grant.period.end_us, day_end_us(service.contract_end))
    return grant.period.end_us


def grant_findings(case: Case, grant: Grant) -> list[Finding]:
    """List what stands against admitting ``case`` under ``grant``; its purpose is not asked here."""
    service = case.service
    if service is None:
        return [Finding(Reason.NO_GRANT)]
    found = evidence_findings(service, grant, case.klass, case.snapshot.rules)
    found += _class(case, grant)
    found += advice_findings(service.flagged, grant, case.snapshot.rules)
    if grant.status != "active":
        found.append(Finding(Reason.SUSPENDED, grant.id))
    found += _period(case.facts.time_us, grant, service)
    found += _model(case.facts, grant, service)
    found += _operation(case.facts.operation, grant)
    found += _readable(case, grant, service)
    return found


def _class(case: Case, grant: Grant) -> Iterator[Finding]:
    if case.klass > grant.max_class:
        yield Finding(Reason.CLASS_EXCEEDED, f"class {case.klass}, approved up to {grant.max_class}")
    elif case.klass == 2 and grant.information_types:
        yield from _information_type(case.facts.information_type, grant)


def _information_type(stated: str | None, grant: Grant) -> Iterator[Finding]:
    """Hold class 2 to the listed types (「一部の機密性2情報」); one that stands alone need not be stated."""
    listed = [canonical_name(name) for name in grant.information_types]
    fits = canonical_name(stated) in listed if stated else len(listed) == 1
    if not fits:
        yield Finding(Reason.CLASS_EXCEEDED, "information type: " + " / ".join(grant.information_types))


def _period(time_us: int, grant: Grant, service: Service) -> Iterator[Finding]:
    if time_us < grant.period.start_us:
        yield Finding(Reason.PLAN_NOT_STARTED, _term(grant))
    elif time_us >= grant.period.end_us:
        yield Finding(Reason.PLAN_EXPIRED, _term(grant))
    if service.contract_start and time_us < day_start_us(service.contract_start):
        yield Finding(Reason.PLAN_NOT_STARTED, f"contract from {service.contract_start.isoformat()}")
    if service.contract_end and time_us >= day_end_us(service.contract_end):
        yield Finding(Reason.PLAN_EXPIRED, f"contract until {service.contract_end.isoformat()}")


def _term(grant: Grant) -> str:
    return f"{grant.period.start.isoformat()} – {grant.period.end.isoformat()}"


def _model(facts: Facts, grant: Grant, service: Service) -> Iterator[Finding]:
    if facts.operation == "model-list":
        return
    if facts.model is None:
        if (grant.models or service.models) and facts.operation not in MODELLESS:
            yield Finding(Reason.MODEL_NOT_ALLOWED, "no model is named")
    elif not facts.model_certain:
        # Also without a list of models: the one that is meant could be a flagged one.
        yield Finding(Reason.MODEL_NOT_ALLOWED, "it is not certain which model is meant")
    elif not all(matches_any(names, facts.model) for names in (grant.models, service.models) if names):
        yield Finding(Reason.MODEL_NOT_ALLOWED, facts.model[:_SHOWN])


def _operation(operation: str, grant: Grant) -> Iterator[Finding]:
    if operation not in grant.operations:
        code = Reason.MODALITY if operation in MODALITIES else Reason.OPERATION_NOT_ALLOWED
        yield Finding(code, operation[:_SHOWN])


def _readable(case: Case, grant: Grant, service: Service) -> Iterator[Finding]:
    """Refuse what no detector saw, unless class 1 may pass unread; attachments on 約款型 never may."""
    may_pass_unread = grant.unparsed and case.klass == 1
    if case.facts.parse != "parsed" and not may_pass_unread:
        yield Finding(Reason.SCAN_UNAVAILABLE, f"the content is {case.facts.parse[:_SHOWN]}")
    if case.facts.unread_attachments > 0 and not (may_pass_unread and service.contract != "terms_of_service"):
        yield Finding(Reason.SCAN_UNAVAILABLE, f"unread attachments: {case.facts.unread_attachments}")
