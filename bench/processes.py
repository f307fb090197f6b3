"""What a tree of processes used, as the kernel counts it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def tree(root: int) -> list[int]:
    """Return a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for pid, fields in _stats():
        children.setdefault(int(fields[1]), []).append(pid)
    found, waiting = [], [root]
    while waiting:
        found.append(pid := waiting.pop())
        waiting.extend(children.get(pid, ()))
    return found


def cpu_seconds(root: int) -> float:
    """Return the user and system time of a tree, of children that ended too."""
    members = set(tree(root))
    return sum(sum(map(int, fields[11:15])) for pid, fields in _stats() if pid in members) / _TICK


def rss_mb(*pids: int) -> float:
    """Return the resident memory of processes."""
    return sum(_rss(pid) for pid in pids) / 1024


def _rss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def _stats() -> Iterator[tuple[int, list[str]]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                yield int(entry.name), (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended while we looked
