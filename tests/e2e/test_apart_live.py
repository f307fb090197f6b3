"""Roles apart: a web server without the archive's keys, and behind a socket the process that has them."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sekimori.governance.notices import ALL, NoticeText
from sekimori.governance.state import plain
from support.apart import Apart
from support.api_office import Desk, accounts, application, ready
from support.installation import Installation
from support.standin.certificates import make
from support.threads import StandinThread

pytestmark = pytest.mark.e2e

HOST = "api.openai.com"
POLICY = f"""
services:
  - {{id: openai-api, name: OpenAI API, provider: OpenAI, hosts: [{HOST}], contract: individual,
     contract_no: K-1, data_locations: [US]}}
grants:
  - {{id: g-openai, service: openai-api, users: [hanako, miki], purpose: 会議録の要約,
     period: {{start: 2026-04-01, end: 2099-03-31}}, max_class: 1, models: ["gpt-*"], administrator: jiro,
     decided_by: taro, decided_on: 2026-03-20, reference: 情シ第1号, operations: [generate, model-list]}}
"""
CHAT = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]})
TEXT = NoticeText(title="生成AIの利用上の注意", ja="出力は必ず確認してください。", en="Check what it says.")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StandinThread, Path]]:
    ca, certificate = make(tmp_path_factory.mktemp("tls"), [HOST, "localhost"])
    standin = StandinThread(certificate)
    yield standin, ca
    standin.stop()


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory, service: tuple[StandinThread, Path]) -> Iterator[Apart]:
    standin, ca = service
    whole = Installation(
        tmp_path_factory.mktemp("apart") / "run",
        upstream_ca=ca,
        resolve={HOST: standin.address},
        config="[feedback]\nafter_exchanges = 2\n",
    )
    made = Apart(whole)
    made.make()
    try:
        for role in ("archive", "console", "gate"):
            made.start(role)
        accounts(whole)
        whole.apply(POLICY)
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def silent(apart: Apart) -> dict[str, Any]:
    """What the web server answers before anybody governs."""
    with httpx.Client(base_url=apart.base, trust_env=False) as client:
        api = client.get("/api/v1/me", headers={"accept-language": "en"})
        return {
            "api": api,
            "page": client.get("/my/some-link"),
            "landing": client.get("/"),
            "at": counted(apart),
        }


@pytest.fixture(scope="module")
def desks(apart: Apart, silent: dict[str, Any]) -> Iterator[dict[str, Desk]]:
    apart.start("govern")
    made = {name: Desk(apart.base, name) for name in ("hanako", "taro", "jiro", "saki", "sho", "ken")}
    ready(made)
    yield made
    for desk in made.values():
        desk.close()


def counted(apart: Apart) -> dict[str, float]:
    """Read from the web server's own figures how its calls ended."""
    text = httpx.get(f"http://127.0.0.1:{apart.metrics['console']}/metrics", trust_env=False).text
    rows = (
        line.rpartition(" ")
        for line in text.splitlines()
        if line.startswith("sekimori_governing_calls_total")
    )
    return {name.partition('result="')[2].rstrip('"}'): float(value) for name, _, value in rows}


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def within(seconds: float, holds: Any) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.15)


def test_without_a_governing_process_the_api_says_in_both_languages_to_come_back(silent):
    refused = silent["api"]
    assert code(refused) == (503, "api-unavailable")
    assert refused.headers["content-type"] == "application/problem+json"
    assert int(refused.headers["retry-after"]) > 0
    told = refused.json()
    assert told["title"] == told["en"] != told["ja"]
    assert silent["page"].status_code == 503
    assert "しばらくしてから" in silent["page"].text
    assert silent["page"].headers["retry-after"]
    assert silent["landing"].status_code == 200
    assert silent["at"]["absent"] == 2


@pytest.mark.req("MOU-1-5")
def test_an_application_is_made_read_and_edited_through_a_web_server_without_keys(apart, desks):
    assert not (apart.whole.folder / "keys-console" / "archive").exists()
    hanako, body = desks["hanako"], application()
    made = hanako.do("/applications", {"id": "a1", **body}, Idempotency_Key="first")
    assert hanako.do("/applications", {"id": "a1", **body}, Idempotency_Key="first") == made
    read = hanako.get("/applications/a1")
    assert (read.headers["etag"], read.json()["data"]["applicant"]) == ('"1"', "hanako")
    edit = {"plan": {**body["plan"], "purpose": "一人目"}}
    assert hanako.try_("/applications/a1/edit", edit, If_Match='"1"').status_code == 200
    assert code(hanako.try_("/applications/a1/edit", edit, If_Match='"1"')) == (412, "version")
    verified = apart.whole.run("verify", check=False)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_session_a_token_and_the_guard_against_foreign_pages_mean_the_same(apart, desks):
    hanako = desks["hanako"]
    token = hanako.do("/tokens", {"label": "batch", "scopes": ["read"], "days": 1})["token"]
    with httpx.Client(base_url=f"{apart.base}/api/v1", trust_env=False) as client:
        bearer = {"authorization": f"Bearer {token}"}
        assert client.get("/me", headers=bearer).json()["how"] == "token"
        assert code(client.post("/applications", json={}, headers=bearer)) == (403, "scope")
        cookie = {"cookie": hanako.headers["cookie"]}
        assert client.get("/me", headers=cookie).json()["how"] == "session"
        assert code(client.post("/applications", json={}, headers=cookie)) == (403, "csrf")
        foreign = {**hanako.headers, "sec-fetch-site": "cross-site"}
        assert code(client.post("/applications", json={}, headers=foreign)) == (403, "csrf")
        assert code(client.get("/me", headers={"x-sekimori-client": "ken"})) == (401, "unauthenticated")


def test_what_only_the_two_processes_say_to_each_other_cannot_be_said_from_outside(apart, desks):
    del desks
    for path in ("/duties/open", "/api/v1/../../duties/open", "/api/v1/%2e%2e/%2e%2e/duties/open"):
        command = ["curl", "-sS", "--noproxy", "*", "--path-as-is", "-o", "-", "-w", "%{http_code}"]
        ran = subprocess.run(
            [*command, f"{apart.base}{path}", "-d", '{"ticket":"x"}'],
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout.endswith("404"), path


def test_a_body_that_is_too_large_gets_no_further_than_the_web_server(apart, desks):
    del desks
    before = counted(apart)
    sent = httpx.post(
        f"{apart.base}/api/v1/session",
        content=b" " * 300_000,
        headers={"content-type": "application/json"},
        trust_env=False,
    )
    assert sent.status_code == 413
    assert counted(apart) == before
    with socket.socket(socket.AF_UNIX) as direct:
        direct.connect(str(apart.whole.data / "govern" / "api.sock"))
        direct.sendall(b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n")
        assert direct.recv(12) == b"HTTP/1.1 413"


@pytest.mark.req("MOU-1-12", "MOU-2-8")
def test_a_notice_is_read_and_feedback_given_by_link_through_a_web_server_without_keys(apart, desks):
    root = apart.whole.root()
    within(10, lambda: ask(apart, root, path="/v1/models")[0] == 200)
    desks["saki"].do("/notices", {"id": "read-me", "service": ALL, "text": plain(TEXT)})
    desks["sho"].do("/notices/read-me/publish", {"sha256": TEXT.sha256})
    within(10, lambda: reason(ask(apart, root, path="/v1/models")) == "DENY_ACK_REQUIRED")
    link = ask(apart, root)[1]["error"]["page_url"]
    page = curl(link)
    assert TEXT.ja in page
    said = f"number={value(page, 'number')}&sha256={value(page, 'sha256')}"
    assert "受け付けられません" in curl(link, "-H", "origin: https://evil.example", "-d", said)
    assert "受け付けました" in curl(link, "-d", said)
    within(10, lambda: ask(apart, root, path="/v1/models")[0] == 200)

    for _ in range(2):
        assert ask(apart, root)[0] == 200
    within(10, lambda: reason(ask(apart, root, path="/v1/models")) == "DENY_FEEDBACK_OVERDUE")
    listed = ask(apart, root)[1]["error"]["page_url"]
    one = f"{apart.base}/my/{curl(listed).partition('href="/my/')[2].partition('"')[0]}"
    assert "受け付けました" in curl(one, "-d", "answer=USEFUL")
    assert "回答済みです" in curl(one, "-d", "answer=USEFUL")
    within(10, lambda: ask(apart, root, path="/v1/models")[0] == 200)
    [given] = desks["saki"].get("/feedback").json()["items"]
    assert (given["data"]["by"], given["data"]["answer"]) == ("miki", "USEFUL")


@pytest.mark.req("ABG-P4-1")
def test_content_is_opened_behind_the_socket_and_still_after_the_keys_were_rotated(apart, desks):
    saki, root = desks["saki"], apart.whole.root()
    assert ask(apart, root)[0] == 200
    within(10, lambda: records(saki))
    for number, rotate in enumerate((False, True)):
        if rotate:
            config = str(apart.whole.folder / "sekimori.toml")
            apart.whole.run("keys", "rotate", "--config", config)
        leave = {
            "id": f"r{number}",
            "record": records(saki)[0],
            "reason": "確認のため",
            "ticket": f"T-{number}",
        }
        saki.do("/content-readings", leave)
        assert "hello" in json.dumps(saki.do(f"/content-readings/r{number}/open"))


def records(desk: Desk) -> list[str]:
    rows = desk.get("/log/records?limit=50").json()["items"]
    return [row["id"] for row in rows if row["user"] == "miki" and row["operation"] == "generate"]


def test_a_governing_process_that_is_killed_is_missed_and_welcomed_back(apart, desks):
    hanako = desks["hanako"]
    token = hanako.do("/tokens", {"label": "after", "scopes": ["read"], "days": 1})["token"]
    bearer = {"authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{apart.base}/api/v1", trust_env=False, headers=bearer) as client:
        before = counted(apart)
        apart.kill("govern")
        within(5, lambda: code_of(client) == 503)
        refused = client.get("/me")
        assert code(refused) == (503, "api-unavailable")
        assert refused.headers["retry-after"]
        after = counted(apart)
        assert sum(after.values()) > sum(before.values())
        assert after["answered"] >= before["answered"]
        assert after["absent"] > before["absent"]
        apart.start("govern")
        assert client.get("/me").json()["name"] == "hanako"
    assert code(hanako.get("/me")) == (
        401,
        "unauthenticated",
    )  # sessions end with the process that judges them


def code_of(client: httpx.Client) -> int:
    return client.get("/me").status_code


def ask(apart: Apart, root: Path, *, path: str = "/v1/chat/completions") -> tuple[int, Any, dict[str, str]]:
    """Send a request through the gate with curl; give status, body and headers."""
    data = ["-d", CHAT] if path.startswith("/v1/chat") else []
    command = [
        "curl",
        "-sS",
        "-i",
        "--http1.1",
        "--suppress-connect-headers",
        "-x",
        apart.whole.proxy("miki"),
    ]
    command += ["--cacert", str(root), "-H", "content-type: application/json", *data, f"https://{HOST}{path}"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    head, _, told = ran.stdout.partition("\n\n")
    first, *lines = head.splitlines()
    headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
    return int(first.split()[1]), json.loads(told), headers


def reason(answer: tuple[int, Any, dict[str, str]]) -> str:
    return answer[2].get("x-sekimori-reason", "")


def curl(url: str, *options: str) -> str:
    """Fetch a page of the web server as a browser without scripts would."""
    command = ["curl", "-sS", "--noproxy", "*", *options, url]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


def value(page: str, name: str) -> str:
    """Read a hidden field of a form."""
    return page.partition(f'name="{name}" value="')[2].partition('"')[0]
