"""People who work through the API of a real installation: each signs in, and sends what its step takes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import httpx
import msgspec

from sekimori.governance.plan import TermsCheck, TermsRisk
from sekimori.governance.risks import REGISTER, RISK_KEYS
from sekimori.governance.state import Evidence, plain
from sekimori.policy.model import Period
from support.offices import FACTS, LOG_PLAN, NOTE, SECTIONS, SHA, TERMS, plan

PASSWORD = "correct horse battery staple"
PEOPLE = {
    "hanako": (),
    "miki": (),
    "taro": (),
    "jiro": ("cloud_service_administrator",),
    "rin": ("reviewer",),
    "saki": ("security_officer",),
    "sho": ("security_officer",),
    "ken": ("system_administrator",),
}
_JST = timezone(timedelta(hours=9))


def now():
    return datetime.now(UTC)


def today():
    return now().astimezone(_JST).date()


def accounts(installation):
    """Make the accounts of an office, all of one department."""
    for name, roles in PEOPLE.items():
        options = ["--group", "soumu", *(part for role in roles for part in ("--role", role))]
        secrets = f"{PASSWORD}\npass-{name}-12345\n"
        installation.run(
            "user", "add", name, *options, "--password-stdin", "--proxy-password-stdin", stdin=secrets
        )


class Desk:
    """One person's browser, as far as the API sees one."""

    def __init__(self, base: str, name: str):
        self.name = name
        self._client = httpx.Client(base_url=f"{base}/api/v1", trust_env=False, timeout=30)
        answer = self._client.post("/session", json={"name": name, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        cookie = answer.headers["set-cookie"].partition(";")[0]
        # Kept by hand: a Secure cookie does not travel over the plain HTTP of a test.
        self.headers = {"cookie": cookie, "x-csrf-token": answer.json()["csrf_token"]}
        self._client.cookies.clear()

    def get(self, path):
        return self._client.get(path, headers=self.headers)

    def try_(self, path, body=None, **headers):
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._client.post(path, json=body or {}, headers={**self.headers, **given})

    def do(self, path, body=None, **headers):
        answer = self.try_(path, body, **headers)
        assert answer.is_success, f"{self.name} {path}: {answer.text}"
        return answer.json()

    def close(self):
        self._client.close()


def ready(desks, *, host="chat.example.com", service="chat"):
    """Do everything that stands before the first application."""
    at = today()
    risks = [
        {"risk": key, "disposition": "REDUCED", "measure": "確認", "owner": "saki", "on": at.isoformat()}
        for key in RISK_KEYS
    ]
    desks["saki"].do(f"/risks/{REGISTER}/dispose", {"dispositions": risks})
    rule = {"service": "*", "verdict": "ALLOWED", "risk_note": "公開情報のみ"}
    desks["saki"].do("/work-scopes", {"id": "summary", "ja": "資料の要約", "rules": [rule]})
    desks["sho"].do("/work-scopes/summary/publish", If_Match='"1"')
    terms = plain(msgspec.structs.replace(TERMS, retrieved_on=at))
    known = plain(msgspec.structs.replace(FACTS, hosts=(host,)))
    desks["ken"].do("/services", {"id": service, "facts": known, "terms": terms})
    proof = Evidence(reference="self-test", sha256=SHA, at_us=int(now().timestamp()) * 1_000_000)
    log_plan = plain(msgspec.structs.replace(LOG_PLAN, self_test=proof))
    desks["jiro"].do(f"/services/{service}/set-log-plan", {"plan": log_plan}, If_Match='"1"')
    desks["saki"].do(f"/services/{service}/activate", If_Match='"2"')
    body = {"id": "auth-taro", "holder": "taro", "start": (at - timedelta(days=1)).isoformat()}
    desks["ken"].do("/authorities", body)
    desks["saki"].do("/authorities/auth-taro/confirm")
    rules = {
        "id": "r1",
        "sections": plain(SECTIONS),
        "effective_on": at.isoformat(),
        "next_review_on": (at + timedelta(days=300)).isoformat(),
    }
    desks["saki"].do("/rules", rules)
    desks["sho"].do("/rules/r1/publish", If_Match='"1"')


def application(*, service="chat", days=20):
    """Give the body of an application that may be submitted today."""
    at = today()
    checked = TermsCheck(
        url=TERMS.url,
        sha256=SHA,
        retrieved_on=at,
        risks=tuple(TermsRisk(risk=key, verdict="ACCEPTABLE", note=NOTE) for key in RISK_KEYS),
        foreign_law_acknowledged=True,
    )
    period = Period(start=at, end=min(at + timedelta(days=days), _fiscal_end(at)))
    return {"plan": plain(plan(external_service=service, usage_period=period, terms_check=checked))}


def _fiscal_end(day):
    return date(day.year + (day.month > 3), 3, 31)


def approve(desks, id_):
    """Examine and approve a submitted application; give the appointment."""
    desks["rin"].do(f"/applications/{id_}/take-up")
    hashed = desks["taro"].get(f"/applications/{id_}").json()["hashes"]["plan_hash"]
    review = {
        "risks": list(RISK_KEYS),
        "plan_hash": hashed,
        "foreign_law_acknowledged": True,
        "foreign_law_note": NOTE,
    }
    desks["taro"].do(f"/applications/{id_}/review", review)
    body = {"plan_hash": hashed, "administrator": "jiro", "advice_reflected": "助言のとおり措置する"}
    return desks["taro"].do(f"/applications/{id_}/approve", body)["data"]["appointment"]
