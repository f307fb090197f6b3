"""Applied files and the register as one truth: what both say about one thing, the file says.

A service that a file owns cannot be edited by hand, so a file's entry stands; what was granted in the
register must then hold beside it. A grant that does not is left out and named: it admits nothing, and it
keeps no other from compiling.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from sekimori.policy.applied import Document, merge
from sekimori.policy.checks import Problem, grant_problems, host_problems
from sekimori.policy.model import Grant, Rules, Service


def join(files: Document, register: Document, rules: Rules) -> tuple[Document, tuple[Problem, ...]]:
    """Put both together; returns with it what of the register was left out, and why."""
    left = list(_taken(files, register))
    services = {name: one for name, one in register.services.items() if name not in files.services}
    for problem in _in_the_way(files, services):
        services.pop(problem.id)
        left.append(problem)
    known = {**services, **files.services}
    grants: dict[str, Grant] = {}
    for name, grant in register.grants.items():
        if name in files.grants:
            continue
        wrong = next(grant_problems(grant, known.get(grant.service), files.groups, rules), None)
        if wrong is None:
            grants[name] = grant
        else:
            left.append(wrong)
    kept = Document(services=services, grants=grants, unsigned=False, file=register.file)
    return merge([kept, files]).document, tuple(left)


def _taken(files: Document, register: Document) -> Iterator[Problem]:
    for kind, mine, theirs in (
        ("service", register.services, files.services),
        ("grant", register.grants, files.grants),
    ):
        for name in mine:
            if name in theirs:
                yield Problem(kind, name, "id", f"is defined by {files.file_of(kind, name)}")


def _in_the_way(files: Document, services: dict[str, Service]) -> Iterator[Problem]:
    """Find services of the register whose hosts a file claims."""
    claims: defaultdict[str, list[Service]] = defaultdict(list)
    for service in files.services.values():
        for host in service.hosts:
            claims[host].append(service)
    for service in list(services.values()):
        near = {other.id: other for host in service.hosts for other in claims[host]}
        problem = next(host_problems([*near.values(), service]), None) if near else None
        if problem is not None:
            yield Problem("service", service.id, problem.field, problem.message)
