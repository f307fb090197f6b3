"""How much of what crossed the barrier was read: counted by service, dialect, kind and parse. Metadata only.

A group that is not ``parsed`` names what was skipped most and a few records, so that a maintainer can try a
reader on them. Indices inside a skipped field's name are dropped: a field is the same field in every turn.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, select

from sekimori.store.engine import reading
from sekimori.store.exchanges import Exchange, ExchangeRepo
from sekimori.store.holding import Holding, StoreKeys
from sekimori.store.metadata import describe
from sekimori.store.tables import RECORD

_MODES = ("http", "turn")
_FIELDS = 512  # kinds of skipped fields that a group may count: their names come over the wire
_INDEX = re.compile(r"\[\d+\]")


@dataclass(slots=True)
class Group:
    """The exchanges that have service, dialect, kind and parse in common."""

    exchanges: int = 0
    prompt_bytes: int = 0
    output_bytes: int = 0
    read: int = 0
    unread: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, record: dict[str, Any], examples: int) -> None:
        """Count one record; the newest few are kept by name."""
        self.exchanges += 1
        self.prompt_bytes += record["prompt_bytes"]
        self.output_bytes += record["output_bytes"]
        for attachment in record["attachments"]:
            self.read += attachment["read"]
            self.unread += not attachment["read"]
        for name in {_INDEX.sub("[]", name) for name in record["skipped"]}:
            if name in self.skipped or len(self.skipped) < _FIELDS:
                self.skipped[name] += 1
        self.examples = [*self.examples, record["id"]][-examples:] if examples else []


def coverage(
    engine: Engine,
    keys: StoreKeys,
    *,
    service: str | None = None,
    since_us: int | None = None,
    until_us: int | None = None,
    examples: int = 3,
    top: int = 10,
) -> Iterator[dict[str, Any]]:
    """Yield one line for each group, those that were read worst first."""
    groups: dict[tuple[str, str, str, str], Group] = {}
    for exchange in _exchanges(engine, keys, service, since_us, until_us):
        record = describe(exchange.intent, exchange.outcome, exchange.answer)
        key = (record["service"] or "", record["dialect"] or "", record["operation"] or "", record["parse"])
        groups.setdefault(key, Group()).add(record, 0 if record["parse"] == "parsed" else examples)
    for key, group in sorted(groups.items(), key=_worst):
        yield _line(key, group, top)


def _exchanges(
    engine: Engine, keys: StoreKeys, service: str | None, since_us: int | None, until_us: int | None
) -> Iterator[Exchange]:
    found = select(RECORD).where(RECORD.c.mode.in_(_MODES), RECORD.c.decision == "allow")
    for wanted in (
        RECORD.c.time_us >= since_us if since_us is not None else None,
        RECORD.c.time_us < until_us if until_us is not None else None,
    ):
        if wanted is not None:
            found = found.where(wanted)
    with reading(engine) as connection:
        exchanges = ExchangeRepo(connection, Holding(connection, keys))
        for _, exchange in exchanges.find(found.order_by(RECORD.c.time_us)):
            if not isinstance(exchange, Exchange):
                continue
            if service is None or exchange.intent.service == service:
                yield exchange


def _worst(item: tuple[tuple[str, str, str, str], Group]) -> tuple[int, int, tuple[str, ...]]:
    key, group = item
    return ("unparsed", "partial", "parsed").index(key[3]), -group.exchanges, key


def _line(key: tuple[str, str, str, str], group: Group, top: int) -> dict[str, Any]:
    service, dialect, kind, parse = key
    return {
        "service": service or None,
        "dialect": dialect or None,
        "kind": kind or None,
        "parse": parse,
        "exchanges": group.exchanges,
        "prompt_bytes": group.prompt_bytes,
        "output_bytes": group.output_bytes,
        "attachments": {"read": group.read, "unread": group.unread},
        "skipped": [{"field": name, "exchanges": count} for name, count in group.skipped.most_common(top)],
        "examples": group.examples,
    }
