"""An erasure reaches what somebody wrote with their feedback, and no answer, leaf or proof beside it."""

from __future__ import annotations

import os

import msgspec
import pytest
from sqlalchemy import select

from sekimori.errors import IntegrityError, UsageError
from sekimori.governance.actors import Actor, clock
from sekimori.governance.conversation import Seen, conversation_id, note_exchanges
from sekimori.governance.counting import answer_once
from sekimori.governance.feedback import AnswerAsAgent, Feedback
from sekimori.store.engine import reading, writing
from sekimori.store.erasing import Authority, Eraser
from sekimori.store.governing import state_on
from sekimori.store.governing.veiling import ERASED, Veil
from sekimori.store.holding_orders import HoldRepo
from sekimori.store.retention import DEFAULTS
from sekimori.store.retiring import Retirer
from sekimori.store.surveying import Wanted
from sekimori.store.tables import GOVERNED, GOVERNED_EVENT, STATEMENT
from support.governed import Stored
from support.offices import NOW

TEXT = "出典が存在しない。山田は困った。"
AUTHORITY = Authority("appi-35: 請求第1号", "saki", "os: root")


class Office(Stored):
    def talk(self, subject, owner=""):
        seen = [Seen(subject, "chat", 1, NOW, NOW, owner=owner)]
        self.governing.carry_out(lambda state, at, rules: note_exchanges(state, seen, clock(), at, rules))
        return conversation_id(subject, "chat", NOW, "")

    def answer(self, subject, text=TEXT, *, once=""):
        talk = self.talk(subject)
        return self.governing.carry_out(
            lambda state, at, rules: answer_once(
                state, f"t-{subject}", subject, talk, (), "WRONG", text, at, rules
            ),
            once=once,
        )

    def given(self, subject):
        return self.get(Feedback, f"f-t-{subject}")

    def erase(self, subject):
        eraser = Eraser(
            self.house.engine, self.house.store_keys, clock=self.house.clock, new_id=lambda: "erased-1"
        )
        wanted = Wanted(subject=subject)
        return eraser.preview(wanted), eraser.carry_out(wanted, AUTHORITY)


@pytest.fixture
def office(house):
    return Office(house, "enterprise")


def settled(house):
    house.settle()
    house.settle()
    assert house.faults() == set()


def kept(house):
    """Give all that an erasure must leave as it is, byte for byte."""
    with reading(house.engine) as connection:
        tables = [select(table).order_by(*table.primary_key) for table in (GOVERNED, GOVERNED_EVENT)]
        leaves = select(STATEMENT).order_by(STATEMENT.c.id).where(STATEMENT.c.kind == "governed")
        return [[tuple(row) for row in connection.execute(query)] for query in (*tables, leaves)]


def test_the_text_goes_and_everything_else_stays_byte_for_byte(office):
    office.answer("yamada")
    office.answer("miki", "役に立たない。")
    settled(office.house)
    before = kept(office.house)
    shown, done = office.erase("yamada")
    assert [(count.klass, count.records, count.data_keys) for count in shown.counts] == [("feedback", 0, 1)]
    assert (done.records, len(done.shredded.data_keys)) == (0, 1)
    settled(office.house)
    assert kept(office.house) == before
    value = office.given("yamada")
    assert (value.text, value.answer, value.by) == (ERASED, "WRONG", "yamada")
    [event] = office.governing.history("feedback", value.id)
    assert event.changed["text"] == ERASED
    assert office.given("miki").text == "役に立たない。"


def test_what_is_given_is_shown_until_then(office):
    change = office.answer("yamada")
    assert next(each for each in change.values if isinstance(each, Feedback)).text == TEXT
    assert office.given("yamada").text == TEXT
    assert [each.text for each in office.governing.list("feedback")] == [TEXT]
    assert [each.text for each in office.all(Feedback)] == [TEXT]
    assert office.governing.history("feedback", "f-t-yamada")[0].changed["text"] == TEXT


def test_a_repetition_shows_no_more_than_is_left(office):
    office.answer("yamada", once="k")
    again = office.answer("yamada", once="k")
    assert next(each for each in again.values if isinstance(each, Feedback)).text == TEXT
    office.erase("yamada")
    again = office.answer("yamada", once="k")
    assert next(each for each in again.values if isinstance(each, Feedback)).text == ERASED


def test_an_answer_without_a_text_draws_no_key(office):
    office.answer("yamada", "")
    with reading(office.house.engine) as connection:
        assert not connection.exec_driver_sql("SELECT id FROM data_key").all()
    assert office.given("yamada").text == ""


def test_a_new_epoch_leaves_the_text_readable(office):
    office.answer("yamada")
    office.house.rotate()
    assert office.given("yamada").text == TEXT
    settled(office.house)


def test_what_an_agent_wrote_goes_with_its_owner(office):
    talk = office.talk("bot-1", owner="yamada")
    bot = Actor("bot-1", frozenset())
    office.governing.perform(AnswerAsAgent("f-1", talk, "WRONG", "yamada", TEXT, "t-1"), bot)
    assert office.get(Feedback, "f-1").text == TEXT
    office.erase("yamada")
    assert office.get(Feedback, "f-1").text == ERASED
    settled(office.house)


def test_a_text_that_was_moved_to_another_answer_does_not_open(office):
    office.answer("yamada")
    with reading(office.house.engine) as connection:
        kept = state_on(connection, office.house.store_keys).get(Feedback, "f-t-yamada")
        veil = Veil(connection, office.house.store_keys, os.urandom)
        assert TEXT not in kept.text
        assert veil.lifted(kept).text == TEXT
        with pytest.raises(IntegrityError, match="altered or moved"):
            veil.lifted(msgspec.structs.replace(kept, id="f-t-miki"))


@pytest.mark.req("UPD-P2-4")
def test_the_text_goes_when_its_period_is_over(office):
    office.answer("yamada")
    settled(office.house)
    before = kept(office.house)
    late = NOW + 62 * 31 * 86_400_000_000
    retirer = Retirer(
        office.house.engine, office.house.store_keys, DEFAULTS, clock=lambda: late, new_id=lambda: "over-1"
    )
    retirer.plausible.confirm(late)
    done = retirer.run(by="os: root")
    assert done is not None
    assert [(stock.klass, stock.records, stock.due) for stock in done.due] == [("feedback", 0, "all")]
    assert office.given("yamada").text == ERASED
    settled(office.house)
    assert kept(office.house) == before


def test_a_legal_hold_of_the_person_keeps_the_text(office):
    office.answer("yamada")
    with writing(office.house.engine) as connection:
        holds = HoldRepo(connection, office.house.cipher)
        holds.place("h1", "subject", "yamada", reason="訴訟", by="os: root", now_us=NOW)
    with pytest.raises(UsageError, match="Nothing would be erased"):
        office.erase("yamada")
    assert office.given("yamada").text == TEXT
