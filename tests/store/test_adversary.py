"""Whoever has the database and the disk, attack by attack: docs/formats/verify.md says what becomes of it.

The page is the one source: each of its lines is carried out here, on SQLite and on PostgreSQL, and must be
noticed by whom it says, as what it says, with the exit status it says.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, update

from sekimori.errors import KeyAccessError, SekimoriError
from sekimori.ledger import frames
from sekimori.ledger.envelope import Value, encode_envelope
from sekimori.ledger.frames import SegmentHeader
from sekimori.ledger.lanes import LOCK, SHIPPED, lanes, segment_path, segments
from sekimori.ledger.record import encode
from sekimori.ledger.tlog.checkpoint import log_verifier, sign_checkpoint
from sekimori.ledger.tlog.keys import KeySigner, key_hash, ssh_line
from sekimori.ledger.tlog.leaf import LeafSigner, checksum_of
from sekimori.ledger.tlog.opening import create_lane
from sekimori.ledger.tlog.shelf import read_edge
from sekimori.store.engine import writing
from sekimori.store.holding_orders import HoldRepo
from sekimori.store.retention import DEFAULTS
from sekimori.store.retiring import Retirer
from sekimori.store.rotating import found
from sekimori.store.tables import (
    DATA_KEY,
    ENTRY,
    EVENT,
    KEY_EPOCH,
    LANE_LIST,
    PERSON,
    RECORD_KEY,
    STATEMENT,
)
from sekimori.store.verify import COVERS, Scope
from sekimori.store.verifying.recalled import Recalled
from sekimori.store.verifying.verified import read_verified, write_verified
from sekimori.vault.sealing import SegmentSealer
from support.adversary import EVIL, MADE_GONE, OF_RECORD, Scene, Town, erase, settle
from support.evidence import Worker, answered, asked
from support.limits import put, within
from support.spool import commit, keyed
from support.storekeys import SIGNING_KEY
from support.tlog import GATE, MemoryLocks

PAGE = Path(__file__).parents[2] / "docs/formats/verify.md"
FIRST, DEAD, LATER = (f"gate-1-{slot}-2026Q2" for slot in (1, 2, 3))
ARCHIVE = "archive-1-2026Q2"
FAR = 1 << 62

Attack = Callable[[Town], None]
ATTACKS: dict[str, Attack] = {}


def attack(function: Attack) -> Attack:
    """Carry out one line of the page."""
    ATTACKS[function.__name__.replace("_", "-")] = function
    return function


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the page."""

    attack: str
    by: str
    named: tuple[str, ...]
    said: str
    exit: int
    alone: str


def lines() -> Iterator[Line]:
    """Read the tables of the page."""
    section = PAGE.read_text("utf-8").partition("\n## Attacks\n")[2].partition("\n## ")[0]
    for row in section.splitlines():
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        if row.startswith("|") and re.fullmatch("[a-z-]+[a-z]", cells[0]) and cells[0] != "attack":
            name, _, by, named, code, alone = cells
            yield Line(name, by, tuple(re.findall("`([^`]+)`", named)), named, int(code), alone)


LINES = {line.attack: line for line in lines()}


class Served:
    """The databases of a PostgreSQL."""

    def __init__(self, server) -> None:
        self._server = server

    def copy(self, url: str) -> str:
        copy: str = self._server.url(self._server.fresh(_name(url)))
        return copy

    def drop(self, url: str) -> None:
        self._server.drop(_name(url))


def _name(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


@pytest.fixture(scope="module")
def embedded_scene(tmp_path_factory):
    return Scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="module")
def served_scene(tmp_path_factory, postgres, migrated):
    databases = Served(postgres)
    scene = Scene(tmp_path_factory.mktemp("scene"), databases.copy(postgres.url(migrated)), databases)
    yield scene
    for url in scene.urls:
        databases.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def town(request, tmp_path):
    scene = request.getfixturevalue("embedded_scene" if request.param == "sqlite" else "served_scene")
    made = scene.town(tmp_path)
    yield made
    made.close()


LONGEST = 120.0
"""Of a check or an archivist's work that was sent to something that never ends."""


def exit_status(town: Town, scope: Scope) -> tuple[int, set[str]]:
    """Return what ``sekimori verify`` would end with, and what it would name."""
    try:
        report = town.verify(scope)
    except SekimoriError:
        return 2, set()
    return int(not report.ok), {f"{fault.table} {fault.what}" for fault in report.faults}


def test_the_page_and_the_attacks_are_the_same():
    assert set(LINES) == set(ATTACKS)
    assert len(LINES) > 70


@pytest.mark.req("MOU-2-7", "MOU-2-8")
@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
def test_each_attack_is_noticed_by_whom_the_page_says(town, line):
    remembered = town.witnessed()
    ATTACKS[line.attack](town)
    if line.by in ("archivist", "witness"):
        # What the archivist heard of before it was restarted it may have told already.
        with within(LONGEST):
            alarms = " ".join(town.archivist_alarms(remembered if line.by == "witness" else ()))
        assert line.said in alarms
    scope = Scope(signatures=line.by == "verify --signatures")
    if line.by == "verify --since-last":
        state = town.ledger / "verified.json"
        with within(LONGEST):
            scope = Scope(since=read_verified(state, town.house.store_keys.store_key))
    with within(LONGEST):
        code, named = exit_status(town, scope)
    assert (code, set(line.named) - named) == (line.exit, set())
    if line.by == "witness":
        asked_now = town.house.verify(recalled=[Recalled("w1", "super", one) for one in remembered])
        assert {fault.key for fault in asked_now.faults if "remembers" in fault.detail} == {"super"}
    if line.by == "nobody":
        assert town.archivist_alarms() == []
        assert exit_status(town, Scope()) == (0, set())
    assert line.alone.startswith("**no**" if line.by == "witness" else ("no", "everything", "nothing", "yes"))


@pytest.mark.req("MOU-2-7")
def test_what_a_witness_remembers_is_held_against_the_super_log(town):
    (before,) = town.witnessed()
    worker = gate(town)
    worker.write(asked("a"), answered("a"))
    worker.close()
    settle(town.house)
    (now,) = town.witnessed()
    assert before.size < now.size
    for one in (before, now):
        assert town.house.verify(recalled=[Recalled("w1", "super", one)]).ok
    other = dataclasses.replace(before, root=bytes(32))
    (fault,) = town.house.verify(recalled=[Recalled("w1", "super", other)]).faults
    assert (fault.table, fault.key, fault.what) == ("tree", "super", "altered")
    assert "another root" in fault.detail


# --- rows removed ------------------------------------------------------------------------------------


@attack
def delete_tail(town):
    town.edit("DELETE FROM entry WHERE lane='w1-1' AND n=(SELECT max(n) FROM entry WHERE lane='w1-1')")


@attack
def delete_head(town):
    town.edit("DELETE FROM entry WHERE lane='w1-1' AND n=1")


@attack
def delete_middle(town):
    town.edit("DELETE FROM entry WHERE lane='w1-1' AND n BETWEEN 100 AND 140")


def whole(town, *rids):
    """Delete records from every table."""
    listed = ", ".join(f"'{rid}'" for rid in rids)
    for table in (*OF_RECORD, "entry", "record", "reading"):
        town.execute(f"DELETE FROM {table} WHERE rid IN ({listed})")


@attack
def delete_exchange(town):
    whole(town, "r009")


@attack
def delete_lane_entries(town):
    town.edit("DELETE FROM entry WHERE lane='w3-1'")


@attack
def delete_lane(town):
    rids = town.values("SELECT rid FROM entry WHERE lane='w3-1'")
    whole(town, *rids)
    town.edit("DELETE FROM lane WHERE name='w3-1'")
    with town.house.outsider() as outsider:
        outsider.execute(update(LANE_LIST).values(sealed=town.older(select(LANE_LIST.c.sealed))))


@attack
def delete_lane_and_tree(town):
    delete_lane(town)
    shutil.rmtree(town.ledger / LATER)
    with town.house.outsider() as outsider:
        rows = outsider.execute(select(STATEMENT.c.id, STATEMENT.c.envelope)).all()
        ours = [row.id for row in rows if b'"of":"w3-1"' in row.envelope]
        assert ours
        outsider.execute(STATEMENT.delete().where(STATEMENT.c.id.in_(ours)))
    town.edit(f"DELETE FROM tree WHERE name='{LATER}'")


@attack
def delete_everything(town):
    town.execute(*(f"DELETE FROM {table}" for table in COVERS))


@attack
def delete_record(town):
    town.edit("DELETE FROM record WHERE rid='r009'")


@attack
def delete_erased_record(town):
    town.edit("DELETE FROM record WHERE rid='gone'")


@attack
def delete_search(town):
    town.edit("DELETE FROM search")


@attack
def hide_search(town):
    town.edit(
        "INSERT INTO upkeep (name, position) VALUES ('search', ''), ('rekey', '')", "DELETE FROM search"
    )


@attack
def delete_output_tag(town):
    town.edit("DELETE FROM output_tag WHERE rid='r009'")


@attack
def delete_content(town):
    town.edit("DELETE FROM content WHERE rid='r009' AND part='response'")


@attack
def delete_chunk(town):
    town.edit("DELETE FROM chunk")


@attack
def delete_link(town):
    town.edit("DELETE FROM link")


@attack
def delete_reading(town):
    town.edit("DELETE FROM reading")


@attack
def delete_reading_whole(town):
    whole(town, *town.values("SELECT rid FROM reading"))


@attack
def delete_hold(town):
    town.edit("DELETE FROM hold WHERE id='hold-1'")


@attack
def delete_account(town):
    town.edit(f"DELETE FROM person WHERE updated_us={last_account(town)}")


@attack
def delete_order(town):
    town.edit("DELETE FROM event WHERE id='erasure-1'")


@attack
def delete_statement(town):
    town.edit(f"DELETE FROM statement WHERE tree='{ARCHIVE}' AND idx=0")


@attack
def delete_tree_row(town):
    town.edit(f"DELETE FROM tree WHERE name='{FIRST}'")


@attack
def delete_policy(town):
    town.edit("DELETE FROM policy_version")


@attack
def delete_key_epoch(town):
    town.edit("DELETE FROM key_epoch")


OF_R009 = "(SELECT data_key FROM record_key WHERE rid='r009')"


@attack
def delete_data_key(town):
    town.edit(f"DELETE FROM data_key WHERE id={OF_R009}")


@attack
def delete_data_key_whole(town):
    delete_data_key(town)
    town.edit("DELETE FROM record_key WHERE data_key NOT IN (SELECT id FROM data_key)")


@attack
def delete_record_key(town):
    town.edit("DELETE FROM record_key WHERE rid='r009'")


@attack
def drop_table(town):
    town.execute("DROP TABLE output_tag")


# --- rows altered or invented ------------------------------------------------------------------------


def flip(town, table, where, column="sealed"):
    """Flip the last bit of one value."""
    with town.house.outsider() as outsider:
        column = table.c[column]
        value = outsider.execute(select(column).where(*where)).scalar_one()
        changed = value[:-1] + bytes([value[-1] ^ 1])
        assert outsider.execute(update(table).where(*where).values({column: changed})).rowcount == 1


def of_entry(n, lane="w1-1"):
    return ENTRY.c.lane == lane, ENTRY.c.n == n


@attack
def edit_seal(town):
    flip(town, ENTRY, of_entry(5))


@attack
def edit_content(town):
    from sekimori.store.tables import CONTENT

    flip(town, CONTENT, (CONTENT.c.lane == "w1-1", CONTENT.c.n == 1))


@attack
def edit_index(town):
    town.edit("UPDATE record SET decision='allow' WHERE rid='r001'")


@attack
def edit_envelope(town):
    with town.house.outsider() as outsider:
        row = outsider.execute(select(ENTRY).where(*of_entry(1))).one()
        envelope = row.envelope.replace(b'"t":1', b'"t":2')
        leaf = checksum_of(envelope) + row.leaf[32:]
        outsider.execute(update(ENTRY).where(*of_entry(1)).values(envelope=envelope, leaf=leaf))


@attack
def edit_data_key(town):
    (id_,) = town.values("SELECT data_key FROM record_key WHERE rid='r009'")
    flip(town, DATA_KEY, (DATA_KEY.c.id == bytes(id_),))


@attack
def swap_data_keys(town):
    swap(town, DATA_KEY, DATA_KEY.c.id)


def swap(town, table, found_by):
    """Let two rows change what is sealed in them."""
    with town.house.outsider() as outsider:
        one, two = outsider.execute(select(found_by, table.c.sealed).limit(2)).all()
        for row, other in ((one, two), (two, one)):
            outsider.execute(update(table).where(found_by == row[0]).values(sealed=other.sealed))


@attack
def edit_record_key(town):
    flip(town, RECORD_KEY, (RECORD_KEY.c.rid == "r009",))


@attack
def move_record_key(town):
    town.edit(
        f"UPDATE record_key SET data_key=(SELECT id FROM data_key WHERE id <> {OF_R009} LIMIT 1) "
        "WHERE rid='r009'"
    )


@attack
def edit_key_epoch(town):
    flip(town, KEY_EPOCH, (KEY_EPOCH.c.epoch > 0,), column="wrapped")


@attack
def swap_records(town):
    change = "UPDATE entry SET n={} WHERE lane='w1-1' AND n={}"
    town.edit(change.format(-1, 3), change.format(3, 5), change.format(5, -1))


@attack
def swap_places(town):
    town.edit(
        f"UPDATE entry SET idx=CASE idx WHEN 7 THEN 280 ELSE 7 END WHERE tree='{FIRST}' AND idx IN (7, 280)"
    )


@attack
def swap_seals(town):
    with town.house.outsider() as outsider:
        seals = [outsider.execute(select(ENTRY.c.sealed).where(*of_entry(n))).scalar_one() for n in (3, 4)]
        for n, sealed in zip((4, 3), seals, strict=True):
            outsider.execute(update(ENTRY).where(*of_entry(n)).values(sealed=sealed))


@attack
def re_sign(town):
    with town.house.outsider() as outsider:
        envelope = outsider.execute(select(ENTRY.c.envelope).where(*of_entry(5))).scalar_one()
        leaf = LeafSigner(EVIL).sign(envelope)
        outsider.execute(update(ENTRY).where(*of_entry(5)).values(leaf=leaf))


@attack
def re_sign_tree(town):
    with town.house.outsider() as outsider:
        query = select(ENTRY.c.envelope).where(ENTRY.c.tree == LATER).order_by(ENTRY.c.idx)
        envelopes = outsider.execute(query).scalars().all()
    shutil.rmtree(town.ledger / LATER)
    lane = create_lane(
        town.ledger / LATER, name=LATER, signer=EVIL, locks=MemoryLocks(), now_us=town.house.clock()
    )
    lane.append([LeafSigner(EVIL).sign(envelope) for envelope in envelopes])
    lane.publish(now_us=town.house.clock())
    lane.release()


COLUMNS = "rid, kind, time_us, sealed, envelope, leaf, tree, idx"


@attack
def forge_record(town):
    town.edit(
        f"INSERT INTO entry (lane, n, {COLUMNS}) SELECT lane, (SELECT last_n+1 FROM lane WHERE name='w3-1'), "
        f"{COLUMNS} FROM entry WHERE lane='w3-1' AND n=1",
        "UPDATE lane SET last_n=last_n+1 WHERE name='w3-1'",
    )


@attack
def forge_lane(town):
    town.edit(
        f"INSERT INTO entry (lane, n, {COLUMNS}) SELECT 'w9-1', n, {COLUMNS} FROM entry "
        "WHERE lane='w3-1' AND n=1",
        "INSERT INTO lane (name, last_n, opened_us, closed_us, torn_bytes, position, node, sealed) "
        "SELECT 'w9-1', 1, opened_us, closed_us, torn_bytes, position, node, sealed FROM lane "
        "WHERE name='w3-1'",
    )


@attack
def forge_statement(town):
    town.edit(
        "INSERT INTO statement (id, tree, idx, kind, time_us, envelope, leaf) "
        f"SELECT '{ARCHIVE}/99', tree, (SELECT next_idx FROM tree WHERE name='{ARCHIVE}'), kind, time_us, "
        f"envelope, leaf FROM statement WHERE tree='{ARCHIVE}' AND idx=0",
        f"UPDATE tree SET next_idx=next_idx+1 WHERE name='{ARCHIVE}'",
    )


@attack
def forge_reading(town):
    town.edit("INSERT INTO reading (rid, subject_rid, time_us) VALUES ('reading-9', 'r001', 1)")


@attack
def pretend_erasure(town):
    town.execute(*(f"DELETE FROM {table} WHERE rid='r009'" for table in OF_RECORD))
    town.edit(MADE_GONE.format(rid="r009"))


@attack
def edit_waiting_order(town):
    """Before the archivist came by to state it; the trees go on without it."""
    with town.house.outsider() as outsider:
        row = outsider.execute(select(EVENT).where(EVENT.c.id == "erasure-1")).one()
        altered = {**row._mapping, "id": "erasure-9", "placed": False}
        outsider.execute(EVENT.insert(), [altered])
    worker = gate(town)
    worker.write(asked("a"), answered("a"))
    worker.close()
    settle(town.house)
    assert town.house.verify().unplaced == 0
    assert lanes(town.house.spool) == []


def last_account(town):
    """Return when the account was changed that was closed."""
    (changed,) = town.values("SELECT max(updated_us) FROM person")
    return changed


@attack
def edit_account(town):
    flip(town, PERSON, (PERSON.c.updated_us == last_account(town),))


@attack
def swap_accounts(town):
    swap(town, PERSON, PERSON.c.token)


@attack
def reopen_account(town):
    closed = last_account(town)
    with town.house.outsider() as outsider:
        token = outsider.execute(select(PERSON.c.token).where(PERSON.c.updated_us == closed)).scalar_one()
        older = {
            name: town.older(select(PERSON.c[name]).where(PERSON.c.token == token))
            for name in ("sealed", "updated_us")
        }
        outsider.execute(update(PERSON).where(PERSON.c.token == token).values(**older))


@attack
def edit_order_kind(town):
    hold_one_more(town)
    town.edit("UPDATE event SET kind='erase' WHERE id='hold-9'")


@attack
def edit_order_time(town):
    hold_one_more(town)
    town.edit("UPDATE event SET time_us=time_us-1 WHERE id='hold-9'")


@attack
def edit_waiting_kind(town):
    edit_order_kind(town)


@attack
def edit_waiting_time(town):
    edit_order_time(town)


def hold_one_more(town):
    """Place a legal hold that nobody has stated yet."""
    with writing(town.house.engine) as connection:
        holds = HoldRepo(connection, town.house.cipher)
        holds.place("hold-9", "record", "r000", reason="訴訟", by="sato", now_us=town.house.clock())


@attack
def pretend_order(town):
    pretend_erasure(town)
    town.edit(
        "INSERT INTO event (id, kind, time_us, sealed, placed) "
        "SELECT 'erasure-9', kind, time_us, sealed, placed FROM event WHERE id='erasure-1'"
    )


@attack
def pretend_statement(town):
    pretend_erasure(town)
    with town.house.outsider() as outsider:
        for event, signer in (("erasure-8", LeafSigner(EVIL)), ("erasure-9", Liar(KeySigner(SIGNING_KEY)))):
            said: dict[str, Value] = {"event": event, "k": "erase", "lane": ARCHIVE, "n": 99, "t": 1, "v": 1}
            envelope = encode_envelope({**said, "rids": ["r009"]})
            row = {"id": event, "tree": "", "idx": None, "kind": "erase", "time_us": 1, "envelope": envelope}
            outsider.execute(STATEMENT.insert(), [row | {"leaf": signer.sign(envelope)}])


class Liar(LeafSigner):
    """Signs with the attacker's key and says that another did."""

    def __init__(self, whose: KeySigner) -> None:
        super().__init__(EVIL)
        self._whose = key_hash(whose.public)

    def sign(self, envelope: bytes) -> bytes:
        return super().sign(envelope)[:-32] + self._whose


@attack
def pretend_expiry(town):
    house = town.house
    now_us = int(datetime(2027, 5, 2, tzinfo=UTC).timestamp()) * 1_000_000
    retirer = Retirer(house.engine, house.store_keys, DEFAULTS, clock=lambda: now_us, new_id=lambda: "over-1")
    retirer.plausible.confirm(now_us)
    retirer.run(by="os")
    settle(house)
    assert town.verify().verdicts["expired"] > 0
    pretend_erasure(town)


@attack
def un_erase(town):
    town.edit("UPDATE record SET state='complete', status=200 WHERE rid='gone'")


@attack
def lift_hold(town):
    town.edit("UPDATE hold SET lifted_us=placed_us+1 WHERE id='hold-1'")


@attack
def lower_counter(town):
    town.edit(f"UPDATE tree SET next_idx=next_idx-1 WHERE name='{FIRST}'")


@attack
def raise_counter(town):
    town.edit(f"UPDATE tree SET next_idx={FAR} WHERE name='{FIRST}'")


@attack
def far_place(town):
    raise_counter(town)
    town.edit(f"UPDATE entry SET idx={FAR - 1} WHERE tree='{FIRST}' AND idx=280")


@attack
def far_number(town):
    town.edit(f"UPDATE entry SET n={FAR} WHERE lane='w1-1' AND n=5", "DELETE FROM lane WHERE name='w1-1'")


@attack
def add_trigger(town):
    if town.is_embedded:
        town.execute(
            "CREATE TRIGGER keep BEFORE DELETE ON data_key BEGIN SELECT RAISE(IGNORE); END",
        )
    else:
        town.execute(
            "CREATE FUNCTION ignored() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
            "CREATE TRIGGER keep BEFORE DELETE ON data_key FOR EACH ROW EXECUTE FUNCTION ignored()",
        )


@attack
def double_order(town):
    if town.is_embedded:
        town.execute(
            "CREATE TABLE other AS SELECT * FROM event",
            "DROP TABLE event",
            "ALTER TABLE other RENAME TO event",
        )
    else:
        town.execute("ALTER TABLE event DROP CONSTRAINT event_pkey")
    town.edit("INSERT INTO event SELECT * FROM event WHERE id='erasure-1'")


@attack
def drop_index(town):
    town.execute("DROP INDEX record_by_time")


@attack
def poison_index(town):
    if not town.is_embedded:
        town.edit("UPDATE pg_index SET indisvalid=false WHERE indexrelid='record_by_time'::regclass")
        return
    (made,) = town.values("SELECT sql FROM sqlite_master WHERE name='record_by_time'")
    town.execute("DROP INDEX record_by_time", f"{made} WHERE rid<>'r009'")
    town.execute(
        "PRAGMA writable_schema=ON",
        f"UPDATE sqlite_master SET sql='{made}' WHERE name='record_by_time'",
        "PRAGMA writable_schema=OFF",
    )


@attack
def another_kind(town):
    if town.is_embedded:
        town.edit(
            f"UPDATE tree SET next_idx='many' WHERE name='{FIRST}'",
            "UPDATE entry SET leaf='text', time_us='now' WHERE n=7",
            "UPDATE statement SET tree=x'00ff', envelope='{' WHERE idx=1",
        )
    else:
        town.execute("ALTER TABLE tree ALTER COLUMN next_idx TYPE text")


@attack
def edit_before_last_check(town):
    since = town.verify().verified
    edit_seal(town)
    # The check of what is new says of itself that it read nothing else.
    report = town.verify(Scope(since=since))
    assert (report.ok, report.incremental) == (True, True)


@attack
def forge_last_check(town):
    state = town.ledger / "verified.json"
    write_verified(state, bytes(32), town.verify().verified)
    edit_seal(town)


@attack
def endless_last_check(town):
    put("pipe", town.ledger / "verified.json")
    edit_seal(town)


# --- files -------------------------------------------------------------------------------------------


def newest(town, tree, kind):
    """Return the last tile or bundle of a tree."""
    size = int((town.ledger / tree / "checkpoint").read_text().splitlines()[1])
    full, width = divmod(size, 256)
    return town.ledger / tree / "tile" / kind / f"{full:03}.p" / str(width)


@attack
def flip_tile(town):
    path = newest(town, FIRST, "0")
    data = path.read_bytes()
    path.write_bytes(bytes([data[0] ^ 128]) + data[1:])


@attack
def truncate_tile(town):
    path = town.ledger / FIRST / "tile" / "entries" / "000"
    os.truncate(path, path.stat().st_size - 130)


@attack
def swap_tiles(town):
    one, other = town.ledger / FIRST / "tile" / "0" / "000", newest(town, FIRST, "0")
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)


@attack
def swap_trees(town):
    aside = town.folder / "aside"
    (town.ledger / FIRST).rename(aside)
    (town.ledger / LATER).rename(town.ledger / FIRST)
    aside.rename(town.ledger / LATER)


@attack
def old_checkpoint(town):
    town.restore_log(ARCHIVE)


@attack
def old_super_log(town):
    town.restore_log("super")


@attack
def old_super_log_checkpoint(town):
    path = town.ledger / "super" / "checkpoint"
    before = path.read_bytes()
    shutil.copy(town.past / "data" / "ledger" / "super" / "checkpoint", path)
    assert path.read_bytes() != before


@attack
def delete_super_log(town):
    shutil.rmtree(town.ledger / "super")


@attack
def delete_tree(town):
    shutil.rmtree(town.ledger / DEAD)


def under_his_key(folder):
    """Give a log's folder to the attacker's key."""
    from sekimori.ledger.tlog.disk import LocalTree
    from sekimori.ledger.tlog.shelf import Shelf

    size = int((folder / "checkpoint").read_text().splitlines()[1])
    root = read_edge(Shelf(folder, LocalTree()), size).frontier().root()
    (folder / "checkpoint").write_bytes(sign_checkpoint(size, root, EVIL).pack())
    (folder / "log.vkey").write_text(f"{log_verifier(EVIL.public).vkey}\n")
    (folder / "log.pub").write_text(ssh_line(EVIL.public))


@attack
def replace_key_file(town):
    path = town.ledger / "super" / "checkpoint"
    before = path.read_bytes()
    under_his_key(town.ledger / "super")
    path.write_bytes(before)


@attack
def plant_super_log(town):
    shutil.copytree(town.ledger / "super", town.ledger / "super-9")
    under_his_key(town.ledger / "super-9")


@attack
def plant_tree(town):
    shutil.copytree(town.ledger / FIRST, town.ledger / "gate-1-9-2026Q2")


@attack
def endless_file(town):
    pipe, link = newest(town, FIRST, "entries"), town.ledger / FIRST / "tile" / "entries" / "000"
    for path in (pipe, link):
        path.unlink()
    os.mkfifo(pipe)
    link.symlink_to("/dev/zero")


@attack
def folder_for_file(town):
    bundles = [newest(town, tree, "entries") for tree in (FIRST, "super")]
    for path in (*bundles, town.ledger / LATER / "checkpoint"):
        put("folder", path)


@attack
def delete_last_check(town):
    state = town.ledger / "verified.json"
    write_verified(state, town.house.store_keys.store_key, town.verify().verified)
    state.unlink()


@attack
def delete_stamps(town):
    stamps = town.ledger / "timestamps" / "tsa" / "2026-04-01"
    stamps.mkdir(parents=True)
    (stamps / "120000-9.tsr").write_bytes(b"stamp")
    assert town.verify().ok
    shutil.rmtree(town.ledger / "timestamps")


# --- the spool ---------------------------------------------------------------------------------------


def gate(town: Town, segment_bytes: int = 1 << 20) -> Worker:
    """Start a worker of an honest gate."""
    return town.house.worker("w9-1", segment_bytes=segment_bytes)


@attack
def delete_spool_lane(town):
    worker = gate(town)
    worker.write(asked("a"))
    town.house.archivist.run_once()
    worker.write(answered("a"))
    worker.die()
    shutil.rmtree(town.house.spool / "w9-1")


@attack
def delete_unknown_lane(town):
    worker = gate(town)
    worker.write(asked("a"))
    worker.die()
    shutil.rmtree(town.house.spool / "w9-1")


@attack
def delete_spool_segment(town):
    worker = gate(town, segment_bytes=70_000)
    for number in range(12):
        worker.write(asked(f"a{number}", prompt=os.urandom(8_000).hex()))
    worker.die()
    *_, last = segments(town.house.spool / "w9-1")
    assert last > 1
    segment_path(town.house.spool / "w9-1", last).unlink()


@attack
def delete_spool_segment_like_a_crash(town):
    delete_spool_segment(town)
    *_, last = segments(town.house.spool / "w9-1")
    path = segment_path(town.house.spool / "w9-1", last)
    os.truncate(path, 70_000 + path.stat().st_size)


def waiting(town) -> Path:
    """Leave three commits of a dead worker in the spool."""
    worker = gate(town)
    for number in range(3):
        worker.write(asked(f"a{number}"))
    worker.die()
    return segment_path(town.house.spool / "w9-1", 1)


@attack
def cut_spool_tail(town):
    path = waiting(town)
    data = path.read_bytes()
    at = data.rindex(frames.FRAME_MAGIC)
    path.write_bytes(data[:at] + bytes(len(data) - at))


@attack
def edit_spool(town):
    path = waiting(town)
    data = bytearray(path.read_bytes())
    data[data.index(frames.FRAME_MAGIC) + 60] ^= 1
    path.write_bytes(data)


@attack
def forge_spool(town):
    """A lane of version 1, which had no leaves."""
    folder = town.house.spool / "w9-1"
    folder.mkdir(parents=True)
    chain = SegmentSealer(town.house.public).open_segment()
    header = frames.pack_header(SegmentHeader("w9-1", 1, 1, chain.preamble, version=1))
    plaintext = frames.pack_entries([encode(keyed(asked("forged")))])
    head = frames.new_head(len(plaintext) + frames.SEAL_BYTES, 0, 1, 1)
    frame = frames.pack_frame(head, chain.seal(plaintext, frames.context(header, head.bound)))
    segment_path(folder, 1).write_bytes(header + frame + bytes(4096))
    (folder / LOCK).touch()


def forged_with(town, signer) -> None:
    """Even many times more than are looked at."""
    worker = gate(town)
    for number in range(4):
        commit(worker._writer, "w9-1", asked(f"forged-{number}"), answered(f"forged-{number}"), signer=signer)
    worker.close()


@attack
def forge_spool_signed(town):
    forged_with(town, LeafSigner(EVIL))


@attack
def forge_spool_named(town):
    forged_with(town, Liar(GATE))


@attack
def put_spool_lane_back(town):
    house = town.house
    worker = gate(town)
    worker.write(asked("a"), answered("a"))
    worker.close()
    shutil.copytree(house.spool / "w9-1", town.folder / "kept")
    settle(house)
    assert lanes(house.spool) == []
    before = town.values("SELECT count(*) FROM entry")
    shutil.copytree(town.folder / "kept", house.spool / "w9-1")
    settle(house)
    assert lanes(house.spool) == []
    assert town.values("SELECT count(*) FROM entry") == before


@attack
def lie_in_marker(town):
    gate(town).die()
    (town.house.spool / "w9-1" / SHIPPED).write_bytes(b'{"position":"1:0:0:999","done":true}')


@attack
def break_marker(town):
    gate(town).die()
    (town.house.spool / "w9-1" / SHIPPED).mkdir()


@attack
def endless_marker(town):
    gate(town).die()
    put("pipe", town.house.spool / "w9-1" / SHIPPED)


@attack
def endless_lock(town):
    put("pipe", waiting(town).with_name(LOCK))


@attack
def endless_segment(town):
    put("pipe", waiting(town))


# --- older copies ------------------------------------------------------------------------------------


@attack
def restore_database(town):
    town.restore_database()


@attack
def restore_database_from_before_an_erasure(town):
    erase(town.house, "r018", event="erasure-2")
    town.restore_database(starts=False)
    with pytest.raises(KeyAccessError, match="destroyed or is not here"):
        found(town.house.engine, town.house.store_keys)


@attack
def restore_files(town):
    town.restore_files()


@attack
def restore_database_and_files(town):
    town.restore_files()
    town.restore_database()


@attack
def restore_lock_store(town):
    town.restore_locks()


@attack
def restore_all(town):
    town.restore_files()
    town.restore_locks()
    town.restore_database()


@attack
def restore_files_and_lock_store(town):
    town.restore_files()
    town.restore_locks()
