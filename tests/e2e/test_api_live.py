"""The API of a running installation: from nothing to a grant, by requests alone, on real accounts and a real store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from support.api_office import PASSWORD, PEOPLE, Desk, accounts, application, approve, ready
from support.installation import Installation

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    made = Installation(tmp_path_factory.mktemp("api") / "run")
    made.start()
    try:
        accounts(made)
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def base(installation):
    return f"http://127.0.0.1:{installation.web}"


@pytest.fixture(scope="module")
def desks(base):
    made = {name: Desk(base, name) for name in PEOPLE}
    try:
        ready(made)
        yield made
    finally:
        for desk in made.values():
            desk.close()


def code(answer):
    return answer.status_code, answer.json()["code"]


@pytest.mark.req("MOU-1-5", "UK-423-2c", "UK-423-1a-ウ")
def test_an_application_by_requests_becomes_a_grant_when_the_administrator_accepts(desks, installation):
    hanako, taro = desks["hanako"], desks["taro"]
    made = hanako.do("/applications", {"id": "a1", **application()}, Idempotency_Key="first")
    again = hanako.do("/applications", {"id": "a1", **application()}, Idempotency_Key="first")
    assert made == again
    hanako.do("/applications/a1/submit")
    assert code(hanako.try_("/applications/a1/take-up")) == (403, "permission")
    question = {"url": "https://chat.example.com/"}
    assert hanako.do("/explain", question)["decision"] == "deny"
    appointment = approve(desks, "a1")
    assert hanako.get("/grants").json()["items"] == []
    assert code(taro.try_(f"/appointments/{appointment}/accept")) == (403, "not-yours")
    desks["jiro"].do(f"/appointments/{appointment}/accept")
    [held] = hanako.get("/grants").json()["items"]
    assert (held["data"]["status"], held["data"]["administrator"]) == ("ACTIVE", "jiro")
    allowed = hanako.do("/explain", {**question, "purpose": "summary", "declared_class": 1})
    assert (allowed["decision"], allowed["grant"]) == ("allow", held["data"]["id"])
    kinds = [each["kind"] for each in taro.get("/applications/a1/history").json()["items"]]
    assert kinds[-1] == "application.grant"
    verified = installation.run("verify", check=False)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_of_two_who_edit_at_the_same_moment_one_is_told_to_read_again(desks, base):
    body = application()
    desks["hanako"].do("/applications", {"id": "both", **body})
    here, there = desks["hanako"], Desk(base, "hanako")

    def edit(desk, purpose):
        plan = {**body["plan"], "purpose": purpose}
        return desk.try_("/applications/both/edit", {"plan": plan}, If_Match='"1"')

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(edit, (here, there), ("一人目", "二人目")))
    there.close()
    assert sorted(each.status_code for each in found) == [200, 412]
    won = next(each for each in found if each.status_code == 200).json()["data"]["plan"]["purpose"]
    assert here.get("/applications/both").json()["data"]["plan"]["purpose"] == won


def test_a_refused_transition_leaves_nothing_in_the_store(desks):
    hanako = desks["hanako"]
    thin = {**application()["plan"], "purpose": ""}
    hanako.do("/applications", {"id": "thin", "plan": thin})
    before = hanako.get("/applications/thin/history").json()
    refused = hanako.try_("/applications/thin/submit", {}, Idempotency_Key="thin")
    assert code(refused) == (422, "incomplete")
    assert hanako.get("/applications/thin/history").json() == before
    assert hanako.get("/applications/thin").headers["etag"] == '"1"'


def test_an_api_token_works_until_it_is_ended(desks, base):
    hanako = desks["hanako"]
    token = hanako.do("/tokens", {"label": "batch", "scopes": ["read"], "days": 1})["token"]
    bearer = {"authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{base}/api/v1", trust_env=False, headers=bearer) as client:
        assert client.get("/me").json()["how"] == "token"
        assert code(client.post("/applications", json={})) == (403, "scope")
        [kept] = hanako.get("/tokens").json()["items"]
        ended = httpx.delete(f"{base}/api/v1/tokens/{kept['id']}", headers=hanako.headers, trust_env=False)
        assert ended.status_code == 204
        assert client.get("/me").status_code == 401


def test_a_session_ends_with_its_password_at_the_next_request(installation, base):
    name, first, second = "extra", "a first password 1", "a second password 2"
    installation.run("user", "add", name, "--password-stdin", stdin=f"{first}\n")
    with httpx.Client(base_url=f"{base}/api/v1", trust_env=False) as client:
        signed = client.post("/session", json={"name": name, "password": first})
        cookie = {"cookie": signed.headers["set-cookie"].partition(";")[0]}
        assert client.get("/me", headers=cookie).json()["name"] == name
        installation.run("user", "passwd", name, "--password-stdin", stdin=f"{second}\n")
        assert code(client.get("/me", headers=cookie)) == (401, "unauthenticated")
        assert client.post("/session", json={"name": name, "password": second}).status_code == 201


def test_reports_count_and_the_log_is_read_page_by_page(desks):
    saki = desks["saki"]
    assert {row["id"] for row in saki.get("/compliance").json()["rows"]}
    assert "lines" in saki.get("/usage").json()
    assert saki.get("/policy").json()["age_s"] >= 0
    assert saki.get("/log/records?limit=5").json()["items"] == []


def test_nobody_signs_in_with_a_wrong_password_or_reads_without_signing_in(base):
    with httpx.Client(base_url=f"{base}/api/v1", trust_env=False) as client:
        assert code(client.get("/applications")) == (401, "unauthenticated")
        wrong = client.post("/session", json={"name": "miki", "password": PASSWORD + "!"})
        assert code(wrong) == (401, "sign-in")
