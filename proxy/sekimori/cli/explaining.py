"""Answer what the gate would decide, from what is applied and the catalogue, without a gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from sekimori.addons.destination import Destination, locate
from sekimori.catalogue.catalogue import Catalogue
from sekimori.catalogue.hosts import HostError, canonical_host
from sekimori.cli.compiling import compiler
from sekimori.cli.config import Config
from sekimori.cli.identified import Identified, identified
from sekimori.cli.opened import people_names, policy_files, policy_names, store_session
from sekimori.cli.orders import Orders, worker_settings
from sekimori.cli.places import Places
from sekimori.cli.registering import grant_register, standing_register
from sekimori.errors import PolicyUnavailableError, UsageError
from sekimori.gate.settings import WorkerSettings
from sekimori.policy.decide import Decision, decide
from sekimori.policy.facts import Facts
from sekimori.policy.people import canonical_name
from sekimori.policy.reasons import Reason
from sekimori.policy.reasons import explain as text_of
from sekimori.policy.snapshot import Snapshot, load
from sekimori.policy.standing import Standing
from sekimori.store.compiling import Compiler
from sekimori.store.metadata import rfc3339
from sekimori.store.people import PersonRepo
from sekimori.store.policies import PolicyRepo
from sekimori.store.publish import read_current
from sekimori.store.registered import GrantRegister

if TYPE_CHECKING:
    from sqlmodel import Session

_PORTS = {"http": 80, "https": 443}
_AI_PORT = 443


@dataclass(frozen=True, slots=True)
class Question:
    """One request as it might come."""

    url: str
    user: str
    model: str | None
    declared_class: int | None
    purpose: str | None
    operation: str
    time_us: int
    source: str | None = None
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Policy:
    snapshot: Snapshot
    who: Identified
    standing: Standing
    catalogue: Catalogue
    options: WorkerSettings


def answer(places: Places, config: Config, question: Question) -> dict[str, Any]:
    """Decide the question and say why."""
    policy = _compiled(places, config, question)
    url = _split(question.url)
    port = url.port or _PORTS[url.scheme]
    try:
        host = canonical_host(url.hostname or "").name
    except HostError as error:
        reason = "DENY_IP_LITERAL" if error.reason == "ip-literal" else "DENY_MALFORMED"
        return _refused(policy, Destination(url.hostname or "", "uncatalogued"), Reason(reason))
    destination = locate(host, snapshot=policy.snapshot, catalogue=policy.catalogue, options=policy.options)
    if (gate := _at_the_gate(policy, destination, url.scheme, port)) is not None:
        return _refused(policy, destination, gate)
    if not destination.decrypt:
        return _passes(policy, destination)
    return _decided(policy, destination, question)


def _compiled(places: Places, config: Config, question: Question) -> _Policy:
    catalogue, now_us = Catalogue.load(), question.time_us
    with store_session(places) as session:
        repo = PolicyRepo(session, policy_names(places))
        register = grant_register(places, config, catalogue)
        snapshot = _snapshot(places, repo, session, compiler(config, catalogue), register, now_us)
        standing = standing_register(places, config).standing(session.connection(), now_us)
        people = PersonRepo(session, people_names(places)).for_gate()
    orders = Orders(
        data=str(places.data), keys=str(places.keys), config=config.model_dump(mode="json"), lifeline_fd=-1
    )
    who = identified(
        people,
        config.identity.sources,
        user=question.user,
        said=question.source,
        groups=[canonical_name(name) for name in question.groups],
    )
    return _Policy(snapshot, who, standing, catalogue, worker_settings(orders))


def _snapshot(
    places: Places,
    repo: PolicyRepo,
    session: Session,
    compile_all: Compiler,
    register: GrantRegister,
    now_us: int,
) -> Snapshot:
    """Take what is published if it says what is decided now: its hash is the gate's; or compile."""
    connection = session.connection()
    try:
        current = read_current(places.policy)
        if current.policy_source == f"{repo.latest_version()}/{compile_all.key}/{register.stamp(connection)}":
            read = policy_files(places).read(places.policy, "policy", current.policy)
            return load(read, current.policy)
    except (PolicyUnavailableError, FileNotFoundError):
        pass
    return compile_all(repo.current(), now_us, register.granted(connection, now_us))


def _split(url: str) -> SplitResult:
    try:
        split = urlsplit(url if "://" in url else f"https://{url}")
        if split.scheme in _PORTS and split.hostname and split.port != 0:
            return split
    except ValueError:
        pass
    raise UsageError(
        f'"{url}" is no address of the web.', hint="Write it as https://api.openai.com/v1/models."
    )


def _at_the_gate(policy: _Policy, destination: Destination, scheme: str, port: int) -> Reason | None:
    """Say what refuses the request before anybody reads it, in the order in which the gate looks."""
    options = policy.options
    person = policy.who.person
    needed = options.identity_required == "all" or destination.decrypt
    if needed and (person is None or person.disabled):
        return Reason("DENY_AUTH_REQUIRED")
    if scheme == "http" and destination.decrypt:
        return Reason("DENY_PLAIN_HTTP")
    allowed = options.http_ports if scheme == "http" else options.connect_ports
    if port not in ((_AI_PORT,) if destination.decrypt else allowed):
        return Reason("DENY_PORT")
    if destination.kind == "uncatalogued" and destination.guess:
        return Reason("DENY_UNKNOWN_AI")
    if destination.kind == "uncatalogued" and options.uncatalogued == "refuse":
        return Reason("DENY_UNCATALOGUED")
    return None


def _decided(policy: _Policy, destination: Destination, question: Question) -> dict[str, Any]:
    person = policy.who.person
    service = policy.snapshot.service_of(destination.host, question.model)
    entry = policy.catalogue.lookup(destination.host)
    decision = decide(
        Facts(
            time_us=question.time_us,
            user=person.name if person else None,
            groups=frozenset(person.groups) if person else frozenset(),
            user_source=policy.who.source,
            host=destination.host,
            service=service.id if service is not None else destination.service or None,
            flagged=entry is not None and bool(entry.flags),
            operation=question.operation,
            model=question.model,
            declared_class=question.declared_class,
            purpose=question.purpose,
        ),
        policy.snapshot,
        policy.standing,
    )
    return _told(policy, destination, decision)


def _told(policy: _Policy, destination: Destination, decision: Decision) -> dict[str, Any]:
    return {
        "decision": decision.verdict,
        **_who(policy),
        "reasons": [finding.code.value for finding in decision.reasons],
        "rule": decision.rule,
        "grant": decision.grant,
        "service": decision.service,
        "class": decision.klass,
        "class_source": decision.class_source,
        "purpose": decision.purpose,
        "host": destination.host,
        "kind": destination.kind,
        "valid_until": rfc3339(decision.valid_until_us) if decision.valid_until_us else None,
        "policy": policy.snapshot.hash,
        "why": [_sentence(finding.code, finding.detail) for finding in decision.reasons],
    }


def _refused(policy: _Policy, destination: Destination, reason: Reason) -> dict[str, Any]:
    return _outside(policy, destination) | {
        "decision": "deny",
        "reasons": [reason.value],
        "rule": text_of(reason).rule,
        "why": [_sentence(reason, destination.guess)],
    }


def _passes(policy: _Policy, destination: Destination) -> dict[str, Any]:
    rule = f"not decrypted ({destination.kind}): passes unread"
    return _outside(policy, destination) | {"decision": "allow", "reasons": [], "rule": rule, "why": []}


def _outside(policy: _Policy, destination: Destination) -> dict[str, Any]:
    return {
        "decision": "deny",
        **_who(policy),
        "reasons": [],
        "rule": "",
        "grant": None,
        "service": destination.service or None,
        "class": None,
        "class_source": None,
        "purpose": None,
        "host": destination.host,
        "kind": destination.kind,
        "valid_until": None,
        "policy": policy.snapshot.hash,
        "why": [],
    }


def _who(policy: _Policy) -> dict[str, Any]:
    who = policy.who
    return {
        "user": who.person.name if who.person else None,
        "user_source": who.source,
        "groups": list(who.person.groups) if who.person else [],
        "directory": "assumed" if who.assumed else None,
    }


def _sentence(reason: Reason, detail: str) -> str:
    text = text_of(reason)
    return f"{reason.value}: {text.en}{f' ({detail})' if detail else ''}"
