"""What the web pages are told by the rest of the house."""

import threading

import pytest

from sekimori.catalogue.catalogue import Catalogue
from sekimori.cli.checks import only_one
from sekimori.cli.compiling import compiler
from sekimori.cli.config import Config
from sekimori.cli.opened import now_us, people_names, policy_files, policy_names, store
from sekimori.cli.units import Address
from sekimori.cli.web import host_names
from sekimori.cli.web_ports import OneSetup, PublicAuthority, PublishedPolicy, RecordedRefusals, TreeHealth
from sekimori.console.ports import RefusalNote
from sekimori.policy.reasons import Reason
from sekimori.store.publish import Publisher, Seals
from sekimori.store.tables import RECORD
from sekimori.vault.keys import KeyRing
from sekimori.vault.pointers import PointerSigner


@pytest.fixture
def engine(places):
    with store(places) as opened:
        yield opened


def seals(places):
    signer = PointerSigner(KeyRing.load_policy_signing(places.keys))
    return Seals(people_names(places), policy_names(places), policy_files(places), signer)


@pytest.fixture
def published(places, engine):
    def publish(clock=now_us):
        Publisher(
            engine,
            places.policy,
            seals=seals(places),
            compiler=compiler(Config(), Catalogue.load()),
            clock=clock,
        ).publish()

    return publish


def test_before_anything_is_published_nothing_is_well(places):
    report = TreeHealth(places, Config()).report()
    assert (report.ok, report.policy_hash, report.archivist) == (False, "", "stopped")


def test_a_fresh_policy_beside_a_running_tree_is_well(places, published):
    published()
    with only_one(places):
        report = TreeHealth(places, Config()).report()
    assert (report.ok, report.archivist, report.spool_depth) == (True, "running", 0)
    assert report.policy_age_s < 60


def test_a_policy_over_its_age_is_not_well(places, published):
    published(clock=lambda: now_us() - 3_600_000_000)
    assert not TreeHealth(places, Config()).report().ok


def test_the_first_setup_is_used_once_however_many_try(places, engine):
    setup = OneSetup(engine, people_names(places))
    waiting = setup.pending()
    assert waiting is not None
    assert waiting.name == "admin"
    won = []
    tries = [
        threading.Thread(target=lambda: won.append(setup.complete(waiting, "$argon2id$new")))
        for _ in range(4)
    ]
    for each in tries:
        each.start()
    for each in tries:
        each.join()
    assert sorted(won) == [False, False, False, True]
    assert setup.pending() is None


def test_a_reference_tells_its_reason_and_nothing_of_what_passed(engine):
    columns = {
        "lane": "w0-1", "n": 1, "time_us": 5, "mode": "http", "operation": "generate", "klass": 1, "policy": "",
        "parse": "parsed", "prompt_bytes": 0, "state": "blocked",
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(
            RECORD.insert(),
            [
                columns | {"rid": "DENIED", "decision": "deny", "reasons": "DENY_NO_GRANT DENY_MODALITY"},
                columns | {"rid": "PASSED", "decision": "allow", "reasons": ""},
            ],
        )
    refusals = RecordedRefusals(engine)
    note = refusals.note("DENIED")
    assert note == RefusalNote(Reason("DENY_NO_GRANT"), 5)
    assert (refusals.note("PASSED"), refusals.note("UNKNOWN")) == (None, None)


def test_the_pac_file_and_the_certificate_are_the_gates(places, published):
    published()
    authority = PublicAuthority(
        places, Config(), PublishedPolicy(places), Catalogue.load(), "http://gate.example:8080"
    )
    pac = authority.proxy_pac().decode()
    assert 'var PROXY = "PROXY gate.example:8080"' in pac
    assert "chatgpt.com" in pac
    assert authority.certificate_pem() == (places.keys / "gate" / "ca.pem").read_bytes()


def test_only_known_names_are_answered():
    assert host_names("https://Sekimori.example", Address("0.0.0.0", 8081)) == {
        "sekimori.example",
        "0.0.0.0:8081",
    }
    assert "localhost:8081" in host_names("http://127.0.0.1:8081", Address("127.0.0.1", 8081))
