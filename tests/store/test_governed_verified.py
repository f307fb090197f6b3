"""Attacks on what is governed by somebody who writes in the database, and some by whoever holds the keys."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text

from sekimori.governance.actors import clock
from sekimori.governance.change import Change
from sekimori.governance.conversation import Seen, note_exchanges
from sekimori.governance.grant import SuspendGrant
from sekimori.store.engine import writing
from sekimori.store.events import EventRepo
from sekimori.store.governing.sealing import GovernedSeal
from sekimori.store.tables import EVENT, GOVERNED, GOVERNED_EVENT, STATEMENT
from support.governed import Stored, exchanged
from support.offices import NOW, SAKI


@pytest.fixture
def office(house):
    """An office with a grant, all of which stands in the trees."""
    stored = Stored(house)
    stored.ready().granted()
    exchanged(house)
    settled(house)
    assert house.verify().faults == ()
    return stored


def settled(house):
    for _ in range(4):
        house.settle()


def copied(house, table, where):
    with house.outsider() as outsider:
        return [dict(row) for row in outsider.execute(select(table).where(where)).mappings()]


def tables_of(house):
    return {(fault.table, fault.what) for fault in house.verify().faults}


def test_every_event_has_a_leaf(office):
    house = office.house
    with house.outsider() as outsider:
        named = set(outsider.execute(select(GOVERNED_EVENT.c.event)).scalars())
        stated = set(outsider.execute(select(STATEMENT.c.id).where(STATEMENT.c.kind == "governed")).scalars())
        envelopes = b"".join(outsider.execute(select(STATEMENT.c.envelope)).scalars())
    assert named == stated
    assert not [word for word in (b"hanako", b"taro", b"jiro", b"chat") if word in envelopes]
    assert house.verify().counts["governed_event"] >= len(named) > 10


ATTACKS = [
    pytest.param("DELETE FROM governed_event WHERE n = 3", ("governed_event", "missing"), id="an event goes"),
    pytest.param(
        "DELETE FROM governed_event WHERE n = (SELECT max(n) FROM governed_event)",
        ("governed_event", "missing"),
        id="the newest event goes",
    ),
    pytest.param(
        "DELETE FROM governed_event WHERE n = 1", ("governed_event", "missing"), id="the first goes"
    ),
    pytest.param(
        "UPDATE governed_event SET n = 10000 WHERE n = 3", ("governed_event", "extra"), id="one is moved"
    ),
    pytest.param("DELETE FROM governed_event", ("governed_event", "missing"), id="all events go"),
    pytest.param("DELETE FROM governed WHERE noun = 'grant'", ("governed", "missing"), id="a grant goes"),
    pytest.param("DELETE FROM governed", ("governed", "missing"), id="all things go"),
    pytest.param(
        "UPDATE governed SET version = version + 1 WHERE noun = 'grant'",
        ("governed", "altered"),
        id="a version is edited",
    ),
    pytest.param(
        "UPDATE governed SET tenant = 'other' WHERE noun = 'grant'",
        ("governed", "missing"),
        id="a grant is given to another organisation",
    ),
    pytest.param(
        "DELETE FROM governed_key WHERE noun = 'grant'",
        ("governed_key", "missing"),
        id="nothing finds a grant",
    ),
    pytest.param(
        "UPDATE governed_key SET noun = 'report' WHERE noun = 'conversation'",
        ("governed_key", "extra"),
        id="what finds it leads nowhere",
    ),
    pytest.param("DELETE FROM event WHERE kind = 'governed'", ("event", "missing"), id="the orders go"),
]


@pytest.mark.parametrize(("statement", "fault"), ATTACKS)
def test_an_attack_is_named(office, statement, fault):
    office.house.edit(statement)
    assert fault in tables_of(office.house)


def test_two_things_that_changed_places_are_named(office):
    house = office.house
    with house.outsider() as outsider:
        one, two = outsider.execute(select(GOVERNED).where(GOVERNED.c.noun == "conversation")).all()
        for row, other in ((one, two), (two, one)):
            change = GOVERNED.update().where(GOVERNED.c.noun == row.noun, GOVERNED.c.token == row.token)
            outsider.execute(change.values(sealed=other.sealed))
    assert ("governed", "altered") in tables_of(house)


@pytest.mark.parametrize("events", [False, True], ids=["the thing alone", "its newest event goes with it"])
def test_an_older_state_put_back_whole_is_named(office, events):
    house = office.house
    (old,) = copied(house, GOVERNED, GOVERNED.c.noun == "grant")
    office.do(SAKI, SuspendGrant("g-a1", "漏えいの疑い"))
    settled(house)
    assert house.verify().ok
    with house.outsider() as outsider:
        outsider.execute(GOVERNED.update().where(GOVERNED.c.noun == "grant").values(**old))
        if events:
            last = select(GOVERNED_EVENT.c.n).order_by(GOVERNED_EVENT.c.n.desc()).limit(1)
            outsider.execute(GOVERNED_EVENT.delete().where(GOVERNED_EVENT.c.n == last.scalar_subquery()))
    found = tables_of(house)
    assert (("governed_event", "missing") if events else ("governed", "altered")) in found


def test_even_the_holder_of_the_store_key_cannot_rewrite_what_a_leaf_commits_to(office):
    house = office.house
    seal = GovernedSeal(house.store_keys.policies)
    with writing(house.engine) as connection:
        (row,) = connection.execute(select(GOVERNED_EVENT).where(GOVERNED_EVENT.c.n == 2)).all()
        told = seal.open_event(row)
        forged = told._replace(text=told.text.replace(b"summary", b"another"))
        assert forged != told
        key = seal.key(row.tenant, row.noun, told.event.id)
        sealed = seal.seal_event(key, row.n, row.event, row.time_us, forged)
        connection.execute(GOVERNED_EVENT.update().where(GOVERNED_EVENT.c.n == 2).values(sealed=sealed))
    assert ("governed_event", "2", "altered") in house.faults()


def test_an_event_that_no_leaf_commits_to_is_extra(office):
    house = office.house
    with house.outsider() as outsider:
        (row,) = outsider.execute(select(GOVERNED_EVENT).where(GOVERNED_EVENT.c.n == 2)).mappings()
        last = outsider.execute(text("SELECT max(n) FROM governed_event")).scalar_one()
        outsider.execute(GOVERNED_EVENT.insert().values(**{**row, "n": last + 1}))
    assert ("governed_event", str(last + 1), "extra") in house.faults()


def test_what_was_not_stated_yet_is_checked_by_its_order(house):
    stored = Stored(house)
    stored.ready()
    house.archivist.run_once()
    stored.granted()
    assert house.verify().ok
    with writing(house.engine) as connection:
        waiting = EventRepo(connection, house.cipher).waiting(100)
    assert waiting
    house.edit("DELETE FROM governed_event WHERE n = (SELECT max(n) FROM governed_event)")
    assert ("governed_event", "missing") in tables_of(house)


def test_many_events_at_once_are_several_leaves(house):
    exchanged(house, *(f"user{number}" for number in range(1100)))
    with house.outsider() as outsider:
        assert len(outsider.execute(select(EVENT.c.id)).all()) == 3
    settled(house)
    assert house.verify().ok
    assert house.verify().counts["governed"] == 1100


def test_a_text_in_a_key_of_bytes_is_named(embedded):
    exchanged(embedded)
    settled(embedded)
    embedded.edit("UPDATE governed_key SET token = token || token")
    assert ("governed_key", "altered") in tables_of(embedded)


def test_a_thing_that_was_made_and_changed_at_once_is_intact(house):
    stored = Stored(house)

    def twice(state, at_us, rules):
        first = note_exchanges(state, [Seen("hanako", "chat", 1, NOW, NOW)], clock(), at_us, rules)
        then = note_exchanges(first.state, [Seen("hanako", "chat", 1, NOW, NOW)], clock(), at_us, rules)
        return Change(then.state, (*first.events, *then.events), then.values)

    stored.governing.carry_out(twice)
    (talk,) = stored.governing.list("conversation")
    assert (talk.version, talk.exchanges) == (2, 2)
    assert [each.version for each in stored.governing.history("conversation", talk.id)] == [1, 2]
    settled(house)
    assert house.verify().faults == ()
