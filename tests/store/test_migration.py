"""A store from before there were tokens: nothing is lost, names go, searches still find."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, inspect, text

from sekimori.ledger.record import Entry, Intent, Outcome
from sekimori.store import finding
from sekimori.store.log import Query
from sekimori.store.readings import read_answer
from sekimori.store.rows import index_intent, index_outcome, index_unanswered
from sekimori.vault.content import ContentCipher
from support.evidence import START_US, Installation, answered, asked, refused
from support.release1 import DATA_KEY, insert, made, seal_entry, seal_lanes, write_data_key

MONTH_US = 31 * 24 * 3600 * 1_000_000
ENTRIES: tuple[Entry, ...] = (
    asked("r1", user="fujiwara"),
    answered("r1"),
    refused("r2", user="fujiwara", time_us=START_US + 1, service="deepseek"),
    asked("r3", user="minamoto", time_us=START_US + MONTH_US),
    asked("r4", user="fujiwara", time_us=START_US + 2 * MONTH_US),
)


@pytest.fixture
def old(unmade, tmp_path):
    """A store of revision 0001 with a lane of five entries, and the keys that sealed them."""
    engine = made(unmade, "0001")
    with engine.begin() as connection:
        _fill(connection)
    engine.dispose()
    write_data_key(tmp_path.with_name(f"{tmp_path.name}-keys"))
    return unmade, bytes(range(64))


def _fill(connection: Connection) -> None:
    cipher = ContentCipher(DATA_KEY)
    intents: dict[str, Intent] = {}
    for n, entry in enumerate(ENTRIES, 1):
        answer = read_answer(intents[entry.rid], entry).answer if isinstance(entry, Outcome) else None
        row, content = seal_entry(cipher, "w1", n, entry, answer)
        insert(connection, "entry", row)
        if content:
            content.pop("time_us")
            insert(connection, "content", content)
        if isinstance(entry, Intent):
            intents[entry.rid] = entry
            readable = {
                "user_name": entry.user, "service": entry.service, "provider": entry.provider,
                "model": entry.model, "host": entry.host, "grant_id": entry.grant, "session": entry.session,
                "model_answered": None,
            }  # fmt: skip
            insert(connection, "record", index_intent("w1", n, entry) | index_unanswered(entry) | readable)
        elif isinstance(entry, Outcome) and answer:
            columns = index_outcome("w1", n, entry, answer) | {"model_answered": answer.model}
            changes = ", ".join(f"{name} = :{name}" for name in columns)
            change = text(f"UPDATE record SET {changes} WHERE rid = :rid")
            connection.execute(change, columns | {"rid": entry.rid})

    # As it was sealed then: a lane knew no node.
    figures = {"last_n": len(ENTRIES), "opened_us": 1, "closed_us": None, "torn_bytes": 0, "position": ""}
    rows, listed = seal_lanes(cipher, {"w1": figures})
    insert(connection, "lane", rows[0])
    insert(connection, "lane_list", {"id": 1, "sealed": listed})


@pytest.fixture
def house(old, tmp_path):
    database, keys = old
    installation = Installation(tmp_path, keys=keys, database=database)
    yield installation
    installation.close()


def finish(house: Installation) -> int:
    steps = 0
    while house.archivist._upkeep.step():
        steps += 1
    return steps


def found(house: Installation, query: Query) -> list[str]:
    return [shown["id"] for shown in house.log().list(query)]


@pytest.mark.parametrize("page", [500, 2])
def test_every_search_finds_the_same_before_and_after_the_tokens_are_made(house, monkeypatch, page):
    monkeypatch.setattr(finding, "_PAGE", page)

    def searches() -> list[list[str]]:
        return [
            found(house, Query(user="Fujiwara")),
            found(house, Query(user="fujiwara", service="openai-api")),
            found(house, Query(user="fujiwara", decision="deny")),
            found(house, Query(service="deepseek")),
            found(house, Query(user="nobody")),
            found(house, Query(user="fujiwara", limit=2)),
        ]

    before = searches()
    assert before == [["r1", "r2", "r4"], ["r1", "r4"], ["r2"], ["r2"], [], ["r2", "r4"]]
    assert finish(house) > 0
    assert searches() == before
    assert house.archivist._upkeep.step() is False


def test_everything_old_is_still_there_and_as_it_was(house):
    assert house.verify().faults == ()
    finish(house)
    assert house.verify().faults == ()
    assert house.verify().counts["search"] == 4 * len(("user", "service", "model", "host", "grant")) - 1
    content = house.log().content("r1", reader="sato", reader_source="os", reason="監査")
    assert "月見草" in content.prompt
    assert house.log().show("r1")["usage"]["input_tokens"] == 12


def test_tokens_are_made_in_pieces_that_a_crash_may_part(house, monkeypatch):
    monkeypatch.setattr("sekimori.store.rekeying._AT_ONCE", 2)
    house.archivist._upkeep.step()
    again = house.new_archivist()
    while again._upkeep.step():
        pass
    assert found(house, Query(user="fujiwara")) == ["r1", "r2", "r4"]


def test_no_readable_name_column_is_left(house):
    inspector = inspect(house.engine)
    columns = {
        column["name"] for table in ("record", "reading", "search") for column in inspector.get_columns(table)
    }
    assert not columns & {"user_name", "service", "model", "host", "grant_id", "session", "reader"}


# SQLite alone: a server's files are not in this folder.
@pytest.mark.parametrize("unmade", ["sqlite"], indirect=True)
def test_after_upkeep_no_file_of_the_folder_holds_an_old_name(tmp_path, old):
    database, keys = old
    assert b"fujiwara" in database.read_bytes()
    house = Installation(tmp_path, keys=keys, database=database)
    finish(house)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not [name for name in (b"fujiwara", b"minamoto", b"deepseek") if name in data], path
    house.close()
