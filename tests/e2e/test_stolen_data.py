"""Whoever steals the data folder and the database, without the keys, learns no name and no prompt."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.installation import Installation, secret
from support.postgres import running
from support.rawclient import RawClient, basic
from support.standin.answers import TEXT
from support.standin.certificates import make
from support.stolen import cells, files, leaks
from support.threads import StandinThread

pytestmark = pytest.mark.e2e

API = "api.openai.com"
FILE = "matsumoto-approved.yaml"
PROMPT = "予算案の要点を三行にまとめてください。合言葉は月見草です。"
POLICY = """
services:
  - {id: openai-api, name: OpenAI API, provider: OpenAI, hosts: [api.openai.com], contract: individual,
     contract_no: K-2026-12, data_locations: [US]}
groups:
  総務課会議録班: [fujiwara]
grants:
  - {id: g-2026-001, service: openai-api, users: [yamada], groups: [総務課会議録班], purpose: 会議録の要約,
     period: {start: 2026-04-01, end: 2099-03-31}, max_class: 1, models: ["gpt-*"],
     administrator: tanaka, decided_by: sasaki, decided_on: 2026-03-20, reference: 情シ第12号}
"""
WORDS = (
    *("yamada", "fujiwara", "suzuki", "tanaka", "sasaki", "matsumoto"),
    *("総務課会議録班", "jouhou-kikaku", "情シ第12号", "会議録の要約", "g-2026-001", "K-2026-12"),
    *("$argon2id$", "argon2id", "auditor", "decided_by", "max_class", "data_locations"),
    *("月見草", "予算案の要点", "gpt-x", TEXT),
)


@pytest.fixture(params=["sqlite", "postgresql"])
def stolen(request, tmp_path) -> Iterator[Installation]:
    """An installation that has worked and was stopped; ``url`` of its database beside it."""
    ca, certificate = make(tmp_path / "tls", [API])
    standin = StandinThread(certificate)
    house = Installation(tmp_path / "run", upstream_ca=ca, resolve={API: standin.address})
    try:
        if request.param == "sqlite":
            _work(house)
            yield house
            return
        with running() as server:
            url = server.url(server.fresh())
            request.getfixturevalue("monkeypatch").setenv("SEKIMORI_STORAGE_URL", url)
            _work(house)
            yield house
    finally:
        house.stop()
        standin.stop()


def _work(house: Installation) -> None:
    house.start()
    house.user("yamada")
    house.user("fujiwara", "", "jouhou-kikaku")
    house.run("user", "add", "suzuki", "--role", "auditor", "--password-stdin", stdin="a good password 1\n")
    house.run("user", "disable", "suzuki")
    house.apply(POLICY, FILE)
    house.apply(POLICY.replace("K-2026-12", "K-2026-13"), FILE)
    root = house.root()
    deadline = time.monotonic() + 40
    while _ask(house, root, "yamada") != 200:
        assert time.monotonic() < deadline, house.output()
        time.sleep(0.3)
    assert _ask(house, root, "fujiwara") == 200
    assert _ask(house, root, "suzuki") != 200
    while not (allowed := house.records("--user", "yamada", "--decision", "allow")):
        assert time.monotonic() < deadline, house.output()
        time.sleep(0.3)
    assert "月見草" in json.dumps(house.content(allowed[0]["id"]), ensure_ascii=False)
    assert house.stop() == 0


def _ask(house: Installation, root: Path, user: str) -> int:
    body = json.dumps({"model": "gpt-x", "messages": [{"role": "user", "content": PROMPT}]}).encode()
    with RawClient(house.gate) as client:
        reply = client.connect(f"{API}:443", basic(user, secret(user)))
        if reply.status != 200:
            return reply.status
        client.tls(API, root)
        lines = ["POST /v1/chat/completions HTTP/1.1", f"Host: {API}", "Content-Type: application/json"]
        return client.request("\n".join([*lines, f"Content-Length: {len(body)}"]), body).status


def test_no_name_no_password_hash_no_policy_and_no_prompt_lies_readable(stolen, monkeypatch):
    import os

    url = os.environ.get("SEKIMORI_STORAGE_URL", f"sqlite:///{stolen.data / 'sekimori.db'}")
    dump = list(cells(url.replace("postgresql:", "postgresql+psycopg:", 1)))
    assert {"person.sealed", "policy_document.sealed", "policy_version.sealed", "entry.sealed"} <= {
        place for place, _ in dump
    }
    assert leaks(files(stolen.data), WORDS) == set()
    assert leaks(dump, WORDS) == set()
    assert leaks([("log", stolen.log.read_bytes())], WORDS) == set()
    assert "administrator" not in {data.decode("utf-8", "replace") for _, data in dump}
    assert "admin" not in {data.decode("utf-8", "replace") for _, data in dump}


def test_the_same_words_are_found_where_nothing_is_sealed():
    shown = [("policy", json.dumps({"users": ["yamada"], "purpose": "会議録の要約"}).encode())]
    assert leaks(shown, WORDS) == {("policy", "yamada"), ("policy", "会議録の要約")}
