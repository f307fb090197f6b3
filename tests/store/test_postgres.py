"""What only PostgreSQL has: parts for months, roles, writers that meet at rows instead of one lock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import ProgrammingError

from sekimori.cli.config_storage import Retention
from sekimori.governance.actors import STAFF, Actor
from sekimori.governance.actors import clock as the_clock
from sekimori.governance.conversation import Seen, conversation_id, note_exchanges
from sekimori.governance.counting import answer_once
from sekimori.governance.feedback import Feedback
from sekimori.governance.reports import OpenReport
from sekimori.ledger.lanes import START
from sekimori.store.account_book import AccountBook, FindingAccounts
from sekimori.store.engine import open_store, reading, session, writing
from sekimori.store.erasing import Authority, Eraser
from sekimori.store.finding import Query
from sekimori.store.governing import Governing, stamp_on
from sekimori.store.holding_orders import HoldRepo
from sekimori.store.lanes import LaneRepo
from sekimori.store.months import month_of
from sekimori.store.people import PersonRepo
from sekimori.store.policies import PolicyRepo
from sekimori.store.postgres import Parts
from sekimori.store.rekeying import begin
from sekimori.store.retiring import Retirer
from sekimori.store.rotating import found, settle
from sekimori.store.surveying import Wanted
from sekimori.store.tables import ENTRY, EVENT, PARTITIONED
from sekimori.store.upkeep import Upkeep
from support.evidence import START_US, Installation, answered, asked

DAY_US = 24 * 3600 * 1_000_000
KEYED = (
    "statement",
    "event",
    "tree",
    "key_epoch",
    "data_key",
    "record_key",
    "chunk",
    "anchor",
    "link",
    "output_tag",
    "hold",
)
ROLES = Path(__file__).parents[2] / "deploy" / "postgresql" / "roles.sql"


@pytest.fixture
def house(migrated_url, tmp_path):
    installation = Installation(tmp_path, database=migrated_url)
    yield installation
    installation.close()


def parts_of(house: Installation, table: str) -> set[str]:
    query = text(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = CAST(:table AS regclass)"
    )
    with reading(house.engine) as connection:
        return set(connection.execute(query, {"table": table}).scalars())


def test_the_archivist_makes_the_parts_of_the_next_months_ahead(house):
    house.ticks.at_us = START_US + 365 * DAY_US
    house.archivist.run_once()
    for table in PARTITIONED:
        assert {f"{table}_{month}" for month in ("2027_04", "2027_05", "2027_06")} <= parts_of(house, table)


def test_each_month_s_entries_lie_in_its_part_and_odd_times_in_the_outer_two(house):
    worker = house.worker("w1")
    times = {"before": 1, "2026_04": START_US, "2026_09": START_US + 153 * DAY_US, "after": 2**53 - 1}
    for name, at_us in times.items():
        worker.write(asked(f"r-{name}", time_us=at_us))
    assert house.archivist.run_once().alarms == ()
    with reading(house.engine) as connection:
        for name in times:
            found = connection.execute(text(f"SELECT rid FROM entry_{name}")).scalars().all()
            assert found == [f"r-{name}"]
    assert house.verify().ok


def test_what_comes_again_after_a_restart_in_another_month_is_stored_once(house):
    worker = house.worker("w1")
    worker.write(asked("r1"), answered("r1", time_us=START_US + 40 * DAY_US))
    worker.write(asked("r2", time_us=START_US + 80 * DAY_US))
    house.archivist.run_once()
    house.archivist._lanes.followed["w1"].position = START
    house.ticks.at_us += 400 * DAY_US
    assert house.archivist.run_once().alarms == ()
    with reading(house.engine) as connection:
        assert connection.execute(select(ENTRY.c.n).order_by(ENTRY.c.n)).scalars().all() == [1, 2, 3]
    assert house.verify().ok


def test_one_number_in_two_months_is_named(house):
    house.worker("w1").write(asked("r1"), answered("r1"))
    house.archivist.run_once()
    house.edit(
        f"INSERT INTO entry SELECT lane, n, rid, kind, time_us + {31 * DAY_US}, sealed FROM entry WHERE n = 1",
        f"INSERT INTO record (SELECT (json_populate_record(r, json_build_object('time_us', time_us + {31 * DAY_US}))).* FROM record r)",
    )
    assert {("entry", "w1/1", "extra"), ("record", "r1", "extra")} <= house.faults()


@pytest.mark.parametrize("first", [START_US, month_of(START_US).start_us + 1, -1, 4_102_444_800_000_000])
def test_a_part_is_made_for_whole_months_of_this_century_only(house, first):
    with pytest.raises(ProgrammingError, match="first microsecond"), house.outsider() as outsider:
        outsider.execute(text("SELECT sekimori_month(:first)"), {"first": first})


def test_a_new_part_waits_for_no_reader_and_no_writer(house):
    house.worker("w1").write(asked("r1"))
    house.archivist.run_once()
    impatient = open_store(house.database, busy_ms=200)
    with reading(house.engine) as reader, house.engine.begin() as writer:
        assert len(reader.execute(select(ENTRY)).all()) == 1
        writer.execute(text("UPDATE record SET status = 1"))
        Parts(impatient).ready([START_US + 900 * DAY_US])
        assert len(reader.execute(select(ENTRY)).all()) == 1
    impatient.dispose()
    assert "entry_2028_09" in parts_of(house, "entry")


def test_a_part_that_was_taken_away_is_made_again_when_it_is_needed(house, monkeypatch):
    monkeypatch.setattr("sekimori.store.archivist._BUSY", 0.01)
    worker = house.worker("w1")
    later_us = START_US + 300 * DAY_US
    house.archivist._parts.ready([later_us])
    house.edit(*(f"DROP TABLE {table}_2027_01" for table in PARTITIONED))
    worker.write(asked("r1", time_us=later_us + 1))
    run_until(house, lambda: house.notes.entries == 1)
    assert len(house.notes.busy_rounds) == 1
    assert house.notes.alarms == []


def test_many_who_need_one_part_make_it_once(house):
    faults = together(8, lambda: Parts(house.engine).ready([START_US + 1200 * DAY_US]))
    assert faults == []


def test_lanes_opened_at_once_all_enter_the_list(house):
    names = iter([f"w{number}" for number in range(12)])

    def open_one() -> None:
        with writing(house.engine) as connection:
            LaneRepo(connection, house.cipher).open(next(names), 1, node="1")

    assert together(12, open_one) == []
    assert house.verify().ok
    assert house.verify().counts["lane"] == 12


def test_one_lane_opened_by_many_at_once_is_opened_once(house):
    def open_it() -> None:
        with writing(house.engine) as connection:
            LaneRepo(connection, house.cipher).open("w1", 1)

    assert together(8, open_it) == []
    assert house.verify().counts["lane"] == 1
    assert house.verify().ok


def test_changes_of_accounts_at_once_each_get_a_stamp(house):
    names = iter([f"user-{number}" for number in range(8)])

    def add() -> None:
        with session(house.engine) as opened:
            PersonRepo(opened, house.names).add(next(names), now_us=5)

    assert together(8, add) == []
    with session(house.engine) as opened:
        assert len({account.updated_us for account in PersonRepo(opened, house.names).list()}) == 8


def test_a_lane_of_another_node_is_left_alone(house, tmp_path):
    house.worker("w1").write(asked("r1"))
    house.archivist.run_once()
    other = Installation(
        tmp_path / "other", keys=house.keys, keyring=house.keyring, database=house.database, node="2"
    )
    other.worker("w1").write(asked("r9"))
    (alarm,) = other.archivist.run_once().alarms
    assert "belongs to node 1" in alarm
    other.close()
    assert house.verify().ok


def test_a_lane_that_says_what_no_database_keeps_is_left_alone(house):
    house.worker("w1").write(asked("r\0nul"))
    house.worker("w2").write(asked("r2"))
    progress = house.archivist.run_once()
    assert (progress.entries, len(progress.alarms)) == (1, 1)
    assert "no database keeps" in progress.alarms[0]


def test_a_model_or_a_user_with_a_zero_byte_is_stored_and_found(house):
    house.worker("w1").write(asked("r1", model="gpt\0x", user="ya\0mada"))
    assert house.archivist.run_once().alarms == ()
    assert house.verify().ok


def test_a_server_that_breaks_the_connection_is_asked_again(house, monkeypatch):
    monkeypatch.setattr("sekimori.store.archivist._BUSY", 0.01)
    house.worker("w1").write(asked("r1"))
    house.archivist.run_once()
    house.worker("w2").write(asked("r2"))
    house.edit("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
               "AND datname = current_database()")  # fmt: skip
    run_until(house, lambda: house.notes.entries == 2)
    assert house.verify().ok


@pytest.fixture
def roles(house, postgres):
    """The roles of the file, each with a user of its name; taken away again, for they belong to the server."""
    name = str(house.database).split("/")[3].split("?")[0]
    for _ in range(2):  # it may be repeated
        postgres.run(name, ROLES.read_text())
    users = ("archivist", "reader", "eraser", "publisher", "administrator", "governor", "console")
    postgres.run(name, "CREATE ROLE u_gate LOGIN")
    for user in users:
        postgres.run(name, f"CREATE ROLE u_{user} LOGIN IN ROLE sekimori_{user}")
    engines = {user: open_store(postgres.url(name, user=f"u_{user}")) for user in users}
    yield engines | {"gate": postgres.url(name, user="u_gate")}
    for engine in engines.values():
        engine.dispose()
    for user in (*users, "gate"):
        postgres.run(name, f"DROP ROLE u_{user}")
    for user in users:
        postgres.run(name, f"DROP OWNED BY sekimori_{user}", f"DROP ROLE sekimori_{user}")


def test_each_role_can_do_its_work(house, roles):
    owner, house.engine = house.engine, roles["archivist"]
    house.people = house.names
    worker = house.worker("w1")
    worker.write(asked("r1"), asked("r2", time_us=START_US + 500 * DAY_US))
    archivist = house.new_archivist()
    assert archivist.run_once().alarms == ()
    worker.write(answered("r1"))
    worker.die()
    assert archivist.run_once().alarms == ()
    assert Upkeep(house.engine, house.store_keys, alarm=house.notes.alarm).step() is False
    house.engine = roles["reader"]
    assert house.log().content("r1", reader="sato", reader_source="os", reason="監査") is not None
    assert house.verify().ok
    with session(roles["administrator"]) as opened:
        account = PersonRepo(opened, house.names).add("yamada", now_us=1)
        book_of(house).note(opened.connection(), [account], by="os: root")
        PolicyRepo(opened, house.names).apply("a.yaml", "one", by="root", now_us=1)
    governing_as(roles["governor"], house)
    with session(roles["console"]) as opened:
        PersonRepo(opened, house.names).set_disabled("yamada", disabled=True, now_us=2)
    clock, alarms = house.clock, list[str]()
    finding = FindingAccounts(
        roles["governor"], house.names, book_of(house), clock=clock, alarm=alarms.append
    )
    assert finding.step()
    assert alarms == []
    house.engine = roles["reader"]
    assert house.verify().ok
    with reading(roles["publisher"]) as connection:
        assert stamp_on(connection) > 0
    with session(roles["publisher"]) as opened:
        assert len(PolicyRepo(opened, house.names).current()) == 1
        PolicyRepo(opened, house.names).keep_snapshot("0" * 64, b"{}")
    with session(roles["console"]) as opened:
        PersonRepo(opened, house.names).set_password("yamada", "$argon2id$x", now_us=2)
    house.engine = owner


def governing_as(engine: Engine, house: Installation) -> None:
    """Change something that is governed, under a role; twice, as one that comes again."""
    ids = (f"by-{one}" for one in range(10))
    governing = Governing(
        engine, house.store_keys, clock=house.clock, new_id=lambda: next(ids), profile="enterprise"
    )
    told = OpenReport("i1", "INQUIRY", "使い方が分からない")
    actor = Actor("hanako", frozenset({STAFF}))
    first, again = (governing.perform(told, actor, once="once") for _ in range(2))
    assert [event.digest for event in again.events] == [event.digest for event in first.events]
    seen = [Seen("hanako", "chat", 1, 1, 1)]
    governing.carry_out(lambda state, at, rules: note_exchanges(state, seen, the_clock(), at, rules))
    talk = conversation_id("hanako", "chat", 1, "")
    governing.carry_out(
        lambda state, at, rules: answer_once(state, "t1", "hanako", talk, (), "WRONG", "違う", at, rules)
    )
    assert [each.text for each in governing.list("feedback") if isinstance(each, Feedback)] == ["違う"]


def book_of(house: Installation) -> AccountBook:
    return AccountBook(house.store_keys.store_key, clock=house.clock, new_id=lambda: f"noted-{house.clock()}")


def test_each_role_can_do_its_work_on_the_ledger(house, roles):
    owner, house.engine = house.engine, roles["archivist"]
    found(house.engine, house.store_keys)
    begin(house.engine, house.store_keys)
    settle(house.engine, house.store_keys)
    house.archivist = house.new_archivist()
    worker = house.worker("w1-a")
    worker.write(asked("r1"), answered("r1"), asked("r2", user="sato"), answered("r2"))
    worker.close()
    for _ in range(4):
        assert house.settle().alarms == ()

    house.engine = roles["eraser"]
    with writing(house.engine) as connection:
        holds = HoldRepo(connection, house.cipher)
        holds.place("h1", "record", "r2", reason="調査", by="suzuki", now_us=house.clock())
        holds.lift("h1", reason="終了", by="suzuki", now_us=house.clock())
    numbers = iter(range(100))
    means = {"clock": house.clock, "new_id": lambda: f"event-{next(numbers)}"}
    authority = Authority(basis="appi-35: 請求 2026-15", approver="suzuki", by="os: root")
    Eraser(house.engine, house.store_keys, spool=house.spool, **means).carry_out(
        Wanted(subject="yamada"), authority
    )
    house.rotate()
    house.ticks.at_us += 6000 * DAY_US
    retirer = Retirer(house.engine, house.store_keys, Retention().periods(), **means)
    retirer.plausible.confirm(house.clock())
    assert retirer.run(by="os: root") is not None

    house.engine = roles["archivist"]
    settle(house.engine, house.store_keys)
    house.archivist = house.new_archivist()
    for _ in range(4):
        assert house.settle().alarms == ()
    with reading(house.engine) as connection:
        told = connection.execute(select(EVENT.c.kind, EVENT.c.placed)).all()
    assert set(told) == {(kind, True) for kind in ("hold", "unhold", "erase", "rotate", "retire")}
    house.engine = roles["reader"]
    assert house.verify().faults == ()
    assert {record["state"] for record in house.log().list(Query())} == {"erased"}
    house.engine = owner


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("archivist", "DELETE FROM entry"),
        ("archivist", "UPDATE entry SET n = 7"),
        ("archivist", "DELETE FROM content"),
        ("archivist", "UPDATE record SET time_us = 1"),
        ("archivist", "TRUNCATE record"),
        ("archivist", "DELETE FROM lane"),
        ("archivist", "DROP TABLE entry_2026_04"),
        ("archivist", "INSERT INTO entry_2026_04 SELECT * FROM entry"),
        ("archivist", "CREATE TABLE mine (x int)"),
        ("archivist", "SELECT * FROM person"),
        ("archivist", "DELETE FROM search"),
        ("archivist", "UPDATE entry SET leaf = ''"),
        ("archivist", "UPDATE statement SET envelope = ''"),
        ("archivist", "DELETE FROM statement"),
        ("archivist", "DELETE FROM tree"),
        ("archivist", "UPDATE event SET sealed = ''"),
        ("archivist", "INSERT INTO event SELECT * FROM event"),
        ("archivist", "DELETE FROM record_key"),
        ("archivist", "UPDATE data_key SET sealed = ''"),
        ("archivist", "DELETE FROM chunk"),
        ("archivist", "DELETE FROM hold"),
        ("archivist", "UPDATE key_epoch SET wrapped = ''"),
        ("reader", "UPDATE record SET state = 'x'"),
        ("reader", "DELETE FROM reading"),
        ("reader", "INSERT INTO content SELECT * FROM content"),
        ("reader", "INSERT INTO event SELECT * FROM event"),
        ("reader", "UPDATE entry SET idx = 1"),
        ("reader", "DELETE FROM record_key"),
        ("reader", "UPDATE tree SET next_idx = 0"),
        ("reader", "UPDATE hold SET lifted_us = 1"),
        ("console", "SELECT * FROM entry"),
        ("console", "SELECT * FROM content"),
        ("console", "INSERT INTO record SELECT * FROM record"),
        ("console", "DELETE FROM person"),
        ("console", "SELECT * FROM policy_document"),
        *(("console", f"SELECT * FROM {table}") for table in KEYED),
        *(("publisher", f"SELECT * FROM {table}") for table in KEYED),
        *(("administrator", f"SELECT * FROM {table}") for table in KEYED),
        ("publisher", "UPDATE person SET updated_us = 1"),
        ("publisher", "SELECT * FROM record"),
        ("administrator", "DELETE FROM policy_document"),
        ("administrator", "SELECT * FROM content"),
        ("eraser", "DELETE FROM entry"),
        ("eraser", "UPDATE entry SET leaf = ''"),
        ("eraser", "UPDATE entry SET idx = NULL"),
        ("eraser", "DELETE FROM event"),
        ("eraser", "UPDATE event SET placed = true"),
        ("eraser", "DELETE FROM hold"),
        ("eraser", "UPDATE tree SET next_idx = 0"),
        ("eraser", "INSERT INTO statement SELECT * FROM statement"),
        ("eraser", "DELETE FROM record"),
        ("eraser", "SELECT * FROM person"),
        ("eraser", "SELECT sekimori_month(1777593600000000)"),
    ],
)
def test_no_role_can_do_more(roles, role, statement):
    with (
        pytest.raises(ProgrammingError, match=r"permission denied|must be owner"),
        roles[role].begin() as connection,
    ):
        connection.execute(text(statement))


def test_a_gate_worker_does_not_even_get_in(roles):
    with pytest.raises(Exception, match="permission denied for database"):
        open_store(roles["gate"])


def run_until(house: Installation, done: Callable[[], bool]) -> None:
    """Let the archivist run until something is so, for ten seconds at most."""
    stop, deadline = threading.Event(), time.monotonic() + 10
    thread = threading.Thread(target=house.archivist.run_forever, args=(stop,))
    thread.start()
    try:
        while not done():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.02)
    finally:
        stop.set()
        thread.join(5)


def together(count: int, act: Callable[[], None]) -> list[Exception]:
    """Do the same in many threads at one instant; return what went wrong."""
    faults: list[Exception] = []
    barrier = threading.Barrier(count)

    def one() -> None:
        barrier.wait(10)
        try:
            act()
        except Exception as fault:
            faults.append(fault)

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return faults
