"""``erase``, ``hold``, ``retention`` and ``keys`` as people and scripts run them."""

import asyncio
import json
import shutil

import pytest

from sekimori.cli.config import Config
from sekimori.cli.opened import now_us, people_names, store, store_keys, store_session
from sekimori.cli.trees import lock_store, log_keys
from sekimori.cli.whoami import system_user
from sekimori.ledger.spool import SpoolSettings, open_spool
from sekimori.ledger.tlog.keys import KeySigner, known_writers
from sekimori.ledger.tlog.leaf import LeafSigner
from sekimori.store.archivist import Archivist
from sekimori.store.people import PersonRepo
from sekimori.store.statements import required
from sekimori.store.trees import TreeKeeper
from sekimori.vault.keys import KeyRing
from sekimori.vault.passwords import hash_password
from sekimori.vault.sealing import SegmentOpener, SegmentSealer
from support.evidence import ANSWER, PROMPT, answered, asked
from support.spool import keyed

BASIS = ("--basis", "appi-35: 請求 2026-15", "--approver", "suzuki")


@pytest.fixture
def stored(places):
    """Two people's exchanges, stored, and two accounts."""
    asyncio.run(_spool(places, asked("R1"), answered("R1"), asked("R2", user="sato"), answered("R2")))
    with store(places) as engine, lock_store(places) as locks:
        keys = store_keys(places)
        keeper = TreeKeeper(
            engine,
            folder=places.ledger,
            logs=log_keys(places).folder,
            locks=locks,
            signing=required(keys.signing),
            cipher=keys.cipher,
            clock=now_us,
        )
        ring = KeyRing.load_archive(places.keys)
        archivist = Archivist(
            places.spool,
            opener=SegmentOpener(ring.archivist_private),
            engine=engine,
            keys=keys,
            keeper=keeper,
            writers=known_writers(ring.writers),
            clock=now_us,
        )
        archivist.run_once()
        archivist.close()
    with store_session(places) as session:
        people = PersonRepo(session, people_names(places))
        people.add("suzuki", now_us=now_us())
        people.add("tanaka", now_us=now_us())
        people.set_disabled("tanaka", disabled=True, now_us=now_us())
    return places


async def _spool(places, *entries):
    keys = KeyRing.load_recorder(places.keys)
    sealer, signer = SegmentSealer(keys.archivist_public), LeafSigner(KeySigner(keys.signing_key))
    settings = SpoolSettings(segment_bytes=1 << 20, min_free=0, record_timeout=30.0)
    writer = open_spool(places.spool, "w0-1", seal=sealer, signer=signer, settings=settings)
    for entry in entries:
        await writer.append(keyed(entry))
    await asyncio.to_thread(writer.close)


def states(run):
    return {record["id"]: record["state"] for record in run("log", "list", "--json").lines}


def test_without_yes_an_erasure_only_says_what_would_go(run, stored):
    result = run("erase", "--subject", "YAMADA", "--json")
    assert result.code == 0, result.err
    (shown,) = result.lines
    assert shown["dry_run"] is True
    assert [(count["class"], count["records"]) for count in shown["counts"]] == [("class-1", 1)]
    assert states(run) == {"R1": "complete", "R2": "complete"}
    assert {"application", "decision", "grant"} <= set(shown["stays"])
    said = run("erase", "--subject", "yamada").out
    assert "Nothing was erased. To do it" in said
    assert "Stays as an official act" in said
    assert run("erase", "--record", "R1", "--json").lines[0]["stays"] == []
    assert "Nothing would be erased." in run("erase", "--subject", "nobody").out


def test_an_approved_erasure_takes_the_person_and_nobody_else(run, stored):
    result = run("erase", "--subject", "yamada", *BASIS, "--yes", "--json")
    assert result.code == 0, result.err
    (done,) = result.lines
    assert (done["records"], done["old_epoch"], done["new_epoch"], done["living"]) == (1, 1, 2, 1)
    assert states(run) == {"R1": "erased", "R2": "complete"}
    assert PROMPT not in run("log", "show", "R1", "--content", "--reason", "test").out
    assert ANSWER in run("log", "show", "R2", "--content", "--reason", "test").out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(("--basis", "court"), "legal basis and an approver", id="nobody approved"),
        pytest.param(("--approver", "suzuki"), "legal basis and an approver", id="no basis"),
        pytest.param(
            ("--basis", "appi35: 請求", "--approver", "suzuki"), "Write one of appi-22", id="no code"
        ),
        pytest.param(
            ("--basis", "restored", "--approver", "suzuki"), "begins with no code", id="not for people"
        ),
        pytest.param(("--basis", "court", "--approver", "nobody"), "no enabled account", id="unknown"),
        pytest.param(("--basis", "court", "--approver", "tanaka"), "no enabled account", id="disabled"),
        pytest.param((*BASIS, "--by", "Suzuki"), "their own erasure", id="one person for both"),
    ],
)
def test_an_erasure_takes_four_eyes(run, stored, arguments, sentence):
    result = run("erase", "--subject", "yamada", *arguments, "--yes")
    assert (result.code, sentence in result.err) == (2, True), result.err
    assert states(run)["R1"] == "complete"


@pytest.mark.parametrize("said", ["", "mallory"])
def test_the_operating_system_user_cannot_approve_what_they_carry_out(run, stored, monkeypatch, said):
    if said:
        monkeypatch.setenv("LOGNAME", said)  # whoever runs a command chooses its environment
    with store_session(stored) as session:
        PersonRepo(session, people_names(stored)).add(system_user(), now_us=now_us())
    result = run("erase", "--subject", "yamada", "--basis", "court", "--approver", system_user(), "--yes")
    assert (result.code, "their own erasure" in result.err) == (2, True)


@pytest.mark.parametrize(
    ("role", "password", "code", "sentence"),
    [
        pytest.param("approval_authority", "approver password", 0, "", id="who answers for it"),
        pytest.param("security_officer", "approver password", 0, "", id="the security officer"),
        pytest.param(
            "auditor", "approver password", 1, "approval_authority, security_officer", id="an auditor"
        ),
        pytest.param("", "approver password", 1, "approval_authority, security_officer", id="no role"),
        pytest.param("approval_authority", "a guess", 2, "could not sign in", id="somebody else's password"),
        pytest.param("approval_authority", "", 2, "could not sign in", id="a name alone"),
    ],
)
def test_in_a_profile_of_the_government_the_approver_signs_in_and_answers_for_records(
    run, stored, tmp_path, role, password, code, sentence
):
    (tmp_path / "gov.toml").write_text('profile = "local_gov"')
    with store_session(stored) as session:
        people = PersonRepo(session, people_names(stored))
        people.set_password("suzuki", hash_password("approver password"), now_us=now_us())
        people.set_memberships("suzuki", groups=[], roles=[role] if role else [], now_us=now_us())
    erased = ("erase", "--subject", "yamada", *BASIS, "--yes", "--config", tmp_path / "gov.toml")
    result = run(*erased, stdin=password + "\n")
    assert (result.code, sentence in result.err) == (code, True), result.err
    assert states(run)["R1"] == ("complete" if code else "erased")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param((), "Give one of --subject, --before or --record", id="nothing"),
        pytest.param(("--subject", "a", "--record", "R1"), "Give one of", id="two things"),
        pytest.param(("--before", "2026-04-15"), "--before 2026-04-01", id="the middle of a month"),
        pytest.param(("--before", "April"), "no day", id="no day"),
        pytest.param(("--subject", "a", "--only"), "--only goes with --record", id="only what"),
    ],
)
def test_what_to_erase_has_to_be_said_clearly(run, stored, arguments, sentence):
    result = run("erase", *arguments)
    assert (result.code, sentence in result.err) == (2, True), result.err


def test_a_hold_keeps_what_it_names_until_it_is_lifted(run, stored):
    (placed,) = run(
        "hold", "add", "--subject", "yamada", "--reason", "調査", "--by", "suzuki", "--json"
    ).lines
    assert (placed["kind"], placed["what"]) == ("subject", "yamada")
    assert run("erase", "--subject", "yamada", *BASIS, "--yes").code == 2
    assert [hold["id"] for hold in run("hold", "list", "--json").lines] == [placed["id"]]
    assert run("hold", "lift", placed["id"], "--reason", "終了", "--by", "suzuki").code == 0
    assert run("hold", "list", "--json").lines == []
    (lifted,) = run("hold", "list", "--all", "--json").lines
    assert (lifted["what"], lifted["lifted_reason"]) == (None, "終了")
    assert run("erase", "--subject", "yamada", *BASIS, "--yes").code == 0


def test_retention_shows_what_is_kept_until_when_and_touches_nothing_that_is_not_over(run, stored):
    rows = run("retention", "status", "--json").lines
    assert [(row["class"], row["month"], row["ends"], row["records"]) for row in rows] == [
        ("class-1", "2026-04", "2027-05", 2)
    ]
    assert run("retention", "run", "--json").lines == []
    assert states(run) == {"R1": "complete", "R2": "complete"}


def test_a_configured_period_is_applied(run, stored, tmp_path):
    file = tmp_path / "short.toml"
    file.write_text("[retention]\ncontent = {class-1 = 0}\nmetadata = {class-1 = 0}\n", encoding="utf-8")
    (row,) = run("retention", "status", "--json", "--config", file).lines
    assert row["ends"] is None


@pytest.mark.parametrize(
    ("content", "metadata", "sentence"),
    [
        pytest.param({"class-one": 12}, {}, "no class is called class-one", id="a class nobody has"),
        pytest.param({"class-1": 24}, {"class-1": 12}, "longer than the metadata", id="content longer"),
    ],
)
def test_a_retention_that_makes_no_sense_is_refused(content, metadata, sentence):
    with pytest.raises(ValueError, match=sentence):
        Config.model_validate({"retention": {"content": content, "metadata": metadata}})


def test_keys_rotate_and_a_restored_database_is_reinstated(run, stored, tmp_path):
    before = tmp_path / "before"
    shutil.copytree(stored.data, before)
    assert run("erase", "--subject", "yamada", *BASIS, "--yes").code == 0
    (turned,) = run("keys", "rotate", "--json").lines
    assert (turned["old_epoch"], turned["new_epoch"]) == (2, 3)
    (status,) = run("keys", "status", "--json").lines
    assert (status["epoch"], status["kept"], status["data_keys"]) == (3, [3], 1)
    refused = run("keys", "reinstate")
    assert (refused.code, "not older" in refused.err) == (2, True)
    assert run("log", "list", "--data", before, "--json").code == 2
    (given,) = run("keys", "reinstate", "--data", before, "--json").lines
    assert given == {"data_keys": 1, "erased_again": 1}
    shown = [json.loads(line) for line in run("log", "list", "--data", before, "--json").out.splitlines()]
    assert {record["id"]: record["state"] for record in shown} == {"R1": "erased", "R2": "complete"}
