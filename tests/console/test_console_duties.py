"""What somebody owes, by a link: opening changes nothing, a POST of our own page answers, once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from fastapi.testclient import TestClient

from sekimori.console import create_app
from sekimori.console.ports import FeedbackDuty, NoticeDuty, Opened, Owed
from support.browser import DESK, PHONE, accessibility_faults, browser_page, scrolls_sideways

NOTICE = NoticeDuty(
    "read-me",
    2,
    "a" * 64,
    "生成AIの利用上の注意",
    "約款型クラウドサービスでは、要機密情報を取り扱うことはできません。\n出力はそのまま信じず、必ず確認してください。",
    "No confidential information on terms-of-service clouds.\nCheck what it says.",
    trial=False,
    read=False,
)
TALK = FeedbackDuty("ChatGPT（Web）", 21, 1_795_205_167_000_000, 3, open=True)


@dataclass
class Desk:
    """Keeps what was said by link; a link is a word here."""

    said: list[tuple[str, ...]] = field(default_factory=list)
    outdated: bool = False

    def open(self, ticket: str) -> Opened | None:
        used = any(said[0] == ticket for said in self.said)
        pages = {
            "n": Opened("yamada", "l", notice=replace(NOTICE, read=used)),
            "f": Opened("yamada", "l", feedback=replace(TALK, open=not used)),
            "l": Opened("yamada", "l", owed=(Owed("n", notice=NOTICE), Owed("f", feedback=TALK))),
            "e": Opened("yamada", "e"),
        }
        return pages.get(ticket)

    def read(self, ticket: str, number: int, sha256: str) -> bool:
        if self.outdated or (number, sha256) != (2, "a" * 64):
            return False
        self.said.append((ticket, str(number)))
        return True

    def answer(self, ticket: str, answer: str, text: str) -> bool:
        if any(said[0] == ticket for said in self.said):
            return False
        self.said.append((ticket, answer, text))
        return True


@pytest.fixture
def desk(house) -> Desk:
    made = Desk()
    house.duties = made
    return made


@pytest.fixture
def client(house, desk):
    app = create_app(house.settings())
    with TestClient(app, base_url="http://sekimori.example:8081", raise_server_exceptions=False) as made:
        yield made


@pytest.mark.req("MOU-2-8")
def test_a_link_only_opens_the_page(client, desk):
    for path in ("/my/l", "/my/n", "/my/f", "/my/f?answer=USEFUL"):
        assert client.get(path).status_code == 200

    assert desk.said == []


@pytest.mark.req("MOU-2-8")
def test_one_click_answers_and_a_second_does_not(client, desk):
    first = client.post("/my/f", data={"answer": "WRONG", "text": " 数字が違う "})
    second = client.post("/my/f", data={"answer": "USEFUL"})

    assert "受け付けました" in first.text
    assert "回答済みです" in second.text
    assert desk.said == [("f", "WRONG", "数字が違う")]


@pytest.mark.req("MOU-1-12")
def test_a_notice_is_acknowledged_by_version_and_text(client, desk):
    stale = client.post("/my/n", data={"number": "1", "sha256": "a" * 64})
    done = client.post("/my/n", data={"number": "2", "sha256": "a" * 64})

    assert "読みました" in stale.text
    assert "受け付けました" in done.text
    assert desk.said == [("n", "2")]


def test_the_page_of_a_notice_tells_programs_which_header_to_send(client):
    assert f"X-Sekimori-Acknowledge: read-me;version=2;sha256={'a' * 64}" in client.get("/my/n").text


@pytest.mark.parametrize(
    ("path", "data", "headers", "status"),
    [
        pytest.param("/my/x", {"answer": "USEFUL"}, {}, 404, id="no link of ours"),
        pytest.param("/my/f", {"answer": "GREAT"}, {}, 400, id="none of the five answers"),
        pytest.param("/my/f", {}, {}, 400, id="no answer"),
        pytest.param("/my/l", {"answer": "USEFUL"}, {}, 400, id="the list takes none"),
        pytest.param(
            "/my/f", {"answer": "USEFUL"}, {"origin": "https://evil.example"}, 403, id="a foreign page"
        ),
        pytest.param(
            "/my/f", {"answer": "USEFUL"}, {"sec-fetch-site": "cross-site"}, 403, id="a foreign fetch"
        ),
        pytest.param("/my/f", {"answer": "USEFUL", "text": "あ" * 20_000}, {}, 413, id="an endless remark"),
    ],
)
def test_what_is_no_click_of_our_own_page_answers_nothing(client, desk, path, data, headers, status):
    assert client.post(path, data=data, headers=headers).status_code == status
    assert desk.said == []


def test_whoever_tries_links_is_made_to_wait(client):
    statuses = [client.get(f"/my/guess{n}").status_code for n in range(11)]

    assert statuses == [404] * 10 + [429]


@pytest.mark.parametrize("path", ["/my/l", "/my/n", "/my/f", "/my/e", "/my/wrong"])
@pytest.mark.parametrize("width", [pytest.param(PHONE, id="phone"), pytest.param(DESK, id="desk")])
async def test_every_page_of_duties_is_accessible_and_fits_the_window(desk, served, path, width):
    async with browser_page(served + path, width=width) as page:
        assert await accessibility_faults(page) == []
        assert not await scrolls_sideways(page)


@pytest.mark.req("MOU-2-8")
async def test_somebody_answers_in_a_browser(desk, served):
    async with browser_page(served + "/my/l", width=PHONE) as page:
        await page.click("text=ChatGPT")
        await page.fill("#text", "助かった")
        await page.click("text=役に立った")
        assert "受け付けました" in await page.inner_text("h1")
    assert desk.said == [("f", "USEFUL", "助かった")]
