"""An archivist that is killed between two of its steps: ``python -m support.steps``.

Imports everything once and forks a child for each line of JSON that it reads. The child does some seconds'
work of an archivist on the installation of ``support.adversary`` in a folder; before each sync, rename,
removal and commit, and before and after each word to the lock store, it counts a step, and at the step that
it was told it is killed as the kernel would. Prints how many steps were done, and whether it was killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from sekimori.ledger.tlog.lockstore import SqliteLockStore
from support.adversary import opened, settle

_SYSTEM = ("fsync", "fdatasync", "rename", "replace", "unlink", "rmdir", "ftruncate")
_LOCKS = ("register", "swap", "end")


class Steps:
    """Counts, and kills."""

    def __init__(self, at: int) -> None:
        self.done = 0
        self._at = at

    def step(self, *_: object) -> None:
        """Take a step, unless it is the one."""
        self.done += 1
        if self.done == self._at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around[**P, T](self, call: Callable[P, T], *, after: bool = False) -> Callable[P, T]:
        """Count before a call, and after it where that is another state."""

        def counted(*arguments: P.args, **named: P.kwargs) -> T:
            self.step()
            result = call(*arguments, **named)
            if after:
                self.step()
            return result

        return counted


def work(folder: Path, database: str, at: int, at_us: int) -> int:
    """Be the archivist until killed or done; returns the steps."""
    steps = Steps(at)
    for name in _SYSTEM:
        setattr(os, name, steps.around(getattr(os, name)))
    for name in _LOCKS:
        setattr(SqliteLockStore, name, steps.around(getattr(SqliteLockStore, name), after=True))
    event.listen(Engine, "commit", steps.step)
    house = opened(folder, database, at_us)
    settle(house)
    house.archivist.close()
    house.close()
    return steps.done


def main() -> None:
    """Fork a child for each line."""
    for line in sys.stdin:
        asked: dict[str, Any] = json.loads(line)
        read, write = os.pipe()
        if (child := os.fork()) == 0:
            done = work(Path(asked["folder"]), asked["database"], asked["at"], asked["at_us"])
            os.write(write, str(done).encode())
            os._exit(0)
        os.close(write)
        _, status = os.waitpid(child, 0)
        done = int(os.read(read, 20) or b"0")
        os.close(read)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print(json.dumps({"steps": done, "killed": killed}), flush=True)


class Victim:
    """The other side."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.steps"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        )

    def work(self, folder: Path, database: str, at: int, at_us: int) -> dict[str, Any]:
        """Let it work until that step; 0 means to the end."""
        assert self._process.stdin
        assert self._process.stdout
        asked = {"folder": str(folder), "database": database, "at": at, "at_us": at_us}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """End it."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


if __name__ == "__main__":
    main()
