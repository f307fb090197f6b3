"""The log over HTTP: metadata by role, content by leave, masked, for an hour, and never without a trace."""

import pytest
from fastapi.testclient import TestClient

from support.api_house import BASE, Api, House
from support.offices import AOI, HANAKO, HOUR, MIKI, NOW, SAKI, SHO

ASK = {"id": "q", "record": "r1", "reason": "照会2026-15", "ticket": "T-1"}


@pytest.fixture
def api(house):
    made = House()
    for number, (user, second) in enumerate([("hanako", 1), ("miki", 2), ("hanako", 2), ("hanako", 3)], 1):
        time = f"2026-06-01T00:00:0{second}.000000Z"
        made.records.rows[f"r{number}"] = {"id": f"r{number}", "user": user, "time": time}
    with TestClient(made.app(house), base_url=BASE, raise_server_exceptions=False) as client:
        yield Api(client, made)


def code(answer):
    return answer.status_code, answer.json()["code"]


@pytest.mark.req("ABG-P4-1")
def test_a_look_at_ones_own_department_is_masked_and_recorded_before_it_is_shown(api):
    asked = api.post(SAKI, "/content-readings", ASK)
    assert asked.json()["data"]["status"] == "ALLOWED", asked.text
    assert asked.json()["data"]["subject"] == "hanako"
    opened = api.post(SAKI, "/content-readings/q/open")
    assert opened.status_code == 200, opened.text
    told = opened.json()
    assert (told["record"], told["masked"]) == ("r1", True)
    assert told["content"]["prompt"] == "連絡先は ●●●"
    [(rid, reader, how, reason)] = api.house.records.read
    assert (rid, reader, how) == ("r1", "saki", "token")
    assert "照会2026-15" in reason
    assert "T-1" in reason
    kinds = [each["kind"] for each in api.get(AOI, "/content-readings/q/history").json()["items"]]
    assert kinds == ["content_reading.ask", "content_reading.open"]


@pytest.mark.req("ABG-P4-1")
def test_the_whole_text_takes_a_second_person(api):
    api.post(SAKI, "/content-readings", {**ASK, "full": True})
    assert code(api.post(SAKI, "/content-readings/q/open")) == (409, "transition")
    assert code(api.post(SAKI, "/content-readings/q/allow")) == (403, "own-reading")
    assert api.post(SHO, "/content-readings/q/allow").json()["data"]["status"] == "ALLOWED"
    opened = api.post(SAKI, "/content-readings/q/open").json()
    assert (opened["masked"], opened["content"]["prompt"]) == (False, "連絡先は hanako@example.go.jp")


@pytest.mark.req("ABG-P4-1")
def test_another_department_takes_a_second_person_whatever_the_reader_says_of_it(api):
    lied = api.post(AOI, "/content-readings", {**ASK, "unit": "kansa"})
    assert code(lied) == (422, "invalid")
    assert api.post(AOI, "/content-readings", ASK).json()["data"]["status"] == "ASKED"
    assert api.post(SAKI, "/content-readings/q/allow").status_code == 200
    assert api.post(AOI, "/content-readings/q/open").status_code == 200
    assert code(api.post(SAKI, "/content-readings/q/open")) == (403, "somebody-elses")


@pytest.mark.req("ABG-P4-1")
def test_the_leave_is_over_after_sixty_minutes(api):
    api.post(SAKI, "/content-readings", ASK)
    api.house.now_us = NOW + HOUR
    assert code(api.post(SAKI, "/content-readings/q/open")) == (409, "reading-over")
    assert api.house.records.read == []


@pytest.mark.req("ABG-P4-1")
@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param({**ASK, "reason": " "}, (422, "reason-missing"), id="no reason"),
        pytest.param({**ASK, "ticket": ""}, (422, "incomplete"), id="no ticket"),
        pytest.param({**ASK, "record": "r99"}, (404, "no-record"), id="no record"),
    ],
)
def test_nobody_reads_without_saying_why_and_what(api, body, told):
    assert code(api.post(SAKI, "/content-readings", body)) == told


def test_nobody_without_a_role_asks_and_nobody_reads_without_asking(api):
    assert code(api.post(HANAKO, "/content-readings", ASK)) == (403, "permission")
    assert code(api.post(SAKI, "/content-readings/q/open")) == (404, "not-found")


def test_whoever_wrote_it_sees_who_read_it(api):
    api.post(SAKI, "/content-readings", ASK)
    assert [each["data"]["reader"] for each in api.get(HANAKO, "/content-readings").json()["items"]] == [
        "saki"
    ]
    assert api.get(MIKI, "/content-readings").json()["items"] == []
    assert code(api.get(MIKI, "/content-readings/q")) == (403, "somebody-elses")


# --- metadata ----------------------------------------------------------------------------------------


def test_records_come_page_by_page_the_newest_first_and_none_twice(api):
    seen, after = [], ""
    for _ in range(9):
        page = api.get(AOI, f"/log/records?limit=1&after={after}").json()
        seen += [each["id"] for each in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert seen == ["r4", "r3", "r2", "r1"]


def test_staff_see_their_own_records_whomever_they_ask_for(api):
    ids = [each["id"] for each in api.get(HANAKO, "/log/records?user=miki").json()["items"]]
    assert ids == ["r4", "r3", "r1"]
    assert api.get(HANAKO, "/log/records/r1").json()["user"] == "hanako"
    assert code(api.get(HANAKO, "/log/records/r2")) == (403, "somebody-elses")
    assert code(api.get(AOI, "/log/records/none")) == (404, "no-record")


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("limit=0", id="nothing at once"),
        pytest.param("limit=x", id="no number"),
        pytest.param("limit=1&limit=2", id="two numbers"),
        pytest.param("since=yesterday", id="no instant"),
        pytest.param("since=2026-06-01T00:00:00", id="an instant of no zone"),
        pytest.param("after=x", id="no cursor"),
        pytest.param("decision=maybe", id="no decision"),
        pytest.param("decision=null", id="the word null"),
    ],
)
def test_a_query_that_means_nothing_is_refused(api, query):
    assert code(api.get(AOI, f"/log/records?{query}")) == (422, "invalid")


def test_a_span_of_records_ends_before_its_end(api):
    query = "since=2026-06-01T00:00:02Z&until=2026-06-01T09:00:03%2B09:00"
    assert [each["id"] for each in api.get(AOI, f"/log/records?{query}").json()["items"]] == ["r3", "r2"]


# --- reports -----------------------------------------------------------------------------------------


def test_what_the_gate_would_decide_is_told_of_oneself_and_to_officers_of_anybody(api):
    question = {"url": "https://api.example.com/v1", "user": "miki"}
    assert api.post(MIKI, "/explain", question).json()["user"] == "miki"
    assert api.post(HANAKO, "/explain", {"url": "https://api.example.com/v1"}).json()["user"] == "hanako"
    assert code(api.post(HANAKO, "/explain", question)) == (403, "somebody-elses")
    assert api.post(SAKI, "/explain", question).status_code == 200


def test_policy_counts_and_the_interface_itself_are_told(api):
    assert api.get(HANAKO, "/policy").json()["hash"] == "abc"
    assert api.get(AOI, "/compliance").json() == {"rows": {}}
    assert api.get(AOI, "/usage?month=2026-05").json() == {"month": "2026-05"}
    assert code(api.get(AOI, "/usage?month=2026-13")) == (422, "invalid")
    document = api.get(HANAKO, "/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert api.client.get("/api/v1/openapi.json").status_code == 401


def test_the_protections_of_the_console_hold_for_the_interface(api):
    answer = api.client.get("/api/v1/me")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert code(api.client.get("/api/v1/me", headers={"host": "evil.example"})) == (421, "misdirected")
    large = api.client.post("/api/v1/session", content=b" " * (256 * 1024 + 1))
    assert code(large) == (413, "too-large")
    assert code(api.client.get(f"/api/v1/notices/{'n' * 3000}")) == (414, "too-long")
    assert code(api.client.get("/api/v1/nothing")) == (404, "no-route")
    wrong = api.client.put("/api/v1/me")
    assert code(wrong) == (405, "method")
    assert "GET" in wrong.headers["allow"]


def test_a_server_without_the_keys_has_pages_and_no_interface(house, client):
    answer = client.get("/api/v1/me")
    assert code(answer) == (503, "api-unavailable")
