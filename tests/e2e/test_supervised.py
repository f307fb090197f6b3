"""The supervised tree: first and second start, dying children, a dying supervisor, a second one, orderly stops."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.installation import SEKIMORI, Installation, secret
from support.rawclient import RawClient, basic
from support.standin.certificates import make
from support.threads import StandinThread

pytestmark = pytest.mark.e2e

API = "api.openai.com"
GRANT = """
services:
  - {{id: openai-api, name: OpenAI API, provider: OpenAI, hosts: [api.openai.com], contract: individual, contract_no: K-1}}
grants:
  - {{id: g-1, service: openai-api, users: [yamada], purpose: 要約, period: {{start: 2026-04-01, end: {end}}},
     max_class: 1, administrator: tanaka, decided_by: sasaki, decided_on: 2026-03-20, reference: 情シ第1号{more}}}
"""


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[tuple[StandinThread, Path]]:
    ca, certificate = make(tmp_path / "tls", [API])
    standin = StandinThread(certificate)
    yield standin, ca
    standin.stop()


@pytest.fixture
def tree(tmp_path: Path, upstream) -> Iterator[Installation]:
    standin, ca = upstream
    installation = Installation(tmp_path / "run", upstream_ca=ca, resolve={API: standin.address})
    yield installation
    installation.stop()


def wait_until(condition, seconds: float = 20.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError("it did not come to pass")


def ask(installation: Installation, root: Path, text: str = "hello", stream: bool = False):
    body = json.dumps(
        {"model": "gpt-x", "stream": stream, "messages": [{"role": "user", "content": text}]}
    ).encode()
    with RawClient(installation.gate) as client:
        reply = client.connect(f"{API}:443", basic("yamada", secret("yamada")))
        if reply.status != 200:
            return reply
        client.tls(API, root)
        return client.request(
            f"POST /v1/chat/completions HTTP/1.1\nHost: {API}\nContent-Type: application/json\nContent-Length: {len(body)}",
            body,
        )


def populate(installation: Installation, end: str = "2099-03-31", more: str = "") -> Path:
    installation.user("yamada")
    installation.apply(GRANT.format(end=end, more=more))
    return installation.root()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_first_start_makes_everything_and_says_what_to_do_next(tree):
    tree.start()
    output = wait_until(lambda: tree.output() if "curl" in tree.output() else "")
    for part in (f"127.0.0.1:{tree.gate}", f"127.0.0.1:{tree.web}", ".pac", "curl", "ca"):
        assert part in output, output
    for path in tree.keys.rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    assert not list(tree.data.rglob("*.key"))
    links = [path for path in tree.keys.rglob("*") if path.is_file() and b"/setup/" in path.read_bytes()]
    assert len(links) == 1
    assert b"/setup/" not in output.encode() or "http" not in output.split("/setup/")[0][-40:]


def test_nothing_is_admitted_until_something_is_approved(tree, upstream):
    tree.start()
    tree.user("yamada")
    root = tree.root()
    reply = wait_until(lambda: (r := ask(tree, root)).status != 407 and r, 5)
    assert (reply.status, reply.reason) == (403, "DENY_NO_GRANT")
    assert upstream[0].server.accepted == 0


def test_a_second_start_is_quiet_and_keeps_everything(tree):
    tree.start()
    root = populate(tree)
    assert ask(tree, root).status == 200
    assert tree.stop() == 0
    length = len(tree.log.read_bytes())
    tree.start()
    assert ask(tree, root).status == 200
    assert len(tree.records()) >= 2
    time.sleep(0.5)
    said = [line for line in tree.output(length).splitlines() if "WARNING" not in line and "INFO" not in line]
    assert len(said) <= 6, said


def test_a_grant_bites_and_ends_within_five_seconds(tree):
    tree.start()
    root = populate(tree)
    assert ask(tree, root).status == 200
    tree.apply(GRANT.format(end="2099-03-31", more=", status: suspended"))
    wait_until(lambda: ask(tree, root).reason == "DENY_SUSPENDED", 5)
    tree.run("user", "disable", "yamada")
    wait_until(lambda: ask(tree, root).status == 407, 5)


@pytest.mark.parametrize("role", ["gate", "archive", "publisher", "web"])
def test_a_child_that_dies_is_restarted_and_counted(tree, role):
    tree.start()
    root = populate(tree)
    victim = tree.children()[role]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: tree.children().get(role, victim) != victim)
    wait_until(lambda: _status(tree, root) == 200)

    def restarts() -> float:
        import urllib.request

        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{tree.metrics}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in lines
            if line.startswith("sekimori_child_restarts_total")
        )

    assert wait_until(restarts) >= 1


def _status(installation: Installation, root: Path) -> int:
    try:
        return int(ask(installation, root).status)
    except (OSError, ssl.SSLError):
        return 0


def test_if_the_supervisor_dies_its_children_stop_accepting(tree):
    tree.start()
    children = tree.children()
    tree.kill()
    wait_until(lambda: not listens(tree.gate) and not listens(tree.web), 3)
    wait_until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in children.values()), 20)


def test_a_second_up_on_the_folder_refuses_in_one_sentence(tree):
    tree.start()
    arguments = tree.arguments()
    for option in ("--listen", "--console", "--metrics"):
        arguments[arguments.index(option) + 1] = "127.0.0.1:0"
    second = subprocess.run(arguments, capture_output=True, text=True, timeout=30, env=tree.environment())
    assert second.returncode == 2
    assert len(second.stderr.strip().splitlines()) == 1
    assert str(tree.process.pid) in second.stderr


def test_a_taken_port_is_one_sentence_and_nothing_runs(tree):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", tree.gate))
        taken.listen()
        result = subprocess.run(
            tree.arguments(), capture_output=True, text=True, timeout=30, env=tree.environment()
        )
    assert result.returncode == 2
    assert str(tree.gate) in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_an_orderly_stop_lets_a_stream_end_and_exits_zero(tree):
    tree.start()
    root = populate(tree)
    body = json.dumps(
        {"model": "gpt-x", "stream": True, "messages": [{"role": "user", "content": "x"}]}
    ).encode()
    with RawClient(tree.gate) as client:
        client.connect(f"{API}:443", basic("yamada", secret("yamada")))
        client.tls(API, root)
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {API}\r\nX-Standin-Pause: 0.2\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        client.send(head.encode() + body)
        time.sleep(0.6)
        assert tree.process is not None
        tree.process.send_signal(signal.SIGTERM)
        reply = client.read()
        assert reply.complete
        assert b"[DONE]" in reply.body
    assert tree.stop() == 0
    assert tree.run("verify", "--json").returncode == 0
    assert tree.records()[-1]["state"] == "complete"


def test_with_the_archivist_stopped_the_gate_works_until_the_high_water_mark_and_loses_nothing(
    tmp_path, upstream
):
    standin, ca = upstream
    installation = Installation(
        tmp_path / "water",
        upstream_ca=ca,
        resolve={API: standin.address},
        config='[spool]\nhigh_water = "6MiB"\nsegment = "1MiB"\nmin_free = "1MiB"\n',
    )
    installation.start()
    try:
        root = populate(installation)
        archivist = installation.children()["archive"]
        os.kill(archivist, signal.SIGSTOP)
        passed = 0
        text = "".join(chr(0x4E00 + number * 7919 % 20000) for number in range(100_000))
        while passed < 60:
            reply = ask(installation, root, text)
            if reply.status != 200:
                break
            passed += 1
        assert (reply.status, reply.reason) == (503, "DENY_AUDIT_UNAVAILABLE")
        assert "retry-after" in reply.headers
        assert passed >= 3
        os.kill(archivist, signal.SIGCONT)
        wait_until(lambda: _status(installation, root) == 200, 30)
        allowed = [row for row in installation.records() if row["decision"] == "allow" and row["service"]]
        assert len([row for row in allowed if row["state"] == "complete"]) == passed + 1
        assert installation.run("verify", "--json").returncode == 0
    finally:
        installation.stop()


def test_a_deleted_spool_file_closes_the_gate_until_a_new_lane_is_there(tree):
    tree.start()
    root = populate(tree)
    assert ask(tree, root).status == 200
    worker = tree.children()["gate"]
    for path in (tree.data / "spool").rglob("seg-*.spool"):
        path.unlink()
    refused = ask(tree, root)
    assert refused.status in {0, 503}
    wait_until(lambda: tree.children().get("gate", worker) != worker)
    wait_until(lambda: _status(tree, root) == 200)


def test_a_broken_snapshot_never_replaces_a_good_one(tree):
    tree.start()
    root = populate(tree)
    assert ask(tree, root).status == 200
    os.kill(tree.children()["publisher"], signal.SIGSTOP)
    current = json.loads((tree.data / "policy" / "current.json").read_text())
    for path in (tree.data / "policy").glob("flat-*.bin"):
        path.write_bytes(b"{broken")
    (tree.data / "policy" / "current.json").write_text(json.dumps(current | {"policy": "0" * 64}))
    time.sleep(2)
    assert ask(tree, root).status == 200


def test_a_policy_that_nobody_confirms_any_more_refuses_ai_traffic(tmp_path, upstream):
    standin, ca = upstream
    installation = Installation(
        tmp_path / "old",
        upstream_ca=ca,
        resolve={API: standin.address},
        config='[gate]\nsnapshot_max_age = "3s"\n',
    )
    installation.start()
    try:
        root = populate(installation)
        os.kill(installation.children()["publisher"], signal.SIGSTOP)
        reply = wait_until(lambda: (r := ask(installation, root)).status == 503 and r, 70)
        assert reply.reason == "DENY_POLICY_UNAVAILABLE"
    finally:
        for pid in installation.children().values():
            os.kill(pid, signal.SIGCONT)
        installation.stop()


@pytest.mark.parametrize(
    ("prepare", "word"),
    [
        pytest.param(
            lambda data, keys: (data.mkdir(), (data / "sekimori.db").write_bytes(b"")), "data", id="half-made"
        ),
        pytest.param(lambda data, keys: data.write_text("x"), "data", id="not a folder"),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_sentence(tmp_path, prepare, word):
    data, keys = tmp_path / "data", tmp_path / "keys"
    prepare(data, keys)
    result = subprocess.run(
        [str(SEKIMORI), "up", "--data", str(data), "--keys", str(keys), "--listen", "127.0.0.1:0"],
        capture_output=True,
        text=True,
        timeout=30,
        env=Installation.environment(),
    )
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert word in result.stderr


def test_a_clock_that_stepped_back_is_one_sentence(tree):
    tree.start()
    tree.stop()
    clock = next(path for path in tree.data.iterdir() if path.name.startswith("clock"))
    clock.write_text(str(int(time.time() * 1e6) + 60_000_000))
    result = subprocess.run(
        tree.arguments(), capture_output=True, text=True, timeout=30, env=tree.environment()
    )
    assert result.returncode == 2
    assert "clock" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
