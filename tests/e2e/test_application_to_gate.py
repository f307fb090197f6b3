"""From application to enforcement: by requests and curl, on either database, with two workers."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.api_office import PEOPLE, Desk, accounts, application, approve, ready
from support.installation import Installation
from support.postgres import running
from support.standin.certificates import make
from support.threads import StandinThread

pytestmark = pytest.mark.e2e

HOST = "api.openai.com"
CHAT = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "公開資料の要約"}]})


@dataclass(slots=True)
class Office:
    """People at their desks, and a gate of two workers."""

    installation: Installation
    service: StandinThread
    desks: dict[str, Desk]
    root: Path

    def ask(self, user: str = "hanako") -> tuple[int, str]:
        """Send a chat with curl; return the status and the reason of a refusal."""
        command = ["curl", "-sS", "-i", "--http1.1", "--suppress-connect-headers", "--cacert", str(self.root)]
        command += ["-x", self.installation.proxy(user, f"pass-{user}-12345"), "-d", CHAT]
        command += ["-H", "content-type: application/json", f"https://{HOST}/v1/chat/completions"]
        told = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
        first, *lines = told.partition("\n\n")[0].splitlines()
        headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
        return int(first.split()[1]), headers.get("x-sekimori-reason", "")

    def seen(self) -> int:
        """Count what reached the service."""
        return self.service.server.accepted

    def explained(self, day: date) -> str:
        """Ask what would be decided at noon of a day."""
        at = f"{day.isoformat()}T12:00:00+09:00"
        options = ["--user", "hanako", "--model", "gpt-4o", "--at", at, "--json"]
        result = self.installation.run(
            "explain", f"https://{HOST}/v1/chat/completions", *options, check=False
        )
        decision: str = json.loads(result.stdout)["decision"]
        return decision


@pytest.fixture(params=["sqlite", "postgresql"])
def office(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Office]:
    ca, certificate = make(tmp_path / "tls", [HOST])
    with contextlib.ExitStack() as ends:
        config = ""
        if request.param == "postgresql":
            server = ends.enter_context(running())
            url = server.url(server.fresh())
            monkeypatch.setenv("SEKIMORI_STORAGE_URL", url)
            config = f'[storage]\nurl = "{url}"\n'
        service = StandinThread(certificate)
        ends.callback(service.stop)
        installation = Installation(
            tmp_path / "run", upstream_ca=ca, resolve={HOST: service.address}, config=config, workers=2
        )
        ends.callback(installation.stop)
        installation.start()
        accounts(installation)
        desks = {name: Desk(f"http://127.0.0.1:{installation.web}", name) for name in PEOPLE}
        for desk in desks.values():
            ends.callback(desk.close)
        ready(desks, host=HOST)
        yield Office(installation, service, desks, installation.root())


def within(seconds: float, holds: Callable[[], bool]) -> None:
    """Wait until something holds six times in a row, at whichever worker answers."""
    deadline, in_a_row = time.monotonic() + seconds, 0
    while in_a_row < 6:
        in_a_row = in_a_row + 1 if holds() else 0
        assert in_a_row or time.monotonic() < deadline, f"not within {seconds} s"


@pytest.mark.req("MOU-1-5", "MOU-1-6", "MOU-1-7", "UK-423-2c", "UK-423-2d", "DSN-A2-8", "UK-423-1a-ウ")
def test_what_is_applied_for_and_approved_passes_from_then_to_its_last_day_and_not_while_suspended(
    office: Office,
):
    desks = office.desks
    assert office.ask()[0] == 403
    body: dict[str, Any] = {"id": "a1", **application()}
    body["plan"]["groups"] = []
    desks["hanako"].do("/applications", body)
    desks["hanako"].do("/applications/a1/submit")
    appointment = approve(desks, "a1")
    assert office.ask()[0] == 403, "approved, and nobody administers it yet"
    assert office.seen() == 0

    desks["jiro"].do(f"/appointments/{appointment}/accept")
    within(10, lambda: office.ask() == (200, ""))
    assert office.ask("sho")[0] == 403, "of the same department, and not among the users"
    [grant] = desks["hanako"].get("/grants").json()["items"]

    desks["saki"].do(f"/grants/{grant['data']['id']}/suspend", {"reason": "漏えいの疑い"})
    within(5, lambda: office.ask() == (403, "DENY_SUSPENDED"))
    desks["taro"].do(f"/grants/{grant['data']['id']}/resume", {"reason": "疑いは晴れた"})
    within(5, lambda: office.ask() == (200, ""))

    last = date.fromisoformat(grant["data"]["period"]["end"])
    within(10, lambda: office.explained(last) == "allow")
    assert office.explained(last + timedelta(days=1)) == "deny"
    allowed = [row for row in office.installation.records("--user", "hanako") if row["decision"] == "allow"]
    assert {row["grant"] for row in allowed} == {grant["data"]["id"]}
    verified = office.installation.run("verify", check=False)
    assert verified.returncode == 0, verified.stdout + verified.stderr
