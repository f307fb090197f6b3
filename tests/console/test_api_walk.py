"""The way of an application through the API, and what two people at one thing, or one twice, may expect."""

import pytest
from fastapi.testclient import TestClient

from sekimori.governance.plan import with_fields
from sekimori.governance.risks import RISK_KEYS
from sekimori.governance.state import plain
from support.api_house import BASE, Api, House
from support.offices import HANAKO, JIRO, KEN, MIKI, NOTE, RIN, SAKI, SHO, TARO, facts, plan


@pytest.fixture
def api(house):
    made = House()
    with TestClient(made.app(house), base_url=BASE, raise_server_exceptions=False) as client:
        yield Api(client, made)


def drafted(api, **fields):
    answer = api.post(HANAKO, "/applications", {"id": "a1", "plan": plain(plan(**fields))})
    assert answer.status_code == 201, answer.text
    return answer


def review_of(api, id_="a1"):
    read = api.get(RIN, f"/applications/{id_}").json()
    return {
        "risks": list(RISK_KEYS),
        "plan_hash": read["hashes"]["plan_hash"],
        "foreign_law_acknowledged": True,
        "foreign_law_note": NOTE,
    }


@pytest.mark.req("MOU-1-5", "UK-423-2c")
def test_an_application_becomes_a_grant_by_nothing_but_requests(api):
    drafted(api)
    assert api.post(HANAKO, "/applications/a1/submit").json()["data"]["status"] == "SUBMITTED"
    assert api.post(RIN, "/applications/a1/take-up").status_code == 200
    review = review_of(api)
    assert api.post(TARO, "/applications/a1/review", review).status_code == 200
    body = {"plan_hash": review["plan_hash"], "administrator": "jiro", "advice_reflected": "反映した"}
    approved = api.post(TARO, "/applications/a1/approve", body)
    assert approved.json()["data"]["status"] == "APPROVED", approved.text
    appointment = approved.json()["data"]["appointment"]
    assert api.get(HANAKO, "/grants").json()["items"] == []
    accepted = api.post(JIRO, f"/appointments/{appointment}/accept")
    assert accepted.json()["data"]["status"] == "ACCEPTED", accepted.text
    [held] = api.get(HANAKO, "/grants").json()["items"]
    assert held["data"]["status"] == "ACTIVE"
    kinds = [each["kind"] for each in api.get(HANAKO, "/applications/a1/history").json()["items"]]
    assert kinds[:2] == ["application.draft", "application.submit"]


def test_who_does_it_when_and_for_whom_is_never_taken_from_the_body(api):
    for told in ({"actor": "taro"}, {"tenant": "other"}, {"at_us": 1}, {"applicant": "miki"}):
        answer = api.post(HANAKO, "/applications", {"plan": plain(plan()), **told})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    made = drafted(api).json()["data"]
    assert (made["applicant"], made["tenant"]) == ("hanako", "default")


# --- two at one thing --------------------------------------------------------------------------------


def test_two_people_who_edit_one_application_lose_nothing(api):
    read = drafted(api).headers["etag"]
    first = {"plan": plain(plan(purpose="一人目"))}
    second = {"plan": plain(plan(purpose="二人目"))}
    assert api.post(HANAKO, "/applications/a1/edit", first, If_Match=read).status_code == 200
    answer = api.post(HANAKO, "/applications/a1/edit", second, If_Match=read)
    assert (answer.status_code, answer.json()["code"]) == (412, "version")
    assert api.get(HANAKO, "/applications/a1").json()["data"]["plan"]["purpose"] == "一人目"


@pytest.mark.parametrize(
    ("given", "status"),
    [
        pytest.param({}, 428, id="no version"),
        pytest.param({"If_Match": "*"}, 428, id="any version"),
        pytest.param({"If_Match": 'W/"1"'}, 400, id="a weak tag"),
        pytest.param({"If_Match": ""}, 400, id="a tag of nothing"),
        pytest.param({"If_Match": '"7"'}, 412, id="a version that never was"),
        pytest.param({"If_Match": '"1"'}, 200, id="the version that was read"),
    ],
)
def test_what_replaces_the_work_of_others_says_what_was_read(api, given, status):
    drafted(api)
    answer = api.post(HANAKO, "/applications/a1/edit", {"plan": plain(plan(purpose="別"))}, **given)
    assert answer.status_code == status, answer.text


def test_a_thing_that_is_there_is_not_made_again(api):
    drafted(api)
    answer = api.post(HANAKO, "/applications", {"id": "a1", "plan": plain(plan())})
    assert (answer.status_code, answer.json()["code"]) == (409, "exists")


# --- one thing twice ---------------------------------------------------------------------------------


@pytest.mark.parametrize("id_", [pytest.param({"id": "a9"}, id="id chosen"), pytest.param({}, id="id drawn")])
def test_a_repetition_with_the_same_key_gives_the_first_answer(api, id_):
    body = {"plan": plain(plan()), **id_}
    one, other = (api.post(HANAKO, "/applications", body, Idempotency_Key="k1") for _ in range(2))
    assert (one.status_code, one.json()) == (other.status_code, other.json())
    assert len(api.get(HANAKO, "/applications").json()["items"]) == 1


def test_a_key_serves_one_request_and_one_person(api):
    body = {"plan": plain(plan())}
    api.post(HANAKO, "/applications", body, Idempotency_Key="k1")
    other = api.post(HANAKO, "/applications", {"plan": plain(plan(purpose="別"))}, Idempotency_Key="k1")
    assert (other.status_code, other.json()["code"]) == (422, "key-reused")
    assert api.post(MIKI, "/applications", body, Idempotency_Key="k1").status_code == 201


def test_a_key_that_is_none_is_refused(api):
    answer = api.post(HANAKO, "/applications", {"plan": plain(plan())}, Idempotency_Key="a b")
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key")


# --- refusals ----------------------------------------------------------------------------------------


def test_a_refused_transition_leaves_no_trace_but_its_error(api):
    drafted(api, purpose="")
    before = api.get(HANAKO, "/applications/a1").json(), api.get(HANAKO, "/applications/a1/history").json()
    answer = api.post(HANAKO, "/applications/a1/submit")
    assert (answer.status_code, answer.json()["code"]) == (422, "incomplete")
    assert "purpose" in {each["field"] for each in answer.json()["missing"]}
    after = api.get(HANAKO, "/applications/a1").json(), api.get(HANAKO, "/applications/a1/history").json()
    assert before == after


@pytest.mark.parametrize(
    ("accept", "language", "title"),
    [
        pytest.param("", "ja", "申請者本人は審査・承認できません。", id="nothing asked"),
        pytest.param("en-GB,en;q=0.8", "en", "Nobody examines or decides on their own", id="English"),
        pytest.param("ja,en;q=0.5", "ja", "申請者本人は", id="Japanese first"),
        pytest.param("de;q=x,fr", "ja", "申請者本人は", id="neither"),
    ],
)
def test_a_refusal_speaks_the_language_that_was_asked_for_and_carries_both(api, accept, language, title):
    api.post(RIN, "/applications", {"id": "mine", "plan": plain(plan())})
    api.post(RIN, "/applications/mine/submit")
    answer = api.post(RIN, "/applications/mine/take-up", Accept_Language=accept)
    told = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-language"] == language
    assert told["title"].startswith(title)
    assert told["ja"] != told["en"]
    assert (told["code"], told["status"], answer.status_code) == ("own-application", 403, 403)
    assert api.client.get(told["type"]).json()["code"] == "own-application"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(b"{", 400, "unreadable", id="half an object"),
        pytest.param(b"[" * 100_000, 400, "unreadable", id="a deep nest"),
        pytest.param(b'{"plan": {"head_count": 1e400}}', 400, "unreadable", id="an endless number"),
        pytest.param(b'{"plan": {"head_count": 36893488147419103232}}', 422, "invalid", id="a huge number"),
        pytest.param(b'{"plan": {"heads": 1}}', 422, "invalid", id="a field that nobody knows"),
        pytest.param(b'{"id": "../x"}', 422, "invalid", id="an id that is a path"),
        pytest.param(
            b'{"plan": {"usage_period": {"start": "2026-06-01", "end": "9999-12-31"}}}',
            422,
            "invalid",
            id="a day beyond every calendar",
        ),
    ],
)
def test_a_body_that_does_not_fit_is_a_problem_and_never_a_fault(api, body, status, code):
    token = api.house.token(HANAKO)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    answer = api.client.post("/api/v1/applications", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_whole_number_may_be_written_with_a_fraction_of_nothing(api):
    made = api.post(HANAKO, "/applications", {"plan": {**plain(plan()), "head_count": 12.0}})
    assert made.json()["data"]["plan"]["head_count"] == 12
    half = api.post(HANAKO, "/applications", {"plan": {**plain(plan()), "head_count": 12.5}})
    assert (half.status_code, half.json()["code"]) == (422, "invalid")


def test_a_fault_inside_is_told_without_what_it_quotes(api, caplog):
    api.house.records.rows["r1"] = {"id": "r1", "user": "hanako", "time": "2026-06-01T00:00:00.000000Z"}
    api.house.records.broken = True
    ask = {"id": "q", "record": "r1", "reason": "照会", "ticket": "T-1"}
    assert api.post(SAKI, "/content-readings", ask).status_code == 201
    answer = api.post(SAKI, "/content-readings/q/open")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "hanako@" not in answer.text + caplog.text


# --- pages -------------------------------------------------------------------------------------------


def test_pages_follow_each_other_to_the_end_and_show_nothing_of_others(api):
    for number in range(7):
        who = HANAKO if number % 2 else MIKI
        api.post(who, "/applications", {"id": f"p{number}", "plan": plain(with_fields(plan(), users=()))})
    seen, after = [], ""
    while True:
        page = api.get(HANAKO, f"/applications?limit=2&after={after}").json()
        seen += [each["data"]["id"] for each in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert seen == ["p1", "p3", "p5"]
    assert len(api.get(RIN, "/applications").json()["items"]) == 7
    assert api.get(RIN, "/applications?status=SUBMITTED").json()["items"] == []


def test_a_proposal_is_approved_by_the_hash_that_was_read(api):
    proposal = {"facts": plain(facts(provider="Other AI")), "reason": "承継"}
    version = api.get(KEN, "/services/chat").headers["etag"]
    read = api.post(KEN, "/services/chat/propose-facts", proposal, If_Match=version).json()
    body = {"proposal": read["hashes"]["proposal"]}
    assert api.post(KEN, "/services/chat/approve-facts", body).status_code == 403
    assert (
        api.post(SAKI, "/services/chat/approve-facts", body).json()["data"]["facts"]["provider"] == "Other AI"
    )


def test_a_notice_is_written_published_and_read(api):
    text = {"title": "表題", "ja": "要機密情報を入力しない。"}
    made = api.post(SAKI, "/notices", {"id": "n1", "service": "*", "text": text})
    sha256 = made.json()["hashes"]["draft"]
    assert api.post(SHO, "/notices/n1/publish", {"sha256": sha256}).status_code == 200
    read = api.post(HANAKO, "/notices/n1/acknowledge", {"number": 1, "sha256": sha256})
    assert read.status_code == 200, read.text
    [mine] = api.get(HANAKO, "/acknowledgements").json()["items"]
    assert (mine["data"]["subject"], mine["data"]["channel"]) == ("hanako", "portal")
