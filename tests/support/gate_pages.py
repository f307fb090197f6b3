"""One gate worker with its duties and its own pages, as tests of these ask it."""

from __future__ import annotations

import dataclasses
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sekimori.addons.admit import Admit
from sekimori.addons.capture import CaptureAnswer
from sekimori.addons.clicks import Clicks
from sekimori.addons.duties import Duties
from sekimori.addons.exchange import Tunnel
from sekimori.addons.judge import Judge
from sekimori.addons.kept_pages import KeptPages
from sekimori.addons.noted import Noted
from sekimori.addons.own_pages import OwnPages
from sekimori.addons.rates import Rates
from sekimori.governance.said import KIND, read
from sekimori.ledger.record import Intent
from sekimori.policy.standing import Standing
from sekimori.vault.published import PolicySeal
from support.desks import Notebook, View, chat_flow, desk
from support.policies import GRANT, SERVICE, policy

KEY = b"k" * 32
SEAL = PolicySeal(b"p" * 32)
CHAT = b'{"model": "gpt-x", "messages": [{"role": "user", "content": "hello"}]}'
CLICK = {"sec-fetch-site": "same-origin", "sec-fetch-user": "?1", "sec-fetch-mode": "navigate"}


class Worker:
    """One gate worker; several of them share the folder of one machine."""

    def __init__(self, folder: Path, pool: ThreadPoolExecutor, standing: Standing) -> None:
        self.notebook = Notebook()
        self.desk = desk(self.notebook)
        self.desk.random = os.urandom
        self.tunnels: dict[Any, Tunnel] = {}
        self.know(standing)
        duties = Duties(Noted(folder / "noted", KEY), Rates(folder / "rates", KEY))
        kept = KeptPages(folder / "pages", KEY)
        pages = OwnPages(self.desk, Clicks(self.desk, duties, kept), kept, KEY, SEAL)
        self.judge = Judge(pool=pool, timeout=5, flagged_models=(), duties=duties)
        self.admit = Admit(self.desk, self.judge, self.tunnels, pages)
        self.capture = CaptureAnswer(self.desk, self.tunnels)

    def know(self, standing: Standing) -> None:
        """Let what is published be this."""
        known = policy(SERVICE + GRANT.replace("[yamada]", "[yamada, ito]"))
        view: Any = View(dataclasses.replace(known, standing=standing))
        self.desk.view = view

    async def ask(self, *, user: str = "yamada", body: bytes = CHAT, **headers: str) -> Any:
        """Send a chat request and return its flow."""
        flow = chat_flow(body, self.tunnels, user=user)
        flow.request.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        await self.admit.request(flow)
        return flow

    async def visit(self, path: str = "/v1/models?page=2", *, user: str = "yamada", **fields: str) -> Any:
        """Open a page as a browser does."""
        flow = chat_flow(b"", self.tunnels, user=user)
        flow.request.method, flow.request.path = "GET", path
        flow.request.headers.update({"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"} | fields)
        await self.admit.request(flow)
        return flow

    async def click(
        self, path: str, body: bytes = b"", *, user: str = "yamada", headers: dict[str, str] | None = None
    ) -> Any:
        """Send the form of a page."""
        flow = chat_flow(body, self.tunnels, user=user)
        flow.request.path = path
        origin = f"https://{flow.request.host}"
        flow.request.headers.update({"origin": origin} | CLICK if headers is None else headers)
        await self.admit.request(flow)
        return flow

    def said(self) -> list[Any]:
        """Return what was said at the gate, as it was recorded."""
        return [
            read(entry.details[0])
            for entry in self.notebook.entries
            if isinstance(entry, Intent) and entry.kind == KIND
        ]


def action(flow: Any) -> str:
    """Give where the form of a page goes."""
    text = flow.response.get_text()
    return str(text.partition('action="')[2].partition('"')[0])
