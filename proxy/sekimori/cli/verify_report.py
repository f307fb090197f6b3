"""What ``sekimori verify`` found, for a program and for a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sekimori.cli.terminal import escape

if TYPE_CHECKING:
    from sekimori.store.verify import Report


def as_json(report: Report) -> dict[str, Any]:
    """Return the fields that ``--json`` prints."""
    return {
        "ok": report.ok,
        "faults": report.faults,
        "covers": report.covers,
        "counts": report.counts,
        "verdicts": report.verdicts,
        "trees": report.trees,
        "elsewhere": report.elsewhere,
        "given_up": report.given_up,
        "unplaced": report.unplaced,
        "unsigned": report.unsigned,
        "signatures": report.signatures,
        "incremental": report.incremental,
        "witnesses": [
            {"name": one.witness, "log": one.log, "size": one.checkpoint.size} for one in report.recalled
        ],
    }


def print_report(report: Report) -> None:
    """Print every fault, then what was looked at."""
    for fault in report.faults:
        print(escape(f"{fault.what}: {fault.table} {fault.key}{': ' if fault.detail else ''}{fault.detail}"))
    for sentence in _asides(report):
        print(escape(sentence))
    entries = ", ".join(f"{count} {verdict}" for verdict, count in report.verdicts.items() if count)
    checked = ", ".join(f"{table} {count}" for table, count in report.counts.items())
    verdict = "Intact" if report.ok else f"{len(report.faults)} faults"
    print(f"{verdict}; entries: {entries or 'none'}; rows: {checked}.")


def _asides(report: Report) -> Iterator[str]:
    for tree in report.trees:
        if tree.here and tree.published is not None and tree.leaves > tree.published:
            yield f"{tree.leaves - tree.published} leaves of the tree {tree.name} wait for a checkpoint."
    if report.unplaced - report.unsigned > 0:
        yield f"{report.unplaced - report.unsigned} entries wait for their place in a tree."
    if report.unsigned:
        yield f"{report.unsigned} entries are from before the ledger; they have no leaf."
    if report.elsewhere:
        names = ", ".join(report.elsewhere)
        yield f"Checked from the database alone, since their files lie on other machines: {names}."
    if report.given_up:
        names = ", ".join(report.given_up)
        yield f"Given up in a fork, so that what they had beyond this is missing: {names}."
    for one in report.recalled:
        yield f"The witness {one.witness} remembers {one.checkpoint.size} leaves of {one.log}."
    if report.incremental:
        yield "Only what came after the last check was read."
