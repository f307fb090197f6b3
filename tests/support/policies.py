"""A policy compiled from a few lines of YAML, as a publication would bring it."""

from __future__ import annotations

from datetime import date

from sekimori.addons.view import Policy
from sekimori.policy.document import read_document
from sekimori.policy.people import People, Person
from sekimori.policy.snapshot import compile_snapshot

NOW = 1_795_000_000_000_000  # 2026-11-18, UTC

SERVICE = """
services:
  - {id: openai-api, name: OpenAI API, provider: OpenAI, hosts: [api.openai.com], contract: individual, contract_no: K-1}
"""
GRANT = """
grants:
  - {id: g-1, service: openai-api, users: [yamada], purpose: 要約, period: {start: 2026-04-01, end: 2026-12-31},
     max_class: 1, administrator: tanaka, decided_by: sasaki, decided_on: 2026-03-20, reference: 情シ第1号,
     operations: [generate, model-list, count-tokens, realtime]}
"""


def policy(text: str = SERVICE + GRANT, *people: str) -> Policy:
    """Compile ``text`` for the named people (``yamada`` and ``ito`` if none are)."""
    document = read_document(text, file="policy.yaml", today=date(2026, 11, 18), check_host=lambda host: host)
    snapshot = compile_snapshot(document, profile="enterprise", catalogue_flags=lambda _: (), now_us=NOW)
    names = people or ("yamada", "ito")
    return Policy(
        snapshot,
        People(
            [
                Person(name=name, groups=(), roles=(), disabled=False, proxy_password="secret")
                for name in names
            ]
        ),
    )
