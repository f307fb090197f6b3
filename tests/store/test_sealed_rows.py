"""What lies in the rows: sealed under each record's key, once, with its leaf, its place and nothing readable."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
import zstandard
from sqlalchemy import Connection, Engine, Table, delete, func, select, update
from sqlalchemy.exc import OperationalError

from sekimori.ledger.envelope import decode_envelope, meta_bytes
from sekimori.ledger.lanes import lanes, read_shipped
from sekimori.ledger.record import Body, Intent
from sekimori.ledger.tlog.leaf import is_leaf_of
from sekimori.store import archivist as module
from sekimori.store.clearing import clear
from sekimori.store.engine import reading, writing
from sekimori.store.holding import Holding
from sekimori.store.ingest import Arrived, Ingest
from sekimori.store.lanes import LaneRepo, LaneState
from sekimori.store.log import Query
from sekimori.store.opening import RecordOpener
from sekimori.store.readings import read_answer
from sekimori.store.rotating import rotating
from sekimori.store.rows import stored_hash
from sekimori.store.tables import (
    ANCHOR,
    CHUNK,
    CONTENT,
    ENTRY,
    LINK,
    OUTPUT_TAG,
    RECORD,
    RECORD_KEY,
    STATEMENT,
    TREE,
)
from sekimori.vault.outputs import find_output
from sekimori.vault.rotation import Erasure
from support.evidence import ANSWER, PROMPT, START_US, Installation, answered, asked, body, refused
from support.texts import as_body, conversation


def rows(house: Installation, table: Table) -> list[dict[str, Any]]:
    with reading(house.engine) as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def stored_bytes(house: Installation) -> int:
    """Count the bytes of all that is kept of bodies: sealed bytes, addresses, anchors, links."""
    columns = (CONTENT.c.sealed, CHUNK.c.address, CHUNK.c.sealed, ANCHOR.c.anchor, LINK.c.rid, LINK.c.refers)
    total = 0
    with reading(house.engine) as connection:
        for column in columns:
            total += connection.execute(select(func.sum(func.length(column)))).scalar() or 0
    return total


def read_back(house: Installation, rid: str) -> bytes:
    stored = house.log().stored(rid, reader="sato", reader_source="os", reason="監査")
    assert stored is not None
    return stored.asked


def erase(house: Installation, rid: str) -> None:
    """Erase one record as ``sekimori erase`` does: keys and rows together."""
    with rotating(house.engine, house.store_keys) as turning:
        turning.shred(turning.plan(Erasure(records=frozenset({rid}))))
    with writing(house.engine) as connection:
        clear(connection, [rid])


def turns(count: int, **shape: Any) -> list[bytes]:
    return [as_body(request) for request in conversation(count, **shape)]


@pytest.mark.parametrize(
    ("count", "shape"),
    [
        pytest.param(200, {"asked": 250, "answered": 1500}, id="200 turns"),
        pytest.param(50, {"asked": 250, "answered": 1500}, id="50 turns"),
    ],
)
def test_a_conversation_costs_its_text_once(embedded, monkeypatch, count, shape):
    monkeypatch.setattr(module, "BATCH_ENTRIES", 16)
    bodies = turns(count, **shape)
    worker = embedded.worker("w1")
    for number, one in enumerate(bodies):
        worker.write(asked(f"r{number:03}", body=body(one)))
        if number % 20 == 19:
            embedded.archivist.run_once()
    embedded.archivist.run_once()
    unique = zstandard.ZstdCompressor(level=3).compress(bodies[-1])
    assert stored_bytes(embedded) <= 1.3 * len(unique)
    assert stored_bytes(embedded) < sum(len(zstandard.compress(one)) for one in bodies) / (count / 4)
    assert [read_back(embedded, f"r{number:03}") for number in (0, 7, count - 1)] == [
        bodies[number] for number in (0, 7, count - 1)
    ]


BODIES = [
    pytest.param(b"\x00\xff" * 100, id="no JSON"),
    pytest.param(b'{"messages":[{"role":"user","content":"a"}', id="JSON that was cut"),
    pytest.param(
        b'{"a":1,"a":2,"b":0.70000000000000001,"c":"\\ud800"}', id="what every canonicaliser changes"
    ),
    pytest.param(as_body(next(conversation(1, asked=40_000))), id="a turn that is stored by itself"),
]


@pytest.mark.parametrize("stored", BODIES)
def test_what_is_read_back_are_the_exact_bytes(house, stored):
    worker = house.worker("w1")
    worker.write(asked("r1", body=body(stored)), asked("r2", body=body(stored)))
    worker.write(asked("r3", body=body(stored), user="sato"))
    house.archivist.run_once()
    house.new_archivist()
    assert [read_back(house, rid) for rid in ("r1", "r2", "r3")] == [stored] * 3
    assert house.verify().ok


def test_a_conversation_goes_on_after_a_restart_and_after_a_rotation_elsewhere(house):
    bodies = turns(12)
    worker = house.worker("w1")
    for number, one in enumerate(bodies):
        worker.write(asked(f"r{number:02}", body=body(one)))
        assert house.archivist.run_once().alarms == ()
        if number == 4:
            house.archivist = house.new_archivist()
        if number == 8:
            with rotating(house.engine, house.store_keys) as turning:
                turning.rotate()
    assert [read_back(house, f"r{number:02}") for number in range(12)] == bodies
    assert len(rows(house, LINK)) == 11, "each turn refers to the one before it"
    assert house.verify().ok


@pytest.mark.req("MOU-2-7")
def test_a_stolen_folder_names_no_user_and_holds_no_text(embedded):
    long = PROMPT + next(conversation(1, asked=30_000))["messages"][-1]["content"]
    worker = embedded.worker("w1")
    worker.write(asked("r1", user="yamada.hanako"), answered("r1"), refused("r2", user="yamada.hanako"))
    worker.write(asked("r3", prompt=long, user="yamada.hanako"), asked("r4", user="yamada.hanako"))
    embedded.archivist.run_once()
    embedded.log().content("r1", reader="kansa.taro", reader_source="os", reason="内部監査のため")
    embedded.settle()
    worker.die()
    embedded.settle()
    secrets = [PROMPT, "月見草", ANSWER, "宵待草", "yamada", "kansa", "内部監査", "api.openai.com"]
    seen = b"".join(embedded.files())
    assert b"SQLite format 3" in seen
    assert b"sigsum.org" in seen
    assert not [secret for secret in secrets if secret.encode() in seen]
    assert asked("r1").key not in seen


def test_the_record_key_lies_wrapped_and_not_in_the_entry(house):
    worker = house.worker("w1")
    worker.write(asked("r1"), answered("r1"))
    house.archivist.run_once()
    with reading(house.engine) as connection:
        holding = Holding(connection, house.store_keys)
        assert holding.hierarchy.record_key("r1") == asked("r1").key
    assert [row["rid"] for row in rows(house, RECORD_KEY)] == ["r1"]
    assert house.log().show("r1")["state"] == "complete"


def test_each_entry_keeps_its_worker_s_leaf_and_gets_a_place(house):
    worker = house.worker("w3-20260401")
    worker.write(asked("r1"), answered("r1"), asked("r2"))
    house.archivist.run_once()
    found = rows(house, ENTRY)
    assert [(row["tree"], row["idx"]) for row in found] == [("gate-1-3-2026Q2", at) for at in range(3)]
    assert all(is_leaf_of(row["leaf"], row["envelope"]) for row in found)
    worker.die()
    house.archivist.run_once()
    (crash,) = [row for row in rows(house, ENTRY) if row["lane"] == "archivist-1"]
    said = decode_envelope(crash["envelope"])
    assert (said["k"], said["rid"], crash["tree"]) == ("outcome", "r2", "archive-1-2026Q2")
    assert house.verify().ok


def test_one_statement_speaks_of_a_batch(house):
    worker = house.worker("w1-1")
    worker.write(*(entry for n in range(5) for entry in (asked(f"r{n}"), answered(f"r{n}"))))
    house.archivist.run_once()
    (row,) = rows(house, STATEMENT)
    said = decode_envelope(row["envelope"])
    contents = {one["n"]: one["sealed"] for one in rows(house, CONTENT)}
    assert (said["k"], said["of"], said["first"], said["lane"]) == ("stored", "w1-1", 1, row["tree"])
    assert said["n"] == row["idx"] == 0
    assert said["ct"] == [
        stored_hash(entry["sealed"], contents[entry["n"]]).hex() for entry in rows(house, ENTRY)
    ]
    assert is_leaf_of(row["leaf"], row["envelope"])


def test_a_reading_gets_its_place_in_the_next_round(house):
    house.worker("w1").write(asked("r1"), answered("r1"))
    house.archivist.run_once()
    house.log().content("r1", reader="sato", reader_source="os", reason="監査")
    (reading_row,) = [row for row in rows(house, ENTRY) if row["lane"] == "readings-1"]
    assert (reading_row["tree"], reading_row["idx"]) == ("", None)
    assert is_leaf_of(reading_row["leaf"], reading_row["envelope"])
    house.settle()
    (reading_row,) = [row for row in rows(house, ENTRY) if row["lane"] == "readings-1"]
    assert (reading_row["tree"], reading_row["idx"]) == ("archive-1-2026Q2", 1)
    assert house.verify().ok


def test_places_are_given_without_a_gap(house, monkeypatch):
    monkeypatch.setattr(module, "BATCH_ENTRIES", 3)
    for lane in ("w1-1", "w1-2", "w2-1"):
        worker = house.worker(lane)
        worker.write(*(asked(f"{lane}-{n}") for n in range(7)))
        worker.die()
    house.archivist.run_once()
    given: dict[str, list[int]] = {}
    for row in rows(house, ENTRY) + rows(house, STATEMENT):
        given.setdefault(row["tree"], []).append(row["idx"])
    assert {tree: sorted(places) for tree, places in given.items()} == {
        row["name"]: list(range(row["next_idx"])) for row in rows(house, TREE)
    }
    assert set(given) == {"gate-1-1-2026Q2", "gate-1-2-2026Q2", "archive-1-2026Q2"}


def test_nothing_is_given_up_in_the_spool_before_a_checkpoint_covers_it(house):
    house.archivist.run_once()
    house.settle()
    worker = house.worker("w1")
    worker.write(asked("r1"))
    house.settle()
    worker.write(asked("r2"))
    house.archivist.run_once()
    house.ticks.at_us += 600_000
    house.archivist.run_once()
    marker = read_shipped(house.spool / "w1")
    assert (marker.at().n, marker.stored_at().n) == (1, 2)
    house.settle()
    assert read_shipped(house.spool / "w1").at().n == 2
    house.ticks.at_us += 600_000
    worker.write(answered("r1"))
    house.archivist.run_once()
    house.archivist.close()
    assert read_shipped(house.spool / "w1").at().n == 3


def test_a_lane_that_ended_is_removed_once_its_trees_are_published(house, monkeypatch):
    worker = house.worker("w1")
    worker.write(asked("r1"), answered("r1"))
    worker.close()
    keeper = house.keeper
    monkeypatch.setattr(keeper, "covered", lambda lane: 0)
    assert house.archivist.run_once().finished == 1
    house.settle()
    assert [lane.name for lane in lanes(house.spool)] == ["w1"]
    monkeypatch.undo()
    house.settle()
    assert lanes(house.spool) == []
    assert house.verify().ok


def test_an_answer_is_found_by_its_text_until_it_is_erased(house):
    house.worker("w1").write(asked("r1"), answered("r1"))
    house.archivist.run_once()

    def found(text: str) -> list[str]:
        with reading(house.engine) as connection:
            holding = Holding(connection, house.store_keys)
            keys = [key for some in holding.hierarchy.each_data_key() for _, key in some]
            return list(find_output(holding.tags, keys, text))

    assert (found(ANSWER), found("これは違う。")) == (["r1"], [])
    erase(house, "r1")
    assert found(ANSWER) == []
    assert rows(house, OUTPUT_TAG) == []


def test_what_arrives_of_an_erased_exchange_is_never_readable(house):
    worker = house.worker("w1")
    worker.write(asked("r1"), asked("r2"))
    house.archivist.run_once()
    erase(house, "r1")
    worker.write(answered("r1"), answered("r2"))
    assert house.archivist.run_once().alarms == ()
    assert house.notes.alarms == []
    assert [row["rid"] for row in rows(house, RECORD_KEY)] == ["r2"], "the spool's copy of the key stays out"
    shown = {record["id"]: record for record in house.log().list(Query())}
    assert (shown["r1"]["state"], shown["r1"]["user"], shown["r1"]["output_bytes"]) == ("erased", None, 0)
    assert shown["r2"]["state"] == "complete"
    content = house.log().content("r1", reader="sato", reader_source="os", reason="監査")
    assert (content.prompt, content.output) == ("", "")
    assert [row["n"] for row in rows(house, ENTRY) if row["lane"] == "w1"] == [1, 2, 3, 4]


def test_a_record_without_its_key_is_shown_as_erased_and_an_altered_one_as_altered(house):
    worker = house.worker("w1")
    worker.write(asked("r1"), answered("r1"), asked("r2"), answered("r2"), asked("r3"), answered("r3"))
    house.archivist.run_once()
    with house.outsider() as outsider:
        outsider.execute(delete(RECORD_KEY).where(RECORD_KEY.c.rid == "r1"))
        outsider.execute(update(ENTRY).where(ENTRY.c.n == 3).values(sealed=b"\x02\x00" + bytes(80)))
    log = house.log()
    assert {one["id"]: (one["state"], one["user"]) for one in log.list(Query())} == {
        "r1": ("erased", None),
        "r2": ("altered", None),
        "r3": ("complete", "yamada"),
    }
    assert [log.show(rid)["state"] for rid in ("r1", "r2", "r3")] == ["erased", "altered", "complete"]


def test_an_entry_of_an_older_gate_gets_its_leaf_from_the_archivist(house):
    intent = msgspec.structs.replace(asked("r1"), key=b"")
    outcome = msgspec.structs.replace(answered("r1"), key=b"")
    with writing(house.engine) as connection:
        ingest = Ingest(
            connection,
            Holding(connection, house.store_keys),
            tokens=house.tokens,
            read_answer=read_answer,
            alarm=house.notes.alarm,
            now_us=START_US,
            placing=house.keeper.place,
        )
        ingest.batch("w1", LaneState(opened_us=1), [Arrived(1, intent), Arrived(2, outcome)])
    found = rows(house, ENTRY)
    assert all(is_leaf_of(row["leaf"], row["envelope"]) for row in found)
    assert [decode_envelope(row["envelope"])["k"] for row in found] == ["intent", "outcome"]
    assert read_back(house, "r1") == intent.body.stored
    assert house.notes.alarms == []


def test_an_entry_that_brings_another_key_is_an_alarm_and_stays_readable(house):
    other = msgspec.structs.replace(answered("r1"), key=hashlib.sha256(b"other").digest())
    house.worker("w1").write(asked("r1"), other)
    house.archivist.run_once()
    assert house.notes.alarms == ["Record r1 comes with another key than it had."]
    assert house.log().show("r1")["state"] == "complete"


def test_a_refusal_keeps_its_masked_text_alone(house):
    house.worker("w1").write(refused("r1"))
    house.archivist.run_once()
    assert (rows(house, CONTENT), rows(house, ANCHOR)) == ([], [])
    content = house.log().content("r1", reader="sato", reader_source="os", reason="監査")
    assert content.prompt == "機密性2情報 ******"


def test_a_transaction_that_is_rolled_back_leaves_nothing_to_refer_to(house, monkeypatch):
    bodies = turns(3)
    worker = house.worker("w1")
    worker.write(asked("r0", body=body(bodies[0])))

    class BusyError(Exception):
        """What a database says that has no time."""

    def busy(*_: object, **__: object) -> None:
        raise BusyError

    monkeypatch.setattr(LaneRepo, "save", busy)
    with pytest.raises(BusyError):
        house.archivist.run_once()
    monkeypatch.undo()
    assert rows(house, ENTRY) == []
    worker.write(asked("r1", body=body(bodies[1])), asked("r2", body=body(bodies[2])))
    house.archivist.run_once()
    assert [read_back(house, f"r{number}") for number in range(3)] == bodies
    assert house.verify().ok


def test_a_commit_that_was_reported_lost_counts_all_the_same(house, monkeypatch):
    worker = house.worker("w1")
    worker.write(asked("r1"))
    house.archivist.run_once()

    @contextmanager
    def lost(engine: Engine) -> Iterator[Connection]:
        with writing(engine) as connection:
            yield connection
        raise OperationalError("COMMIT", None, ConnectionError("the server went away"))

    worker.write(answered("r1"))
    worker.close()
    monkeypatch.setattr(module, "writing", lost)
    with pytest.raises(OperationalError):
        house.archivist.run_once()
    monkeypatch.undo()
    assert house.settle().alarms == ()
    assert [row["n"] for row in rows(house, ENTRY)] == [1, 2]
    assert lanes(house.spool) == []
    assert house.verify().ok


def test_a_clock_that_was_never_set_gets_its_entries_stored_all_the_same(house):
    worker = house.worker("w1")
    worker.write(asked("r1", time_us=1), asked("r2", time_us=4_200_000_000_000_000))
    assert house.archivist.run_once().alarms == ()
    assert [read_back(house, rid) for rid in ("r1", "r2")] == [asked("r1").body.stored] * 2


def test_what_the_leaf_commits_to_is_what_is_kept(house):
    intent: Intent = asked("r1", body=Body(sha256="5" * 64, size=3))
    house.worker("w1").write(intent)
    house.archivist.run_once()
    with reading(house.engine) as connection:
        opener = RecordOpener(Holding(connection, house.store_keys))
        row = connection.execute(select(ENTRY)).one()
        kept = opener.entry(row)
    assert kept is not None
    assert (kept.entry.key, meta_bytes(kept.entry)) == (b"", meta_bytes(intent))
    assert rows(house, RECORD)[0]["state"] == "open"
