"""How an installation stands to each row of the 申合せ, the 統一基準, the notice of 2025-02-06 and the form [INT-12].

The rows are data (``data/compliance.toml``): what this release does about each, and what counts as evidence of it.
Whoever reads the log counts; a row without any evidence yet says so, and is not called met.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Literal

import msgspec

from sekimori.governance import commands, using
from sekimori.governance.state import State

_LOG = "log:"


class ComplianceRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row: what it asks for, what of it this release proves, what counts as evidence."""

    status: Literal["proven", "partial"]
    en: str
    ja: str
    evidence: tuple[str, ...]


class Standing(msgspec.Struct, frozen=True):
    """A row as it stands here: ``evidence`` counts by source, ``seen`` whether there is any."""

    id: str
    status: str
    en: str
    ja: str
    seen: bool
    evidence: dict[str, int]


@cache
def compliance_rows() -> dict[str, ComplianceRow]:
    """Give the table."""
    path = resources.files("sekimori.governance") / "data" / "compliance.toml"
    return msgspec.convert(tomllib.loads(path.read_text("utf-8")), dict[str, ComplianceRow])


def sources(rows: Mapping[str, ComplianceRow]) -> frozenset[str]:
    """Name every source of evidence that rows ask for."""
    return frozenset(source for row in rows.values() for source in row.evidence)


def log_counts(decisions: Mapping[str, int], reasons: Mapping[str, int]) -> dict[str, int]:
    """Name what was counted in the log the way that the table does."""
    records = sum(decisions.values())
    told = {"records": records, "refused": records - decisions.get("allow", 0), **reasons}
    return {f"{_LOG}{name}": count for name, count in told.items()}


def governed_counts(state: State, wanted: frozenset[str]) -> Counter[str]:
    """Count the aggregates of each kind that the table asks for, in all and by status."""
    found: Counter[str] = Counter()
    nouns = {source.partition(":")[0] for source in wanted if not source.startswith(_LOG)}
    for noun, kind in {**commands.NOUNS, **using.NOUNS}.items():
        if noun in nouns:
            for each in state.all(kind):
                found[noun] += 1
                found[f"{noun}:{each.status}"] += 1
    return found


def standings(state: State, log: Mapping[str, int]) -> Iterator[Standing]:
    """Yield every row with its evidence, in the order of the table."""
    rows = compliance_rows()
    counted = {**governed_counts(state, sources(rows)), **log}
    for id_, row in rows.items():
        evidence = {source: counted.get(source, 0) for source in row.evidence}
        yield Standing(id_, row.status, row.en, row.ja, any(evidence.values()), evidence)
