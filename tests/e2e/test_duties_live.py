"""What people are asked, on a whole installation: refused before, let through after, known within seconds."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

from sekimori.cli.governed import governed
from sekimori.governance.actors import SECURITY_OFFICER, Actor
from sekimori.governance.feedback import Feedback
from sekimori.governance.limiting import SetLimits
from sekimori.governance.limits import Limits
from sekimori.governance.notices import ALL, TOS, NoticeText, PublishNotice, WithdrawNotice, WriteNotice
from sekimori.governance.registering import ResumeService, SuspendService
from support.browser import CHROMIUM, FLAGS, accessibility_faults, scrolls_sideways
from support.installation import Installation, secret
from support.standin.certificates import make
from support.threads import StandinThread

pytestmark = pytest.mark.e2e

HOST, TERMS = "api.openai.com", "api.anthropic.com"
SAKI, SHO = (Actor(name, frozenset({SECURITY_OFFICER})) for name in ("saki", "sho"))
PEOPLE = ("yamada", "suzuki", "ito", "kato", "nobody-yet")
POLICY = f"""
services:
  - {{id: openai-api, name: OpenAI API, provider: OpenAI, hosts: [{HOST}], contract: individual,
     contract_no: K-1, data_locations: [US]}}
  - {{id: anthropic-api, name: Anthropic API, provider: Anthropic, hosts: [{TERMS}], contract: terms_of_service}}
grants:
  - {{id: g-openai, service: openai-api, users: [{", ".join(PEOPLE)}], purpose: 会議録の要約,
     period: {{start: 2026-04-01, end: 2099-03-31}}, max_class: 1, models: ["gpt-*"],
     administrator: tanaka, decided_by: sasaki, decided_on: 2026-03-20, reference: 情シ第1号,
     operations: [generate, model-list]}}
  - {{id: g-terms, service: anthropic-api, users: [{", ".join(PEOPLE)}], purpose: 会議録の要約,
     period: {{start: 2026-04-01, end: 2099-03-31}}, max_class: 1, administrator: tanaka, decided_by: sasaki,
     decided_on: 2026-03-20, reference: 情シ第2号, operations: [generate, model-list]}}
"""
CHAT = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]})
TEXT = NoticeText(
    title="生成AIの利用上の注意", ja="出力はそのまま信じず、必ず確認してください。", en="Check what it says."
)


@dataclass(slots=True)
class House:
    """An installation that asks after three exchanges, and the service behind it."""

    installation: Installation
    service: StandinThread
    root: Path

    def ask(
        self,
        user: str,
        *options: str,
        path: str = "/v1/chat/completions",
        host: str = HOST,
        body: str = CHAT,
    ) -> tuple[int, dict[str, str], Any]:
        """Send a request with curl; return status, headers and what the body says."""
        data = ["-d", body] if path.startswith("/v1/chat") else []
        command = ["curl", "-sS", "-i", "--http1.1", "--suppress-connect-headers"]
        command += ["-x", self.installation.proxy(user), "--cacert", str(self.root)]
        command += ["-H", "content-type: application/json", *data, *options, f"https://{host}{path}"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        head, _, told = result.stdout.partition("\n\n")
        first, *lines = head.splitlines()
        headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
        status = int(first.split()[1])
        try:
            return status, headers, json.loads(told)
        except json.JSONDecodeError:
            return status, headers, told

    def governed(self) -> Any:
        """Open what is governed, as a command does."""
        return governed(
            self.installation.data, self.installation.keys, self.installation.folder / "sekimori.toml"
        )


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("duties")
    ca, certificate = make(folder / "tls", [HOST, TERMS, "localhost"])
    service = StandinThread(certificate)
    installation = Installation(
        folder / "run",
        upstream_ca=ca,
        resolve={HOST: service.address, TERMS: service.address},
        config="[feedback]\nafter_exchanges = 3\n",
        workers=2,
    )
    installation.start()
    try:
        for name in PEOPLE:
            installation.user(name)
        installation.apply(POLICY)
        yield House(installation, service, installation.root())
    finally:
        installation.stop()
        service.stop()


def within(seconds: float, holds: Callable[[], bool]) -> float:
    """Wait until something holds, at whichever worker answers; return how long that took."""
    started = time.monotonic()
    in_a_row = 0
    while time.monotonic() - started < seconds:
        in_a_row = in_a_row + 1 if holds() else 0
        if in_a_row == 3:
            return time.monotonic() - started
        time.sleep(0.15)
    raise AssertionError(f"not within {seconds} s")


def reason(answer: tuple[int, dict[str, str], Any]) -> str:
    return answer[1].get("x-sekimori-reason", "")


def publish(house: House, id_: str, text: NoticeText = TEXT, service: str = ALL) -> None:
    with house.governed() as office:
        office.governing.perform(WriteNotice(id_, service, text), SAKI)
        office.governing.perform(PublishNotice(id_, text.sha256), SHO)


def withdraw(house: House, id_: str) -> None:
    with house.governed() as office:
        office.governing.perform(WithdrawNotice(id_, "済"), SHO)
    within(5, lambda: house.ask("nobody-yet", path="/v1/models")[0] == 200)


@pytest.mark.req("MOU-1-12", "MOU-2-3")
def test_a_notice_is_asked_for_and_a_header_that_names_it_is_enough(house):
    status, headers, _ = house.ask("kato", path="/v1/models")
    assert (status, headers.get("x-generative-ai")) == (200, None)
    status, headers, _ = house.ask("yamada")
    assert (status, headers["x-generative-ai"]) == (200, "true; model=gpt-4o; service=openai-api")

    publish(house, "header")
    try:
        within(5, lambda: reason(house.ask("kato", path="/v1/models")) == "DENY_ACK_REQUIRED")
        status, _, told = house.ask("kato")
        assert status == 403
        value = told["error"]["acknowledge"]["value"]
        assert house.ask("kato", "-H", f"X-Sekimori-Acknowledge: {value}", path="/v1/models")[0] == 200
        for _ in range(4):
            assert house.ask("kato", path="/v1/models")[0] == 200
        with house.governed() as office:
            within(5, lambda: bool(office.governing.history("acknowledgement", "header:kato")))
    finally:
        withdraw(house, "header")


@pytest.mark.req("MOU-2-8")
def test_feedback_that_is_overdue_is_asked_for_and_one_post_is_enough(house):
    for _ in range(3):
        assert house.ask("suzuki")[0] == 200
    within(5, lambda: reason(house.ask("suzuki", path="/v1/models")) == "DENY_FEEDBACK_OVERDUE")
    status, _, told = house.ask("suzuki")
    assert (status, told["error"]["code"]) == (403, "DENY_FEEDBACK_OVERDUE")
    assert house.ask("yamada", path="/v1/models")[0] == 200

    status, _, _ = house.ask("suzuki", "-d", "answer=WRONG", path="/.sekimori/feedback")

    assert status == 204
    assert house.ask("suzuki", path="/v1/models")[0] == 200
    with house.governed() as office:
        within(5, lambda: bool(office.governing.list("feedback")))
        given = office.governing.list("feedback")[0]
        assert isinstance(given, Feedback)
        assert (given.by, given.answer, given.discharges) == ("suzuki", "WRONG", True)
    asked = [one for one in house.installation.records("--user", "suzuki") if one["operation"] == "generate"]
    shown = json.loads(house.installation.run("log", "show", asked[0]["id"], "--json").stdout)
    assert shown["feedback"]["answer"] == "WRONG"
    time.sleep(2)
    assert house.ask("suzuki", path="/v1/models")[0] == 200


@pytest.mark.req("MOU-2-8")
def test_a_link_answers_once_for_whom_it_was_issued(house):
    for _ in range(3):
        house.ask("yamada")
    within(5, lambda: reason(house.ask("yamada", path="/v1/models")) == "DENY_FEEDBACK_OVERDUE")
    link = house.ask("yamada")[2]["error"]["page_url"]

    page = curl(link)
    assert "yamada" in page
    one = f"{link.partition('/my/')[0]}/my/{page.partition('href="/my/')[2].partition('"')[0]}"
    assert "役に立った" in curl(one)
    assert reason(house.ask("yamada", path="/v1/models")) == "DENY_FEEDBACK_OVERDUE"
    assert "受け付けました" in curl(one, "-d", "answer=USEFUL")
    assert "回答済みです" in curl(one, "-d", "answer=USEFUL")
    within(5, lambda: house.ask("yamada", path="/v1/models")[0] == 200)


@pytest.mark.req("MOU-2-8")
def test_an_agents_key_gets_no_link_and_leaves_its_owners_duties_where_they_are(house):
    created = house.installation.run("key", "create", "--owner", "kato", "--grant", "g-openai", "--json")
    key = json.loads(created.stdout)["key"]
    agent = ("-x", f"http://key:{key}@127.0.0.1:{house.installation.gate}")
    within(5, lambda: house.ask("kato", *agent, path="/v1/models")[0] == 200)
    publish(house, "agents")
    try:
        within(5, lambda: reason(house.ask("kato", *agent, path="/v1/models")) == "DENY_ACK_REQUIRED")
        told = house.ask("kato", *agent)[2]["error"]
        assert "page_url" not in told
        said = ("-H", f"X-Sekimori-Acknowledge: {told['acknowledge']['value']}")
        assert house.ask("kato", *agent, *said, path="/v1/models")[0] == 200
        assert reason(house.ask("kato", path="/v1/models")) == "DENY_ACK_REQUIRED"
        assert house.ask("kato")[2]["error"]["page_url"]
    finally:
        withdraw(house, "agents")
    for _ in range(3):
        assert house.ask("kato", *agent)[0] == 200
    within(5, lambda: reason(house.ask("kato", *agent, path="/v1/models")) == "DENY_FEEDBACK_OVERDUE")
    assert "page_url" not in house.ask("kato", *agent)[2]["error"]
    assert house.ask("kato", *agent, "-d", "answer=USEFUL", path="/.sekimori/feedback")[0] == 204
    assert house.ask("kato", *agent, path="/v1/models")[0] == 200


@pytest.mark.req("MOU-1-6")
def test_what_a_person_stopped_stays_stopped_when_the_file_is_applied_again(house):
    with house.governed() as office:
        office.governing.perform(SuspendService("anthropic-api", "漏えいの疑い"), SAKI)
    within(5, lambda: reason(house.ask("yamada", host=TERMS, path="/v1/models")) == "DENY_SUSPENDED")

    house.installation.apply(POLICY)
    house.installation.apply(POLICY.replace("情シ第2号", "情シ第3号"))

    time.sleep(3)
    assert reason(house.ask("yamada", host=TERMS, path="/v1/models")) == "DENY_SUSPENDED"
    with house.governed() as office:
        office.governing.perform(ResumeService("anthropic-api", "疑いは晴れた"), SAKI)
    within(5, lambda: house.ask("yamada", host=TERMS, path="/v1/models")[0] == 200)


@pytest.mark.req("MOU-1-12", "MOU-2-8")
@pytest.mark.parametrize("width", [375, 1280], ids=["phone", "desk"])
async def test_a_browser_reads_answers_and_is_back_where_it_was(house, tmp_path, width):
    user = "ito"
    id_ = f"browser-{width}"
    publish(house, id_)
    url = f"https://{HOST}/v1/models?page=2"
    try:
        within(5, lambda: reason(house.ask(user, path="/v1/models")) == "DENY_ACK_REQUIRED")
        async with browsing(house, tmp_path, user, width=width) as page:
            answer = await page.goto(url)
            assert answer is not None
            assert answer.status == 403
            assert TEXT.ja in await page.inner_text("main")
            assert not await accessibility_faults(page)
            assert not await scrolls_sideways(page)
            await page.screenshot(path=str(tmp_path / f"notice-{width}.png"), full_page=True)
            async with page.expect_navigation():
                await page.click("button")
            assert page.url == url
            assert "data" in await page.inner_text("body")
            for _ in range(3):
                house.ask(user)
            within(5, lambda: reason(house.ask(user, path="/v1/models")) == "DENY_FEEDBACK_OVERDUE")
            await page.goto(url)
            assert not await accessibility_faults(page)
            await page.fill("#text", "助かった")
            async with page.expect_navigation():
                await page.click("text=役に立った")
            assert page.url == url
            assert "data" in await page.inner_text("body")
    finally:
        withdraw(house, id_)


@pytest.mark.req("MOU-1-9", "MOU-1-10")
def test_a_notice_about_terms_of_service_is_asked_of_their_users_alone(house):
    words = "約款型クラウドサービスでは、要機密情報を取り扱うことはできないこと"
    publish(house, "tos", NoticeText(title="約款型の注意", ja=words), TOS)
    try:
        within(5, lambda: reason(house.ask("kato", host=TERMS, path="/v1/models")) == "DENY_ACK_REQUIRED")
        assert house.ask("kato", path="/v1/models")[0] == 200
        link = house.ask("kato", host=TERMS, path="/v1/models")[2]["error"]["page_url"]
        assert words in curl(link)
        number, sha256 = (value(curl(link), name) for name in ("number", "sha256"))
        assert "受け付けました" in curl(link, "-d", f"number={number}&sha256={sha256}")
        within(5, lambda: house.ask("kato", host=TERMS, path="/v1/models")[0] == 200)
    finally:
        withdraw(house, "tos")


@pytest.mark.req("UK-423-2d")
def test_limits_of_a_service_hold_within_seconds_and_over_all_workers(house):
    limits = Limits(max_bytes=2000, models=("gpt-4*",), user_per_minute=3)
    with house.governed() as office:
        office.governing.perform(SetLimits("openai-api", limits, "試行"), SAKI)
    large = CHAT.replace("hello", "x" * 2000)
    within(5, lambda: reason(house.ask("kato", body=large)) == "DENY_LIMIT_SIZE")
    other = CHAT.replace("gpt-4o", "gpt-5")
    assert reason(house.ask("kato", body=other)) == "DENY_MODEL_NOT_ALLOWED"
    if time.time() % 60 > 50:
        time.sleep(61 - time.time() % 60)  # all of it within one minute
    answers = [reason(house.ask("nobody-yet")) for _ in range(5)]
    assert answers == ["", "", "", "DENY_LIMIT_RATE", "DENY_LIMIT_RATE"]


def test_what_was_said_at_the_gate_is_evidence_like_everything_else(house):
    said = [one for one in house.installation.records() if one["operation"] == "governance"]

    assert {one["decision"] for one in said} == {"allow"}
    assert "Intact" in house.installation.run("verify").stdout


def curl(url: str, *options: str) -> str:
    """Fetch a page of the console as a browser without scripts would."""
    command = ["curl", "-sS", "--noproxy", "*", *options, url]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


def value(page: str, name: str) -> str:
    """Read a hidden field of a form."""
    return page.partition(f'name="{name}" value="')[2].partition('"')[0]


def browsing(house: House, home: Path, user: str, *, width: int) -> Any:
    """Open a browser whose every request goes through the gate."""
    return _Browsing(house, home, user, width)


class _Browsing:
    def __init__(self, house: House, home: Path, user: str, width: int) -> None:
        self._house, self._home, self._user, self._width = house, home, user, width

    async def __aenter__(self) -> Page:
        store = self._home / ".pki" / "nssdb"
        store.mkdir(parents=True)
        subprocess.run(["certutil", "-N", "--empty-password", "-d", f"sql:{store}"], check=True)
        trusted = ["certutil", "-A", "-n", "root", "-t", "C,,", "-d", f"sql:{store}"]
        subprocess.run([*trusted, "-i", str(self._house.root)], check=True)
        self._playwright = await async_playwright().start()
        self._context = await self._playwright.chromium.launch_persistent_context(
            str(self._home / "profile"),
            executable_path=CHROMIUM,
            args=[*FLAGS, "--no-first-run", "--disable-component-update", "--disable-sync"],
            env={"HOME": str(self._home), "PATH": "/usr/bin:/bin"},
            viewport={"width": self._width, "height": 900},
            proxy={
                "server": f"http://127.0.0.1:{self._house.installation.gate}",
                "username": self._user,
                "password": secret(self._user),
            },
        )
        return self._context.pages[0]

    async def __aexit__(self, *_: object) -> None:
        await self._context.close()
        await self._playwright.stop()
