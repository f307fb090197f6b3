"""Two machines, each with its own gate, spool and archivist, around one PostgreSQL."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from e2e.conftest import POLICY
from support.installation import Installation, secret
from support.postgres import running
from support.rawclient import RawClient, basic
from support.standin.certificates import make
from support.threads import StandinThread

pytestmark = pytest.mark.e2e

API = "api.openai.com"


@pytest.fixture
def service(tmp_path):
    ca, certificate = make(tmp_path / "tls", [API])
    standin = StandinThread(certificate)
    yield standin, ca
    standin.stop()


@pytest.fixture
def nodes(tmp_path, service, monkeypatch):
    standin, ca = service
    with running() as server:
        url = server.url(server.fresh())
        # Commands take it from here, the two trees from their configuration file.
        monkeypatch.setenv("SEKIMORI_STORAGE_URL", url)
        made = [
            Installation(
                tmp_path / name,
                upstream_ca=ca,
                resolve={API: standin.address},
                config=f'[storage]\nurl = "{url}"',
            )
            for name in ("one", "two")
        ]
        try:
            made[0].start()
            shutil.copytree(made[0].keys, made[1].keys)  # what the administrator of both carries over
            made[1].start()
            made[0].user("yamada")
            made[0].apply(POLICY)
            yield made
        finally:
            for node in made:
                node.stop()


def ask(node: Installation, root: Path, text: str) -> int:
    body = json.dumps({"model": "gpt-x", "messages": [{"role": "user", "content": text}]}).encode()
    with RawClient(node.gate) as client:
        if client.connect(f"{API}:443", basic("yamada", secret("yamada"))).status != 200:
            return 0
        client.tls(API, root)
        lines = ["POST /v1/chat/completions HTTP/1.1", f"Host: {API}", "Content-Type: application/json"]
        return client.request("\n".join([*lines, f"Content-Length: {len(body)}"]), body).status


@pytest.mark.req("MOU-2-7")
def test_what_either_machine_recorded_is_found_from_both(nodes):
    one, two = nodes
    root = one.root()
    _until(lambda: ask(two, root, "待っています") == 200)
    assert ask(one, root, "一号機から") == 200
    assert ask(two, root, "二号機から") == 200
    archivist = next(process for role, process in two.children().items() if role.startswith("archive"))
    _kill(archivist)
    assert ask(two, root, "書庫係の留守に") == 200
    _until(lambda: {"一号機から", "二号機から", "書庫係の留守に"} <= _prompts(one))
    assert {record["id"] for record in one.records("--user", "Yamada")} == {
        record["id"] for record in two.records("--user", "yamada", "--service", "openai-api")
    }
    assert one.records("--user", "nobody") == []
    assert not (one.data / "sekimori.db").exists()
    assert (one.data / "node").read_text() != (two.data / "node").read_text()
    report = json.loads(two.run("verify", "--json").stdout)
    assert (report["ok"], report["faults"]) == (True, [])


def _prompts(node: Installation) -> set[str]:
    return {node.content(record["id"])["prompt"] for record in node.records("--user", "yamada")}


def _kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)


def _until(true, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.3)
