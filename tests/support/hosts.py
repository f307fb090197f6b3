"""Hosts that share a database: real processes for writers and archivists, cheap to start and to kill.

``python -m support.hosts`` imports everything once and forks a child for each line of JSON that it reads;
it prints the child's process id. A line names the role and what the role is given.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, TextIO

from support.evidence import Installation, Worker, answered, asked, public_of

EXCHANGES = 40
ALARMS = "alarms.txt"
KEYRING = "keys"
"""The folder beside the hosts' own, with the keys that they share."""


def write(folder: Path, keys: bytes, database: str, lane: str) -> None:
    """Write exchanges as a gate worker does, and die with the last one open."""
    del database
    chance = random.Random(lane)
    worker = Worker(folder / "spool", public_of(keys), lane)
    open_ones: list[str] = []
    for number in range(EXCHANGES):
        rid = f"{lane}-{number}"
        worker.write(asked(rid, user=f"user-{number % 7}", time_us=now_us()))
        open_ones.append(rid)
        while len(open_ones) > chance.choice((0, 1, 3)) and rid != f"{lane}-{EXCHANGES - 1}":
            worker.write(answered(open_ones.pop(0), time_us=now_us()))
        time.sleep(chance.uniform(0, 0.04))
    for rid in open_ones[:-1]:
        worker.write(answered(rid, time_us=now_us()))
    os._exit(0)


def archive(folder: Path, keys: bytes, database: str, node: str) -> None:
    """Ship the spool until killed."""
    house = Installation(
        folder, keys=keys, keyring=folder.parent / KEYRING, database=database, node=node, clock=now_us
    )
    with (folder / ALARMS).open("a", buffering=1) as told:
        house.notes.alarms = _Told(told)
        house.archivist.run_forever(threading.Event())


class _Told(list[str]):
    """Alarms that outlive whoever is killed."""

    def __init__(self, file: TextIO) -> None:
        super().__init__()
        self._file = file

    def append(self, sentence: str) -> None:
        self._file.write(f"{sentence}\n")


def now_us() -> int:
    """Read the wall clock."""
    return time.time_ns() // 1000


class Spawner:
    """The other side: asks for children, and kills them."""

    def __init__(self) -> None:
        folder = Path(__file__).parents[1]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.hosts"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(folder)},
        )

    def start(self, role: str, **arguments: str) -> int:
        """Start a child and return its process id."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"role": role, **arguments}) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    @staticmethod
    def kill(process: int) -> None:
        """End a child as a power cut would."""
        os.kill(process, signal.SIGKILL)

    def close(self) -> None:
        """End the spawner; children live on until they are killed."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(5)
        self._process.stdout.close()


def main() -> None:
    """Fork a child for each line."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    roles: dict[str, Any] = {"write": write, "archive": archive}
    for line in sys.stdin:
        asked_for = json.loads(line)
        if (process := os.fork()) == 0:
            run = roles[asked_for["role"]]
            run(
                Path(asked_for["folder"]),
                bytes.fromhex(asked_for["keys"]),
                asked_for["database"],
                asked_for["name"],
            )
        print(process, flush=True)


if __name__ == "__main__":
    main()
