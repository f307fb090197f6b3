"""What somebody hostile tries at the API: each way round that was found, closed."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import RSAKey

from sekimori.console.api import Issuer
from sekimori.console.api.oidc import BadToken
from sekimori.console.limits import Attempts
from sekimori.governance.authority import RoleAssignment
from sekimori.governance.scope import WorkScope
from support.api_house import BASE, PASSWORD, Api, House
from support.offices import HANAKO, HOUR, KEN, NOW, SAKI, SHO


@pytest.fixture
def api(house):
    made = House()
    with TestClient(made.app(house), base_url=BASE, raise_server_exceptions=False) as client:
        yield Api(client, made)


def code(answer):
    return answer.status_code, answer.json()["code"]


def sign_in(api, name="hanako", password=PASSWORD):
    return api.client.post("/api/v1/session", json={"name": name, "password": password})


# --- ids ---------------------------------------------------------------------------------------------


def test_nothing_is_made_under_an_id_that_no_header_takes(api):
    wanted = {"id": "role1\n", "holder": "rin", "role": "reviewer"}
    assert code(api.post(KEN, "/roles", wanted)) == (422, "invalid")
    with api.house.governing.state() as state:
        assert state.find(RoleAssignment, "role1\n") is None


@pytest.mark.parametrize(
    "id_",
    ["%1B%5B2J", "%E2%80%AE", "a%20b", "-a", "a" * 65],
    ids=["terminal", "bidi", "space", "dash", "long"],
)
def test_nothing_is_made_under_an_address_that_is_no_id(api, id_):
    rule = {"service": "*", "verdict": "ALLOWED", "risk_note": "公開情報のみ"}
    body = {"ja": "要約", "rules": [rule]}
    with api.house.governing.state() as state:
        before = len(list(state.all(WorkScope)))
    assert code(api.post(SAKI, f"/work-scopes/{id_}/write", body)) == (404, "no-route")
    with api.house.governing.state() as state:
        assert len(list(state.all(WorkScope))) == before


# --- signing in --------------------------------------------------------------------------------------


def test_tries_at_once_are_no_more_than_tries_one_after_another(api):
    inside = api.house.accounts.sign_in

    def slow(name, password):
        time.sleep(0.05)
        return inside(name, password)

    def guess(_):
        return sign_in(api, "saki", "wrong password").status_code

    api.house.accounts.sign_in = slow
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(guess, range(40)))
    assert api.house.accounts.asked == 10
    assert found.count(429) == 30


def test_a_name_that_is_locked_is_not_forgotten_for_a_flood_of_others():
    names = Attempts(10, 600_000_000, clients=65_536)
    for _ in range(10):
        names.begin("saki", NOW)
    for number in range(20_000):
        names.begin(f"n{number}", NOW + 1)
    assert names.wait_us("saki", NOW + 2) > 0


def test_what_was_right_is_not_counted_as_wrong(api):
    for _ in range(30):
        assert sign_in(api).status_code == 201


def test_a_session_ends_with_the_password_it_began_with(api):
    cookie = {"cookie": sign_in(api).headers["set-cookie"].partition(";")[0]}
    assert api.client.get("/api/v1/me", headers=cookie).status_code == 200
    people = api.house.accounts.people
    people["hanako"] = replace(people["hanako"], stamp="another password")
    assert code(api.client.get("/api/v1/me", headers=cookie)) == (401, "unauthenticated")
    people["hanako"] = replace(people["hanako"], stamp="")
    assert api.client.get("/api/v1/me", headers=cookie).status_code == 401


class Naming:
    """An issuer that names whom it is told to."""

    def __init__(self, name):
        self._name = name

    def name(self, _token, _now_us):
        return self._name


@pytest.mark.parametrize(
    "name", ["clock", "Ｃlock", "key/abcdefghij", "os: root", "hanako\u200b", "hana\x1bko", "\u200b"]
)
def test_an_issuer_names_nobody_who_is_no_person(house, name):
    made = House()
    made.issuer = Naming(name)
    with TestClient(made.app(house), base_url=BASE, raise_server_exceptions=False) as client:
        answer = client.get("/api/v1/me", headers={"authorization": "Bearer x"})
    assert code(answer) == (401, "unauthenticated")


# --- content -----------------------------------------------------------------------------------------


@pytest.mark.req("ABG-P4-1")
@pytest.mark.parametrize("path", ["/log/records", "/log/records/r1"])
def test_the_words_of_a_refused_prompt_are_no_metadata(api, path):
    row = {"id": "r1", "user": "hanako", "time": "2026-06-01T00:00:01.000000Z", "masked": "来月の異動は●●"}
    api.house.records.rows["r1"] = row
    assert "異動" not in api.get(SAKI, path).text
    assert "異動" in api.get(HANAKO, path).text


@pytest.mark.req("MOU-1-5")
@pytest.mark.parametrize(
    ("given", "status"),
    [
        pytest.param({}, 428, id="whatever it is now"),
        pytest.param({"If_Match": "*"}, 428, id="any version"),
        pytest.param({"If_Match": '"1"'}, 412, id="what was read before it was changed"),
        pytest.param({"If_Match": '"2"'}, 200, id="what was read"),
    ],
)
def test_nobody_publishes_what_was_changed_behind_their_back(api, given, status):
    rule = {"service": "*", "verdict": "CONDITIONAL", "risk_note": "公開情報のみ", "condition": "確認"}
    api.post(SAKI, "/work-scopes", {"id": "new", "ja": "要約", "rules": [rule]})
    loose = [{**rule, "verdict": "ALLOWED"}]
    changed = api.post(SAKI, "/work-scopes/new/write", {"ja": "要約", "rules": loose}, If_Match='"1"')
    assert changed.status_code == 200, changed.text
    assert api.post(SHO, "/work-scopes/new/publish", **given).status_code == status


def test_a_key_that_the_issuer_took_back_does_not_live_on_because_nobody_can_ask_it():
    key = RSAKey.generate_key(2048, {"kid": "r1"})
    gone: list[bool] = []

    def fetch():
        if gone:
            raise OSError("no route to the issuer")
        return {"keys": [key.as_dict(private=False)]}

    issuer = Issuer("https://id.example.go.jp", "sekimori", fetch)
    at_s = NOW // 1_000_000
    said = {"iss": "https://id.example.go.jp", "aud": "sekimori", "sub": "hanako", "exp": at_s + 86_400}
    token = jwt.encode({"alg": "RS256", "kid": "r1"}, said, key, algorithms=["RS256"])
    assert issuer.name(token, NOW) == "hanako"
    gone.append(True)
    assert issuer.name(token, NOW + HOUR - 1) == "hanako"
    for later in (HOUR, HOUR + 1, 2 * HOUR):
        with pytest.raises(BadToken):
            issuer.name(token, NOW + later)
    gone.clear()
    assert issuer.name(token, NOW + 3 * HOUR) == "hanako"
