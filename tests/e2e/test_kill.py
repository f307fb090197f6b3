"""kill -9 at random instants under load: no prompt that left is missing, no completed answer lacks its outcome."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.installation import Installation, secret
from support.rawclient import RawClient, basic
from support.standin.certificates import make

pytestmark = pytest.mark.e2e

API = "api.openai.com"
TESTS = Path(__file__).parents[1]
POLICY = """
services: [{id: openai-api, name: OpenAI API, provider: OpenAI, hosts: [api.openai.com], contract: individual, contract_no: K-1}]
grants: [{id: g-1, service: openai-api, users: [yamada], purpose: 要約, period: {start: 2026-04-01, end: 2099-03-31},
  max_class: 1, administrator: tanaka, decided_by: sasaki, decided_on: 2026-03-20, reference: 情シ第1号}]
"""


class Apart:
    """The stand-in as a process of its own; it makes the hash of each prompt durable before it answers."""

    def __init__(self, folder: Path, certificate: Path) -> None:
        self.log = folder / "seen.log"
        command = [
            sys.executable,
            "-m",
            "support.standin",
            "--certificate",
            str(certificate),
            "--log",
            str(self.log),
        ]
        self.process = subprocess.Popen(
            [*command, "--no-http2"], cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = json.loads(self.process.stdout.readline())["port"]

    def seen(self) -> set[str]:
        return set(self.log.read_text().split()) if self.log.exists() else set()

    def stop(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


class Load:
    """Clients that ask all the time, and remember which answers they got to their very end."""

    FRAMINGS = ("buffered", "chunked", "large with a length", "events")

    def __init__(self, installation: Installation, root: Path) -> None:
        self._installation = installation
        self._root = root
        self._stop = threading.Event()
        self.completed: dict[str, str] = {}
        self.counts = dict.fromkeys(self.FRAMINGS, 0)
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(4)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self, number: int) -> None:
        framing = self.FRAMINGS[number]
        while not self._stop.is_set():
            with contextlib.suppress(OSError, ssl.SSLError, ValueError, IndexError):
                self._session(framing)
            time.sleep(0.02)

    def _session(self, framing: str) -> None:
        with RawClient(self._installation.gate) as client:
            client.socket.settimeout(15)
            if client.connect(f"{API}:443", basic("yamada", secret("yamada"))).status != 200:
                return
            client.tls(API, self._root)
            while not self._stop.is_set():
                self._ask(client, framing)

    def _ask(self, client: RawClient, framing: str) -> None:
        stream = framing in {"chunked", "events"}
        body = json.dumps(
            {
                "model": "gpt-x",
                "stream": stream,
                "messages": [{"role": "user", "content": os.urandom(8).hex()}],
            }
        ).encode()
        path = "/big/chat/completions" if framing == "large with a length" else "/v1/chat/completions"
        pause = "0.02" if framing == "events" else "0"
        reply = client.request(
            f"POST {path} HTTP/1.1\nHost: {API}\nContent-Type: application/json\nX-Standin-Pause: {pause}\n"
            f"X-Standin-Size: 700000\nContent-Length: {len(body)}",
            body,
        )
        if reply.status == 0:
            raise OSError("the connection ended")
        if reply.status == 200 and reply.complete:
            self.completed[hashlib.sha256(body).hexdigest()] = hashlib.sha256(reply.body).hexdigest()
            self.counts[framing] += 1


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[tuple[Installation, Apart]]:
    ca, certificate = make(tmp_path / "tls", [API])
    apart = Apart(tmp_path, certificate)
    installation = Installation(
        tmp_path / "run", upstream_ca=ca, resolve={API: f"127.0.0.1:{apart.port}"}, workers=2
    )
    installation.start()
    try:
        installation.user("yamada")
        installation.apply(POLICY)
        yield installation, apart
    finally:
        installation.stop()
        apart.stop()


def wait_until_serving(installation: Installation) -> None:
    deadline = time.monotonic() + 60
    while not installation.answers():
        assert time.monotonic() < deadline, installation.output()
        time.sleep(0.1)


def kill(installation: Installation, dice: random.Random) -> None:
    """Kill one process, or the whole tree at once, and have it serving again."""
    children, recorders = list(installation.children().values()), installation.recorders()
    if dice.random() < 0.7:
        with contextlib.suppress(ProcessLookupError):
            os.kill(dice.choice(children + recorders), signal.SIGKILL)
    else:
        assert installation.process is not None
        # A recorder ends by itself, after it has written what it was handed, or is killed with the rest.
        also = recorders if dice.random() < 0.5 else []
        for pid in (installation.process.pid, *children, *also):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        installation.process.wait(10)
        installation.process = None
        installation.start()
    wait_until_serving(installation)


def check(installation: Installation, apart: Apart, load: Load) -> None:
    """Compare what the service saw and what clients got with the log."""
    rows = installation.records("--decision", "allow", "--limit", "1000000")
    recorded = {row["prompt_sha256"]: row for row in rows if row.get("prompt_sha256")}
    missing = apart.seen() - recorded.keys()
    assert not missing, f"{len(missing)} prompts reached the service and are not in the log"
    for prompt, output in load.completed.items():
        row = recorded[prompt]
        assert row["state"] in {"complete", "partial"}, row
        assert row["output_sha256"] == output, row
    unfinished = [row for row in rows if row["state"] == "open"]
    assert not unfinished, unfinished[:3]
    report = json.loads(installation.run("verify", "--json").stdout)
    assert report["ok"] is True, report


def survive(stage: tuple[Installation, Apart], kills: int, seed: int) -> None:
    installation, apart = stage
    dice = random.Random(seed)
    load = Load(installation, installation.root())
    try:
        for _ in range(kills):
            time.sleep(dice.uniform(0.05, 1.0))
            kill(installation, dice)
        time.sleep(1.0)
    finally:
        load.stop()
    assert all(load.counts.values()), load.counts
    assert installation.stop() == 0
    installation.start()
    time.sleep(1.5)
    check(installation, apart, load)
    print(f"{kills} kills, {len(apart.seen())} prompts seen, completed {load.counts}")


@pytest.mark.req("MOU-2-7")
def test_twenty_kills_lose_no_prompt_that_left_and_no_answer_that_was_completed(stage):
    survive(stage, 20, seed=random.SystemRandom().randrange(2**32))


@pytest.mark.long
@pytest.mark.req("MOU-2-7")
def test_a_hundred_kills_lose_no_prompt_that_left_and_no_answer_that_was_completed(stage):
    survive(stage, 100, seed=random.SystemRandom().randrange(2**32))
