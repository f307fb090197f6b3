"""Which keys a service, a group and a grant have in an apply file, and what each may say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date

from sekimori.errors import SekimoriError
from sekimori.policy.fields import MISSING, Entry
from sekimori.policy.model import (
    ADVISORY_REQUIRED,
    CHECKLIST,
    DEFAULT_OPERATIONS,
    OPERATIONS,
    Grant,
    Group,
    Opinion,
    Period,
    RiskAnalysis,
    Service,
)
from sekimori.policy.people import canonical_name
from sekimori.policy.tree import Fields, Items

SERVICE_KEYS = (
    *("id", "name", "provider", "hosts", "contract", "contract_no", "contract_start", "contract_end"),
    *("data_locations", "class_floor", "models", "interception", "decrypt_mixed", "flags", "status"),
)
GROUP_KEYS = ("members", "class_floor")
GRANT_KEYS = (
    *("id", "service", "users", "groups", "purpose", "period", "max_class", "models", "operations"),
    *("unparsed", "administrator", "decided_by", "decided_on", "reference", "status"),
    *("checklist", "consent", "advice", "risk_analysis", "information_types"),
)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_LOCATION = re.compile(r"[A-Z]{2}|EU|unknown")
_NEVER = date(1970, 1, 1)
_MODEL = re.compile(r"[^\[\]{}!\s\\]{1,128}")


def plain_host(name: str) -> str:
    """Accept a plain host name of two labels or more; the caller's own check may know better."""
    host = name.lower().removesuffix(".")
    labels = host.split(".")
    if len(labels) < 2 or len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"{name[:64]!r} is not a host name")
    if labels[-1].isdigit():
        raise ValueError(f"{name[:64]!r} is an address; name the host")
    return host


def read_service(entry: Entry, check_host: Callable[[str], str]) -> Service:
    """Read one entry of ``services``."""
    if not entry.has("hosts"):
        entry.fault("hosts", MISSING.format("hosts"))
    identifier = entry.identifier()
    return Service(
        id=identifier,
        name=entry.text("name") or identifier,
        hosts=entry.each("hosts", lambda text: _host(text, check_host)),
        provider=entry.text("provider"),
        contract=entry.choice(
            "contract", ("terms_of_service", "individual", "org_operated"), "terms_of_service"
        ),
        contract_no=entry.text("contract_no"),
        contract_start=entry.day("contract_start"),
        contract_end=entry.day("contract_end"),
        data_locations=entry.each("data_locations", _location),
        class_floor=entry.number("class_floor", (1, 2, 3), 1),
        models=entry.each("models", _model),
        interception=entry.choice("interception", ("ai", "mixed", "support"), "ai"),
        decrypt_mixed=entry.flag("decrypt_mixed"),
        flags=entry.choices("flags", (ADVISORY_REQUIRED,), ()),
        status=entry.choice("status", ("active", "suspended", "revoked"), "active"),
    )


def _host(text: str, check_host: Callable[[str], str]) -> str:
    wildcard = text.startswith("*.")
    try:
        host = check_host(text.removeprefix("*."))
    except SekimoriError as error:
        raise ValueError(f"{text[:64]!r}: {error}") from error
    if wildcard and "." not in host:
        raise ValueError(f"{text[:64]!r} would cover a whole top-level domain")
    return f"*.{host}" if wildcard else host


def _location(text: str) -> str:
    if not _LOCATION.fullmatch(text):
        raise ValueError(f"{text[:64]!r} is not an ISO 3166 country code such as JP (or 'unknown')")
    return text


def _model(text: str) -> str:
    if not _MODEL.fullmatch(text):
        raise ValueError(f"{text[:64]!r} is not a model pattern: a name with * and ?, nothing else")
    return text


def read_groups(top: Entry) -> Iterator[tuple[Entry, Group]]:
    """Read ``groups``: a list of members for each name, or ``members`` with a ``class_floor``."""
    node = top.node("groups")
    if node is None:
        return
    if not isinstance(node, Fields):
        top.fault("groups", "must be a mapping of names to members; write a line name: [a, b] for each")
        return
    names = Entry(node, "groups", {key.text for key, _ in node.pairs}, top.faults)
    for key, value in node.pairs:
        if names.node(key.text) is value:
            short = isinstance(value, Items)
            entry = (names.nested if short else names.entry)(key.text, GROUP_KEYS)
            if entry is not None:
                yield entry, _group(entry, canonical_name(key.text))
        elif not names.has(key.text):
            names.fault(key.text, "has no members; write [] for none")


def _group(entry: Entry, name: str) -> Group:
    if not name or len(name) > 200:
        entry.fault("", "a group needs a name, of 200 characters at most")
    return Group(
        name=name,
        members=entry.each("members", canonical_name),
        class_floor=entry.number("class_floor", (1, 2, 3), 1),
    )


def read_grant(entry: Entry) -> Grant:
    """Read one entry of ``grants``."""
    return Grant(
        id=entry.identifier(),
        service=entry.text("service", required=True),
        purpose=entry.text("purpose", required=True),
        period=_period(entry),
        administrator=entry.text("administrator", required=True),
        decided_by=entry.text("decided_by", required=True),
        decided_on=entry.required_day("decided_on"),
        users=entry.each("users", canonical_name),
        groups=entry.each("groups", canonical_name),
        max_class=entry.number("max_class", (1, 2, 3), 1),
        models=entry.each("models", _model),
        operations=entry.choices("operations", OPERATIONS, DEFAULT_OPERATIONS),
        unparsed=entry.choice("unparsed", ("deny", "allow"), "deny") == "allow",
        reference=entry.text("reference"),
        status=entry.choice("status", ("active", "suspended", "revoked"), "active"),
        checklist=_checklist(entry),
        consent=_consent(entry),
        advice=tuple(_opinion(advice) for advice in entry.entries("advice", ("body", "reference", "date"))),
        risk_analysis=_risk_analysis(entry),
        information_types=entry.texts("information_types"),
    )


def _period(entry: Entry) -> Period:
    period = entry.entry("period", ("start", "end"))
    if period is None:
        entry.fault("period", "is missing; add a line period: {start: 2026-04-01, end: 2027-03-31}")
        return Period(start=_NEVER, end=_NEVER)
    return Period(start=period.required_day("start"), end=period.required_day("end"))


def _checklist(entry: Entry) -> tuple[str, ...]:
    answers = entry.entry("checklist", CHECKLIST)
    return tuple(item for item in CHECKLIST if answers.flag(item)) if answers else ()


def _consent(entry: Entry) -> Opinion | None:
    consent = entry.entry("consent", ("body", "reference", "date"))
    return _opinion(consent) if consent else None


def _opinion(entry: Entry) -> Opinion:
    return Opinion(
        body=entry.text("body", required=True),
        reference=entry.text("reference", required=True),
        date=entry.required_day("date"),
    )


def _risk_analysis(entry: Entry) -> RiskAnalysis | None:
    node = entry.node("risk_analysis")
    if node is None:
        return None
    if not isinstance(node, Fields):
        return RiskAnalysis(reference=entry.text("risk_analysis"))
    analysis = entry.entry("risk_analysis", ("reference", "signed_by", "signed_on"))
    if analysis is None:
        return None
    return RiskAnalysis(
        reference=analysis.text("reference", required=True),
        signed_by=analysis.text("signed_by"),
        signed_on=analysis.day("signed_on"),
    )
