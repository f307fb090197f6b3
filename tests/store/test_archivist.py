"""What workers wrote gets into the database once, whatever happens in between."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, insert, select, text, update

from sekimori.ledger.lanes import LOCK, START, lanes, mark_shipped, read_shipped
from sekimori.ledger.record import Outcome, Part
from sekimori.store import archivist as module
from sekimori.store import following
from sekimori.store.engine import open_store, reading
from sekimori.store.finding import Query
from sekimori.store.rows import place
from sekimori.store.tables import CONTENT, ENTRY, LANE, RECORD
from support.evidence import ANSWER, PROMPT, Installation, answered, asked, body, refused
from support.limits import put, within


def rows(house: Installation, table: Table) -> list[dict[str, Any]]:
    with reading(house.engine) as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def record(house: Installation, rid: str) -> dict[str, Any]:
    return next(row for row in rows(house, RECORD) if row["rid"] == rid)


@pytest.mark.req("MOU-2-7")
def test_an_exchange_becomes_two_entries_two_contents_and_one_record(house):
    worker = house.worker("w1")
    worker.write(asked("r1"))
    worker.write(answered("r1"))
    assert house.archivist.run_once().entries == 2
    assert [(row["lane"], row["n"], row["kind"]) for row in rows(house, ENTRY)] == [
        ("w1", 1, "intent"),
        ("w1", 2, "outcome"),
    ]
    assert [(row["n"], row["part"]) for row in rows(house, CONTENT)] == [(1, "manifest"), (2, "response")]
    found = record(house, "r1")
    assert (found["state"], found["status"], found["outcome_n"]) == ("complete", 200, 2)
    shown = house.log().show("r1")
    assert (shown["model"], shown["model_answered"]) == ("gpt-x", "gpt-x-2026")
    assert (found["answer_parse"], found["input_tokens"], found["output_tokens"]) == ("parsed", 12, 7)
    assert house.verify().ok


def test_an_outcome_in_a_later_round_finishes_its_record(house):
    worker = house.worker("w1")
    worker.write(asked("r1"))
    house.archivist.run_once()
    assert record(house, "r1")["state"] == "open"
    assert house.verify().ok
    worker.write(answered("r1"))
    house.archivist.run_once()
    assert record(house, "r1")["state"] == "complete"
    assert house.log().show("r1")["model_answered"] == "gpt-x-2026"
    assert house.verify().ok


def test_a_refusal_is_blocked_without_an_outcome(house):
    house.worker("w1").write(refused("r1"))
    house.archivist.run_once()
    found = record(house, "r1")
    assert (found["state"], found["decision"]) == ("blocked", "deny")
    assert found["reasons"] == "DENY_NO_GRANT DENY_TOS_CONFIDENTIAL"
    assert rows(house, CONTENT) == []
    assert house.verify().ok


def test_further_messages_of_a_turn_are_part_of_its_prompt(house):
    worker = house.worker("w1")
    framed = [len(part).to_bytes(8, "big") + part for part in (b'{"a":1}', b'{"b":2}')]
    first = asked("t1", mode="turn", session="s1", dialect="", method="GET", body=body(framed[0]))
    worker.write(
        first,
        Part(rid="t1", time_us=1, number=1, body=body(framed[1])),
        Outcome(rid="t1", time_us=2, state="complete", body=body(framed[0])),
    )
    house.archivist.run_once()
    assert house.verify().ok
    content = house.log().content("t1", reader="sato", reader_source="os", reason="監査")
    assert content.prompt == '{"a":1}\n{"b":2}'


@pytest.mark.parametrize("how", ["die", "close"])
def test_what_a_worker_left_open_ends_as_unknown_crash(house, how):
    worker = house.worker("w1")
    worker.write(asked("r1"), asked("r2"), answered("r2"), refused("r3"))
    getattr(worker, how)()
    progress = house.archivist.run_once()
    assert (progress.crashed, progress.finished) == (1, 1)
    assert record(house, "r1")["state"] == "unknown-crash"
    assert record(house, "r1")["outcome_lane"] == "archivist-1"
    assert record(house, "r2")["state"] == "complete"
    assert house.notes.given_up == 1
    assert lanes(house.spool) == []
    assert house.verify().ok


def test_a_living_worker_s_open_exchanges_stay_open(house):
    worker = house.worker("w1")
    worker.write(asked("r1"))
    assert house.archivist.run_once().crashed == 0
    assert house.new_archivist().run_once().crashed == 0
    assert record(house, "r1")["state"] == "open"


def test_several_dead_lanes_share_the_archivist_s_numbering(house):
    for name in ("w1", "w2"):
        worker = house.worker(name)
        worker.write(asked(f"{name}-r1"), asked(f"{name}-r2"))
        worker.die()
    assert house.archivist.run_once().crashed == 4
    own = [row["n"] for row in rows(house, ENTRY) if row["lane"] == "archivist-1"]
    assert own == [1, 2, 3, 4]
    assert house.verify().ok


def test_a_torn_tail_is_reported_and_loses_nothing_before_it(house):
    worker = house.worker("w1")
    worker.write(asked("r1"))
    worker.write(asked("r2"))
    worker.die()
    segment = next(house.spool.glob("w1/seg-*.spool"))
    data = segment.read_bytes().rstrip(b"\0")
    segment.write_bytes(data[:-100] + bytes(100))
    progress = house.archivist.run_once()
    assert progress.torn_bytes > 0
    assert house.notes.torn_lanes == {"w1": progress.torn_bytes}
    assert [row["rid"] for row in rows(house, RECORD)] == ["r1"]
    assert {row["name"]: row["torn_bytes"] for row in rows(house, LANE)}["w1"] == progress.torn_bytes
    assert house.verify().ok


def test_a_crash_between_commit_and_marker_stores_nothing_twice(house, monkeypatch):
    worker = house.worker("w1")
    worker.write(asked("r1"), answered("r1"))

    def crash(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(following, "mark_shipped", crash)
    with pytest.raises(KeyboardInterrupt):
        house.archivist.run_once()
    monkeypatch.undo()
    assert read_shipped(house.spool / "w1").at().n == 0
    worker.write(asked("r2"))
    assert house.new_archivist().run_once().entries == 1
    assert len(rows(house, ENTRY)) == 3
    assert house.verify().ok


def test_entries_that_come_again_are_compared_and_not_stored_twice(house):
    worker = house.worker("w1")
    worker.write(asked("r1"), answered("r1"))
    house.archivist.run_once()
    # As if the commit had been reported lost although it took place.
    house.archivist._lanes.followed["w1"].position = START
    worker.write(asked("r2"))
    assert house.archivist.run_once().alarms == ()
    assert len(rows(house, ENTRY)) == 3
    assert house.verify().ok


def test_an_entry_that_differs_from_what_is_stored_stops_its_lane_with_an_alarm(house):
    worker = house.worker("w1")
    worker.write(asked("r1"))
    house.archivist.run_once()
    with house.outsider() as outsider:
        other = house.cipher.seal(b"\x81", place("entry", "w1", 1, "r1"))
        outsider.execute(update(ENTRY).values(sealed=other))
    house.archivist._lanes.followed["w1"].position = START
    progress = house.archivist.run_once()
    assert len(progress.alarms) == 1
    assert house.notes.alarms == list(progress.alarms)
    worker.write(asked("r2"))
    assert house.archivist.run_once().entries == 0, "a lane in doubt is left alone"


def test_rows_that_no_lane_wrote_stop_the_lane_that_needs_their_place(house):
    worker = house.worker("w1")
    worker.write(asked("r1"))
    house.archivist.run_once()
    outcome = answered("r1")
    with house.outsider() as outsider:
        row = {
            "lane": "w1",
            "n": 2,
            "rid": "x",
            "kind": "intent",
            "time_us": outcome.time_us,
            "sealed": b"\0",
        }
        outsider.execute(insert(ENTRY), [row])
    worker.write(outcome)
    (alarm,) = house.archivist.run_once().alarms
    assert "never wrote" in alarm


def test_an_older_copy_of_the_database_is_not_written_to(house):
    worker = house.worker("w1")
    worker.write(asked("r1"))
    house.archivist.run_once()
    assert read_shipped(house.spool / "w1").at().n == 1
    house.edit(*(f"DELETE FROM {table}" for table in ("content", "entry", "record", "lane", "lane_list")))
    (alarm,) = house.new_archivist().run_once().alarms
    assert "older copy" in alarm
    assert ("lane", "w1", "missing") in house.faults()


def test_a_data_key_that_somebody_removed_stops_the_lane_that_needs_it_and_no_other(house):
    first, second = house.worker("w1-a"), house.worker("w2-b")
    first.write(asked("r1"))
    house.archivist.run_once()
    with house.outsider() as connection:
        connection.execute(text("DELETE FROM data_key"))
    first.write(answered("r1"))
    second.write(asked("r2"), answered("r2"))
    progress = house.archivist.run_once()
    assert progress.entries == 2
    (alarm,) = house.notes.alarms
    assert "Lane w1-a is left alone: The data key that the key of record r1 lies under is gone." in alarm
    assert [record["state"] for record in house.log().list(Query()) if record["id"] == "r2"] == ["complete"]


def test_one_lane_in_doubt_does_not_stop_the_others(house):
    house.worker("w1").write(asked("r1"))
    segment = next(house.spool.glob("w1/seg-*.spool"))
    data = bytearray(segment.read_bytes())
    data[40] ^= 1
    segment.write_bytes(data)
    house.worker("w2").write(asked("r2"))
    progress = house.archivist.run_once()
    assert (progress.entries, len(progress.alarms)) == (1, 1)


def test_what_stands_before_the_damage_is_stored(house):
    worker = house.worker("w1")
    worker.write(asked("r1"))
    start = len(next(house.spool.glob("w1/seg-*.spool")).read_bytes().rstrip(b"\0"))
    worker.write(asked("r2"))
    worker.write(asked("r3"))
    segment = next(house.spool.glob("w1/seg-*.spool"))
    data = bytearray(segment.read_bytes())
    data[start + 60] ^= 1
    segment.write_bytes(data)
    progress = house.archivist.run_once()
    assert (progress.entries, len(progress.alarms)) == (1, 1)
    assert [row["rid"] for row in rows(house, RECORD)] == ["r1"]


def test_a_disk_that_fails_is_asked_again(house, monkeypatch):
    house.worker("w1").write(asked("r1"))
    answers = [OSError(28, "No space left on device")]

    def marks(*arguments, **options):
        if answers:
            raise answers.pop()
        return mark_shipped(*arguments, **options)

    monkeypatch.setattr(following, "mark_shipped", marks)
    monkeypatch.setattr(module, "_BUSY", 0.01)
    stop = threading.Event()
    thread = threading.Thread(target=house.archivist.run_forever, args=(stop,))
    thread.start()
    try:
        _wait_for(lambda: read_shipped(house.spool / "w1").at().n == 1)
    finally:
        stop.set()
        thread.join(5)
    assert house.notes.busy_rounds == ["[Errno 28] No space left on device"]
    assert house.verify().ok


def test_an_exchange_recorded_twice_is_an_alarm_and_both_stay_evidence(house):
    worker = house.worker("w1")
    worker.write(asked("r1"), answered("r1"), answered("r1", state="partial"), asked("r1"))
    house.archivist.run_once()
    assert len(house.notes.alarms) == 2
    assert len(rows(house, ENTRY)) == 4
    assert record(house, "r1")["state"] == "complete"
    assert ("record", "r1", "altered") in house.faults()


def test_segments_that_are_stored_and_covered_are_deleted(house):
    worker = house.worker("w1", segment_bytes=64 * 1024)
    for number in range(40):
        worker.write(asked(f"r{number}", prompt="予算" * 2000))
        house.settle()
    assert len(list(house.spool.glob("w1/seg-*.spool"))) <= 2
    assert len(rows(house, RECORD)) == 40
    assert house.verify().ok


def test_many_entries_are_stored_in_several_commits(house, monkeypatch):
    monkeypatch.setattr(module, "BATCH_ENTRIES", 7)
    worker = house.worker("w1")
    worker.write(*[entry for n in range(25) for entry in (asked(f"r{n}"), answered(f"r{n}"))])
    assert house.archivist.run_once().entries == 50
    assert house.verify().ok


def test_a_locked_database_is_waited_for(house):
    worker = house.worker("w1")
    worker.write(asked("r1"))
    impatient = open_store(house.database, busy_ms=10)
    house.engine.dispose()
    house.engine = impatient
    follower = house.new_archivist()
    stop = threading.Event()
    thread = threading.Thread(target=follower.run_forever, args=(stop,))
    try:
        with house.outsider() as outsider:
            if outsider.dialect.name == "postgresql":
                outsider.exec_driver_sql("LOCK TABLE entry")
            else:
                outsider.exec_driver_sql("BEGIN IMMEDIATE")
            thread.start()
            _wait_for(lambda: house.notes.busy_rounds)
        _wait_for(lambda: house.notes.entries == 1)
    finally:
        stop.set()
        thread.join(5)
    assert house.verify().ok


_ARCHIVIST = """
import sys, threading
from pathlib import Path
from support.evidence import Installation
house = Installation(Path(sys.argv[1]), keys=bytes.fromhex(sys.argv[2]), database=sys.argv[3])
print("ready", flush=True)
house.archivist.run_forever(threading.Event())
"""


def test_an_archivist_killed_again_and_again_stores_everything_once(house, monkeypatch):
    worker = house.worker("w1", segment_bytes=256 * 1024)
    for number in range(0, 1500, 10):
        names = [f"r{number + at}" for at in range(10)]
        worker.write(*(make(name) for name in names for make in (asked, answered)))
    worker.write(asked("last"))
    worker.die()
    folder = Path(__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", str(folder))
    chance = random.Random(7)
    for _ in range(6):
        command = [sys.executable, "-c", _ARCHIVIST, str(house.folder), house.keys.hex()]
        command.append(str(house.database))
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.uniform(0, 0.12))
            process.kill()
    house.archivist.run_once()
    assert house.notes.alarms == []
    assert len(rows(house, ENTRY)) == 3002
    assert len(rows(house, RECORD)) == 1501
    assert record(house, "last")["state"] == "unknown-crash"
    assert house.verify().faults == ()


@pytest.mark.req("MOU-2-7")
def test_no_prompt_answer_or_hash_lies_readable_in_the_folder(house):
    worker = house.worker("w1")
    worker.write(asked("r1"), answered("r1"), refused("r2"))
    house.archivist.run_once()
    house.log().content("r1", reader="sato", reader_source="os", reason="内部監査のため")
    intent, outcome = asked("r1"), answered("r1")
    secrets = [
        PROMPT.encode(),
        "月見草".encode(),
        ANSWER.encode(),
        "宵待草".encode(),
        intent.body.sha256.encode(),
        bytes.fromhex(intent.body.sha256),
        outcome.body.sha256.encode(),
        "機密性2情報".encode(),
        "内部監査".encode(),
    ]
    for data in house.files():
        assert not [secret for secret in secrets if secret in data]


def _wait_for(condition: Callable[[], object], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_a_lane_whose_lock_is_replaced_before_it_is_given_up_stops_no_other(house, monkeypatch):
    worker = house.worker("w1")
    worker.write(asked("r1"), answered("r1"))
    worker.close()
    with monkeypatch.context() as patched:
        patched.setattr(type(house.keeper), "covered", lambda *_: 0)
        house.archivist.run_once()
    put("pipe", house.spool / "w1" / LOCK)
    with within(60):
        house.settle()
        house.worker("w2").write(asked("r2"))
        house.settle()
    assert "lock is not a plain file" in " ".join(house.notes.alarms)
    assert record(house, "r2")["state"] == "open"
    assert (house.spool / "w1").exists()
