"""The archivist's chore: what lanes hold becomes duties, once, whatever is restarted in between."""

from __future__ import annotations

import hashlib
import itertools

import pytest

from sekimori.governance.acknowledgement import Acknowledgement
from sekimori.governance.actors import SECURITY_OFFICER, Actor
from sekimori.governance.conversation import Conversation, conversation_id
from sekimori.governance.feedback import Feedback
from sekimori.governance.notices import NoticeText, PublishNotice, WriteNotice
from sekimori.governance.said import KIND, SaidAnswer, SaidRead, write
from sekimori.ledger.record import Body, Intent
from sekimori.store.counting import Counting
from sekimori.store.governing import Governing
from support.evidence import START_US, Worker, answered, asked, refused
from support.spool import key_of

SAKI, SHO = (Actor(name, frozenset({SECURITY_OFFICER})) for name in ("saki", "sho"))
SECOND = 1_000_000
IDS = itertools.count(1)


class Office:
    """An archivist with its chore, whose clock only moves when told."""

    def __init__(self, house, recent=None) -> None:
        self.house = house
        self.recent = recent
        self.now = START_US
        self.lanes: dict[str, Worker] = {}
        self.restart()
        self.step()

    def restart(self) -> None:
        self.governing = Governing(
            self.house.engine,
            self.house.store_keys,
            clock=lambda: self.now,
            new_id=self.new_id,
            profile="enterprise",
        )
        self.chore = Counting(
            self.house.engine,
            self.house.store_keys,
            self.governing,
            clock=lambda: self.now,
            alarm=self.house.notes.alarm,
            sample_key=b"s" * 32,
            recent=self.recent,
        )

    def new_id(self) -> str:
        return f"ID{next(IDS):018d}"

    def step(self) -> None:
        """Let a second pass and the chore do all it finds."""
        self.now += SECOND
        while self.chore.step():
            pass

    def write(self, lane: str, *entries) -> None:
        """Write entries to a lane and let the archivist take them."""
        worker = self.lanes.get(lane) or self.house.worker(lane)
        self.lanes[lane] = worker
        worker.write(*entries)
        self.house.archivist.run_once()

    def get(self, kind, id_):
        with self.governing.state() as state:
            return state.find(kind, id_)


@pytest.fixture(params=["just stored", "opened again"])
def office(house, request):
    """An office whose chore gets what was stored from the archivist, or from the database alone."""
    return Office(house, house.recent if request.param == "just stored" else None)


def said(rid: str, entry, text: bytes = b"") -> Intent:
    """Return the record of what somebody said at the gate."""
    digest = hashlib.sha256(text).hexdigest() if text else ""
    return Intent(
        rid=rid,
        key=key_of(rid),
        time_us=START_US,
        user="yamada",
        user_source="basic",
        service="openai-api",
        host="api.openai.com",
        method="POST",
        path="/.sekimori/",
        decision="allow",
        details=(write(entry),),
        rule="gate",
        kind=KIND,
        parse="parsed",
        body=Body(
            sha256=digest, size=len(text), stored=text, stored_sha256=digest, content_type="text/plain"
        ),
    )


TALK = conversation_id("yamada", "openai-api", START_US)


@pytest.mark.req("MOU-2-8")
def test_exchanges_that_passed_are_counted_and_nothing_else(office):
    office.write(
        "w0-1",
        asked("A"),
        answered("A"),
        asked("B", conversation="named"),
        asked("C", kind="model-list"),
        asked("D", mode="websocket", kind="realtime"),
        asked("E", mode="turn", kind="realtime", session="D"),
        refused("F"),
    )
    office.step()

    assert office.get(Conversation, TALK).exchanges == 1
    assert office.get(Conversation, conversation_id("yamada", "openai-api", START_US, "named")).exchanges == 1
    assert office.get(Conversation, conversation_id("yamada", "openai-api", START_US, "D")).exchanges == 1


def test_after_a_restart_counting_goes_on_where_it_was(office):
    office.write("w0-1", asked("A"))
    office.step()
    office.restart()
    office.step()
    office.write("w0-1", asked("B"))
    office.step()

    assert office.get(Conversation, TALK).exchanges == 2


def test_what_was_there_before_the_first_start_is_not_owed(house):
    before = house.worker("w0-1")
    before.write(asked("A"))
    house.archivist.run_once()
    office = Office(house)
    before.write(asked("B"))
    house.archivist.run_once()
    office.step()

    assert office.get(Conversation, TALK).exchanges == 1


@pytest.mark.req("MOU-1-12", "MOU-2-8")
def test_what_was_said_at_the_gate_is_carried_out(office):
    text = NoticeText(title="注意", ja="必ず確認")
    office.governing.perform(WriteNotice("read-me", "*", text), SAKI)
    office.governing.perform(PublishNotice("read-me", text.sha256), SHO)
    office.write("w0-1", asked("A"))
    office.step()
    office.write(
        "w0-1",
        said("R", SaidRead((("read-me", 1, text.sha256),), "page")),
        said("S", SaidAnswer("openai-api", (TALK,), "WRONG"), "数字が違う".encode()),
        said("T", SaidRead((("read-me", 7, "0" * 64),), "page")),
    )
    office.step()

    assert office.get(Acknowledgement, "read-me:yamada").number == 1
    given = office.get(Feedback, "f-S")
    assert (given.answer, given.text, given.discharges) == ("WRONG", "数字が違う", True)
    assert office.get(Conversation, TALK).unanswered == 0


def test_what_a_client_could_have_written_is_never_taken_for_what_was_said(office):
    entry = SaidAnswer("openai-api", (TALK,), "USEFUL")
    office.write("w0-1", asked("A"), asked("B", kind="generate", details=(write(entry),)))
    office.step()

    assert office.get(Feedback, "f-B") is None
    assert office.get(Conversation, TALK).unanswered == 2


def test_two_archivists_that_share_a_database_count_nothing_twice(office, house):
    office.write("w0-1", asked("A"))
    other = Office(house)
    other.lanes = office.lanes
    other.write("w0-1", asked("B"), asked("C"))
    office.step()
    other.step()
    other.write("w0-1", asked("D"))
    other.step()
    office.step()

    assert office.get(Conversation, TALK).exchanges == 4


def test_what_cannot_be_opened_is_an_alarm_once_and_the_archivist_goes_on(office):
    office.write("w0-1", asked("A"))
    office.step()
    office.house.edit("UPDATE governed SET sealed = (SELECT MIN(sealed) FROM governed_event)")
    office.write("w0-1", asked("B"))
    office.step()
    office.step()

    assert [each.partition(":")[0] for each in office.house.notes.alarms] == [
        "What people owe can't be counted"
    ]
