"""Grants of the register become policy, and what is stopped there reaches the workers' folder at once."""

from __future__ import annotations

import msgspec
import pytest

from sekimori.errors import PolicyFileError
from sekimori.governance.acknowledgement import Acknowledge
from sekimori.governance.actors import clock
from sekimori.governance.conversation import Seen, note_exchanges
from sekimori.governance.grant import Grant, RevokeGrant, SuspendGrant
from sekimori.governance.limiting import SuspendUse
from sekimori.governance.notices import NoticeText, PublishNotice, WriteNotice
from sekimori.governance.registering import SuspendService
from sekimori.governance.use_rules import use_rules_for
from sekimori.policy.decide import decide
from sekimori.policy.document import plain_host
from sekimori.policy.facts import Facts
from sekimori.policy.flat import load_flat
from sekimori.policy.standing import Standing
from sekimori.policy.standing_file import load_standing
from sekimori.store.compiling import Compiler
from sekimori.store.engine import session
from sekimori.store.events import POLICY, Event, EventRepo
from sekimori.store.governing import changed_since
from sekimori.store.people import PersonRepo
from sekimori.store.policies import PolicyRepo
from sekimori.store.publish import Publisher, Seals
from sekimori.store.publishing_folder import PublishingFolder
from sekimori.store.registered import GrantRegister, StandingRegister
from sekimori.store.standing import ISSUE_EVERY_US, StandingPublisher
from sekimori.vault.pointers import STANDING, PointerSigner, PointerVerifier, StandingPointer
from sekimori.vault.published import PolicySeal
from support.governed import Stored
from support.offices import DAY, HANAKO, NOW, SAKI, SHO

SEAL = PolicySeal(bytes(range(32)))
SIGNER = PointerSigner(bytes(range(32)))
VERIFIER = PointerVerifier.of(SIGNER)


class Barrier:
    """A house whose register is published, as the publisher's process does it."""

    def __init__(self, house):
        self.house = house
        self.office = Stored(house)
        self.folder = house.folder / "policy"
        self.source = StandingRegister(self.changes, self.rules, house.names)
        self.register = GrantRegister(self.changes, self.rules, catalogue_flags=lambda _: ())
        self.standings = self.new_standings()
        self.noted = []
        compiler = Compiler(profile="gov", catalogue="1", catalogue_flags=lambda _: (), check_host=plain_host)
        self.publisher = Publisher(
            house.engine,
            self.folder,
            seals=Seals(house.names, house.names, SEAL, SIGNER),
            compiler=compiler,
            clock=self.office.hands,
            register=self.register,
            note=self.note,
        )

    def new_standings(self):
        return StandingPublisher(
            self.house.engine,
            PublishingFolder(self.folder, SEAL),
            signer=SIGNER,
            source=self.source,
            clock=self.office.hands,
        )

    def changes(self, connection, nouns, after):
        return changed_since(connection, self.house.store_keys, after, nouns=nouns)

    @staticmethod
    def rules(at_us):
        return use_rules_for("gov", at_us)

    def note(self, connection, snapshot, source):
        self.noted.append(snapshot.hash)
        event = Event(said={"snapshot": snapshot.hash, "source": source})
        EventRepo(connection, self.house.cipher).add(f"policy-{len(self.noted)}", POLICY, NOW, event)

    def standing(self) -> Standing:
        self.standings.publish()
        pointer = VERIFIER.read((self.folder / STANDING).read_bytes(), StandingPointer, STANDING)
        return load_standing(SEAL.read(self.folder, "standing", pointer.standing), pointer.standing)

    def decide(self, user="hanako", **changes):
        current = self.publisher.publish()
        snapshot = load_flat(SEAL.read(self.folder, "flat", current.flat), current.flat)
        asked = Facts(
            time_us=self.office.hands(), host="chat.example.com", user=user, service="chat", model="m"
        )
        return decide(asked, snapshot, self.standing())


@pytest.fixture
def barrier(house):
    return Barrier(house)


@pytest.mark.req("MOU-1-4", "MOU-1-11")
def test_what_an_authority_granted_passes_from_the_next_publication_on(barrier):
    assert barrier.decide().verdict == "deny"
    barrier.office.ready()
    barrier.office.granted()
    assert barrier.decide().verdict == "allow"
    assert barrier.decide(user="nobody").verdict == "deny"


def test_a_new_policy_is_noted_for_the_ledger_once(barrier):
    barrier.office.ready()
    barrier.office.granted()
    first = barrier.publisher.publish()
    barrier.publisher.publish()
    assert barrier.noted[-1:] == [first.policy]
    assert len(barrier.noted) == len(set(barrier.noted))
    barrier.house.settle()
    assert barrier.house.verify().faults == ()


STOPS = [
    pytest.param(SAKI, lambda grant: SuspendGrant(grant, "調査"), "DENY_SUSPENDED", id="the grant suspended"),
    pytest.param(SAKI, lambda grant: RevokeGrant(grant, "終了"), "DENY_SUSPENDED", id="the grant revoked"),
    pytest.param(
        SAKI, lambda _: SuspendService("chat", "調査"), "DENY_SUSPENDED", id="the service suspended"
    ),
    pytest.param(SAKI, lambda _: SuspendUse("chat", "調査"), "DENY_SUSPENDED", id="its use stopped"),
]


@pytest.mark.req("MOU-1-6", "MOU-1-7", "UK-423-2d")
@pytest.mark.parametrize(("actor", "stop", "reason"), STOPS)
def test_what_is_stopped_is_stopped_before_any_policy_is_compiled(barrier, actor, stop, reason):
    barrier.office.ready()
    barrier.office.granted()
    assert barrier.decide().verdict == "allow"
    current = barrier.publisher.publish()
    snapshot = load_flat(SEAL.read(barrier.folder, "flat", current.flat), current.flat)
    (grant,) = barrier.office.all(Grant)
    barrier.office.do(actor, stop(grant.id))
    asked = Facts(time_us=NOW, host="chat.example.com", user="hanako", service="chat", model="m")
    decision = decide(asked, snapshot, barrier.standing())
    assert decision.reasons[0].code.value == reason


def test_a_disabled_account_is_named_as_soon_as_it_is_disabled(barrier):
    with session(barrier.house.engine) as opened:
        PersonRepo(opened, barrier.house.names).add("hanako", now_us=NOW)
    assert not barrier.standing().disables("hanako")
    with session(barrier.house.engine) as opened:
        PersonRepo(opened, barrier.house.names).set_disabled("hanako", disabled=True, now_us=NOW)
    assert barrier.standing().disables("Hanako")


@pytest.mark.req("MOU-1-12", "MOU-2-8")
def test_notices_and_what_is_overdue_are_told_by_person(barrier):
    office = barrier.office
    office.risks().scope().service()
    text = NoticeText("表題", "注意")
    office.do(SAKI, WriteNotice("n", "*", text))
    office.do(SHO, PublishNotice("n", text.sha256))
    office.do(HANAKO, Acknowledge("n", 1, text.sha256))
    seen = [Seen("hanako", "chat", 25, NOW, NOW), Seen("miki", "chat", 1, NOW, NOW)]
    office.governing.carry_out(lambda state, at, rules: note_exchanges(state, seen, clock(), at, rules))
    standing = barrier.standing()
    assert standing.due("hanako", "chat", "2026-06-01", terms_of_service=True) == ()
    assert [n.id for n in standing.due("miki", "chat", "2026-06-01", terms_of_service=True)] == ["n"]
    (owed,) = standing.owes("hanako", "chat")
    assert (owed.unanswered, len(owed.conversations)) == (25, 1)
    assert standing.owes("miki", "chat") == ()
    office.hands.at_us = NOW + 9 * DAY
    assert len(barrier.standing().owes("miki", "chat")) == 1


def test_nothing_is_written_while_nothing_changes_and_it_is_issued_anew_each_minute(barrier):
    first, before = barrier.standings.publish(), barrier.standing()
    assert barrier.standings.publish() == first
    barrier.office.hands.at_us += ISSUE_EVERY_US
    later = barrier.standings.publish()
    assert (later.standing, later.serial > first.serial) == (first.standing, True)
    assert barrier.standing() == before


def test_a_publisher_that_starts_anew_goes_on_from_what_is_published(barrier):
    first = barrier.standings.publish()
    assert barrier.new_standings().publish() == first


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.unlink(), id="deleted"),
        pytest.param(lambda path: path.write_bytes(b"{"), id="broken"),
        pytest.param(
            lambda path: path.write_bytes(
                msgspec.json.encode(
                    PointerSigner(bytes(32)).sign(
                        msgspec.json.decode(path.read_bytes(), type=StandingPointer)
                    )
                )
            ),
            id="signed with another key",
        ),
    ],
)
def test_a_spoilt_publication_is_made_anew_by_the_next_start(barrier, spoil):
    first = barrier.standings.publish()
    spoil(barrier.folder / STANDING)
    barrier.standings = barrier.new_standings()
    assert barrier.standing().suspended_grants == frozenset()
    assert barrier.standings.publish().serial >= first.serial


def test_a_mirror_takes_over_only_what_changed(barrier):
    barrier.office.ready()
    barrier.office.granted()
    asked = []
    whole = barrier.changes

    def counted(connection, nouns, after):
        for found in whole(connection, nouns, after):
            asked.append(found[1].noun)
            yield found

    source = StandingRegister(counted, barrier.rules, barrier.house.names)
    with barrier.house.engine.connect() as connection:
        source.standing(connection, NOW)
        del asked[:]
        source.standing(connection, NOW)
    assert asked == []
    (grant,) = barrier.office.all(Grant)
    barrier.office.do(SAKI, SuspendGrant(grant.id, "調査"))
    with barrier.house.engine.connect() as connection:
        assert source.standing(connection, NOW).stops_grant(grant.id)
    assert asked == ["grant"]


def test_a_file_that_no_longer_compiles_delays_no_suspension(barrier):
    barrier.office.ready()
    barrier.office.granted()
    barrier.decide()
    with session(barrier.house.engine) as opened:
        PolicyRepo(opened, barrier.house.names).apply("a.yaml", "services: 7", by="x", now_us=NOW)
    with pytest.raises(PolicyFileError):
        barrier.publisher.publish()
    (grant,) = barrier.office.all(Grant)
    barrier.office.do(SAKI, SuspendGrant(grant.id, "調査"))
    assert barrier.standing().stops_grant(grant.id)


def test_a_file_that_too_few_signed_is_no_policy_where_two_must_sign(house):
    compile_all = Compiler(
        profile="gov", catalogue="1", catalogue_flags=lambda _: (), check_host=plain_host, signatures_needed=2
    )
    text = "services:\n  - {id: a, hosts: [a.example]}\n"
    with session(house.engine) as opened:
        repo = PolicyRepo(opened, house.names)
        repo.apply("a.yaml", text, by="x", now_us=NOW, signed_by=("one",))
        with pytest.raises(PolicyFileError, match="signed"):
            compile_all(repo.current(), NOW)
        repo.apply("a.yaml", text, by="x", now_us=NOW, signed_by=("one", "two"))
        found = compile_all(repo.current(), NOW)
    assert (set(found.services), found.unsigned) == ({"a"}, False)
