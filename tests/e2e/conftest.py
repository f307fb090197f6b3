"""One running installation for the whole module of tests, with stand-ins for the services it reaches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.installation import Installation
from support.standin.certificates import make
from support.threads import StandinThread

APPROVED = ("api.openai.com", "api.anthropic.com", "generativelanguage.googleapis.com")
REFUSED = ("chatgpt.com", "api.deepseek.com", "claude.ai", "gemini.google.com")
ORDINARY = ("www.example.jp", "intranet.example.jp")

POLICY = """
services:
  - {id: openai-api, name: OpenAI API, provider: OpenAI, hosts: [api.openai.com], contract: individual,
     contract_no: K-1, data_locations: [US]}
  - {id: anthropic-api, name: Anthropic API, provider: Anthropic, hosts: [api.anthropic.com],
     contract: terms_of_service}
  - {id: gemini-api, name: Gemini API, provider: Google, hosts: [generativelanguage.googleapis.com],
     contract: terms_of_service}
grants:
  - {id: g-openai, service: openai-api, users: [yamada], purpose: 会議録の要約,
     period: {start: 2026-04-01, end: 2099-03-31}, max_class: 1, models: ["gpt-*"],
     administrator: tanaka, decided_by: sasaki, decided_on: 2026-03-20, reference: 情シ第1号,
     operations: [generate, model-list, count-tokens, realtime]}
  - {id: g-anthropic, service: anthropic-api, users: [yamada], purpose: 翻訳,
     period: {start: 2026-04-01, end: 2099-03-31}, max_class: 1,
     administrator: tanaka, decided_by: sasaki, decided_on: 2026-03-20, reference: 情シ第2号}
  - {id: g-gemini, service: gemini-api, users: [yamada], purpose: 翻訳,
     period: {start: 2026-04-01, end: 2099-03-31}, max_class: 1,
     administrator: tanaka, decided_by: sasaki, decided_on: 2026-03-20, reference: 情シ第3号}
  - {id: g-expired, service: openai-api, users: [suzuki], purpose: 会議録の要約,
     period: {start: 2025-04-01, end: 2026-03-31}, max_class: 1,
     administrator: tanaka, decided_by: sasaki, decided_on: 2025-03-20, reference: 情シ第4号}
"""


@dataclass(slots=True)
class House:
    """The installation, the services people may use, those nobody may reach, and an ordinary site."""

    installation: Installation
    service: StandinThread
    trap: StandinThread
    site: StandinThread
    plain: StandinThread
    root: Path
    site_root: Path


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Start everything once for a module."""
    folder = tmp_path_factory.mktemp("house")
    ca, certificate = make(folder / "tls", [*APPROVED, *REFUSED, *ORDINARY, "localhost"])
    service, trap, site, plain = (
        StandinThread(certificate),
        StandinThread(certificate),
        StandinThread(certificate, http2=False),
        StandinThread(None),
    )
    resolve = dict.fromkeys(APPROVED, service.address) | dict.fromkeys(REFUSED, trap.address)
    resolve |= {"www.example.jp": site.address, "intranet.example.jp": plain.address}
    installation = Installation(folder / "run", upstream_ca=ca, resolve=resolve)
    installation.start()
    try:
        for name in ("yamada", "suzuki", "ito"):
            installation.user(name)
        installation.apply(POLICY)
        yield House(installation, service, trap, site, plain, installation.root(), ca)
    finally:
        installation.stop()
        for standin in (service, trap, site, plain):
            standin.stop()
