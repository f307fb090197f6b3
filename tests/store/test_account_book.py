"""What is done to accounts: each act an event of the ledger, whoever did it, and no secret in any of them."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import select, text

from sekimori.errors import UsageError
from sekimori.governance.accounts import AccountKept
from sekimori.policy.agentkeys import new_key
from sekimori.store.account_book import AccountBook, FindingAccounts
from sekimori.store.api_tokens import ApiToken, hashed
from sekimori.store.engine import reading, session
from sekimori.store.governing import Governing, state_on
from sekimori.store.people import PersonRepo
from sekimori.store.tables import STATEMENT
from sekimori.vault.names import NameSeal

NOW = 1_780_000_000_000_000
PEOPLE = NameSeal(b"p" * 32)
SECRET = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g"


class Desk:
    """Somebody who changes accounts, with the book or without."""

    def __init__(self, house):
        self.house = house
        self.clock = house.clock
        self.ids = iter(range(1, 1000))
        self.book = AccountBook(
            house.store_keys.store_key, clock=self.clock, new_id=lambda: f"act-{next(self.ids)}"
        )
        self.alarms: list[str] = []
        self.finding = FindingAccounts(
            house.engine, PEOPLE, self.book, clock=self.clock, alarm=self.alarms.append
        )

    def do(self, act, *, by="os: root"):
        with session(self.house.engine) as opened:
            account = act(PersonRepo(opened, PEOPLE))
            if by:
                self.book.note(opened.connection(), [account], by=by)
        return account

    def history(self, name="hanako"):
        governing = Governing(
            self.house.engine, self.house.store_keys, clock=self.clock, new_id=lambda: "x", profile="gov"
        )
        return [(event.kind, event.by) for event in governing.history("account", name)]

    def kept(self, name="hanako"):
        with reading(self.house.engine) as connection:
            return state_on(connection, self.house.store_keys).get(AccountKept, name)

    def find(self):
        while self.finding.step():
            pass


@pytest.fixture
def desk(house):
    return Desk(house)


def verified(desk):
    desk.house.settle()
    desk.house.settle()
    assert desk.house.faults() == set()


def named(desk):
    return {(table, what) for table, _, what in desk.house.faults()}


def test_each_thing_that_is_done_to_an_account_is_an_event_with_its_author(desk):
    text_, key = new_key(lambda size: b"k" * size, grant="g1", label="夜間", now_us=NOW)
    token = ApiToken("t1", hashed("secret"), "x", ("read",), NOW, NOW + 1)
    desk.do(lambda people: people.add("Hanako", now_us=NOW, groups=["soumu"], password=SECRET))
    desk.do(lambda people: people.set_memberships("hanako", groups=["soumu"], roles=["auditor"], now_us=NOW))
    desk.do(lambda people: people.set_password("hanako", SECRET + "2", now_us=NOW))
    desk.do(lambda people: people.set_proxy_password("hanako", SECRET + "3", now_us=NOW))
    desk.do(lambda people: people.add_key("hanako", key, now_us=NOW))
    desk.do(lambda people: people.set_tokens("hanako", [token], now_us=NOW), by="hanako")
    desk.do(lambda people: people.set_tokens("hanako", [], now_us=NOW), by="hanako")
    desk.do(lambda people: people.revoke_key(key.id, now_us=NOW))
    desk.do(lambda people: people.set_disabled("hanako", disabled=True, now_us=NOW))
    desk.do(lambda people: people.set_disabled("hanako", disabled=False, now_us=NOW))
    verbs = ["make", "set_roles", "set_password", "set_proxy_password", "make_key"]
    verbs += ["make_token", "end_token", "revoke_key", "disable", "enable"]
    assert [kind for kind, _ in desk.history()] == [f"account.{verb}" for verb in verbs]
    assert {by for _, by in desk.history()} == {"os: root", "hanako"}
    verified(desk)
    with reading(desk.house.engine) as connection:
        leaves = connection.execute(select(STATEMENT.c.envelope).where(STATEMENT.c.kind == "governed"))
        said = b"".join(leaves.scalars())
    kept = msgspec.json.encode(desk.kept()) + said
    for secret in (SECRET, key.sha256, text_, token.sha256):
        assert secret.encode() not in kept
    assert b"hanako" not in said


def test_what_changes_nothing_is_no_event(desk):
    desk.do(lambda people: people.add("hanako", now_us=NOW, groups=["soumu"]))
    desk.do(lambda people: people.set_memberships("hanako", groups=["SOUMU"], roles=[], now_us=NOW))
    assert desk.history() == [("account.make", "os: root")]


def test_an_act_that_is_undone_leaves_no_event(desk):
    desk.do(lambda people: people.add("taro", now_us=NOW))
    with pytest.raises(UsageError):
        desk.do(lambda people: people.add("hanako", now_us=NOW) and people.add("taro", now_us=NOW))
    assert desk.history() == []


def test_what_nobody_noted_is_found_and_told_once(desk):
    desk.do(lambda people: people.add("hanako", now_us=NOW), by="")
    desk.do(lambda people: people.add("taro", now_us=NOW, roles=["auditor"]), by="")
    desk.find()
    assert desk.history() == [("account.make", "clock")]
    desk.do(lambda people: people.set_password("hanako", SECRET, now_us=NOW), by="")
    desk.find()
    desk.find()
    assert desk.history() == [("account.make", "clock"), ("account.set_password", "clock")]
    assert desk.history("taro") == [("account.make", "clock")]
    assert desk.alarms == []
    verified(desk)


def test_many_accounts_of_an_older_release_are_noted_step_by_step(desk):
    with session(desk.house.engine) as opened:
        people = PersonRepo(opened, PEOPLE)
        for number in range(120):
            people.add(f"user-{number}", now_us=NOW)
    steps = 0
    while desk.finding.step():
        steps += 1
    assert steps == 3
    with reading(desk.house.engine) as connection:
        assert len(list(state_on(connection, desk.house.store_keys).all(AccountKept))) == 120
    verified(desk)


def test_an_account_that_is_put_back_is_an_alarm_and_no_event(desk):
    desk.do(lambda people: people.add("hanako", now_us=NOW))
    with reading(desk.house.engine) as connection:
        before = connection.execute(text("SELECT sealed, updated_us FROM person")).one()
    desk.do(lambda people: people.set_disabled("hanako", disabled=True, now_us=NOW))
    with desk.house.outsider() as connection:
        connection.execute(
            text("UPDATE person SET sealed = :sealed, updated_us = :updated_us"), before._asdict()
        )
    desk.find()
    assert desk.alarms == ["Accounts were put back or taken away: 1 older, 0 gone."]
    assert named(desk) == {("person", "altered")}
    assert desk.kept().status == "DISABLED"
    assert [kind for kind, _ in desk.history()] == ["account.make", "account.disable"]


def test_an_account_that_is_gone_is_an_alarm(desk):
    for name in ("hanako", "taro"):
        desk.do(lambda people, name=name: people.add(name, now_us=NOW))
    desk.house.edit("DELETE FROM person WHERE updated_us = (SELECT max(updated_us) FROM person)")
    desk.find()
    assert desk.alarms == ["Accounts were put back or taken away: 0 older, 1 gone."]
    assert named(desk) == {("person", "missing")}


def test_verify_takes_an_act_that_is_not_noted_yet_for_no_attack_and_names_nobody(desk):
    desk.do(lambda people: people.add("hanako", now_us=NOW))
    desk.do(lambda people: people.set_password("hanako", SECRET, now_us=NOW), by="")
    desk.do(lambda people: people.add("taro", now_us=NOW), by="")
    verified(desk)
    desk.house.edit("UPDATE person SET updated_us = updated_us + 1")
    faults = desk.house.verify().faults
    assert [(fault.table, fault.what) for fault in faults] == [("person", "altered")] * 2
    assert not any(name in f"{fault}" for fault in faults for name in ("hanako", "taro"))


def test_an_event_of_an_account_that_is_altered_is_a_fault(desk):
    desk.do(lambda people: people.add("hanako", now_us=NOW))
    desk.do(lambda people: people.set_disabled("hanako", disabled=True, now_us=NOW))
    verified(desk)
    desk.house.edit("DELETE FROM governed_event WHERE n = 2")
    assert any(table in ("governed_event", "governed") for table, _, _ in desk.house.faults())
