"""A web server without keys before a governing process: what passes between them, on a real socket."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import uvicorn
from fastapi.testclient import TestClient

from sekimori.console import create_app, forwarding
from sekimori.console.governor import create_governor
from sekimori.console.line import Line
from sekimori.console.ports import FeedbackDuty, NoticeDuty, Opened, Owed
from sekimori.console.remote_duties import RemoteDuties
from sekimori.governance.state import plain
from support.api_house import BASE, HOST, PASSWORD, Api, House
from support.offices import HANAKO, plan

NOTICE = NoticeDuty("n1", 2, "a" * 64, "注意", "確認してください。", "Check.", trial=False, read=False)
TALK = FeedbackDuty("ChatGPT（Web）", 21, 1_795_205_167_000_000, 3, open=True)
PAGES = {
    "n": Opened("yamada", "l", notice=NOTICE),
    "f": Opened("yamada", "l", feedback=TALK),
    "l": Opened("yamada", "l", owed=(Owed("n", notice=NOTICE), Owed("f", feedback=TALK))),
}


@dataclass
class Desk:
    """Keeps what was said by link, and can break."""

    said: list[tuple[object, ...]]
    broken: bool = False

    def open(self, ticket: str) -> Opened | None:
        if self.broken:
            raise OSError("the disk is full of yamada")
        return PAGES.get(ticket)

    def read(self, ticket: str, number: int, sha256: str) -> bool:
        self.said.append((ticket, number, sha256))
        return True

    def answer(self, ticket: str, answer: str, text: str) -> bool:
        self.said.append((ticket, answer, text))
        return len(self.said) == 1


@dataclass
class Apart:
    """Both sides, and what is behind the second."""

    api: Api
    house: House
    desk: Desk
    path: Path


@pytest.fixture
def governed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[House, Desk, Path]]:
    monkeypatch.chdir(tmp_path)
    house, desk, path = House(), Desk([]), Path("api.sock")
    app = create_governor(house.ports(), desk, max_body=64 * 1024)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", proxy_headers=False))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield house, desk, path
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def apart(house, governed) -> Iterator[Apart]:
    behind, desk, path = governed
    line = Line(path, Path.cwd(), timeout_s=5)
    settings = replace(
        house.settings(),
        hosts=frozenset({HOST}),
        line=line,
        duties=RemoteDuties(line),
        max_api_body=128 * 1024,
    )
    with TestClient(create_app(settings), base_url=BASE, raise_server_exceptions=False) as client:
        yield Apart(Api(client, behind), behind, desk, path)


def sign_in(apart: Apart, password: str, *, name: str = "hanako", **headers: str):
    body = {"name": name, "password": password}
    return apart.api.client.post("/api/v1/session", json=body, headers=headers)


def test_reading_and_writing_keep_their_status_etag_and_location(apart):
    made = apart.api.post(HANAKO, "/applications", {"id": "a1", "plan": plain(plan())})
    assert (made.status_code, made.headers["location"]) == (201, "/api/v1/applications/a1")
    read = apart.api.get(HANAKO, "/applications/a1")
    assert (read.headers["etag"], read.json()["data"]["applicant"]) == ('"1"', "hanako")
    assert read.headers["content-security-policy"]
    assert [name for name, _ in read.headers.multi_items()].count("content-length") == 1
    edit = {"plan": plain(plan())}
    assert apart.api.post(HANAKO, "/applications/a1/edit", edit).status_code == 428
    assert apart.api.post(HANAKO, "/applications/a1/edit", edit, If_Match='"7"').status_code == 412
    assert apart.api.get(HANAKO, "/applications?limit=1&status=DRAFT").json()["items"]


def test_a_session_begins_and_ends_with_its_cookie(apart):
    answer = sign_in(apart, PASSWORD)
    assert answer.status_code == 201
    cookie = answer.headers["set-cookie"]
    assert cookie.endswith("Path=/; Secure; HttpOnly; SameSite=Strict")
    headers = {"cookie": cookie.partition(";")[0], "x-csrf-token": answer.json()["csrf_token"]}
    ended = apart.api.client.delete("/api/v1/session", headers=headers)
    assert (ended.status_code, ended.content) == (204, b"")
    assert apart.api.client.get("/api/v1/me", headers=headers).status_code == 401


def test_wrong_passwords_count_for_the_address_that_the_web_server_saw_and_for_no_other(apart):
    for each in range(100):
        assert sign_in(apart, "wrong", name=f"nobody-{each}").status_code == 401
    for claimed in ({}, {"x-sekimori-client": "192.0.2.1"}, {"X-SEKIMORI-CLIENT": "192.0.2.1, 10.0.0.1"}):
        refused = sign_in(apart, PASSWORD, **claimed)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
    elsewhere = TestClient(apart.api.client.app, base_url=BASE, client=("192.0.2.1", 50000))
    apart.api.client = elsewhere
    assert sign_in(apart, PASSWORD).status_code == 201


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("GET", "/nothing", id="no such path"),
        pytest.param("GET", "/", id="the root"),
        pytest.param("PUT", "/me", id="no such method"),
        pytest.param("OPTIONS", "/me", id="a preflight"),
        pytest.param("HEAD", "/me", id="only the head"),
        pytest.param("GET", "/me%0A", id="a path with a line end"),
        pytest.param("GET", "/applications/%2e%2e%2Fx", id="an id with dots"),
        pytest.param("GET", "/problems/version?a=%00&b", id="a query"),
        pytest.param("GET", "/problems/%E8%AA%AD", id="a code in Japanese"),
    ],
)
def test_an_answer_is_the_same_with_the_keys_here_and_elsewhere(apart, house, method, path):
    there = apart.api.client.request(method, f"/api/v1{path}")
    with TestClient(apart.house.app(house), base_url=BASE, raise_server_exceptions=False) as client:
        here = client.request(method, f"/api/v1{path}")
    assert (there.status_code, there.content) == (here.status_code, here.content)
    assert dict(there.headers) == dict(here.headers)


def test_each_side_bounds_the_body(apart):
    headers = {"content-type": "application/json"}
    beyond_the_second = apart.api.client.post("/api/v1/session", content=b" " * 70_000, headers=headers)
    beyond_the_first = apart.api.client.post("/api/v1/session", content=b" " * 140_000, headers=headers)
    for answer in (beyond_the_second, beyond_the_first):
        assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


@pytest.mark.parametrize(
    "length",
    [
        pytest.param(b"Transfer-Encoding: chunked\r\n", id="no length"),
        pytest.param(b"", id="neither"),
    ],
)
def test_a_body_of_unknown_length_is_not_read_from_the_socket(apart, length):
    with socket.socket(socket.AF_UNIX) as direct:
        direct.connect(str(apart.path))
        direct.sendall(b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\n" + length + b"\r\n")
        assert direct.recv(12) == b"HTTP/1.1 400"


@pytest.mark.parametrize("ticket", ["n", "f", "l", "nobody's"])
def test_a_link_means_the_same_on_both_sides(apart, ticket):
    line = Line(apart.path, Path.cwd(), timeout_s=5)
    assert RemoteDuties(line).open(ticket) == PAGES.get(ticket)


@pytest.mark.req("MOU-2-8")
def test_a_click_reaches_the_desk_and_a_second_one_is_told_so(apart):
    done = apart.api.client.post("/my/f", data={"answer": "USEFUL", "text": "助かった"})
    assert "受け付けました" in done.text
    assert apart.desk.said == [("f", "USEFUL", "助かった")]
    apart.api.client.post("/my/n", data={"number": "2", "sha256": "a" * 64})
    assert apart.desk.said[-1] == ("n", 2, "a" * 64)


def test_a_desk_that_breaks_is_no_answer_and_quotes_nobody(apart, caplog):
    apart.desk.broken = True
    page = apart.api.client.get("/my/n")
    assert (page.status_code, "yamada" in page.text) == (503, False)
    assert page.headers["retry-after"]
    assert "yamada" not in caplog.text


def test_a_process_that_hangs_takes_only_so_many_pages_with_it(house, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("api.sock")
        listener.listen()
        duties = RemoteDuties(Line(Path("api.sock"), Path.cwd(), timeout_s=3))
        settings = replace(house.settings(), hosts=frozenset({HOST}), duties=duties)
        with TestClient(create_app(settings), base_url=BASE, raise_server_exceptions=False) as client:
            clicks = [threading.Thread(target=client.get, args=("/my/n",)) for _ in range(9)]
            for each in clicks:
                each.start()
            assert client.get("/apply").status_code == 200
            for each in clicks:
                each.join(10)
            assert client.get("/my/n").status_code == 503


def test_where_too_many_wait_the_next_is_told_so_at_once(house, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(forwarding, "_MOST_WAITING", 2)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("api.sock")
        listener.listen()
        line = Line(Path("api.sock"), Path.cwd(), timeout_s=3)
        settings = replace(house.settings(), hosts=frozenset({HOST}), line=line)
        with TestClient(create_app(settings), base_url=BASE, raise_server_exceptions=False) as client:
            asking = [threading.Thread(target=client.get, args=("/api/v1/me",)) for _ in range(2)]
            for each in asking:
                each.start()
            time.sleep(0.5)
            began = time.monotonic()
            refused = client.get("/api/v1/me")
            assert time.monotonic() - began < 1
            for each in asking:
                each.join(10)
    assert (refused.status_code, refused.json()["code"]) == (503, "api-unavailable")
    assert refused.headers["retry-after"]
