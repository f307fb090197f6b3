"""``make demo``: the main job of the gate, guided, against services that stand in for the real ones.

Starts a real ``sekimori up`` in a temporary folder, plays each step with a real client and shows what the
record says afterwards. Exits 0 only if every step did what it says.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# The stand-in and the installation that tests start play here too.
sys.path.append(str(Path(__file__).parents[2] / "tests"))

import steps
from patience import within
from scene import PEOPLE, Scene, apply, scene

from sekimori.cli.terminal import escape
from support.standin.answers import TEXT

_SHIPPED_SECONDS = 15.0
_STEP_SECONDS = 60.0
_EXPECTED = {"allow": 4, "deny": 5}


def main() -> int:
    """Play everything; 0 if it went as it says, 1 with the first thing that did not."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    started = time.monotonic()
    heading(
        "Sekimori", "承認した生成AIだけを通し、記録する関所 · approved generative AI passes and is recorded"
    )
    with tempfile.TemporaryDirectory(prefix="sekimori-demo-") as folder:
        try:
            with scene(Path(folder)) as stage:
                failed = play(stage)
        except (AssertionError, OSError) as error:
            say(f"\n✗ {escape(str(error))}")
            return 1
    seconds = time.monotonic() - started
    if failed:
        say(f"\n✗ {len(failed)} 件が説明どおりに動きませんでした。 Not as described: {', '.join(failed)}.")
        return 1
    say("\n✓ すべて説明どおりに動きました。 Everything did what it says.")
    say(f"   {seconds:.0f} 秒 · s")
    return 0


def play(stage: Scene) -> list[str]:
    """Play every step, then look at the record; return the titles of what failed."""
    house = stage.installation
    for person in PEOPLE:
        with within(_STEP_SECONDS, f"sekimori user add {person}"):
            house.user(person)
    say(f"   利用者 · people: {', '.join(PEOPLE)}")
    say("   $ sekimori apply policy.yaml")
    with within(_STEP_SECONDS, "sekimori apply policy.yaml"):
        applied = apply(house)
    for line in applied.splitlines():
        say(f"   {escape(line)}")
    failed = []
    shows = [(step.ja, step.en, getattr(steps, step.run)) for step in steps.STEPS]
    shows.append(("記録を見る", "What the record says", record))
    shows.append(("記録が改変されていないことを確かめる", "Nothing was altered", verified))
    for number, (ja, en, run) in enumerate(shows, start=1):
        heading(f"{number}. {ja}", en)
        try:
            with within(_STEP_SECONDS, en):
                for line in run(stage):
                    say(f"   {escape(line)}")
            say("   ✓")
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the other steps are still worth seeing
            say(f"   ✗ {type(error).__name__}: {escape(str(error))}")
            failed.append(en)
    return failed


def record(stage: Scene) -> Iterator[str]:
    """Show the log, and the content of the first chat: reading it is itself recorded."""
    rows = shipped(stage)
    yield "$ sekimori log list"
    for row in rows:
        columns = f"{row['user']:7} {row['service']:14} {row['decision']:5} {row['state']:9}"
        yield f"{row['time'][:19]} {columns} {' '.join(row['reasons'])}"
    chat = next(row for row in rows if row["path"] == "/v1/chat/completions" and row["decision"] == "allow")
    content = stage.installation.content(chat["id"])
    yield f"$ sekimori log show {chat['id']} --content --reason ..."
    yield f"prompt: {content['prompt']}"
    yield f"output: {content['output']}"
    steps.expect(content["prompt"] == steps.MINUTES, "the record holds another prompt")
    steps.expect(content["output"] == TEXT, "the record holds another answer")
    marked = next(row for row in rows if "DENY_TOS_CONFIDENTIAL" in row["reasons"])
    shown = stage.installation.run("log", "show", marked["id"], "--json").stdout
    steps.expect("採用予定数" not in shown, "a refused prompt is readable in the metadata")


def shipped(stage: Scene) -> list[dict[str, Any]]:
    """Wait for the archivist and return the exchanges of this demo, oldest first."""
    deadline = time.monotonic() + _SHIPPED_SECONDS
    while True:
        rows = [row for row in stage.installation.records() if row["decision"] in _EXPECTED]
        counted = {verdict: sum(row["decision"] == verdict for row in rows) for verdict in _EXPECTED}
        settled = all(row["state"] != "open" for row in rows)
        if settled and all(counted[verdict] >= least for verdict, least in _EXPECTED.items()):
            return rows
        steps.expect(time.monotonic() < deadline, f"the record has {counted}, not {_EXPECTED}")
        time.sleep(0.3)


def verified(stage: Scene) -> Iterator[str]:
    """Have everything stored hashed again."""
    yield "$ sekimori verify"
    yield stage.installation.run("verify").stdout.strip()
    steps.expect(stage.trap.server.accepted == 0, "a refused service was connected to")


def heading(title: str, beside: str) -> None:
    """Begin a step."""
    say(f"\n■ {title}\n   {beside}")


def say(text: str) -> None:
    """Print a line at once, also into a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
