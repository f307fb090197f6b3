"""The grants as policy: what the compiler of the snapshot gets.

A grant whose law no longer holds (the contract became 約款型, an advice was withdrawn, a contract ended)
is left out and named by ``withheld``: it admits nothing, and it cannot keep the others from compiling.
A grant for several work scopes becomes one policy grant for each, as a request states one purpose.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import msgspec

from sekimori.governance.advice import AdviceRecord, advice_on
from sekimori.governance.assessment import RiskAssessment
from sekimori.governance.calendar import jst_date
from sekimori.governance.consent import ExternalConsent
from sekimori.governance.grant import LIVE, Grant
from sekimori.governance.rules import Rules
from sekimori.governance.service import RegisteredService
from sekimori.governance.state import State
from sekimori.governance.terms import TermsChange, stops
from sekimori.policy import model
from sekimori.policy.applied import with_catalogue
from sekimori.policy.checks import grant_problems, host_problems, service_problems
from sekimori.policy.document import Document
from sekimori.policy.people import canonical_name

FILE = "(governance)"
_DAY_US = 86_400_000_000
# How long a grant that is over is still told apart from one that never was.
_REMEMBERED_US = 90 * _DAY_US


@dataclass(frozen=True, slots=True)
class Withheld:
    """A grant or a service that may not become policy, and why."""

    kind: str
    id: str
    why: tuple[str, ...]


def _no_flags(_host: str) -> Collection[str]:
    return ()


def grants_document(
    state: State,
    at_us: int,
    rules: Rules,
    *,
    catalogue_flags: Callable[[str], Collection[str]] = _no_flags,
    flagged_models: Collection[str] = (),
) -> Document:
    """Give the services and grants that hold at an instant; suspended and past ones say so."""
    return compiled(state, at_us, rules, catalogue_flags, flagged_models)[0]


def withheld(
    state: State,
    at_us: int,
    rules: Rules,
    *,
    catalogue_flags: Callable[[str], Collection[str]] = _no_flags,
    flagged_models: Collection[str] = (),
) -> tuple[Withheld, ...]:
    """List what ``grants_document`` left out: each is a matter for its administrator."""
    return compiled(state, at_us, rules, catalogue_flags, flagged_models)[1]


def compiled(
    state: State,
    at_us: int,
    rules: Rules,
    catalogue_flags: Callable[[str], Collection[str]] = _no_flags,
    flagged_models: Collection[str] = (),
) -> tuple[Document, tuple[Withheld, ...]]:
    """Give both at once: whoever compiles 200,000 grants walks them once."""
    left: list[Withheld] = []
    services: dict[str, model.Service] = {}
    elsewhere: dict[str, model.Service] = {}
    claims: defaultdict[str, list[model.Service]] = defaultdict(list)
    halted = {each.service for each in state.all(TermsChange) if stops(each, at_us)}
    for entry in sorted(state.all(RegisteredService), key=lambda each: each.id):
        if entry.owner_file:
            elsewhere[entry.id] = entry.for_policy(active=True)
        if entry.status == "DRAFT" or entry.owner_file:
            continue  # a file that owns a service brings it itself
        made = _cautious(entry, rules, active=entry.status == "ACTIVE" and entry.id not in halted)
        service = with_catalogue(made, catalogue_flags, flagged_models)
        # Only those on the same hosts can be in the way: asking all of them would be quadratic.
        near = {other.id: other for host in service.hosts for other in claims[host]}
        problems = [*service_problems(service), *host_problems([*near.values(), service])]
        if problems:
            left.append(Withheld("service", entry.id, tuple(map(str, problems))))
            continue
        services[entry.id] = service
        for host in service.hosts:
            claims[host].append(service)
    grants: dict[str, model.Grant] = {}
    law, advice = rules.for_policy, _advice(state)
    for grant in state.all(Grant):
        if at_us >= grant.period.end_us + _REMEMBERED_US:
            continue
        known = services.get(grant.service) or elsewhere.get(grant.service)
        made_of = list(_policy_grants(state, grant, known, at_us, advice.get(grant.service, ())))
        why = tuple(str(problem) for one in made_of[:1] for problem in grant_problems(one, known, {}, law))
        if why or not made_of:
            left.append(Withheld("grant", grant.id, why or ("names no work scope",)))
        else:
            grants.update((one.id, one) for one in made_of)
    return Document(services=services, grants=grants, unsigned=False, file=FILE), tuple(left)


def _advice(state: State) -> dict[str, tuple[model.Opinion, ...]]:
    asked = {each.service for each in state.all(AdviceRecord)}
    return {
        service: tuple(
            model.Opinion(body=each.body, reference=each.reference, date=each.answered_on or each.asked_on)
            for each in advice_on(state, service).values()
        )
        for service in asked
    }


def _cautious(entry: RegisteredService, rules: Rules, *, active: bool) -> model.Service:
    service = entry.for_policy(active=active)
    if entry.flagged(rules.caution_locations):
        flags = tuple(sorted({*service.flags, model.ADVISORY_REQUIRED}))
        service = msgspec.structs.replace(service, flags=flags)
    return service


def _policy_grants(
    state: State,
    grant: Grant,
    service: model.Service | None,
    at_us: int,
    advice: tuple[model.Opinion, ...],
) -> Iterator[model.Grant]:
    consent, assessment = (
        state.find(ExternalConsent, grant.consent),
        state.find(RiskAssessment, grant.risk_assessment),
    )
    entry = state.find(RegisteredService, grant.service)
    trained = entry is not None and entry.trains
    for scope in grant.work_scopes:
        yield model.Grant(
            id=grant.id if len(grant.work_scopes) == 1 else f"{grant.id}/{scope}",
            service=grant.service,
            purpose=scope,
            period=grant.period,
            administrator=grant.administrator or "-",
            decided_by=grant.decided_by,
            decided_on=grant.decided_on,
            users=tuple(canonical_name(name) for name in grant.users),
            groups=tuple(canonical_name(name) for name in grant.groups),
            max_class=min(grant.max_class, 1) if trained else grant.max_class,
            models=grant.models,
            operations=grant.operations,
            unparsed=grant.unparsed,
            reference=grant.report_no,
            status=_status(grant, service, at_us),
            checklist=grant.checklist,
            consent=_opinion(consent),
            advice=advice,
            risk_analysis=_analysis(assessment),
            information_types=grant.information_types,
        )


def _status(grant: Grant, service: model.Service | None, at_us: int) -> model.Status:
    if grant.status == "REVOKED":
        return "revoked"
    over = grant.status == "EXPIRED" or at_us >= grant.period.end_us
    usable = grant.status in LIVE and bool(grant.administrator)
    if over or (usable and (service is None or service.status == "active")):
        return "active"  # the period itself says that it is over
    return "suspended"


def _opinion(consent: ExternalConsent | None) -> model.Opinion | None:
    if consent is None or not consent.given or consent.on is None:
        return None
    return model.Opinion(body=consent.body, reference=consent.reference, date=consent.on)


def _analysis(assessment: RiskAssessment | None) -> model.RiskAnalysis | None:
    if assessment is None or assessment.status != "SIGNED":
        return None
    return model.RiskAnalysis(
        reference=assessment.id, signed_by=assessment.assessor, signed_on=jst_date(assessment.signed_us)
    )
