"""Small policies for the tests of this room: a good grant, and what to change in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date
from typing import Any

import msgspec

from sekimori.policy.facts import Facts
from sekimori.policy.model import CHECKLIST, Grant, Group, Opinion, Period, RiskAnalysis, Rules, Service
from sekimori.policy.period import day_start_us
from sekimori.policy.snapshot import Snapshot, _build, _encode, _SnapshotFile

TODAY = date(2026, 11, 21)
NOON_US = day_start_us(TODAY) + 12 * 3_600_000_000

NISC = Opinion(body="内閣サイバーセキュリティセンター", reference="閣サ1", date=date(2026, 3, 1))
DIGITAL = Opinion(body="デジタル庁", reference="デ1", date=date(2026, 3, 2))
EVIDENCE: dict[str, Any] = {
    "checklist": CHECKLIST,
    "consent": Opinion(body="AI戦略チーム", reference="報告3", date=date(2026, 3, 10)),
    "risk_analysis": RiskAnalysis(reference="リスク分析書第1号"),
    "information_types": ("会議録",),
}


def service(**changes: Any) -> Service:
    values: dict[str, Any] = {
        "id": "llm",
        "name": "LLM",
        "hosts": ("api.llm.example",),
        "contract": "individual",
        "contract_no": "K-1",
    }
    return Service(**(values | changes))


def grant(**changes: Any) -> Grant:
    values: dict[str, Any] = {
        "id": "g-1",
        "service": "llm",
        "users": ("yamada",),
        "purpose": "会議録の要約",
        "period": Period(start=date(2026, 4, 1), end=date(2027, 3, 31)),
        "administrator": "tanaka",
        "decided_by": "sasaki",
        "decided_on": date(2026, 3, 20),
    }
    return Grant(**(values | changes))


def facts(**changes: Any) -> Facts:
    values: dict[str, Any] = {
        "time_us": NOON_US,
        "host": "api.llm.example",
        "user": "yamada",
        "user_source": "basic",
        "service": "llm",
        "model": "m-1",
    }
    return Facts(**(values | changes))


def snapshot(
    services: Iterable[Service] | None = None,
    grants: Iterable[Grant] | None = None,
    groups: Iterable[Group] = (),
    *,
    flagged_models: tuple[str, ...] = (),
    **rules: Any,
) -> Snapshot:
    """Build a snapshot unchecked, as a worker would see it if the publisher were wrong."""
    content = _SnapshotFile(
        format=1,
        compiled_us=NOON_US,
        rules=Rules(**rules),
        unsigned=True,
        flagged_models=flagged_models,
        services=tuple([service()] if services is None else services),
        groups=tuple(groups),
        grants=tuple([grant()] if grants is None else grants),
    )
    return _build(content, hashlib.sha256(_encode(content)).hexdigest())


def changed[T: msgspec.Struct](value: T, **changes: Any) -> T:
    return msgspec.structs.replace(value, **changes)
