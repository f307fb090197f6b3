"""``sekimori prove --out``: the folder's README, carried out word for word as an outsider would."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from sekimori.cli.trees import log_keys
from sekimori.ledger.outside.http import Remote
from sekimori.ledger.outside.timestamps import Authority, read_roots, store_stamp
from sekimori.ledger.tlog.checkpoint import log_verifier
from support.archived import archived
from support.evidence import answered, asked
from support.outside import WitnessHost, authority

REASON = ("--disclose", "prompt", "--reason", "照会 2026-15")


@pytest.fixture(scope="module")
def tsa():
    if shutil.which("sigsum-verify") is None:
        pytest.skip("sigsum-verify is not installed; make test installs it")
    return authority()


@pytest.fixture
def stamped(places, tsa, tmp_path):
    """Records that a witness and a time-stamping authority saw, and one after the stamp; the configuration."""
    host = WitnessHost(tmp_path / "host")
    host.add_log(log_verifier(log_keys(places).make("super").public).vkey)
    witnesses = [{"name": "w1", "url": host.url, "vkey": host.vkey}]
    stamps = [{"name": "tsa", "url": "http://127.0.0.1:9", "ca_file": str(tsa.ca)}]
    config = {"ledger": {"witnesses": witnesses, "timestamps": stamps}}
    with host.serving():
        archived(places, asked("R1"), answered("R1"), lane="w0-1", config=config)
        stamp(places, tsa)
        archived(places, asked("R2"), answered("R2"), lane="w0-2", config=config)
        stamp(places, tsa)
        archived(places, asked("R3"), answered("R3"), lane="w0-3", config=config)
    file = tmp_path / "sekimori.toml"
    file.write_text(
        f'[[ledger.witnesses]]\nname = "w1"\nurl = "{host.url}"\nvkey = "{host.vkey}"\n'
        f'[[ledger.timestamps]]\nname = "tsa"\nurl = "http://127.0.0.1:9"\nca_file = "{tsa.ca}"\n',
        encoding="utf-8",
    )
    return file


def stamp(places, tsa):
    """Have the super-log's checkpoint stamped, as the archivist does every hour."""
    data = (places.ledger / "super" / "checkpoint").read_bytes()
    with tsa.server() as server:
        made = Authority("tsa", Remote(server.url), read_roots(tsa.ca)).stamp(data, time.time())
    store_stamp(places.ledger / "timestamps" / "tsa", data, made, int(data.splitlines()[1]))
    time.sleep(1.1)  # a second has one name


@pytest.fixture
def proven(run, stamped, tmp_path):
    """Prove a record into a folder and return it."""

    def prove(record, *options):
        folder = tmp_path / f"proof-{record}"
        shutil.rmtree(folder, ignore_errors=True)
        done = run("prove", record, "--out", folder, "--config", stamped, *options)
        assert done.code == 0, done.err
        return folder

    return prove


def sections(folder: Path) -> dict[str, str]:
    """Return the commands of the README by their section's number."""
    text = (folder / "README").read_text("utf-8").partition("\nWhat none of this shows")[0]
    parts = re.split(r"^(\d)\. ", text, flags=re.MULTILINE)[1:]
    return {
        number: "\n".join(line for line in said.splitlines() if line.startswith("    "))
        for number, said in zip(parts[::2], parts[1::2], strict=True)
    }


def follow(folder: Path, script: str) -> str:
    done = subprocess.run(["sh"], input=script, cwd=folder, capture_output=True, text=True)
    return done.stdout + done.stderr


def complaints(folder: Path) -> list[str]:
    """Carry out every command, and return what was said that a sound proof does not say."""
    said = [line for script in sections(folder).values() for line in follow(folder, script).splitlines()]
    return [line for line in said if not re.fullmatch(r".+: OK|Using configuration from .*", line)]


@pytest.mark.req("MOU-2-7", "MOU-2-8")
def test_an_outsider_who_follows_the_readme_finds_nothing_amiss(proven):
    folder = proven("R1", *REASON)
    scripts = sections(folder)
    assert list(scripts) == ["1", "2", "3", "4", "5"]
    assert complaints(folder) == []
    assert "Verification: OK" in follow(folder, scripts["4"])
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert follow(folder, scripts["1"]).count(": OK") == len(files) - 1  # but for the sums themselves
    assert "the quorum saw" in (folder / "README").read_text("utf-8")
    assert "witness witness.example/w1 " in (folder / "super.policy").read_text()


class Change(NamedTuple):
    """What is changed in which files, the sections that must notice, and what they must say."""

    files: str
    before: bytes
    after: bytes
    sections: str
    said: str
    id: str


CHANGES = [
    Change("gate*Q?-[0-9].json", b'"t":1', b'"t":2', "23", "NOT PROVEN", id="an envelope"),
    Change("gate*Q?-[0-9].proof", b"leaf=", b"leaf=0", "2", "NOT PROVEN", id="a proof"),
    Change("*.checkpoint", b"\n6\n", b"\n9\n", "3", "NOT IN THE SUPER-LOG", id="a tree's size"),
    Change("*.word.json", b'"t":1', b'"t":2', "3", "NOT PROVEN", id="the super-log's word"),
    Change("super.policy", b"example/w1 ", b"example/w1 00", "3", "NOT PROVEN", id="a witness"),
    Change("prompt.body", b"model", b"modem", "5", "OTHER BYTES", id="what is disclosed"),
    Change(
        "timestamps/tsa/stamp.checkpoint",
        b"sigsum",
        b"sigsun",
        "4",
        "Verification: FAILED",
        id="a stamp's log",
    ),
    Change("timestamps/tsa/*.word.proof", b"size=", b"size=1", "4", "NOT PROVEN", id="a word's size"),
    Change(
        "timestamps/tsa/gate*Q?-[0-9].proof", b"root_hash=", b"root_hash=0", "4", "ANOTHER ROOT", id="a root"
    ),
]


@pytest.mark.req("MOU-2-7")
def test_whatever_is_changed_is_noticed_by_the_command_that_speaks_of_it(proven):
    folder = proven("R1", *REASON)
    met = set()
    for change in CHANGES:
        for path in sorted(folder.glob(change.files)):
            whole = path.read_bytes()
            if change.before not in whole:
                continue
            met.add(change.id)
            path.write_bytes(whole.replace(change.before, change.after, 1))
            scripts = sections(folder)
            told = "".join(follow(folder, scripts[number]) for number in change.sections)
            assert change.said in told, (change.id, path.name)
            assert "FAILED" in follow(folder, scripts["1"])
            path.write_bytes(whole)
    assert met == {change.id for change in CHANGES}
    assert complaints(folder) == []


def test_of_several_stamps_the_oldest_that_covers_the_record_is_handed_out(proven, places):
    first, second = sorted((places.ledger / "timestamps" / "tsa").glob("*/*.tsr"))
    for record, stamp_of in (("R1", first), ("R2", second)):
        folder = proven(record)
        assert (folder / "timestamps/tsa/stamp.tsr").read_bytes() == stamp_of.read_bytes()
        assert complaints(folder) == []


def test_a_record_that_no_stamp_covers_yet_says_so(proven):
    folder = proven("R3")
    assert not (folder / "timestamps").exists()
    assert "No time-stamp covers this record yet" in (folder / "README").read_text("utf-8")
    assert complaints(folder) == []


def test_without_witness_and_authority_the_readme_claims_neither(run, places, tmp_path):
    archived(places, asked("R1"), answered("R1"))
    folder = tmp_path / "proof"
    assert run("prove", "R1", "--out", folder).code == 0
    text = (folder / "README").read_text("utf-8")
    assert "No witness has cosigned that checkpoint" in text
    assert "no authority is configured" in text
    assert "quorum saw" not in text
    assert complaints(folder) == []
    assert "prompt" not in {path.name for path in folder.iterdir()}
    assert (folder.stat().st_mode & 0o777, (folder / "README").stat().st_mode & 0o777) == (0o700, 0o600)
