"""The API on both databases: every kind of write, and two servers whose people write at the same instant."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient

from sekimori.governance.actors import clock
from sekimori.governance.conversation import Seen, conversation_id, note_exchanges
from sekimori.governance.risks import RISK_KEYS
from sekimori.governance.state import plain
from sekimori.store.engine import open_store
from sekimori.store.postgres import Parts
from support.api_house import BASE, PASSWORD, Api
from support.api_stored import StoredHouse
from support.evidence import START_US, Installation
from support.offices import AOI, HANAKO, JIRO, MIKI, NOTE, NOW, RIN, SAKI, SHO, TARO, plan
from support.postgres import running


@pytest.fixture(scope="module")
def server():
    with running() as made:
        name = made.fresh()
        engine = open_store(made.url(name))
        Parts(engine).ready_ahead(START_US)
        engine.dispose()
        yield made, name


@pytest.fixture(params=["sqlite", "postgresql"])
def installation(request, tmp_path):
    database = ""
    if request.param == "postgresql":
        cluster, template = request.getfixturevalue("server")
        database = cluster.url(cluster.fresh(template))
    made = Installation(tmp_path, database=database)
    yield made
    made.close()


@pytest.fixture
def stored(installation):
    return StoredHouse(installation)


@pytest.fixture
def api(house, stored):
    with TestClient(stored.app(house), base_url=BASE, raise_server_exceptions=False) as client:
        yield Api(client, stored)


@pytest.fixture
def servers(house, stored):
    """Two servers on one database, each with an engine of its own."""
    other = StoredHouse(stored.installation, sharing=stored)
    both = [
        TestClient(each.app(house), base_url=BASE, raise_server_exceptions=False) for each in (stored, other)
    ]
    with both[0], both[1]:
        yield [Api(client, each) for client, each in zip(both, (stored, other), strict=True)]
    other.close()


def done(answer, status=200):
    assert answer.status_code == status, answer.text
    return answer.json()


def told(answer):
    return answer.status_code, answer.json().get("code")


def verified(stored):
    """Let the archivist state what happened, and hold the database against the ledger."""
    stored.installation.settle()
    stored.installation.settle()
    report = stored.installation.verify()
    assert not report.faults, report.faults


@pytest.mark.req("MOU-1-5", "UK-423-2c")
def test_an_application_becomes_a_grant_and_each_step_stands_in_the_ledger(api, stored):
    done(api.post(HANAKO, "/applications", {"id": "a1", "plan": plain(plan())}), 201)
    assert done(api.post(HANAKO, "/applications/a1/submit"))["data"]["status"] == "SUBMITTED"
    done(api.post(RIN, "/applications/a1/take-up"))
    read = done(api.get(RIN, "/applications/a1"))
    review = {
        "risks": list(RISK_KEYS),
        "plan_hash": read["hashes"]["plan_hash"],
        "foreign_law_acknowledged": True,
        "foreign_law_note": NOTE,
    }
    done(api.post(TARO, "/applications/a1/review", review))
    body = {"plan_hash": review["plan_hash"], "administrator": "jiro", "advice_reflected": "反映した"}
    appointment = done(api.post(TARO, "/applications/a1/approve", body))["data"]["appointment"]
    assert done(api.get(HANAKO, "/grants"))["items"] == []
    done(api.post(JIRO, f"/appointments/{appointment}/accept"))
    [held] = done(api.get(HANAKO, "/grants"))["items"]
    assert held["data"]["status"] == "ACTIVE"
    kinds = [each["kind"] for each in done(api.get(HANAKO, "/applications/a1/history"))["items"]]
    verbs = ("draft", "submit", "take_up", "review", "approve", "grant")
    assert kinds == [f"application.{verb}" for verb in verbs]
    verified(stored)


def test_feedback_is_given_once_with_its_text_and_discharges_the_duty(api, stored):
    seen = [Seen("hanako", "chat", 1, NOW, NOW)]
    stored.governing.carry_out(lambda state, at, rules: note_exchanges(state, seen, clock(), at, rules))
    talk = conversation_id("hanako", "chat", NOW, "")
    assert told(api.post(MIKI, f"/conversations/{talk}/answer", {"answer": "USEFUL"})) == (
        403,
        "somebody-elses",
    )
    body = {"answer": "WRONG", "text": "出典が存在しない。"}
    given = done(api.post(HANAKO, f"/conversations/{talk}/answer", body, Idempotency_Key="k"), 201)["data"]
    assert (given["answer"], given["text"], given["discharges"]) == ("WRONG", "出典が存在しない。", True)
    again = done(api.post(HANAKO, f"/conversations/{talk}/answer", body, Idempotency_Key="k"), 201)["data"]
    assert again["id"] == given["id"]
    assert len(done(api.get(HANAKO, "/feedback"))["items"]) == 1
    assert done(api.get(HANAKO, f"/conversations/{talk}"))["data"]["status"] == "ANSWERED"
    verified(stored)


def test_a_token_is_made_with_a_session_used_listed_and_ended(api):
    signed = api.client.post("/api/v1/session", json={"name": "hanako", "password": PASSWORD})
    me = done(signed, 201)
    headers = {
        "cookie": signed.headers["set-cookie"].partition(";")[0],
        "x-csrf-token": me["csrf_token"],
    }
    api.client.cookies.clear()
    body = {"label": "夜間", "scopes": ["read"], "days": 1}
    token = done(api.client.post("/api/v1/tokens", json=body, headers=headers), 201)["token"]
    bearer = {"authorization": f"Bearer {token}"}
    assert done(api.client.get("/api/v1/me", headers=bearer))["name"] == "hanako"
    refused = api.client.post("/api/v1/applications", json={"plan": plain(plan())}, headers=bearer)
    assert told(refused) == (403, "scope")
    [kept] = done(api.client.get("/api/v1/tokens", headers=headers))["items"]
    assert api.client.delete(f"/api/v1/tokens/{kept['id']}", headers=headers).status_code == 204
    assert api.client.get("/api/v1/me", headers=bearer).status_code == 401


@pytest.mark.req("ABG-P4-1")
def test_what_somebody_wrote_is_read_by_leave_and_the_reading_is_a_record(api, stored):
    stored.exchange()
    ask = {"id": "q", "record": "r1", "reason": "照会2026-15", "ticket": "T-1"}
    assert done(api.post(SAKI, "/content-readings", ask), 201)["data"]["status"] == "ALLOWED"
    opened = done(api.post(SAKI, "/content-readings/q/open"))
    assert opened["masked"]
    assert "●●●" in str(opened["content"])
    assert "hanako@example.go.jp" not in str(opened["content"])
    done(api.post(SAKI, "/content-readings", {**ask, "id": "whole", "full": True}), 201)
    assert told(api.post(SAKI, "/content-readings/whole/open")) == (409, "transition")
    done(api.post(SHO, "/content-readings/whole/allow"))
    assert "hanako@example.go.jp" in str(done(api.post(SAKI, "/content-readings/whole/open"))["content"])
    records = done(api.get(AOI, "/log/records"))["items"]
    assert [each["user"] for each in records].count("saki") == 2, "each look is a record of its reader"
    verified(stored)


# --- one thing twice, two at one thing ---------------------------------------------------------------


def at_once(count_, act):
    """Let each do its part at the same moment; give what they were told."""
    ready = threading.Barrier(count_)

    def part(number):
        ready.wait(timeout=30)
        return act(number)

    with ThreadPoolExecutor(count_) as pool:
        return list(pool.map(part, range(count_)))


def test_one_request_that_arrives_eight_times_at_two_servers_makes_one_thing(servers, stored):
    body = {"plan": plain(plan())}
    servers[0].get(HANAKO, "/me"), servers[1].get(HANAKO, "/me")
    answers = at_once(
        8, lambda number: servers[number % 2].post(HANAKO, "/applications", body, Idempotency_Key="k1")
    )
    assert {each.status_code for each in answers} == {201}
    assert len({each.json()["data"]["id"] for each in answers}) == 1
    assert len(done(servers[0].get(HANAKO, "/applications"))["items"]) == 1
    verified(stored)


def test_of_two_who_write_at_the_same_instant_one_wins_and_the_other_is_told(servers, stored):
    done(servers[0].post(HANAKO, "/applications", {"id": "a1", "plan": plain(plan())}), 201)
    for turn in range(1, 6):
        purposes = [f"{turn}回目、{who}" for who in ("一人目", "二人目")]
        answers = at_once(
            2,
            lambda number, turn=turn, purposes=purposes: servers[number].post(
                HANAKO,
                "/applications/a1/edit",
                {"plan": plain(plan(purpose=purposes[number]))},
                If_Match=f'"{turn}"',
            ),
        )
        assert sorted(each.status_code for each in answers) == [200, 412], [each.text for each in answers]
        [winner] = [number for number, each in enumerate(answers) if each.status_code == 200]
        assert answers[1 - winner].json()["code"] == "version"
        now = done(servers[1 - winner].get(HANAKO, "/applications/a1"))["data"]
        assert now["plan"]["purpose"] == purposes[winner]
        assert now["version"] == turn + 1
    verified(stored)


@pytest.mark.req("UK-423-2a")
def test_people_who_read_again_after_a_conflict_lose_nothing_of_one_another(servers, stored):
    done(servers[0].post(HANAKO, "/applications", {"id": "a1", "plan": plain(plan(purpose="始"))}), 201)

    def adds(number):
        api = servers[number % 2]
        for _ in range(100):
            read = api.get(HANAKO, "/applications/a1")
            purpose = f"{read.json()['data']['plan']['purpose']}、{number}"
            body = {"plan": plain(plan(purpose=purpose))}
            answer = api.post(HANAKO, "/applications/a1/edit", body, If_Match=read.headers["etag"])
            if answer.status_code == 200:
                return answer
            assert told(answer) == (412, "version")
        raise AssertionError("never its turn")

    at_once(6, adds)
    said = done(servers[0].get(HANAKO, "/applications/a1"))["data"]
    assert sorted(said["plan"]["purpose"].split("、")) == ["0", "1", "2", "3", "4", "5", "始"]
    history = done(servers[1].get(HANAKO, "/applications/a1/history"))["items"]
    assert [each["version"] for each in history] == list(range(1, 8))
    verified(stored)


def test_two_authorities_who_decide_at_the_same_instant_leave_one_decision(servers, stored):
    api = servers[0]
    done(api.post(HANAKO, "/applications", {"id": "a1", "plan": plain(plan())}), 201)
    done(api.post(HANAKO, "/applications/a1/submit"))
    answers = at_once(2, lambda number: servers[number].post(RIN, "/applications/a1/take-up"))
    assert sorted(each.status_code for each in answers) == [200, 409], [each.text for each in answers]
    kinds = [each["kind"] for each in done(api.get(RIN, "/applications/a1/history"))["items"]]
    assert kinds.count("application.take_up") == 1
    verified(stored)
