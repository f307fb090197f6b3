"""One request, one decision: ``decide(facts, snapshot)``.

Pure and total: no clock, no file, and no input for which it raises. Every reason that stands against a
request is recorded in the order of evaluation; the first one decides. Among several grants that cover a
person the one that admits is used, the longest first; if none does, the reasons are those of the nearest
miss (the fewest).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sekimori.policy.admission import Finding, contract_findings
from sekimori.policy.codes import Reason, stage
from sekimori.policy.conditions import Case, grant_findings, valid_until_us
from sekimori.policy.facts import Facts
from sekimori.policy.globs import matches_any
from sekimori.policy.model import Grant, Service
from sekimori.policy.people import canonical_name
from sekimori.policy.reasons import explain
from sekimori.policy.snapshot import Snapshot
from sekimori.policy.standing import EMPTY, Standing
from sekimori.policy.subject import Source
from sekimori.policy.texts import admission_rule

Verdict = Literal["allow", "deny", "hold"]
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict and everything that explains it.

    ``grant`` admits the request, or comes nearest to it. ``valid_until_us`` is the first instant at which
    the grant no longer holds: an open stream is cut there. ``retryable`` is true where the same request
    may pass later without anybody changing anything.
    """

    verdict: Verdict
    reasons: tuple[Finding, ...]
    grant: str | None
    service: str | None
    klass: int
    class_source: str
    purpose: str | None
    rule: str
    valid_until_us: int | None
    retryable: bool


def decide(facts: Facts, snapshot: Snapshot, standing: Standing = EMPTY) -> Decision:
    """Decide on one request from what is known of it and the policy in force.

    ``standing`` is newer than the snapshot and only narrows it: who is disabled or what is suspended there
    is refused whatever the snapshot says.
    """
    case = _case(facts, snapshot)
    stopped = standing.findings(case.user, facts.service or "")
    certain = [*_identity(case), *_service(case)]
    others = [*_hard_blocks(case), *contract_findings(case.service, case.klass), *_suspended(case), *stopped]
    chosen, found = _choose(case, standing)
    findings = _merge([*certain, *sorted([*others, *found], key=lambda finding: stage(finding.code))])
    if findings or chosen is None or case.service is None:
        return _denied(case, findings, chosen)
    return Decision(
        verdict="allow",
        reasons=(),
        grant=chosen.id,
        service=case.service.id,
        klass=case.klass,
        class_source=case.class_source,
        purpose=chosen.purpose,
        rule=admission_rule(case.service.contract, case.klass),
        valid_until_us=valid_until_us(chosen, case.service),
        retryable=False,
    )


def _denied(case: Case, findings: tuple[Finding, ...], nearest: Grant | None) -> Decision:
    # Nothing found and yet nothing that admits cannot happen; if it ever does, it is no admission.
    findings = findings or (Finding(Reason.NO_GRANT),)
    text = explain(findings[0].code)
    return Decision(
        verdict="deny",
        reasons=findings,
        grant=nearest.id if nearest else None,
        service=case.facts.service,
        klass=case.klass,
        class_source=case.class_source,
        purpose=case.facts.purpose[:_SHOWN] if case.facts.purpose else None,
        rule=text.rule,
        valid_until_us=None,
        retryable=text.status == 503,
    )


def _case(facts: Facts, snapshot: Snapshot) -> Case:
    user = canonical_name(facts.user) if facts.user else ""
    groups = frozenset(canonical_name(group) for group in facts.groups)
    groups |= snapshot.groups_of(user) if user else frozenset()
    service = snapshot.services.get(facts.service) if facts.service is not None else None
    klass, source = _class(facts, service, snapshot, groups)
    return Case(facts, snapshot, service, user, groups, klass, source)


def _class(
    facts: Facts, service: Service | None, snapshot: Snapshot, groups: Iterable[str]
) -> tuple[int, str]:
    """Take the highest of all sources; at a tie, the one that is hardest to argue with."""
    declared = facts.declared_class if facts.declared_class is not None else 0
    floors = [snapshot.groups[group].class_floor for group in groups if group in snapshot.groups]
    sources = (
        (max(facts.detected_class, 2 if facts.my_number else 1), "detected"),
        (declared, "declared"),
        (service.class_floor if service else 1, "service"),
        (max(floors, default=1), "group"),
    )
    klass, source = max(sources, key=lambda one: one[0])
    if klass <= 1:
        return 1, "declared" if declared == 1 else "default"
    return min(klass, 3), source


def _identity(case: Case) -> list[Finding]:
    return [] if case.user else [Finding(Reason.AUTH_REQUIRED)]


def _service(case: Case) -> list[Finding]:
    """Say what is missing before anything else is asked; a flagged service lacks advice first of all."""
    facts = case.facts
    alien = _alien_model(case)
    if alien is not None:
        return [*_advice(case, alien), Finding(Reason.NO_GRANT, alien[:_SHOWN])]
    if facts.service is None:
        return [Finding(Reason.UNKNOWN_AI, facts.host[:_SHOWN])]
    if case.service is None or not case.snapshot.has_grants(case.service.id):
        flagged = facts.flagged or (case.service is not None and case.service.flagged)
        return [*(_advice(case, facts.service) if flagged else ()), Finding(Reason.NO_GRANT, facts.service)]
    return []


def _alien_model(case: Case) -> str | None:
    """Name the flagged model of a request whose service entry is not about it."""
    model = case.facts.flagged_model
    if model is None and case.facts.model and case.snapshot.is_flagged_model(case.facts.model):
        model = case.facts.model
    if model is None:
        return None
    service = case.service
    if service is None:
        return None if case.facts.flagged else model
    return None if service.flagged or matches_any(service.models, model) else model


def _advice(case: Case, detail: str) -> list[Finding]:
    return [Finding(Reason.ADVICE_REQUIRED, detail[:_SHOWN])] if case.snapshot.rules.advice_required else []


def _hard_blocks(case: Case) -> list[Finding]:
    found = []
    if case.klass >= 3:
        found.append(Finding(Reason.SECRET_DOC, ", ".join(case.facts.detected_by)))
    if case.facts.my_number:
        found.append(Finding(Reason.MY_NUMBER))
    return found


def _suspended(case: Case) -> list[Finding]:
    if case.service is not None and case.service.status == "suspended":
        return [Finding(Reason.SUSPENDED, case.service.id)]
    return []


def _choose(case: Case, standing: Standing) -> tuple[Grant | None, list[Finding]]:
    """Pick the grant that admits, or the nearest miss together with what stands against it."""
    if case.service is None or not case.user or not case.snapshot.has_grants(case.service.id):
        return None, []
    grants = case.snapshot.grants_for(case.service.id, case.user, case.groups)
    if not grants:
        return None, [Finding(Reason.USER_OUT_OF_SCOPE, case.user)]
    only = Source.read(case.facts.user_source)
    if only.agent:  # a key admits by its own grant, whatever else its owner may do
        grants = tuple(grant for grant in grants if grant.id == only.grant)
        if not grants:
            return None, [Finding(Reason.USER_OUT_OF_SCOPE, f"key {only.detail}: {only.grant}")]
    judged = [(grant, _judged(case, grant, standing)) for grant in grants]
    fitting = [grant for grant, found in judged if not found]
    if fitting:
        return _by_purpose(case, fitting)
    grant, found = min(judged, key=lambda one: (_off_purpose(case, one[0]), len(one[1])))
    if _off_purpose(case, grant):
        found = [*found, _purposes(other for other, _ in judged)]
    return grant, found


def _judged(case: Case, grant: Grant, standing: Standing) -> list[Finding]:
    stopped = [Finding(Reason.SUSPENDED, grant.id)] if standing.stops_grant(grant.id) else []
    return [*stopped, *grant_findings(case, grant)]


def _by_purpose(case: Case, fitting: list[Grant]) -> tuple[Grant, list[Finding]]:
    meant = [grant for grant in fitting if not _off_purpose(case, grant)]
    service = case.service
    longest = max(meant or fitting, key=lambda grant: valid_until_us(grant, service))
    if not meant or len({canonical_name(grant.purpose) for grant in meant}) > 1:
        return longest, [_purposes(fitting)]
    return longest, []


def _off_purpose(case: Case, grant: Grant) -> bool:
    stated = case.facts.purpose
    return bool(stated) and canonical_name(stated or "") != canonical_name(grant.purpose)


def _purposes(grants: Iterable[Grant]) -> Finding:
    listed = dict.fromkeys(grant.purpose for grant in grants)
    return Finding(Reason.PURPOSE_OUT_OF_SCOPE, " / ".join(listed))


def _merge(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Keep each code once, where it first stands, with all its details."""
    details: dict[Reason, list[str]] = {}
    for finding in findings:
        told = details.setdefault(finding.code, [])
        if finding.detail and finding.detail not in told:
            told.append(finding.detail)
    return tuple(Finding(code, "; ".join(told)) for code, told in details.items())
