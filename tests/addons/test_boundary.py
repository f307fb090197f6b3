"""What was let through ends with the permission that let it through."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from mitmproxy import http

from sekimori.addons.admit import Admit
from sekimori.addons.boundary import Boundary
from sekimori.addons.capture import CaptureAnswer
from sekimori.addons.exchange import KEY, Tunnel
from sekimori.ledger.record import Outcome
from sekimori.policy.agentkeys import AgentKey
from sekimori.policy.people import People, Person
from sekimori.policy.standing import EMPTY
from support.desks import Clock, Notebook, View, chat_flow, desk, judge
from support.policies import GRANT, SERVICE, policy

CHAT = json.dumps(
    {"model": "gpt-x", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
).encode()
LAST = int(datetime(2026, 12, 31, 14, 59, 59, 999_999, tzinfo=UTC).timestamp() * 1_000_000)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


class Stage:
    """A stream under way and a boundary that watches it."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.clock, self.view, self.notebook = Clock(LAST - 10_000_000), View(policy()), Notebook()
        self.desk = desk(self.notebook, self.view, self.clock)
        self.closed: list[Any] = []
        self.boundary = Boundary(self.desk, close=self.closed.append, close_websocket=lambda *_: None)
        self.tunnels: dict[Any, Tunnel] = {}
        self.flow = chat_flow(CHAT, self.tunnels)
        self.capture = CaptureAnswer(self.desk, self.tunnels)
        asyncio.run(self._begin(pool))

    async def _begin(self, pool: ThreadPoolExecutor) -> None:
        await Admit(self.desk, judge(pool), self.tunnels).request(self.flow)
        self.flow.response = http.Response.make(200, b"", {"Content-Type": "text/event-stream"})
        self.capture.responseheaders(self.flow)

    def chunk(self, data: bytes) -> Any:
        stream = self.flow.response.stream  # type: ignore[union-attr]
        assert callable(stream)
        return stream(data)


@pytest.mark.req("MOU-2-1")
def test_a_stream_runs_until_the_last_microsecond_of_the_period_and_is_cut_at_the_next(pool):
    stage = Stage(pool)
    assert stage.chunk(b"data: a\n\n") == b"data: a\n\n"
    stage.clock.us = LAST
    stage.boundary.sweep()
    assert stage.chunk(b"data: b\n\n") == b"data: b\n\n"
    stage.clock.us = LAST + 1
    stage.boundary.sweep()
    event = b"".join(stage.chunk(b"data: c\n\n"))
    assert b"DENY_PLAN_EXPIRED" in event
    assert b"data: c" not in event
    assert stage.chunk(b"data: d\n\n") == []
    assert not stage.closed
    stage.clock.us += 1_000_000
    stage.boundary.sweep()
    assert stage.closed == [stage.flow.client_conn]


def test_what_was_cut_is_recorded_with_its_reason(pool):
    stage = Stage(pool)
    stage.chunk(b"data: a\n\n")
    stage.clock.us = LAST + 1
    stage.boundary.sweep()
    stage.flow.error = None
    asyncio.run(stage.capture.error(stage.flow))
    outcome = stage.notebook.entries[-1]
    assert isinstance(outcome, Outcome)
    assert (outcome.state, outcome.reasons) == ("blocked", ("DENY_PLAN_EXPIRED",))
    assert outcome.body.size == len(b"data: a\n\n")
    assert len(stage.desk.live) == 0


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        pytest.param(
            lambda: policy(SERVICE + GRANT.replace("max_class", "status: suspended, max_class")),
            "DENY_SUSPENDED",
            id="suspended",
        ),
        pytest.param(lambda: policy(SERVICE), "DENY_SUSPENDED", id="withdrawn"),
        pytest.param(
            lambda: policy(SERVICE + GRANT, "ito"), "DENY_USER_OUT_OF_SCOPE", id="the person is gone"
        ),
    ],
)
def test_a_stream_ends_when_its_permission_is_taken_away(pool, changed, reason):
    stage = Stage(pool)
    stage.view.current = changed()
    stage.boundary.sweep()
    exchange = stage.flow.metadata[KEY]
    assert exchange.cut is not None
    assert exchange.cut.value == reason


@pytest.mark.req("MOU-1-6")
@pytest.mark.parametrize(
    ("stopped", "reason"),
    [
        pytest.param("suspended_services", "DENY_SUSPENDED", id="the service"),
        pytest.param("suspended_grants", "DENY_SUSPENDED", id="the grant"),
        pytest.param("disabled_users", "DENY_USER_OUT_OF_SCOPE", id="the person"),
    ],
)
def test_a_stream_is_cut_by_what_is_stopped_since_the_policy_was_compiled(pool, stopped, reason):
    stage = Stage(pool)
    intent = stage.flow.metadata[KEY].intent
    names = frozenset({intent.service, intent.grant, intent.user})
    standing = msgspec.structs.replace(EMPTY, **{stopped: names})
    stage.view.current = replace(stage.view.policy, standing=standing)
    stage.boundary.sweep()
    exchange = stage.flow.metadata[KEY]
    assert exchange.cut is not None
    assert exchange.cut.value == reason
    stage.clock.us += 1_000_000
    stage.boundary.sweep()
    assert stage.closed


def test_a_new_version_that_still_permits_cuts_nothing(pool):
    stage = Stage(pool)
    stage.view.current = policy(SERVICE + GRANT.replace("情シ第1号", "情シ第9号"))
    stage.boundary.sweep()
    assert stage.flow.metadata[KEY].cut is None


@pytest.mark.parametrize(
    ("keys", "text", "cut"),
    [
        pytest.param(("abc",), SERVICE + GRANT, None, id="a key that is good"),
        pytest.param((), SERVICE + GRANT, "DENY_USER_OUT_OF_SCOPE", id="a revoked key"),
        pytest.param(
            ("abc",),
            SERVICE + GRANT.replace("id: g-1", "id: g-2"),
            "DENY_SUSPENDED",
            id="a key whose grant is gone, although its owner has another",
        ),
    ],
)
def test_what_an_agent_has_under_way_ends_with_its_key_and_its_grant(pool, keys, text, cut):
    stage = Stage(pool)
    exchange = stage.flow.metadata[KEY]
    grant = exchange.intent.grant
    exchange.intent = msgspec.structs.replace(exchange.intent, user_source=f"key/abc/{grant}")
    held = tuple(AgentKey(id=key, sha256="", grant=grant) for key in keys)
    owner = Person(name="yamada", proxy_password="secret", keys=held)
    stage.view.current = replace(policy(text), people=People([owner]))
    stage.boundary.sweep()
    assert (exchange.cut.value if exchange.cut else None) == cut
