"""What a policy as a whole must satisfy before any decision may be taken from it.

Asked when a file is read (a fault then has a line), when documents are merged and compiled, and again
when a worker loads a snapshot. ``decide`` asks the truth table once more for each request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from sekimori.policy.admission import advice_findings, evidence_findings
from sekimori.policy.codes import Reason
from sekimori.policy.globs import globs_overlap
from sekimori.policy.model import Grant, Group, Rules, Service
from sekimori.policy.people import canonical_name

_EVERYBODY = frozenset({"*", "all", "everyone", "everybody", "全員", "全職員"})
_NEEDED = {
    Reason.CHECKLIST_INCOMPLETE: ("checklist", "max_class 2 needs all six items はい and a risk analysis"),
    Reason.CONSENT_RECORD_MISSING: ("consent", "max_class 2 needs the recorded consent (了解)"),
    Reason.CLASS_EXCEEDED: ("max_class", "class 2 cannot be approved here"),
    Reason.ADVICE_REQUIRED: ("advice", "this service needs the recorded advice of two different bodies"),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something a policy may not say: about which entry, in which field."""

    kind: str
    id: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.kind} {self.id}: {self.field}: {self.message}"


def near(word: str, words: Iterable[str]) -> str:
    """Give ' (did you mean …?)' where one of ``words`` is close to ``word``."""
    close = get_close_matches(word, list(words), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def problems_of(
    services: Mapping[str, Service], groups: Mapping[str, Group], grants: Sequence[Grant], rules: Rules
) -> Iterator[Problem]:
    """Yield everything that is wrong with a policy, in its own order."""
    return (problem for problem in steps_of(services, groups, grants, rules) if problem is not None)


def steps_of(
    services: Mapping[str, Service],
    groups: Mapping[str, Group],
    grants: Iterable[Grant],
    rules: Rules,
    *,
    ascending: bool = False,
) -> Iterator[Problem | None]:
    """Yield every problem, and ``None`` after each grant: whoever has others to serve may stop there.

    With ``ascending`` the grants must stand by id, and not all of their ids are remembered.
    """
    for service in services.values():
        yield from service_problems(service)
    yield from host_problems(services.values())
    for group in groups.values():
        if not 1 <= group.class_floor <= 3:
            yield Problem("group", group.name, "class_floor", "must be 1, 2 or 3")
    seen: set[str] = set()
    for grant in grants:
        if grant.id in seen or (ascending and grant.id < max(seen, default="")):
            yield Problem("grant", grant.id, "id", "is used twice")
        if ascending:
            seen.clear()
        seen.add(grant.id)
        yield from grant_problems(grant, services.get(grant.service), groups, rules)
        yield None


def service_problems(service: Service) -> Iterator[Problem]:
    """Yield what is wrong with one service by itself."""
    if not service.hosts:
        yield Problem("service", service.id, "hosts", "names no host")
    if not 1 <= service.class_floor <= 3:
        yield Problem("service", service.id, "class_floor", "must be 1, 2 or 3")
    if service.contract == "individual" and not service.contract_no:
        yield Problem("service", service.id, "contract_no", "an individual contract has a number [MOU-1-1]")
    if service.contract_start and service.contract_end and service.contract_start > service.contract_end:
        yield Problem("service", service.id, "contract_end", "lies before contract_start")


def host_problems(services: Iterable[Service]) -> Iterator[Problem]:
    """Yield every host that two services claim without a model telling them apart."""
    claims: dict[str, list[Service]] = {}
    for service in services:
        for host in dict.fromkeys(service.hosts):
            for other in claims.setdefault(host, []):
                if _same_ground(service, other):
                    yield Problem("service", service.id, "hosts", f"{host} already belongs to {other.id}")
            claims[host].append(service)


def _same_ground(service: Service, other: Service) -> bool:
    if not service.models or not other.models:
        return not service.models and not other.models
    return any(globs_overlap(one, two) for one in service.models for two in other.models)


def grant_problems(
    grant: Grant, service: Service | None, groups: Mapping[str, Group], rules: Rules
) -> Iterator[Problem]:
    """Yield what is wrong with one grant; its service must be known."""

    def problem(field: str, message: str) -> Problem:
        return Problem("grant", grant.id, field, message)

    if service is None:
        yield problem("service", f"{grant.service!r} is not a service of this policy")
    else:
        yield from _truth_table_problems(grant, service, rules)
    if not grant.users and not grant.groups:
        yield problem("users", "names nobody: give users or groups")
    if not _EVERYBODY.isdisjoint((*grant.users, *grant.groups)):
        yield problem("users", "the range of users is a list of people or groups, not everybody [MOU-2-5]")
    if grant.period.start > grant.period.end:
        yield problem("period", "ends before it starts")
    if grant.decided_on and grant.decided_on > grant.period.end:
        yield problem("decided_on", "lies after the period")
    yield from _people_problems(grant, groups)


def _people_problems(grant: Grant, groups: Mapping[str, Group]) -> Iterator[Problem]:
    for field, name in (("administrator", grant.administrator), ("decided_by", grant.decided_by)):
        if not name:
            yield Problem("grant", grant.id, field, "is missing")
    decider = canonical_name(grant.decided_by)
    if decider in grant.users:
        yield Problem("grant", grant.id, "decided_by", "decides on their own use [MOU-1-5]")
    for name in grant.groups:
        if name in groups and decider in groups[name].members:
            yield Problem("grant", grant.id, "decided_by", f"decides on their own use, in {name} [MOU-1-5]")


def _truth_table_problems(grant: Grant, service: Service, rules: Rules) -> Iterator[Problem]:
    for field, message in _forbidden(grant, service):
        yield Problem("grant", grant.id, field, message)
    found = evidence_findings(service, grant, min(grant.max_class, 2), rules)
    for finding in (*found, *advice_findings(service.flagged, grant, rules)):
        field, message = _NEEDED[finding.code]
        detail = f": {finding.detail}" if finding.detail and finding.detail != grant.id else ""
        yield Problem("grant", grant.id, field, f"{message}{detail}")


def _forbidden(grant: Grant, service: Service) -> Iterator[tuple[str, str]]:
    if grant.max_class < 1:
        yield "max_class", "must be 1 or 2"
    elif grant.max_class > 2:
        yield "max_class", "class 3 cannot be approved for any AI service [MOU-2-11]"
    elif grant.max_class == 2 and service.contract == "terms_of_service":
        yield "max_class", "「要機密情報を取り扱うことはできない」 on a terms_of_service service [MOU-1-2]"
