"""Whatever fails inside the gate, the request is refused: mitmproxy alone would let it go on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from mitmproxy.addonmanager import AddonManager
from mitmproxy.proxy.layers.http._hooks import (
    HttpConnectHook,
    HttpRequestHeadersHook,
    HttpRequestHook,
    HttpResponseHook,
)
from mitmproxy.proxy.server_hooks import ServerConnectHook, ServerConnectionHookData
from mitmproxy.test import taddons, tflow, tutils

from sekimori.addons.admit import Admit
from sekimori.addons.capture import CaptureAnswer
from sekimori.addons.exchange import KEY, Tunnel
from sekimori.addons.guard import Guard
from sekimori.addons.judge import Judge
from sekimori.ledger.record import Intent, Outcome
from support.desks import FULL, Clock, Notebook, View, chat_flow, desk, judge
from support.policies import NOW, policy

CHAT = json.dumps({"model": "gpt-x", "messages": [{"role": "user", "content": "hello"}]}).encode()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


async def trigger(hook: Any, *addons: object) -> None:
    """Run a hook as mitmproxy does: exceptions are logged and swallowed."""
    with taddons.context(*addons) as context:
        manager: AddonManager = context.master.addons
        await manager.trigger_event(hook)


class Raises:
    """Anything that is asked of it fails."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"a bug of ours in {name}")


def guard(the_desk: Any, authenticator: Any = None) -> Guard:
    nobody: Any = Raises()
    return Guard(the_desk, authenticator or nobody, public_peer=lambda *_: True, abort=lambda _: None)


def test_the_doubles_let_a_good_request_pass(pool):
    async def run() -> Any:
        tunnels: dict[Any, Tunnel] = {}
        notebook = Notebook()
        flow = chat_flow(CHAT, tunnels)
        await trigger(HttpRequestHook(flow), Admit(desk(notebook), judge(pool), tunnels))
        return flow, notebook

    flow, notebook = asyncio.run(run())
    assert flow.response is None
    assert [type(entry) for entry in notebook.entries] == [Intent]


@pytest.mark.parametrize("method", ["CONNECT", "GET"])
async def test_a_guard_that_fails_refuses(method):
    flow = tflow.tflow()
    flow.request.method = method
    hook = HttpConnectHook(flow) if method == "CONNECT" else HttpRequestHeadersHook(flow)
    the_desk = desk()
    the_desk.catalogue = Raises()  # type: ignore[assignment]
    await trigger(hook, guard(the_desk))
    assert flow.response is not None
    assert flow.response.status_code == 503
    assert flow.response.headers["X-Sekimori-Reason"] == "DENY_GATE_ERROR"


@pytest.mark.parametrize("part", ["catalogue", "view", "fingerprint", "budget"])
async def test_a_part_that_fails_while_a_request_is_decided_refuses_it(pool, part):
    tunnels: dict[Any, Tunnel] = {}
    flow = chat_flow(CHAT, tunnels)
    the_desk = desk()
    if part == "budget":
        the_desk.live = Raises()  # type: ignore[assignment]
    else:
        setattr(the_desk, part, Raises() if part != "fingerprint" else None)
        flow.request.headers["authorization"] = "Bearer sk-abcdefghijklmnopqrstuvwxyz"
    await trigger(HttpRequestHook(flow), Admit(the_desk, judge(pool), tunnels))
    assert flow.response is not None
    assert flow.response.status_code == 503


async def test_a_judge_that_fails_refuses(pool):
    tunnels: dict[Any, Tunnel] = {}
    flow = chat_flow(CHAT, tunnels)
    await trigger(HttpRequestHook(flow), Admit(desk(), Raises(), tunnels))  # type: ignore[arg-type]
    assert flow.response is not None
    assert flow.response.status_code == 503


class Hanging(Judge):
    """A judge whose reading does not come back until it is told."""

    go = Event()

    def weigh(self, case: Any, the_policy: Any) -> Any:
        self.go.wait(10)
        return super().weigh(case, the_policy)


async def test_a_policy_that_hangs_refuses_when_its_time_is_over(pool):
    tunnels: dict[Any, Tunnel] = {}
    flow = chat_flow(CHAT + b" " * 100_000, tunnels)
    hanging = Hanging(pool=pool, timeout=0.1, flagged_models=())
    try:
        await trigger(HttpRequestHook(flow), Admit(desk(), hanging, tunnels))
    finally:
        hanging.go.set()
    assert flow.response is not None
    assert flow.response.status_code == 503
    assert flow.response.headers["X-Sekimori-Reason"] == "DENY_SCAN_UNAVAILABLE"
    assert "retry-after" in flow.response.headers


@pytest.mark.req("MOU-2-7")
@pytest.mark.parametrize("fault", [FULL, OSError("input/output error")], ids=["full", "a bug below"])
async def test_a_request_that_cannot_be_recorded_does_not_go_out(pool, fault):
    tunnels: dict[Any, Tunnel] = {}
    flow = chat_flow(CHAT, tunnels)
    await trigger(HttpRequestHook(flow), Admit(desk(Notebook(fault=fault)), judge(pool), tunnels))
    assert flow.response is not None
    assert flow.response.status_code == 503
    assert KEY not in flow.metadata


async def test_a_request_waits_for_its_intent_to_be_durable(pool):
    tunnels: dict[Any, Tunnel] = {}
    flow = chat_flow(CHAT, tunnels)
    notebook = Notebook(hold=asyncio.Event())
    waiting = asyncio.create_task(Admit(desk(notebook), judge(pool), tunnels).request(flow))
    await asyncio.sleep(0.05)
    assert flow.response is not None
    assert notebook.hold is not None
    notebook.hold.set()
    await waiting
    assert flow.response is None


@pytest.mark.parametrize(
    ("view", "clock_ok", "reason"),
    [
        pytest.param(View(None), True, "DENY_POLICY_UNAVAILABLE", id="no policy"),
        pytest.param(View(policy()), False, "DENY_CLOCK", id="a clock that stepped back"),
        pytest.param(View(policy("{}\n", "yamada")), True, "DENY_NO_GRANT", id="an empty policy"),
        pytest.param(
            View(policy("services: []\n", "ito")), True, "DENY_AUTH_REQUIRED", id="a removed person"
        ),
    ],
)
async def test_without_what_a_decision_needs_ai_traffic_is_refused(pool, view, clock_ok, reason):
    tunnels: dict[Any, Tunnel] = {}
    flow = chat_flow(CHAT, tunnels)
    the_desk = desk(view=view)
    the_desk.clock_ok = lambda: clock_ok
    await trigger(HttpRequestHook(flow), Admit(the_desk, judge(pool), tunnels))
    assert flow.response is not None
    assert flow.response.headers["X-Sekimori-Reason"] == reason


async def test_without_witnesses_for_too_long_ai_traffic_is_refused(pool):
    tunnels: dict[Any, Tunnel] = {}
    flow = chat_flow(CHAT, tunnels)
    the_desk = desk()
    the_desk.witnessed = lambda: False
    await trigger(HttpRequestHook(flow), Admit(the_desk, judge(pool), tunnels))
    assert flow.response is not None
    assert (flow.response.status_code, flow.response.headers["X-Sekimori-Reason"]) == (
        503,
        "DENY_AUDIT_UNAVAILABLE",
    )


async def test_no_connection_is_opened_that_nobody_decided():
    flow = tflow.tflow()
    data = ServerConnectionHookData(server=flow.server_conn, client=flow.client_conn)
    data.server.error = None
    await trigger(ServerConnectHook(data), guard(desk()))
    assert data.server.error


async def test_a_guard_that_fails_opens_no_connection():
    flow = tflow.tflow()
    data = ServerConnectionHookData(server=flow.server_conn, client=flow.client_conn)
    data.server.error = None
    broken = guard(desk())
    broken.tunnels = Raises()  # type: ignore[assignment]
    await trigger(ServerConnectHook(data), broken)
    assert data.server.error


async def answered(pool: ThreadPoolExecutor, notebook: Notebook, *, streaming: bool) -> Any:
    tunnels: dict[Any, Tunnel] = {}
    the_desk = desk(notebook)
    flow = chat_flow(CHAT, tunnels)
    await Admit(the_desk, judge(pool), tunnels).request(flow)
    flow.response = tutils.tresp(content=b"answer")
    flow.metadata[KEY].streaming = streaming
    return flow, CaptureAnswer(the_desk, tunnels)


@pytest.mark.parametrize("streaming", [False, True], ids=["buffered", "streamed"])
async def test_an_answer_whose_outcome_cannot_be_recorded_is_not_completed(pool, streaming):
    notebook = Notebook()
    flow, capture = await answered(pool, notebook, streaming=streaming)
    notebook.fault = FULL
    flow.live = True
    await trigger(HttpResponseHook(flow), capture)
    if streaming:
        assert flow.error is not None  # mitmproxy ends the connection without the end of the message
    else:
        assert flow.response.status_code == 503
        assert b"answer" not in flow.response.content


async def test_an_exchange_is_finished_exactly_once(pool):
    notebook = Notebook()
    flow, capture = await answered(pool, notebook, streaming=False)
    for _ in range(3):
        await capture.response(flow)
        await capture.error(flow)
    assert [type(entry) for entry in notebook.entries] == [Intent, Outcome]
    assert notebook.entries[0].time_us == Clock().us == NOW
