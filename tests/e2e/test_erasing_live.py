"""An erasure while everything runs: the spool gives the text up, and no file of the data folder has it."""

from __future__ import annotations

import json
import shutil
import subprocess
import time

import pytest

pytestmark = pytest.mark.e2e

SECRET = "合言葉は月見草です"


def ask(house, text: str) -> int:
    program = shutil.which("curl")
    assert program, "the system's curl is needed"
    body = json.dumps({"model": "gpt-x", "messages": [{"role": "user", "content": text}]})
    done = subprocess.run(
        [
            program,
            *("--silent", "--show-error", "--max-time", "60", "--cacert", str(house.root)),
            *("--proxy", house.installation.proxy("yamada"), "-H", "Content-Type: application/json"),
            *("-H", "Authorization: Bearer sk-test", "-w", "%{http_code}", "-o", "/dev/null"),
            *("-d", body, "https://api.openai.com/v1/chat/completions"),
        ],
        capture_output=True,
        env=house.installation.environment(),
    )
    return int(done.stdout or 0)


@pytest.mark.req("UPD-P4-1")
def test_a_person_is_erased_while_the_gate_goes_on(house):
    assert ask(house, SECRET) == 200
    run = house.installation.run
    spool = house.installation.data / "spool"
    erasing = ("erase", "--subject", "yamada", "--basis", "appi-35: 請求", "--approver", "suzuki", "--json")
    dry = json.loads(run(*erasing).stdout)
    assert dry["counts"]
    assert dry["spool"], "the worker's segment holds it still"
    done = json.loads(run(*erasing, "--yes", "--wait", "60").stdout)
    assert done["records"] >= 1
    assert {record["state"] for record in house.installation.records() if record["id"]} >= {"erased"}
    assert house.installation.records("--user", "yamada") == []
    assert ask(house, "次の質問です") == 200
    deadline = time.monotonic() + 20
    while not house.installation.records("--user", "yamada") and time.monotonic() < deadline:
        time.sleep(0.2)
    (record,) = house.installation.records("--user", "yamada")
    assert house.installation.content(record["id"])["prompt"] == "次の質問です"
    assert any(spool.iterdir())
    for path in house.installation.data.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not [word for word in (SECRET, "yamada") if word.encode() in data], path
    report = json.loads(run("verify", "--json").stdout)
    assert report["ok"], report["faults"]
