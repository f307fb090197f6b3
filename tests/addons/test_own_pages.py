"""Between somebody and a service: the page that is shown once, the click that is believed, the way back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from mitmproxy import http
from mitmproxy.proxy.layers.http._hooks import HttpRequestHook
from mitmproxy.test import taddons, tutils
from mitmproxy.websocket import WebSocketData, WebSocketMessage
from wsproto.frame_protocol import Opcode

from sekimori.addons.admit import Admit
from sekimori.addons.duties import Duties
from sekimori.addons.judge import Judge
from sekimori.addons.noted import Noted
from sekimori.addons.rates import Rates
from sekimori.addons.websocket import WebSocketTurns
from sekimori.governance.said import KIND, SaidAnswer, SaidRead
from sekimori.ledger.record import Intent, Outcome
from sekimori.policy.standing import NoticeToShow, Owed, ServiceLimits, Standing
from sekimori.vault.tickets import Ticket, honour
from support.desks import FULL, chat_flow
from support.gate_pages import CHAT, KEY, SEAL, Worker, action

NOTICE = NoticeToShow(id="read-me", version=2, sha256="a" * 64, title_ja="注意", text_ja="必ず<b>確認</b>")
OWED = Owed(service="openai-api", unanswered=20, since_us=1_780_000_000_000_000, conversations=("c1", "c2"))


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


@pytest.fixture
def worker(tmp_path, pool) -> Worker:
    return Worker(tmp_path, pool, Standing(notices=(NOTICE,)))


@pytest.fixture
def other(tmp_path, pool, worker) -> Worker:
    return Worker(tmp_path, pool, Standing(notices=(NOTICE,)))


async def test_a_browser_gets_the_notice_and_one_click_brings_it_back(worker, other):
    shown = await worker.visit()

    assert shown.response.status_code == 403
    assert shown.response.headers["x-sekimori-reason"] == "DENY_ACK_REQUIRED"
    assert "必ず&lt;b&gt;確認&lt;/b&gt;" in shown.response.get_text()
    assert "form-action 'self'" in shown.response.headers["content-security-policy"]

    clicked = await other.click(action(shown))

    assert clicked.response.status_code == 303
    assert clicked.response.headers["location"] == f"https://{clicked.request.host}/v1/models?page=2"
    assert other.said() == [SaidRead((("read-me", 2, "a" * 64),), "page")]
    assert isinstance(other.notebook.entries[-1], Outcome)
    for each in (worker, other):
        assert (await each.ask()).response is None
    assert (await worker.ask(user="ito")).response is not None


async def test_there_is_one_page_a_user_host_and_minute_and_it_remembers_the_first_place(worker):
    first = action(await worker.visit("/v1/models?after=a"))
    second = action(await worker.visit("/v1/models?after=b"))

    assert first == second
    assert (await worker.click(first)).response.headers["location"].endswith("?after=a")


async def test_what_a_page_loads_beside_itself_gets_a_plain_refusal(worker):
    flow = await worker.visit(**{"sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"})

    assert flow.response.status_code == 403
    assert flow.response.headers["content-type"] != "text/html; charset=utf-8"


async def test_where_a_form_was_sent_the_way_back_is_the_front_door(worker):
    shown = await worker.ask(sec_fetch_mode="navigate", sec_fetch_dest="document")

    clicked = await worker.click(action(shown))

    assert clicked.response.headers["location"] == f"https://{clicked.request.host}/"
    assert worker.said() != []


FORGED = [
    pytest.param({"origin": "https://evil.example"}, id="of another origin"),
    pytest.param({"origin": "null"}, id="of no origin"),
    pytest.param({"sec-fetch-site": "cross-site", "sec-fetch-user": "?1"}, id="from another site"),
    pytest.param({"sec-fetch-site": "same-origin"}, id="by a script of the service"),
    pytest.param({"sec-fetch-site": "none", "sec-fetch-user": "?1"}, id="from nowhere"),
]


@pytest.mark.parametrize("headers", FORGED)
async def test_a_click_that_no_person_made_says_nothing(worker, headers):
    path = action(await worker.visit())

    flow = await worker.click(path, headers=headers)

    assert flow.response.headers["x-sekimori-reason"] == "DENY_MALFORMED"
    assert worker.said() == []
    assert (await worker.ask()).response is not None


async def test_opening_a_page_again_says_nothing(worker):
    path = action(await worker.visit())

    flow = await worker.visit(path)

    assert flow.response.status_code in (303, 400)
    assert worker.said() == []


async def test_somebody_elses_page_is_no_page(worker):
    path = action(await worker.visit())

    flow = await worker.click(path, user="ito")

    assert flow.response.status_code == 303
    assert worker.said() == []


@pytest.mark.parametrize(
    "path", ["/.sekimori/", "/.sekimori/notices/", "/.sekimori/x/y", "/.sekimori/notices/" + "0" * 64]
)
async def test_nothing_under_the_gates_own_path_goes_to_a_service(worker, path):
    flow = await worker.click(path)

    assert flow.response is not None
    assert worker.said() == []


async def test_a_program_is_told_the_header_and_the_page_in_its_providers_shape(worker):
    flow = await worker.ask()

    error = msgspec.json.decode(flow.response.content)["error"]
    value = f"read-me;version=2;sha256={'a' * 64}"
    assert (flow.response.status_code, error["code"]) == (403, "DENY_ACK_REQUIRED")
    assert error["acknowledge"] == {"header": "X-Sekimori-Acknowledge", "value": value}
    ticket = error["page_url"].rpartition("/my/")[2]
    held = honour(SEAL, ticket, worker.desk.now())
    assert isinstance(held, Ticket)
    assert (held.kind, held.subject, held.about) == ("notice", "yamada", "read-me")
    assert (await worker.ask(x_sekimori_acknowledge=value)).response is None
    assert worker.said() == [SaidRead((("read-me", 2, "a" * 64),), "header")]
    assert (await worker.ask()).response is None


@pytest.mark.parametrize("value", ["yes", "read-me", "read-me;version=0;sha256=" + "a" * 64, "x" * 5000])
async def test_a_header_that_is_no_acknowledgement_is_malformed(worker, value):
    flow = await worker.ask(x_sekimori_acknowledge=value)

    assert flow.response.headers["x-sekimori-reason"] == "DENY_MALFORMED"


async def test_a_gate_without_pages_believes_no_acknowledgement(worker):
    worker.admit = Admit(worker.desk, worker.judge, worker.tunnels)

    asked = await worker.ask(x_sekimori_acknowledge=f"read-me;version=2;sha256={'a' * 64}")

    assert asked.response.headers["x-sekimori-reason"] == "DENY_AUDIT_UNAVAILABLE"
    assert worker.notebook.entries == []


async def test_what_cannot_be_recorded_is_not_believed(worker):
    path = action(await worker.visit())
    worker.notebook.fault = FULL

    clicked = await worker.click(path)
    asked = await worker.ask(x_sekimori_acknowledge=f"read-me;version=2;sha256={'a' * 64}")

    assert clicked.response.headers["x-sekimori-reason"] == "DENY_AUDIT_UNAVAILABLE"
    assert asked.response.headers["x-sekimori-reason"] == "DENY_AUDIT_UNAVAILABLE"
    worker.notebook.fault = None
    assert (await worker.ask()).response.headers["x-sekimori-reason"] == "DENY_ACK_REQUIRED"


@pytest.mark.req("MOU-2-8")
async def test_overdue_feedback_is_one_click_in_a_browser(worker):
    worker.know(Standing(overdue={"yamada": (OWED,)}))
    shown = await worker.visit()
    assert shown.response.headers["x-sekimori-reason"] == "DENY_FEEDBACK_OVERDUE"
    assert shown.response.get_text().count('name="answer"') == 5

    wrong = await worker.click(action(shown), b"answer=GREAT")
    done = await worker.click(
        action(shown), "answer=WRONG&text=数字が違う".encode("ascii", "backslashreplace")
    )

    assert wrong.response.headers["x-sekimori-reason"] == "DENY_MALFORMED"
    assert done.response.status_code == 303
    assert worker.said() == [SaidAnswer("openai-api", ("c1", "c2"), "WRONG")]
    assert (await worker.ask()).response is None


@pytest.mark.req("MOU-2-8")
async def test_a_program_answers_with_a_post_of_its_own(worker):
    worker.know(Standing(overdue={"yamada": (OWED,)}))
    refused = await worker.ask()
    assert msgspec.json.decode(refused.response.content)["error"]["code"] == "DENY_FEEDBACK_OVERDUE"

    forged = await worker.click("/.sekimori/feedback", b"answer=USEFUL")
    done = await worker.click("/.sekimori/feedback", b"answer=USEFUL", headers={"accept": "*/*"})

    assert forged.response.headers["x-sekimori-reason"] == "DENY_MALFORMED"
    assert done.response.status_code == 204
    assert worker.said() == [SaidAnswer("openai-api", ("c1", "c2"), "USEFUL")]
    assert (await worker.ask()).response is None


@pytest.mark.req("MOU-2-9")
async def test_a_trial_asks_for_consent_on_the_same_page(worker):
    text = NoticeToShow(
        id="trial", version=3, sha256="d" * 64, service="openai-api", text_ja="検証段階です。"
    )
    worker.know(Standing(trials=frozenset({"openai-api"}), trial_texts=(text,)))
    shown = await worker.visit()
    assert shown.response.headers["x-sekimori-reason"] == "DENY_CONSENT_MISSING"
    assert "検証段階です。" in shown.response.get_text()
    assert "同意して続ける" in shown.response.get_text()

    clicked = await worker.click(action(shown))

    assert clicked.response.status_code == 303
    assert worker.said() == [SaidRead((("trial", 3, "d" * 64),), "page")]
    assert (await worker.ask()).response is None


@pytest.mark.req("MOU-2-9")
async def test_a_trial_whose_text_is_not_published_shows_no_page_and_admits_nobody(worker):
    worker.know(Standing(trials=frozenset({"openai-api"})))

    shown = await worker.visit()

    assert shown.response.headers["x-sekimori-reason"] == "DENY_CONSENT_MISSING"
    assert "<form" not in shown.response.get_text()


@pytest.mark.req("MOU-2-8")
async def test_in_an_open_session_the_next_message_is_refused_too(worker, pool, tmp_path):
    worker.know(Standing())
    duties = Duties(Noted(tmp_path / "noted", KEY), Rates(tmp_path / "rates", KEY))
    judge = Judge(pool=pool, timeout=5, flagged_models=(), duties=duties)
    turns = WebSocketTurns(worker.desk, judge, worker.capture, close=lambda *_: None)
    flow = chat_flow(b"", worker.tunnels)
    flow.request.method, flow.request.path = "GET", "/v1/realtime?model=gpt-x"
    await worker.admit.request(flow)
    flow.response = http.Response.make(101)
    flow.websocket = WebSocketData()
    await worker.capture.response(flow)
    await turns.websocket_start(flow)

    async def say() -> bool:
        said = {"type": "response.create", "response": {"instructions": "hello"}}
        message = WebSocketMessage(Opcode.TEXT, True, json.dumps(said).encode())
        assert flow.websocket is not None
        flow.websocket.messages.append(message)
        await turns.websocket_message(flow)
        return not message.dropped

    assert await say()
    worker.know(Standing(overdue={"yamada": (OWED,)}))
    assert not await say()
    refused = worker.notebook.entries[-1]
    assert isinstance(refused, Intent)
    assert refused.reasons == ("DENY_FEEDBACK_OVERDUE",)


@pytest.mark.req("MOU-2-3")
async def test_an_answer_says_in_a_header_that_a_model_wrote_it_and_its_body_is_untouched(worker):
    worker.know(Standing())
    flow = await worker.ask()
    flow.response = tutils.tresp(content=b"answer")
    flow.response.headers["X-Generative-AI"] = "false"

    worker.capture.responseheaders(flow)

    assert flow.response.headers.get_all("x-generative-ai") == ["true; model=gpt-x; service=openai-api"]
    assert flow.response.content == b"answer"


@pytest.mark.req("MOU-2-3")
async def test_what_no_model_wrote_has_no_label(worker):
    worker.know(Standing())
    flow = chat_flow(b"", worker.tunnels)
    flow.request.method, flow.request.path = "GET", "/v1/models"
    await worker.admit.request(flow)
    assert flow.response is None
    flow.response = tutils.tresp(content=b"{}")

    worker.capture.responseheaders(flow)

    assert "x-generative-ai" not in flow.response.headers


@pytest.mark.parametrize(
    ("lost", "standing", "headers"),
    [
        pytest.param(
            "rates", Standing(limits={"openai-api": ServiceLimits(user_per_minute=5)}), {}, id="how often"
        ),
        pytest.param(
            "noted",
            Standing(notices=(NOTICE,)),
            {"x-sekimori-acknowledge": f"read-me;version=2;sha256={'a' * 64}"},
            id="what was read",
        ),
        pytest.param(
            "pages",
            Standing(notices=(NOTICE,)),
            {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
            id="the page to show",
        ),
    ],
)
async def test_where_what_a_duty_remembers_is_gone_the_request_goes_nowhere(
    tmp_path, pool, lost, standing, headers
):
    worker = Worker(tmp_path, pool, standing)
    shutil.rmtree(tmp_path / lost)
    flow = chat_flow(b"" if lost == "pages" else CHAT, worker.tunnels)
    flow.request.headers.update(headers)
    if lost == "pages":
        flow.request.method, flow.request.path = "GET", "/v1/models"
    with taddons.context(worker.admit) as context:  # as mitmproxy does: an exception is logged and swallowed
        await context.master.addons.trigger_event(HttpRequestHook(flow))
    assert flow.response is not None
    assert flow.response.status_code == 503
    assert [each for each in worker.notebook.entries if isinstance(each, Intent) and each.kind != KIND] == []
