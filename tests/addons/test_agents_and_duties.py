"""What an agent's key can do about the duties of the person who owns it: nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sekimori.governance.said import SaidAnswer
from sekimori.policy.agentkeys import AgentKey
from sekimori.policy.people import People, Person
from sekimori.policy.standing import NoticeToShow, Owed, Standing
from sekimori.vault.tickets import honour
from support.desks import View, chat_flow
from support.gate_pages import CHAT, SEAL, Worker, action
from support.policies import policy

NOTICE = NoticeToShow(id="read-me", version=2, sha256="a" * 64, title_ja="注意", text_ja="本文")
AGENT = "key/abcdefghij/g-1"
SUBJECT = "key/abcdefghij"
HERS = Owed(service="openai-api", unanswered=20, since_us=1_780_000_000_000_000, conversations=("c1", "c2"))
ITS = Owed(service="openai-api", unanswered=9, since_us=1_780_000_000_000_001, conversations=("k1",))
SAMPLE = Owed(
    service="openai-api", unanswered=3, since_us=1_780_000_000_000_002, conversations=("k2",), of="owner"
)
BROWSER = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


class Office(Worker):
    """A worker that knows yamada and the key of her agent."""

    def know(self, standing: Standing) -> None:
        super().know(standing)
        key = AgentKey(id="abcdefghij", sha256="0" * 64, grant="g-1")
        owner = Person(name="yamada", proxy_password="secret", keys=(key,))
        view: Any = View(dataclasses.replace(self.desk.view.policy, people=People([owner])))
        self.desk.view = view

    async def send(self, source: str, method: str, path: str, body: bytes = b"", **fields: str) -> Any:
        flow = chat_flow(body, self.tunnels)
        flow.request.method, flow.request.path = method, path
        tunnel = self.tunnels[flow.client_conn]
        tunnel.user_source = source
        flow.request.headers.update({name.replace("_", "-"): value for name, value in fields.items()})
        await self.admit.request(flow)
        return flow


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with ThreadPoolExecutor(1) as pool:
        yield Office(tmp_path, pool, Standing())


@pytest.mark.req("MOU-2-8")
@pytest.mark.parametrize(
    ("standing", "code"),
    [
        pytest.param(Standing(notices=(NOTICE,)), "DENY_ACK_REQUIRED", id="a notice"),
        pytest.param(Standing(overdue={SUBJECT: (ITS,)}), "DENY_FEEDBACK_OVERDUE", id="its own feedback"),
        pytest.param(
            Standing(overdue={SUBJECT: (SAMPLE,)}), "DENY_FEEDBACK_OVERDUE", id="its owner's sample"
        ),
    ],
)
async def test_an_agent_that_is_refused_gets_no_link_that_speaks_for_its_owner(office, standing, code):
    office.know(standing)

    flow = await office.send(AGENT, "POST", "/v1/chat/completions", CHAT)

    error = msgspec.json.decode(flow.response.content)["error"]
    assert error["code"] == code
    ticket = error.get("page_url", "").rpartition("/my/")[2]
    held = honour(SEAL, ticket, office.desk.now()) if ticket else None
    assert held is None


@pytest.mark.req("MOU-2-8")
async def test_an_agent_does_not_answer_on_the_page_that_its_owner_was_shown(office):
    office.know(Standing(overdue={"yamada": (HERS,), SUBJECT: (ITS,)}))
    path = action(await office.send("basic", "GET", "/v1/models", **BROWSER))

    clicked = await office.send(AGENT, "POST", path, b"answer=USEFUL")

    assert clicked.response.status_code == 303
    assert office.said() == []
    refused = await office.send("basic", "POST", "/v1/chat/completions", CHAT)
    assert refused.response.headers["x-sekimori-reason"] == "DENY_FEEDBACK_OVERDUE"


@pytest.mark.req("MOU-2-8")
async def test_in_one_minute_an_agent_and_its_owner_have_pages_of_their_own(office):
    office.know(Standing(overdue={"yamada": (HERS,), SUBJECT: (ITS,)}))
    its = await office.send(AGENT, "GET", "/v1/models", **BROWSER)
    hers = await office.send("basic", "GET", "/v1/models", **BROWSER)

    assert action(its) != action(hers)
    await office.send(AGENT, "POST", action(its), b"answer=USEFUL")
    assert office.said() == [SaidAnswer("openai-api", ("k1",), "USEFUL")]
    refused = await office.send("basic", "POST", "/v1/chat/completions", CHAT)
    assert refused.response.headers["x-sekimori-reason"] == "DENY_FEEDBACK_OVERDUE"
    done = await office.send(AGENT, "POST", "/v1/chat/completions", CHAT)
    assert done.response is None


@pytest.mark.req("MOU-1-8")
async def test_a_key_that_was_revoked_says_nothing_in_a_tunnel_that_is_still_open(office):
    office.know(Standing(overdue={SUBJECT: (ITS,)}))
    path = action(await office.send(AGENT, "GET", "/v1/models", **BROWSER))
    view: Any = View(dataclasses.replace(office.desk.view.policy, people=policy().people))
    office.desk.view = view

    for target in (path, "/.sekimori/feedback"):
        flow = await office.send(AGENT, "POST", target, b"answer=USEFUL")
        assert flow.response.headers["x-sekimori-reason"] == "DENY_AUTH_REQUIRED"
    assert office.said() == []
