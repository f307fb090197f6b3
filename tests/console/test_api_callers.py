"""Who may say who they are: sessions, API tokens and an issuer's bearer tokens, and what none of them can do."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest
from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from sekimori.console.api import Issuer, Known
from sekimori.console.api.oidc import BadToken
from sekimori.console.api.sessions import Sessions
from sekimori.governance.conversation import Seen, note_exchanges
from sekimori.governance.state import plain
from sekimori.governance.use_rules import use_rules_for
from support.api_house import BASE, PASSWORD, Api, House
from support.offices import HANAKO, MIKI, NOW, TARO, plan
from support.using_offices import CLOCK

HOUR = 3_600_000_000
ISSUER, AUDIENCE = "https://id.example.go.jp", "sekimori"


@pytest.fixture
def api(house):
    made = House()
    with TestClient(made.app(house), base_url=BASE, raise_server_exceptions=False) as client:
        yield Api(client, made)


def sign_in(api, name="hanako", password=PASSWORD):
    return api.client.post("/api/v1/session", json={"name": name, "password": password})


def cookie_of(answer):
    return {"cookie": answer.headers["set-cookie"].partition(";")[0]}


def code(answer):
    return answer.status_code, answer.json()["code"]


# --- sessions ----------------------------------------------------------------------------------------


def test_a_session_is_a_cookie_that_no_script_and_no_other_site_gets(api):
    answer = sign_in(api)
    assert answer.status_code == 201
    name, *attributes = answer.headers["set-cookie"].split("; ")
    assert name.startswith("__Host-sekimori=")
    assert set(attributes) == {"Path=/", "Secure", "HttpOnly", "SameSite=Strict"}
    assert answer.headers["cache-control"] == "no-store"
    me = api.client.get("/api/v1/me", headers=cookie_of(answer)).json()
    assert (me["name"], me["how"], me["csrf_token"]) == ("hanako", "session", answer.json()["csrf_token"])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 403, id="no token"),
        pytest.param({"x-csrf-token": "wrong"}, 403, id="a wrong token"),
        pytest.param({"x-csrf-token": "right", "sec-fetch-site": "cross-site"}, 403, id="another site"),
        pytest.param({"x-csrf-token": "right"}, 201, id="its own token"),
    ],
)
def test_a_session_writes_only_with_its_csrf_token(api, headers, status):
    signed = sign_in(api)
    if headers.get("x-csrf-token") == "right":
        headers = {**headers, "x-csrf-token": signed.json()["csrf_token"]}
    sent = {**cookie_of(signed), **headers}
    answer = api.client.post("/api/v1/applications", json={"plan": plain(plan())}, headers=sent)
    assert answer.status_code == status, answer.text


def test_a_session_ends_by_signing_out_by_silence_and_by_its_age(api):
    signed = sign_in(api)
    headers = {**cookie_of(signed), "x-csrf-token": signed.json()["csrf_token"]}
    assert api.client.delete("/api/v1/session", headers=headers).status_code == 204
    assert code(api.client.get("/api/v1/me", headers=headers)) == (401, "unauthenticated")
    silent = cookie_of(sign_in(api))
    api.house.now_us += HOUR // 2
    assert api.client.get("/api/v1/me", headers=silent).status_code == 401
    busy = cookie_of(sign_in(api))
    for _ in range(20):
        api.house.now_us += HOUR // 2 - 1
        status = api.client.get("/api/v1/me", headers=busy).status_code
    assert status == 401


def test_whoever_is_disabled_is_out_at_once(api):
    signed, token = cookie_of(sign_in(api)), api.house.token(HANAKO)
    api.house.accounts.shut.add("hanako")
    assert api.client.get("/api/v1/me", headers=signed).status_code == 401
    assert api.client.get("/api/v1/me", headers={"authorization": f"Bearer {token}"}).status_code == 401
    assert sign_in(api).status_code == 401


@pytest.mark.parametrize("name", [pytest.param("hanako", id="known"), pytest.param("nobody", id="unknown")])
def test_wrong_passwords_look_alike_and_are_bounded(api, name):
    for _ in range(10):
        assert code(sign_in(api, name, "wrong password")) == (401, "sign-in")
    answer = sign_in(api, name)
    assert code(answer) == (429, "too-many")
    assert int(answer.headers["retry-after"]) > 0
    assert api.house.accounts.asked == 10
    api.house.now_us += HOUR
    assert sign_in(api).status_code == 201


def test_sessions_are_bounded_and_the_most_silent_one_goes_first():
    drawn = iter(range(100))
    sessions = Sessions(lambda size: next(drawn).to_bytes(size, "big"), most=2)
    first, _ = sessions.begin("a", NOW)
    second, _ = sessions.begin("b", NOW)
    assert sessions.find(first, NOW) is not None
    sessions.begin("c", NOW)
    assert sessions.find(second, NOW) is None
    assert sessions.find(first, NOW) is not None


# --- tokens ------------------------------------------------------------------------------------------


def test_a_token_is_shown_once_listed_without_its_secret_and_ended(api):
    signed = sign_in(api)
    headers = {**cookie_of(signed), "x-csrf-token": signed.json()["csrf_token"]}
    wanted = {"label": "batch", "scopes": ["applications:read"], "days": 30}
    token = api.client.post("/api/v1/tokens", json=wanted, headers=headers).json()["token"]
    listed = api.client.get("/api/v1/tokens", headers=headers)
    assert token not in listed.text
    [kept] = listed.json()["items"]
    bearer = {"authorization": f"Bearer {token}"}
    assert api.client.get("/api/v1/applications", headers=bearer).status_code == 200
    assert code(api.client.get("/api/v1/grants", headers=bearer)) == (403, "scope")
    assert code(api.client.post("/api/v1/applications", json={}, headers=bearer)) == (403, "scope")
    assert code(api.client.get("/api/v1/tokens", headers=bearer)) == (403, "scope")
    assert api.client.delete(f"/api/v1/tokens/{kept['id']}", headers=headers).status_code == 204
    assert api.client.get("/api/v1/applications", headers=bearer).status_code == 401
    assert api.client.delete(f"/api/v1/tokens/{kept['id']}", headers=headers).status_code == 404


def test_a_token_ends_at_its_instant(api):
    bearer = {"authorization": f"Bearer {api.house.token(HANAKO, days=1)}"}
    api.house.now_us += 24 * HOUR - 1
    assert api.client.get("/api/v1/me", headers=bearer).status_code == 200
    api.house.now_us += 1
    assert api.client.get("/api/v1/me", headers=bearer).status_code == 401


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param({"label": "x", "scopes": []}, id="for nothing"),
        pytest.param({"label": "x", "scopes": ["everything"]}, id="a scope that there is not"),
        pytest.param({"label": "x", "scopes": ["secrets:read"]}, id="a path that there is not"),
        pytest.param({"label": "x", "scopes": ["read"], "days": 1000}, id="for ever"),
    ],
)
def test_a_token_is_for_something_and_for_a_while(api, wanted):
    signed = sign_in(api)
    headers = {**cookie_of(signed), "x-csrf-token": signed.json()["csrf_token"]}
    assert code(api.client.post("/api/v1/tokens", json=wanted, headers=headers)) == (422, "invalid")


def test_reading_does_not_reach_content(api):
    bearer = {"authorization": f"Bearer {api.house.token(TARO, 'read', 'write')}"}
    answer = api.client.post("/api/v1/content-readings/q/open", json={}, headers=bearer)
    assert code(answer) == (403, "scope")


def test_a_wrong_header_is_not_made_good_by_a_cookie(api):
    headers = cookie_of(sign_in(api))
    for wrong in ("Bearer skm_wrong", "Bearer x.y.z", "Basic aGFuYWtvOng=", "Bearer ", ""):
        answer = api.client.get("/api/v1/me", headers={**headers, "authorization": wrong})
        assert answer.status_code == 401, wrong
        assert answer.headers["www-authenticate"].startswith("Bearer")


# --- agents and feedback -----------------------------------------------------------------------------


def talk_of(api, subject, owner=""):
    rules = use_rules_for("gov", NOW, policy_version="p1")
    seen = (Seen(subject, "chat", 3, NOW, NOW, owner=owner),)
    change = api.house.governing.carry_out(
        lambda state, at_us, _: note_exchanges(state, seen, CLOCK, at_us, rules)
    )
    return change.values[0].id


@pytest.mark.req("MOU-2-8")
def test_a_person_answers_on_their_own_conversation_once_a_click(api):
    talk = talk_of(api, "hanako")
    answer = api.post(
        HANAKO,
        f"/conversations/{talk}/answer",
        {"answer": "WRONG", "text": "誤りがある"},
        Idempotency_Key="a",
    )
    again = api.post(
        HANAKO,
        f"/conversations/{talk}/answer",
        {"answer": "WRONG", "text": "誤りがある"},
        Idempotency_Key="a",
    )
    assert answer.status_code == 201, answer.text
    assert again.json() == answer.json()
    data = answer.json()["data"]
    assert (data["by"], data["source"], data["discharges"]) == ("hanako", "api", True)
    assert api.get(HANAKO, f"/conversations/{talk}").json()["data"]["unanswered"] == 0
    other = api.post(MIKI, f"/conversations/{talk}/answer", {"answer": "USEFUL"})
    assert code(other) == (403, "somebody-elses")


@pytest.mark.req("MOU-2-8")
def test_an_agent_answers_as_an_agent_and_can_do_nothing_else(api):
    talk = talk_of(api, "key/k1", owner="hanako")
    api.house.accounts.keys["sk-seki-1"] = ("hanako", "key/k1")
    bearer = {"authorization": "Bearer sk-seki-1"}
    body = {"conversation": talk, "answer": "USEFUL"}
    told = api.client.post("/api/v1/agent-feedback", json=body, headers=bearer)
    assert told.status_code == 201, told.text
    assert (told.json()["data"]["source"], told.json()["data"]["by"]) == ("agent", "key/k1")
    assert code(api.client.get("/api/v1/applications", headers=bearer)) == (403, "permission")
    assert api.client.get("/api/v1/me", headers=bearer).json()["owner"] == "hanako"
    assert code(api.post(HANAKO, "/agent-feedback", body)) == (403, "permission")
    assert code(api.client.get("/api/v1/tokens", headers=bearer)) == (403, "permission")
    api.house.accounts.shut.add("hanako")
    assert api.client.get("/api/v1/me", headers=bearer).status_code == 401


# --- an issuer ---------------------------------------------------------------------------------------

RSA = RSAKey.generate_key(2048, {"kid": "r1"})
EC = ECKey.generate_key("P-256", {"kid": "e1"})
OTHER = RSAKey.generate_key(2048, {"kid": "r1"})


def keys(*found):
    return lambda: {"keys": [key.as_dict(private=False) for key in found]}


def claims(**fields):
    at_s = NOW // 1_000_000
    return {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "u1",
        "preferred_username": "hanako",
        "exp": at_s + 60,
    } | fields


def signed(key=RSA, alg="RS256", **fields):
    header = {"alg": alg, **({"kid": key.kid} if key.kid else {})}
    return jwt.encode(header, claims(**fields), key, algorithms=[alg])


def believing(*found):
    return Issuer(ISSUER, AUDIENCE, keys(*(found or (RSA, EC))), claim="preferred_username")


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(signed(), id="RSA"),
        pytest.param(signed(EC, "ES256"), id="an elliptic curve"),
        pytest.param(signed(aud=["other", AUDIENCE]), id="among several audiences"),
    ],
)
def test_a_token_of_the_issuer_names_a_person(token):
    assert believing().name(token, NOW) == "hanako"


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(signed(iss="https://other.example"), id="another issuer"),
        pytest.param(signed(aud="other"), id="another audience"),
        pytest.param(signed(exp=NOW // 1_000_000 - 60), id="over"),
        pytest.param(signed(nbf=NOW // 1_000_000 + 3600), id="not begun"),
        pytest.param(signed(preferred_username=""), id="about nobody"),
        pytest.param(signed(preferred_username=["hanako"]), id="about a list"),
        pytest.param(signed(OTHER), id="another key of the same name"),
        pytest.param(signed()[:-8] + "AAAAAAAA", id="an altered signature"),
        pytest.param("eyJhbGciOiJub25lIn0." + signed().split(".")[1] + ".", id="no signature"),
        pytest.param("a.b.c", id="noise"),
        pytest.param("x" * 20_000, id="endless"),
    ],
)
def test_what_the_issuer_did_not_say_for_us_now_is_not_believed(token):
    with pytest.raises(BadToken):
        believing().name(token, NOW)


def test_a_public_key_is_no_secret_of_an_hmac():
    # Signed by hand: the library refuses to.
    head = _part({"alg": "HS256", "kid": "r1"}) + "." + _part(claims())
    mac = hmac.digest(RSA.as_pem(private=False), head.encode(), "sha256")
    with pytest.raises(BadToken):
        believing().name(f"{head}.{_base64(mac)}", NOW)


def _part(value):
    return _base64(json.dumps(value).encode())


def _base64(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def test_keys_are_fetched_again_for_one_that_is_new_but_only_so_often():
    fetched = []
    held: list[Any] = [EC]

    def fetch():
        fetched.append(NOW)
        return keys(*held)()

    issuer = Issuer(ISSUER, AUDIENCE, fetch, claim="preferred_username")
    assert issuer.name(signed(EC, "ES256"), NOW) == "hanako"
    held.append(RSA)
    with pytest.raises(BadToken):
        issuer.name(signed(), NOW)
    later = NOW + 61_000_000
    for _ in range(3):
        assert issuer.name(signed(exp=later // 1_000_000 + 60), later) == "hanako"
    assert len(fetched) == 2


def test_an_issuer_that_cannot_be_reached_is_not_believed_and_breaks_nothing(api):
    def fetch():
        raise OSError("no route to id.example")

    with pytest.raises(BadToken):
        Issuer(ISSUER, AUDIENCE, fetch).name(signed(), NOW)
    assert KeySet.import_key_set(keys(RSA)()).keys


def test_a_bearer_of_the_issuer_acts_with_the_roles_that_were_confirmed(house):
    made = House()
    made.issuer = believing()
    made.accounts.people.pop("miki")
    with TestClient(made.app(house), base_url=BASE) as client:
        me = client.get("/api/v1/me", headers={"authorization": f"Bearer {signed()}"}).json()
        assert (me["name"], me["how"], me["roles"]) == ("hanako", "oidc", ["staff"])
        new = signed(preferred_username="newcomer")
        assert client.get("/api/v1/me", headers={"authorization": f"Bearer {new}"}).json()["roles"] == [
            "staff"
        ]
        made.accounts.people["shut"] = Known("shut")
        made.accounts.shut.add("shut")
        closed = signed(preferred_username="shut")
        assert client.get("/api/v1/me", headers={"authorization": f"Bearer {closed}"}).status_code == 401
