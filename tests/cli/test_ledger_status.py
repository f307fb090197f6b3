"""``sekimori ledger status``: who cosigned what and when, what is lacking, what closes when, who goes on."""

from __future__ import annotations

import time

import pytest

from sekimori.cli.trees import log_keys
from sekimori.cli.witness_status import Cosigner, Standing, sentences
from sekimori.ledger.outside.witnessed import NAME, Mark
from sekimori.ledger.tlog.checkpoint import log_origin, log_verifier
from sekimori.ledger.tlog.keys import KeySigner
from sekimori.vault.keys import KeyRing
from support.archived import archived
from support.evidence import answered, asked
from support.outside import WitnessHost

HOUR, NOW = 3600, 1_800_000_000


@pytest.fixture
def host(places, tmp_path):
    made = WitnessHost(tmp_path / "host")
    made.add_log(log_verifier(log_keys(places).make("super").public).vkey)
    return made


@pytest.fixture
def configured(host, tmp_path):
    """The configuration, as a file and as fields; a second witness never answers."""
    other = WitnessHost(tmp_path / "other", "witness.example/w2")
    witnesses = [{"name": "audit", "url": host.url, "vkey": host.vkey}]
    witnesses.append({"name": "city", "url": "http://127.0.0.1:9", "vkey": other.vkey})
    lines = [
        '[ledger]\nquorum = "any"\nunwitnessed_limit = "1h"',
        *(
            f'[[ledger.witnesses]]\nname = "{one["name"]}"\nurl = "{one["url"]}"\nvkey = "{one["vkey"]}"'
            for one in witnesses
        ),
    ]
    file = tmp_path / "sekimori.toml"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file, {"ledger": {"quorum": "any", "unwitnessed_limit": "1h", "witnesses": witnesses}}


def touched(places, seconds_ago):
    """Say as the archivist does when a checkpoint last had its witnesses."""
    signer = KeySigner(KeyRing.load_archive(places.keys).signing_key)
    mark = Mark(places.ledger / NAME, signer, places.lock_store.with_name(f"{NAME}.since"))
    mark.touch(time.time() - seconds_ago)


def read(run, file):
    result = run("ledger", "status", "--json", "--config", file)
    assert result.code == 0, result.err
    return {row["log"]: row for row in result.lines}


@pytest.mark.req("MOU-2-7")
def test_each_witness_is_named_with_the_time_of_its_cosignature(run, places, host, configured):
    file, config = configured
    with host.serving():
        archived(places, asked("R1"), answered("R1"), config=config)
    touched(places, 5)
    rows = read(run, file)
    audit, city = rows["super"]["witnesses"]
    assert (audit["witness"], city["witness"]) == ("audit", "city")
    assert audit["cosigned"].endswith("+09:00")
    assert 0 <= audit["age_s"] < 60
    assert (city["cosigned"], city["age_s"]) == ("", None)
    newest = rows["super"]
    assert (newest["witnessed"], newest["needed"], newest["limit_s"], newest["gate"]) == (
        *("witnessed", 1, HOUR),
        "open",
    )
    assert 5 <= newest["unwitnessed_s"] < 60
    assert newest["origin"] == log_origin(log_keys(places).publics()["super"])
    told = run("ledger", "status", "--config", file).err
    assert "super：証人 audit は最新のチェックポイントに" in told
    assert "super: witness city has not cosigned the newest checkpoint." in told
    assert "The cosignatures needed (1/2) are there. Were they lacking for 1 h, the gate would refuse" in told


def test_every_tree_is_covered_by_what_the_super_log_tells_of_it(run, places, host, configured):
    file, config = configured
    with host.serving():
        archived(places, asked("R1"), answered("R1"), config=config)
    trees = [row for row in read(run, file).values() if row["log"] != "super"]
    assert trees
    for row in trees:
        assert (row["told"], row["witnesses"], row["witnessed"]) == (row["published"], [], "")
        assert 0 <= row["told_age_s"] < 60
        assert row["origin"].startswith("sigsum.org/v1/tree/")


@pytest.mark.parametrize(
    ("ago", "gate", "sentence"),
    [
        pytest.param(600, "open", "have been lacking for 10 min", id="marked, and the time runs"),
        pytest.param(2 * HOUR, "closed", "longer than the limit of 1 h: the gate refuses AI", id="closed"),
    ],
)
def test_a_checkpoint_without_its_witnesses_is_said_to_be_so_and_when_the_gate_closes(
    run, places, configured, ago, gate, sentence
):
    file, config = configured
    archived(places, asked("R1"), answered("R1"), config=config)  # nobody answers
    touched(places, ago)
    row = read(run, file)["super"]
    assert (row["witnessed"], row["gate"]) == ("unwitnessed", gate)
    told = run("ledger", "status", "--config", file).err
    assert sentence in told
    assert "DENY_AUDIT_UNAVAILABLE" in told


def test_a_mark_that_the_archivist_did_not_sign_counts_as_none(run, places, configured):
    file, config = configured
    archived(places, asked("R1"), answered("R1"), config=config)
    (places.ledger / NAME).write_text(f"sekimori-witnessed-v1 {int(time.time())} AAAA\n")
    row = read(run, file)["super"]
    assert (row["unwitnessed_s"], row["gate"]) == (None, "closed")


def test_with_no_witness_configured_nothing_closes_and_that_is_said(run, places):
    archived(places, asked("R1"), answered("R1"))
    (row,) = (row for row in run("ledger", "status", "--json").lines if row["log"] == "super")
    assert (row["witnesses"], row["witnessed"], row["gate"]) == ([], "none configured", "open")
    told = run("ledger", "status").err
    assert "super：証人が設定されていません。" in told
    assert "nothing closes (in the profile gov nothing starts)." in told


def test_a_log_that_was_given_up_names_the_one_that_goes_on(run, places):
    archived(places, asked("R1"), answered("R1"))
    tree = next(row["log"] for row in run("ledger", "status", "--json").lines if row["log"] != "super")
    assert run("ledger", "fork", tree, "--reason", "the disk died", "--by", "Tanaka").code == 0
    rows = {row["log"]: row for row in run("ledger", "status", "--json").lines}
    assert (rows[tree]["state"], rows[tree]["goes_on_as"]) == ("abandoned", f"{tree}-2")
    told = run("ledger", "status").err
    assert (
        f"{tree} は放棄されました。{tree}-2 が引き継いでいます。 {tree} was given up; {tree}-2 goes on."
        in told
    )


def test_a_super_log_that_was_given_up_names_the_next(run, places):
    archived(places, asked("R1"), answered("R1"))
    assert run("ledger", "fork", "super", "--reason", "two histories", "--by", "Tanaka").code == 0
    rows = {row["log"]: row for row in run("ledger", "status", "--json").lines}
    assert rows["super"]["goes_on_as"] == "super-2"
    assert rows["super-2"]["witnessed"] == "none configured"


def cosigners(*times):
    return tuple(Cosigner(f"w{n}", at) for n, at in enumerate(times, start=1))


STANDINGS = [
    pytest.param(cosigners(), 0, 0, "none configured", "open", id="none configured"),
    pytest.param(cosigners(NOW, NOW), 2, 1, "witnessed", "open", id="all"),
    pytest.param(cosigners(NOW, None), 1, 1, "witnessed", "open", id="any"),
    pytest.param(cosigners(NOW, None), 2, 60, "unwitnessed", "open", id="one lacks"),
    pytest.param(cosigners(NOW, None), 2, HOUR, "unwitnessed", "open", id="at the limit"),
    pytest.param(cosigners(NOW, None), 2, HOUR + 1, "unwitnessed", "closed", id="over it"),
    pytest.param(cosigners(None), 1, None, "unwitnessed", "closed", id="never"),
]


@pytest.mark.parametrize(("witnesses", "needed", "since", "state", "gate"), STANDINGS)
def test_what_is_lacking_and_whether_the_gate_is_closed(witnesses, needed, since, state, gate):
    standing = Standing("super", witnesses, needed, since, HOUR)
    assert (standing.state, standing.gate) == (state, gate)
    for ja, en in sentences(standing, {}, NOW + 3 * HOUR):
        assert ja
        assert en.isascii()
