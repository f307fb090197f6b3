"""What an erasure takes, what it leaves byte for byte, and what no backup, crash or race brings back."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import insert, select, text

from sekimori.errors import IntegrityError, KeyAccessError, StateError, UsageError
from sekimori.ledger.lanes import ask_to_roll
from sekimori.store.engine import reading, writing
from sekimori.store.erasing import Authority, Eraser
from sekimori.store.events import EventRepo
from sekimori.store.finding import Query
from sekimori.store.holding import StoreKeys
from sekimori.store.holding_orders import HoldRepo
from sekimori.store.reinstating import reinstate
from sekimori.store.rotating import rotation, settle
from sekimori.store.surveying import Wanted
from sekimori.store.tables import EVENT, RECORD_KEY, STATEMENT, UPKEEP
from sekimori.store.upkeep import Upkeep
from sekimori.vault.kek import KekProvider
from support.backups import backup, restore
from support.evidence import ANSWER, PROMPT, START_US, Installation, answered, asked, body, refused

AUTHORITY = Authority(basis="appi-35: 請求 2026-15", approver="suzuki", by="os: root")
SUBJECT = Wanted(subject="yamada")
SECRETS = tuple(secret.encode() for secret in ("月見草", "宵待草", "yamada", "sato"))


def eraser(house: Installation, keys: StoreKeys | None = None) -> Eraser:
    numbers = iter(range(1, 1000))
    return Eraser(
        house.engine,
        keys or house.store_keys,
        clock=house.clock,
        new_id=lambda: f"event-{next(numbers)}-{house.clock()}",
        spool=house.spool,
    )


def fill(house: Installation, *entries: Any, lane: str = "w1-a") -> None:
    """Let a worker write entries and end; store them and let their checkpoint be published."""
    worker = house.worker(lane)
    for entry in entries:
        worker.write(entry)
    worker.close()
    house.archivist.run_once()
    for _ in range(3):
        house.settle()


def two_people(house: Installation) -> None:
    fill(
        house,
        asked("r1"),
        answered("r1"),
        asked("r2", user="sato"),
        answered("r2"),
        refused("r3"),
        asked("r4", time_us=START_US + 40 * 86_400_000_000),
        answered("r4", time_us=START_US + 40 * 86_400_000_000 + 1),
    )


def rows(house: Installation, table: str, order: str) -> list[dict[str, Any]]:
    with reading(house.engine) as connection:
        found = connection.execute(text(f"SELECT * FROM {table} ORDER BY {order}"))
        return [dict(row) for row in found.mappings()]


def shown(house: Installation) -> dict[str, dict[str, Any]]:
    return {record["id"]: record for record in house.log().list(Query())}


def prompt_of(house: Installation, rid: str) -> str:
    content = house.log().content(rid, reader="auditor", reader_source="os", reason="test")
    return content.prompt if content else ""


def trees(house: Installation) -> dict[str, bytes]:
    """Return every full record of the trees: entries and tiles that are never written again."""
    ledger = house.folder / "ledger"
    return {str(path.relative_to(ledger)): path.read_bytes() for path in ledger.rglob("*") if path.is_file()}


# --- a person --------------------------------------------------------------------------------------


def test_a_preview_counts_by_class_and_month_and_changes_nothing(house):
    two_people(house)
    before = backup(house)
    preview = eraser(house).preview(SUBJECT)
    assert [(count.klass, count.month, count.records) for count in preview.counts] == [
        ("blocked", "2026-04", 1),
        ("class-1", "2026-04", 1),
        ("class-1", "2026-05", 1),
    ]
    assert backup(house) == before


@pytest.mark.req("UPD-P4-1")
def test_of_who_was_erased_the_log_shows_that_there_was_something_and_not_who_or_what(house):
    two_people(house)
    eraser(house).carry_out(SUBJECT, AUTHORITY)
    records = shown(house)
    assert {rid: record["state"] for rid, record in records.items()} == {
        "r1": "erased",
        "r2": "complete",
        "r3": "erased",
        "r4": "erased",
    }
    erased = records["r1"]
    assert (erased["user"], erased["model"], erased["host"], erased["prompt_sha256"]) == (None,) * 4
    assert PROMPT not in prompt_of(house, "r1")
    assert PROMPT in prompt_of(house, "r2")
    assert house.log().list(Query(user="yamada")) == []
    assert [record["id"] for record in house.log().list(Query(user="sato"))] == ["r2"]


@pytest.mark.req("UPD-P2-4")
def test_every_leaf_and_proof_and_the_ciphertext_of_the_living_stay_byte_for_byte(house):
    two_people(house)
    leaves = [
        (row["lane"], row["n"], row["envelope"], row["leaf"]) for row in rows(house, "entry", "lane, n")
    ]
    entries = {row["n"]: row["sealed"] for row in rows(house, "entry", "lane, n")}
    contents = {row["rid"]: row["sealed"] for row in rows(house, "content", "n")}
    files = {name: data for name, data in trees(house).items() if "gate-" in name}
    eraser(house).carry_out(SUBJECT, AUTHORITY)
    assert [
        (row["lane"], row["n"], row["envelope"], row["leaf"]) for row in rows(house, "entry", "lane, n")
    ] == leaves
    assert {row["n"]: row["sealed"] for row in rows(house, "entry", "lane, n")} == entries
    assert {row["rid"]: row["sealed"] for row in rows(house, "content", "n")} == {"r2": contents["r2"]}
    house.settle()
    after = trees(house)
    assert {name: after[name] for name in files} == files
    assert house.verify().faults == ()
    assert house.verify().verdicts == {
        "verified": 2,
        "erased-authorised": 5,
        "expired": 0,
        "missing": 0,
        "altered": 0,
    }


def test_the_leaf_of_an_erasure_says_how_much_on_which_basis_and_names_nobody(house):
    two_people(house)
    done = eraser(house).carry_out(SUBJECT, AUTHORITY)
    house.settle()
    with reading(house.engine) as connection:
        envelope = connection.execute(
            select(STATEMENT.c.envelope).where(STATEMENT.c.id == done.event)
        ).scalar_one()
        event = EventRepo(connection, house.cipher).find(done.event)
    said = json.loads(envelope)
    assert (said["k"], said["basis"], said["records"], said["data_keys"]) == ("erase", "appi-35", 3, 3)
    assert said["deks"] == sorted(key.hex() for key in done.shredded.data_keys)
    for word in ("yamada", "suzuki", "root", "2026-15"):
        assert word.encode() not in envelope
    assert event is not None
    assert (event.event.approver, event.event.by, event.event.records) == (
        "suzuki",
        "os: root",
        ("r1", "r3", "r4"),
    )


def test_only_the_classes_that_were_named_go(house):
    two_people(house)
    eraser(house).carry_out(Wanted(subject="yamada", classes=frozenset({"blocked"})), AUTHORITY)
    assert {rid for rid, record in shown(house).items() if record["state"] == "erased"} == {"r3"}


def test_everything_before_a_month_goes_whoever_it_is_of(house):
    two_people(house)
    done = eraser(house).carry_out(Wanted(before="2026-05"), AUTHORITY)
    assert done.records == 3
    assert {rid for rid, record in shown(house).items() if record["state"] != "erased"} == {"r4"}
    house.settle()
    assert house.verify().faults == ()


def test_an_erasure_of_nothing_is_refused_and_begins_no_epoch(house):
    two_people(house)
    with pytest.raises(UsageError, match="Nothing would be erased"):
        eraser(house).carry_out(Wanted(subject="tanaka"), AUTHORITY)
    assert house.store_keys.kek.epochs() == [1]


# --- what is left on the disk, and in backups ----------------------------------------------------------


@pytest.mark.req("UPD-P4-1")
def test_no_file_of_the_data_folder_holds_text_name_or_token_of_the_erased(embedded):
    two_people(embedded)
    tokens = [row["token"] for row in rows(embedded, "search", "rid") if row["rid"] in {"r1", "r3", "r4"}]
    kept = {row["token"] for row in rows(embedded, "search", "rid") if row["rid"] == "r2"}
    tags = [row["tag"] for row in rows(embedded, "output_tag", "rid") if row["rid"] != "r2"]
    gone = [secret for secret in [*tokens, *tags] if secret not in kept]
    assert all(any(secret in data for data in embedded.files()) for secret in gone)
    eraser(embedded).carry_out(SUBJECT, AUTHORITY)
    upkeep = Upkeep(embedded.engine, embedded.store_keys, alarm=embedded.notes.alarm)
    while upkeep.step():
        pass
    assert rows(embedded, "upkeep", "name") == []
    for data in embedded.files():
        assert not [secret for secret in (*SECRETS, *gone) if secret in data]


@pytest.mark.req("UPD-P2-4")
def test_a_database_from_before_the_erasure_reads_nothing_and_after_reinstating_the_living_alone(house):
    two_people(house)
    saved = backup(house)
    eraser(house).carry_out(SUBJECT, AUTHORITY)
    restore(house, saved)
    for rid in ("r1", "r2"):
        with pytest.raises(KeyAccessError, match="destroyed or is not here"):
            house.log().show(rid)
    done = reinstate(house.engine, house.store_keys, clock=house.clock, new_id=lambda: "again")
    assert (done.data_keys, done.cleared) == (1, 3)
    assert PROMPT in prompt_of(house, "r2")
    assert PROMPT not in prompt_of(house, "r1")
    assert {
        rid: record["state"] for rid, record in shown(house).items() if not rid.startswith("reading")
    } == {
        "r1": "erased",
        "r2": "complete",
        "r3": "erased",
        "r4": "erased",
    }
    assert [row for row in rows(house, "search", "rid") if row["rid"] in {"r1", "r3", "r4"}] == []


def test_a_database_that_is_not_older_is_not_reinstated(house):
    two_people(house)
    house.rotate()
    with pytest.raises(KeyAccessError, match="not older"):
        reinstate(house.engine, house.store_keys, clock=house.clock, new_id=lambda: "again")
    assert rows(house, "upkeep", "name") == []


def test_a_rotation_changes_wrapped_data_keys_and_nothing_else(house):
    two_people(house)
    before = backup(house)
    done = house.rotate()
    assert (done.old_epoch, done.new_epoch, house.store_keys.kek.epochs()) == (1, 2, [2])
    changed = {name for name, found in backup(house).items() if found != before[name]}
    assert changed == {"key_epoch", "data_key", "event"}
    assert PROMPT in prompt_of(house, "r1")


# --- single records ----------------------------------------------------------------------------------

_TURNS = (
    "一番目の質問は月見草のことです。" * 20,
    "二番目の質問は宵待草のことです。" * 20,
    "三番目の質問です。" * 40,
)


def conversation(*turns: str) -> bytes:
    messages = [{"role": "user", "content": turn} for turn in turns]
    return json.dumps({"model": "gpt-x", "messages": messages}, ensure_ascii=False).encode()


def talk(house: Installation) -> None:
    """Store three turns of a conversation, each sent with all before it."""
    for at in range(3):
        sent = conversation(*_TURNS[: at + 1])
        entries = asked(f"t{at}", time_us=START_US + at, body=body(sent)), answered(f"t{at}")
        fill(house, *entries, lane=f"w1-talk{at}")


def test_one_record_goes_with_the_later_ones_that_repeat_its_words(house):
    talk(house)
    preview = eraser(house).preview(Wanted(records=frozenset({"t1"})))
    assert preview.covered == {"t1": ("t2",)}
    assert preview.records == ("t1", "t2")
    eraser(house).carry_out(Wanted(records=frozenset({"t1"})), AUTHORITY)
    assert {rid: record["state"] for rid, record in shown(house).items()} == {
        "t0": "complete",
        "t1": "erased",
        "t2": "erased",
    }
    assert prompt_of(house, "t0") == _TURNS[0]
    house.settle()
    assert house.verify().faults == ()


def test_an_erasure_of_one_record_only_is_refused_with_the_list_of_those_that_repeat_it(house):
    talk(house)
    with pytest.raises(UsageError, match="t1, t2"):
        eraser(house).preview(Wanted(records=frozenset({"t0"}), only=True))
    assert eraser(house).preview(Wanted(records=frozenset({"t2"}), only=True)).records == ("t2",)


def test_a_neighbour_under_the_same_data_key_is_read_as_before(house):
    talk(house)
    before = {(row["lane"], row["n"]): row["sealed"] for row in rows(house, "content", "n")}
    eraser(house).carry_out(Wanted(records=frozenset({"t2"})), AUTHORITY)
    after = {(row["lane"], row["n"]): row["sealed"] for row in rows(house, "content", "n")}
    assert len(after) == len(before) - 2
    assert after.items() <= before.items()
    assert _TURNS[1] in prompt_of(house, "t1")
    # The data key was replaced: who goes on with the conversation finds it all the same.
    fill(house, asked("t9", body=body(conversation(*_TURNS))), answered("t9"), lane="w1-again")
    assert prompt_of(house, "t9") == prompt_of(house, "t9") != ""


def test_what_only_leaned_on_the_erased_is_written_anew_and_keeps_its_exact_bytes(house):
    # The second body repeats of the first nothing but a long description of a tool: no turn of it.
    filling = "あ" * 9000
    bodies = [
        json.dumps(
            {"tools": [{"name": "x", "about": filling}], "messages": [{"role": "user", "content": said}]},
            ensure_ascii=False,
        ).encode()
        for said in ("月見草" * 200, "別" * 300)
    ]
    for at, sent in enumerate(bodies):
        fill(
            house,
            asked(f"l{at}", time_us=START_US + at, body=body(sent)),
            answered(f"l{at}"),
            lane=f"w1-l{at}",
        )
    preview = eraser(house).preview(Wanted(records=frozenset({"l0"})))
    assert (preview.records, preview.rebased) == (("l0",), ("l1",))
    eraser(house).carry_out(Wanted(records=frozenset({"l0"})), AUTHORITY)
    stored = house.log().stored("l1", reader="auditor", reader_source="os", reason="test")
    assert stored.asked == bodies[1]
    house.settle()
    assert house.verify().faults == ()


def test_a_record_that_is_unknown_or_was_erased_already_is_named(house):
    two_people(house)
    eraser(house).carry_out(Wanted(records=frozenset({"r1"})), AUTHORITY)
    preview = eraser(house).preview(Wanted(records=frozenset({"r1", "r2", "nobody"})))
    assert (preview.records, preview.unknown) == (("r2",), ("nobody", "r1"))


# --- legal holds -----------------------------------------------------------------------------------


def hold(house: Installation, kind: Any, what: str) -> str:
    id_ = f"hold-{house.clock()}"
    with writing(house.engine) as connection:
        HoldRepo(connection, house.cipher).place(
            id_, kind, what, reason="調査 2026-3", by="suzuki", now_us=house.clock()
        )
    return id_


@pytest.mark.req("INT-7")
@pytest.mark.parametrize(
    ("kind", "what", "kept"),
    [
        pytest.param("subject", "Ｙamada", {"r1", "r3", "r4"}, id="a person, however the name is written"),
        pytest.param("month", "2026-04", {"r1", "r3"}, id="a month"),
        pytest.param("record", "r1", {"r1"}, id="a record"),
    ],
)
def test_what_a_legal_hold_names_outlives_an_erasure_until_it_is_lifted(house, kind, what, kept):
    two_people(house)
    id_ = hold(house, kind, what)
    preview = eraser(house).preview(SUBJECT)
    assert sum(count.records for count in preview.held) == len(kept)
    if kept == {"r1", "r3", "r4"}:
        with pytest.raises(UsageError, match="Nothing would be erased"):
            eraser(house).carry_out(SUBJECT, AUTHORITY)
    else:
        eraser(house).carry_out(SUBJECT, AUTHORITY)
    standing = {rid for rid, record in shown(house).items() if record["state"] != "erased"}
    assert standing == kept | {"r2"}
    with writing(house.engine) as connection:
        lifted = HoldRepo(connection, house.cipher).lift(
            id_, reason="終了", by="suzuki", now_us=house.clock()
        )
    assert (lifted.what, lifted.lifted_us is not None) == ("", True)
    eraser(house).carry_out(SUBJECT, AUTHORITY)
    assert {rid for rid, record in shown(house).items() if record["state"] != "erased"} == {"r2"}
    house.settle()
    assert house.verify().faults == ()


def test_a_hold_on_a_later_record_keeps_the_earlier_one_whose_words_it_repeats(house):
    talk(house)
    hold(house, "record", "t2")
    preview = eraser(house).preview(Wanted(records=frozenset({"t0"})))
    assert (preview.records, preview.held_records, preview.is_nothing) == ((), ("t0",), True)


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param("UPDATE hold SET lifted_us = 1", id="lifted in a readable column"),
        pytest.param("UPDATE hold SET kind = 'month'", id="of another kind"),
        pytest.param("DELETE FROM hold", id="gone"),
    ],
)
def test_nothing_is_erased_while_somebody_edited_a_legal_hold(house, edit):
    two_people(house)
    hold(house, "subject", "yamada")
    with house.outsider() as connection:
        connection.execute(text(edit))
    with pytest.raises(IntegrityError, match="hold"):
        eraser(house).carry_out(SUBJECT, AUTHORITY)
    assert shown(house)["r1"]["state"] == "complete"


def test_a_hold_shows_its_kind_and_hides_whom_it_is_about(house):
    two_people(house)
    hold(house, "subject", "yamada")
    house.settle()
    said = [json.loads(row["envelope"]) for row in rows(house, "statement", "idx") if row["kind"] == "hold"]
    assert [(one["k"], one["of"]) for one in said] == [("hold", "subject")]
    assert not [data for data in house.files() if b"yamada" in data or "調査".encode() in data]


# --- the spool, races and crashes --------------------------------------------------------------------


def test_an_erasure_waits_until_the_spool_has_given_up_the_text(house):
    worker = house.worker("w1-a")
    worker.write(asked("r1"), answered("r1"))
    house.archivist.run_once()
    house.settle()
    assert eraser(house).preview(SUBJECT).spool == {"w1-a": 2}
    with pytest.raises(StateError, match="spool still holds 2 entries"):
        eraser(house).carry_out(SUBJECT, AUTHORITY)
    ask_to_roll(house.spool / "w1-a")
    worker.roll()
    for _ in range(3):
        house.settle()
    assert eraser(house).preview(SUBJECT).spool == {}
    eraser(house).carry_out(SUBJECT, AUTHORITY)
    worker.write(asked("r5"), answered("r5"))
    house.archivist = house.new_archivist()  # a restart reads on in the new segment
    house.settle()
    assert shown(house)["r5"]["state"] == "complete"
    worker.close()


def test_what_still_comes_of_an_erased_exchange_is_evidence_that_nobody_can_read(house):
    fill(house, asked("r1"), lane="w1-a")
    worker = house.worker("w1-b")
    worker.write(asked("r6", user="sato"))
    house.archivist.run_once()
    eraser_ = eraser(house)
    assert eraser_.preview(SUBJECT).in_flight == 0
    eraser_.carry_out(SUBJECT, AUTHORITY)
    worker.write(answered("r1", text="宵待草"))
    worker.close()
    for _ in range(3):
        house.settle()
    assert shown(house)["r1"]["state"] == "erased"
    assert [row["rid"] for row in rows(house, "record_key", "rid")] == ["r6"]
    assert [row for row in rows(house, "content", "n") if row["rid"] == "r1"] == []


def test_nothing_is_lost_and_nothing_comes_back_while_an_archivist_stores(house):
    two_people(house)
    failures: list[BaseException] = []

    def store() -> None:
        try:
            for number in range(6):
                fill(house, asked(f"c{number}"), answered(f"c{number}"), lane=f"w2-{number}")
        except BaseException as fault:
            failures.append(fault)

    thread = threading.Thread(target=store)
    thread.start()
    done = 0
    while thread.is_alive():
        try:
            done += eraser(house).carry_out(SUBJECT, AUTHORITY).records
        except (UsageError, StateError):
            time.sleep(0.05)
    thread.join()
    assert failures == []
    house.settle()
    records = shown(house)
    assert {f"c{number}" for number in range(6)} <= set(records)
    assert sum(record["state"] == "erased" for record in records.values()) == done
    assert all(record["state"] in {"erased", "complete"} for record in records.values())
    report = house.verify()
    assert (report.faults, report.verdicts["missing"]) == ((), 0)


class Dying:
    """A provider whose process the power takes at one of its steps."""

    def __init__(self, kek: KekProvider, at: str) -> None:
        self.name, self.epochs, self.wrap, self.unwrap = kek.name, kek.epochs, kek.wrap, kek.unwrap
        self._kek = kek
        self._at = at

    def create(self, epoch: int) -> None:
        self._maybe("before the new key")
        self._kek.create(epoch)
        self._maybe("after the new key")

    def destroy(self, epoch: int) -> None:
        self._maybe("before the old key goes")
        self._kek.destroy(epoch)
        self._maybe("after the old key went")

    def _maybe(self, at: str) -> None:
        if at == self._at:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("at", "erased"),
    [
        ("before the new key", False),
        ("after the new key", False),
        ("before the old key goes", True),
        ("after the old key went", True),
    ],
)
def test_an_erasure_that_the_power_interrupts_happened_or_not_and_is_finished_at_the_next_start(
    house, at, erased
):
    two_people(house)
    keys = house.store_keys
    dying = StoreKeys(keys.store_key, Dying(keys.kek, at), keys.signing, keys.living)
    with pytest.raises(KeyboardInterrupt):
        eraser(house, dying).carry_out(SUBJECT, AUTHORITY)
    settle(house.engine, keys)
    assert (shown(house)["r1"]["state"] == "erased") is erased
    assert PROMPT in prompt_of(house, "r2")
    with reading(house.engine) as connection:
        assert (connection.execute(select(EVENT.c.id)).first() is not None) is erased
        assert (connection.execute(select(UPKEEP.c.name)).first() is not None) is erased
    eraser_ = eraser(house)
    if not erased:
        eraser_.carry_out(SUBJECT, AUTHORITY)
    assert len(keys.kek.epochs()) == 1
    house.settle()
    assert house.verify().faults == ()


def test_an_archivist_that_runs_on_destroys_the_key_that_an_erasure_died_before(house):
    two_people(house)
    keys = house.store_keys
    dying = StoreKeys(keys.store_key, Dying(keys.kek, "before the old key goes"), keys.signing, keys.living)
    with pytest.raises(KeyboardInterrupt):
        eraser(house, dying).carry_out(SUBJECT, AUTHORITY)
    assert len(keys.kek.epochs()) == 2
    Upkeep(house.engine, keys, alarm=house.notes.alarm).step()
    assert len(keys.kek.epochs()) == 1


def test_the_database_is_not_rewritten_on_a_disk_that_the_spool_needs(embedded, monkeypatch):
    two_people(embedded)
    eraser(embedded).carry_out(SUBJECT, AUTHORITY)
    upkeep = Upkeep(embedded.engine, embedded.store_keys, alarm=embedded.notes.alarm)
    with monkeypatch.context() as full:
        full.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100 << 20))
        assert not upkeep.step()
        assert not upkeep.step()
    assert len(embedded.notes.alarms) == 1
    assert upkeep.step()
    with reading(embedded.engine) as connection:
        assert connection.execute(select(UPKEEP.c.name)).first() is None


def test_keys_that_somebody_slipped_in_do_not_make_an_order_speak_for_more_than_went(house):
    two_people(house)
    hold(house, "subject", "sato")
    house.settle()
    with house.outsider() as connection:
        query = select(RECORD_KEY).where(RECORD_KEY.c.rid == "r1")
        key = dict(connection.execute(query).mappings().one())
        connection.execute(insert(RECORD_KEY), [key | {"rid": f"never-{n}"} for n in range(5)])
    eraser(house).carry_out(Wanted(before="2026-05"), AUTHORITY)
    house.settle()
    with house.outsider() as connection:
        connection.execute(text("DELETE FROM record_key WHERE rid = 'r2'"))
    found = [fault for fault in house.verify().faults if fault.table == "record_key"]
    assert [fault.detail for fault in found if fault.key == ""] == [
        "3 records have no key, and erasures tell of 2"
    ]


@pytest.fixture(autouse=True)
def _no_text_is_left_in_a_message(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    assert ANSWER not in capsys.readouterr().out


# --- a data key that somebody altered --------------------------------------------------------------


def damage(house: Installation, user: str) -> bytes:
    """Flip a bit in the data key of a user, and return its id."""
    with reading(house.engine) as connection:
        found = [
            row
            for some in rotation(connection, house.store_keys).keys.each_data_key()
            for row, key in some
            if key.slot.subject == user
        ]
    row = found[0]
    altered = row.sealed[:-1] + bytes([row.sealed[-1] ^ 1])
    with house.outsider() as connection:
        connection.execute(
            text("UPDATE data_key SET sealed = :sealed WHERE id = :id"), {"sealed": altered, "id": row.id}
        )
    return row.id


def test_one_altered_data_key_is_named_and_holds_up_no_erasure_of_anybody_else(house):
    two_people(house)
    id_ = damage(house, "sato")
    assert eraser(house).preview(SUBJECT).damaged == (id_,)
    done = eraser(house).carry_out(SUBJECT, AUTHORITY)
    assert done.records
    assert done.shredded.damaged == (id_,)


def test_one_altered_data_key_is_named_and_holds_up_no_rotation(house):
    two_people(house)
    id_ = damage(house, "sato")
    done = house.rotate()
    assert done.damaged == (id_,)
    assert prompt_of(house, "r1") == PROMPT
    assert house.rotate().damaged == (id_,)


def test_an_erasure_of_a_record_whose_own_key_was_altered_says_so(house):
    two_people(house)
    rids = [row["id"] for row in house.log().list(Query(user="sato"))]
    id_ = damage(house, "sato")
    with pytest.raises(StateError, match=f"data key of record {rids[0]} was altered") as raised:
        eraser(house).carry_out(Wanted(records=frozenset(rids[:1])), AUTHORITY)
    assert id_.hex() in raised.value.message
    assert "keys rotate" in raised.value.hint


def test_a_rotation_is_an_event_and_a_leaf_that_verify_knows(house):
    two_people(house)
    done = house.rotate()
    for _ in range(3):
        house.settle()
    with reading(house.engine) as connection:
        envelopes = [
            json.loads(row.envelope)
            for row in connection.execute(select(STATEMENT).where(STATEMENT.c.kind == "rotate"))
        ]
    assert [(e["old_epoch"], e["new_epoch"], e["data_keys"]) for e in envelopes] == [(1, 2, done.living)]
    assert not house.faults()


def test_a_record_that_had_lost_its_key_before_is_not_called_erased_by_a_reinstatement(house):
    two_people(house)
    with house.outsider() as connection:
        connection.execute(text("DELETE FROM record_key WHERE rid = 'r1'"))
    saved = backup(house)
    house.rotate()
    restore(house, saved)
    done = reinstate(house.engine, house.store_keys, clock=house.clock, new_id=lambda: "given-back")
    assert done.cleared == 0
    (stored,) = [row for row in rows(house, "record", "rid") if row["rid"] == "r1"]
    assert stored["state"] != "erased"


def test_nobody_has_records_cleared_by_writing_that_a_reinstatement_was_cut_short(house):
    two_people(house)
    saved = backup(house)
    house.rotate()
    restore(house, saved)
    with house.outsider() as connection:
        connection.execute(text("INSERT INTO upkeep (name, position) VALUES ('reinstate', '')"))
    with pytest.raises(IntegrityError, match="cut short"):
        reinstate(house.engine, house.store_keys, clock=house.clock, new_id=lambda: "given-back")
