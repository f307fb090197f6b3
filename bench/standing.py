"""The standing of a large organisation: everybody has read three notices, and 5,000 people owe feedback."""

from __future__ import annotations

import hashlib
import time
from datetime import date
from pathlib import Path

from core import in_a_worker
from figures import Figure, figure

from sekimori.governance.acknowledgement import Acknowledgement
from sekimori.governance.calendar import jst_us
from sekimori.governance.conversation import Conversation
from sekimori.governance.notices import Notice, NoticeText
from sekimori.governance.standing import standing_of
from sekimori.governance.state import Aggregate, State
from sekimori.governance.use_rules import use_rules_for
from sekimori.policy.standing import Standing
from sekimori.policy.standing_file import dump_standing, load_standing
from sekimori.vault.published import PolicySeal

_USERS, _OVERDUE, _SERVICES, _NOTICES, _TALKS = 50_000, 5_000, 2_000, 3, 8
_QUICK = 100
_NOW_US = jst_us(date(2026, 6, 1), 10)
_LONG_AGO_US = jst_us(date(2026, 4, 1), 10)
_SEAL = PolicySeal(b"b" * 32)
_KIND = "standing"


def standing(folder: Path, *, quick: bool) -> Figure:
    """Milliseconds from what is governed to the file for the workers; and what taking it over costs a worker."""
    size, rounds = (_QUICK, 2) if quick else (1, 5)
    state = _state(size)
    rules = use_rules_for("gov", _NOW_US)
    taken = []
    for _ in range(rounds):
        before = time.perf_counter()
        made = standing_of(state, _NOW_US, rules)
        data = dump_standing(made)
        sealed = _SEAL.seal(data, _KIND, hashlib.sha256(data).hexdigest())
        taken.append((time.perf_counter() - before) * 1e3)
    assert (len(made.acknowledged), len(made.overdue)) == (_USERS // size, _OVERDUE // size)
    place = folder / hashlib.sha256(data).hexdigest()
    place.write_bytes(sealed)
    stall_ms, swap_ms, memory_mb = in_a_worker(place, _Load(place.name))
    return figure(
        "standing",
        "ms",
        taken,
        users=_USERS // size,
        overdue=_OVERDUE // size,
        mb=round(len(sealed) / 1e6, 1),
        worker_mb=round(memory_mb, 1),
        swap_ms=round(swap_ms),
        stall_ms=round(stall_ms, 1),
    )


class _Load:
    """Loads as ``addons.view`` does, in a thread beside the loop."""

    def __init__(self, sha256: str) -> None:
        self._sha256 = sha256

    def __call__(self, sealed: bytes) -> Standing:
        return load_standing(_SEAL.open(sealed, _KIND, self._sha256), self._sha256)


def _state(size: int) -> State:
    users = [f"user{number:05}" for number in range(_USERS // size)]
    text = NoticeText("表題", "要機密情報を入力しない。" * 20)
    notices = [
        Notice(id=f"n{number}", status="PUBLISHED", service="*", number=1, current=text)
        for number in range(_NOTICES)
    ]
    read = [
        Acknowledgement(
            id=f"{notice.id}/{user}",
            status="ACKNOWLEDGED",
            notice=notice.id,
            subject=user,
            number=1,
            sha256=text.sha256,
            at_us=_NOW_US,
            channel="page",
        )
        for user in users
        for notice in notices
    ]
    talks = [
        Conversation(
            id=hashlib.sha256(f"{user}/{number}".encode()).hexdigest(),
            status="OPEN",
            subject=user,
            service=f"s{place % _SERVICES:04}",
            unit="soumu",
            unanswered=3,
            since_us=_LONG_AGO_US,
        )
        for place, user in enumerate(users[: _OVERDUE // size])
        for number in range(_TALKS)
    ]
    kinds: tuple[list[Notice] | list[Acknowledgement] | list[Conversation], ...] = (notices, read, talks)
    tables: dict[str, dict[str, Aggregate]] = {
        kind[0].noun: {each.id: each for each in kind} for kind in kinds
    }
    return State(tables=tables)
