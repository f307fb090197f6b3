"""An installation that a witness and a time-stamping authority watch: its export stands on their word, too."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.test_export import API, ask
from sekimori.ledger.envelope import encode_envelope
from sekimori.ledger.tlog.checkpoint import log_verifier, open_checkpoint, sign_checkpoint
from sekimori.ledger.tlog.keys import ssh_line
from sekimori.ledger.tlog.leaf import LeafSigner
from sekimori.ledger.tlog.merkle import leaf_hash
from sekimori.ledger.tlog.proof import make_proof
from support.adversary import EVIL
from support.installation import Installation
from support.outside import TimeStamping, WitnessHost, authority
from support.standin.certificates import make
from support.threads import StandinThread

pytestmark = pytest.mark.e2e

SAMPLE = 60
DICE = random.Random(3161)
POLICY = """
services:
  - {id: openai-api, name: OpenAI API, provider: OpenAI, hosts: [api.openai.com], contract: individual,
     contract_no: K-1, data_locations: [US]}
grants:
  - {id: g-1, service: openai-api, users: [yamada], purpose: 会議録の要約,
     period: {start: 2026-04-01, end: 2099-03-31}, max_class: 1, models: ["gpt-*"],
     administrator: tanaka, decided_by: sasaki, decided_on: 2026-03-20, reference: 情シ第1号}
"""
CONFIG = """
[[ledger.witnesses]]
name = "w1"
url = "{witness.url}"
vkey = "{witness.vkey}"
[[ledger.timestamps]]
name = "tsa"
url = "{stamps}"
ca_file = "{tsa.ca}"
"""


@dataclass(slots=True)
class Stick:
    """What the auditor got, and whose clock stamped it."""

    folder: Path
    tsa: TimeStamping

    def run(self, command: str) -> bool:
        """Run a command of the README in the folder; tell whether it accepts."""
        return subprocess.run(command, shell=True, cwd=self.folder, capture_output=True).returncode == 0

    def said(self, number: int) -> str:
        """Run the scripts of a section of the README, and return what they print."""
        text = (
            (self.folder / "README")
            .read_text()
            .partition(f"\n{number}. ")[2]
            .partition(f"\n{number + 1}. ")[0]
        )
        indented = [line for line in text.splitlines() if line.startswith("    ") and "LANE/N" not in line]
        assert indented
        done = subprocess.run(
            ["sh"], input="\n".join(indented), cwd=self.folder, capture_output=True, text=True
        )
        return done.stdout

    @property
    def stamp(self) -> Path:
        """One of the stamps."""
        return next(iter(sorted((self.folder / "timestamps" / "tsa").glob("*/*.tsr"))))

    def word(self) -> str:
        """Return the command that checks the super-log's newest word under its own policy."""
        proof = max((self.folder / "proofs" / "super").iterdir(), key=lambda path: int(path.stem))
        envelope = f"envelopes/super/{proof.stem}.json"
        return f"sigsum-verify -k proxy.pub -p super/policy proofs/super/{proof.name} < {envelope}"


@pytest.fixture(scope="module")
def stick(tmp_path_factory) -> Iterator[Stick]:
    if shutil.which("sigsum-verify") is None:
        pytest.skip("sigsum-verify is not installed; make test installs it")
    folder = tmp_path_factory.mktemp("witnessed")
    tsa, witness = authority(), WitnessHost(folder / "witness")
    ca, certificate = make(folder / "tls", [API])
    service = StandinThread(certificate)
    with tsa.server() as server, witness.serving():
        config = CONFIG.format(witness=witness, tsa=tsa, stamps=server.url)
        installation = Installation(
            folder / "run", upstream_ca=ca, resolve={API: service.address}, config=config
        )
        installation.start()
        try:
            yield Stick(_export(installation, witness, folder), tsa)
        finally:
            installation.stop()
            service.stop()


def _export(installation: Installation, witness: WitnessHost, folder: Path) -> Path:
    """Let somebody ask something, wait for witness and authority, and export."""
    ledger = installation.data / "ledger"
    _eventually(lambda: (ledger / "super" / "log.vkey").exists())
    witness.add_log((ledger / "super" / "log.vkey").read_text().strip())
    installation.user("yamada")
    installation.apply(POLICY)
    house = type("House", (), {"installation": installation, "root": installation.root()})
    # Nothing passes before the gate has seen that the time of the witnesses runs.
    _eventually(lambda: b"choices" in ask(house, "yamada", "会議録を要約してください。"))
    _eventually(lambda: (ledger / "super" / "checkpoint").read_text().count("— ") == 2)
    _eventually(lambda: list((ledger / "timestamps" / "tsa").glob("*/*.tsr")))
    config = ["--config", str(installation.folder / "sekimori.toml")]
    out = folder / "stick"
    done = json.loads(installation.run("ledger", "export", str(out), "--all", "--json", *config).stdout)
    assert done["stamps"] >= 1
    assert done["witnessed"]
    report = json.loads(installation.run("verify", "--signatures", "--json", *config).stdout)
    assert report["faults"] == []
    return out


def _eventually(true, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_word_of_the_witness_is_accepted_and_nothing_less(stick):
    assert "witness " in (stick.folder / "super" / "policy").read_text()
    assert stick.run(stick.word())
    proof = stick.folder / stick.word().split()[5]
    whole = proof.read_text()
    proof.write_text(re.sub("cosignature=.*\n", "", whole))
    assert not stick.run(stick.word())
    proof.write_text(whole)


@pytest.mark.req("MOU-2-7")
def test_the_commands_of_the_readme_tie_each_record_to_what_the_witness_saw(stick):
    assert [stick.said(number) for number in (1, 2, 3, 4)] == ["", "", "", ""]
    lanes = sorted(path.name for path in (stick.folder / "lanes").iterdir())
    assert len(lanes) > 1
    point = stick.folder / "lanes" / lanes[-1] / "checkpoint"
    proof = next((stick.folder / "proofs" / lanes[-1]).iterdir())
    for path, change, named in (
        (point, ("\n", "\n1"), "NOT IN THE SUPER-LOG"),  # another size
        (point.with_name("word"), ("super/", "super/0000"), "NOT IN THE SUPER-LOG"),
        (point.with_name("word"), ("super/", "../envelopes/super/"), "NOT IN THE SUPER-LOG"),
        (proof, ("root_hash=", "root_hash=0"), "ANOTHER ROOT"),
    ):
        whole = path.read_text()
        path.write_text(whole.replace(*change, 1))
        assert named in stick.said(4)
        path.write_text(whole)
    assert stick.said(4) == ""


def plant_lane(folder: Path) -> None:
    """Add a lane that its own log signed, and a word on it that the super-log never said."""
    envelope = encode_envelope({"k": "intent", "lane": "w9-1", "n": 1, "rid": "FORGED", "v": 1})
    leaf = LeafSigner(EVIL).sign(envelope)
    note = sign_checkpoint(1, leaf_hash(leaf), EVIL).pack()
    proof = make_proof(leaf, 0, (), open_checkpoint(note, log_verifier(EVIL.public)))
    word = encode_envelope({"k": "checkpoint", "n": 99, "note": note.decode(), "of": "evil", "v": 1})
    for path, data in {
        "lanes/evil/checkpoint": note,
        "lanes/evil/word": b"super/99\n",
        "envelopes/super/99.json": word,
        "envelopes/evil/0.json": envelope,
        "proofs/evil/0.proof": proof.pack(),
        "policy": f"log {EVIL.public.hex()}\n".encode() + (folder / "policy").read_bytes(),
        "proxy.pub": (folder / "proxy.pub").read_bytes() + ssh_line(EVIL.public).encode(),
    }.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(data)


@pytest.mark.req("MOU-2-7")
def test_a_lane_that_no_witness_saw_is_named_though_all_its_own_signatures_are_good(stick, tmp_path):
    other = Stick(tmp_path / "stick", stick.tsa)
    shutil.copytree(stick.folder, other.folder)
    plant_lane(other.folder)
    assert [other.said(2), other.said(3)] == ["", ""]
    assert other.said(4) == "NOT IN THE SUPER-LOG: lanes/evil\n"


@pytest.mark.parametrize(
    ("number", "said"), [(1, "mine\n"), (2, "NOT PROVEN: {lane}/77\n"), (2, "NOT WHOLE: lanes/{lane}\n")]
)
def test_what_was_added_renamed_or_left_out_is_named(stick, tmp_path, number, said):
    other = Stick(tmp_path / "stick", stick.tsa)
    shutil.copytree(stick.folder, other.folder)
    lane = max((other.folder / "lanes").iterdir()).name
    for path in (other.folder / "proofs" / lane / "0.proof", other.folder / "envelopes" / lane / "0.json"):
        if "77" in said:
            path.rename(path.with_stem("77"))
        elif "WHOLE" in said:
            path.unlink()
        else:
            (other.folder / "mine").write_text("")
    assert other.said(number) == said.format(lane=lane)


@pytest.mark.parametrize("line", [pytest.param(1, id="size"), pytest.param(2, id="root")])
def test_a_stamp_over_what_the_log_did_not_sign_is_named(stick, tmp_path, line):
    other = Stick(tmp_path / "stick", stick.tsa)
    shutil.copytree(stick.folder, other.folder)
    assert "NOT A STAMP" not in other.said(5)
    good, query = other.stamp, tmp_path / "query"
    forged = good.with_name("000000-9.checkpoint")
    lines = good.with_suffix(".checkpoint").read_text().split("\n")
    lines[line] = {1: "9", 2: "A" * 43 + "="}[line]
    forged.write_text("\n".join(lines))
    stick.tsa.openssl("ts", "-query", "-data", forged, "-sha256", "-cert", "-out", query)
    forged.with_suffix(".tsr").write_bytes(stick.tsa.answer(query.read_bytes()))
    for end in (".json", ".proof"):
        shutil.copy(good.with_suffix(end), forged.with_suffix(end))
    assert f"NOT A STAMP OF THIS LOG: {good.parent.name}/000000-9.tsr\n" in other.said(5)


def test_every_stamp_is_accepted_by_openssl(stick):
    for stamp in (stick.folder / "timestamps" / "tsa").glob("*/*.tsr"):
        assert stick.tsa.accepts(stamp, stamp.with_suffix(".checkpoint"))
        command = (
            f"cd timestamps/tsa && openssl ts -verify -data {stamp.parent.name}/{stamp.stem}.checkpoint "
            f"-in {stamp.parent.name}/{stamp.name} -CAfile ca.pem"
        )
        assert stick.run(command)


def flip_bits(path: Path, accepts, bits) -> list[int]:
    """Flip bits one after the other; return those after which it was accepted all the same."""
    good, passed = path.read_bytes(), []
    try:
        for bit in bits:
            data = bytearray(good)
            data[bit // 8] ^= 1 << bit % 8
            path.write_bytes(data)
            if accepts():
                passed.append(bit)
    finally:
        path.chmod(0o644)
        path.write_bytes(good)
    return passed


def some(path: Path, bytes_of=None, *, everything: bool) -> list[int]:
    bits = [8 * at + bit for at in bytes_of or range(path.stat().st_size) for bit in range(8)]
    return bits if everything else DICE.sample(bits, min(SAMPLE, len(bits)))


EVERYTHING = pytest.mark.parametrize(
    "everything", [pytest.param(False, id="some"), pytest.param(True, id="every", marks=pytest.mark.long)]
)


@EVERYTHING
def test_openssl_refuses_a_stamp_after_any_bit_is_flipped(stick, tmp_path, everything):
    """Of the stamp itself every bit that its signature covers; of the checkpoint every one."""
    stamp, data = tmp_path / "it.tsr", tmp_path / "it.checkpoint"
    shutil.copyfile(stick.stamp, stamp)
    shutil.copyfile(stick.stamp.with_suffix(".checkpoint"), data)

    def accepts():
        return stick.tsa.accepts(stamp, data)

    assert accepts()
    assert flip_bits(data, accepts, some(data, everything=everything)) == []
    token = stamp.read_bytes()
    at = token.index(b"\x18\x0f20")  # the time, behind which the statement ends
    signature = len(token) - 64
    covered = [*range(at - 60, at + 17), *range(signature, len(token))]
    assert flip_bits(stamp, accepts, some(stamp, covered, everything=everything)) == []
    assert accepts()


@EVERYTHING
@pytest.mark.parametrize("name", ["proof", "super/policy"])
def test_sigsum_verify_refuses_the_witness_s_word_after_any_bit_is_flipped(stick, name, everything):
    """A policy's own lines, and the cosignature among those of the proof."""
    command = stick.word()
    path = stick.folder / (command.split()[5] if name == "proof" else name)
    good = path.read_bytes()
    passed = flip_bits(path, lambda: stick.run(command), some(path, everything=everything))
    # Hex digits may be written large, and the last line may end with another blank: that says the same.
    same = [bit for bit in passed if chr(good[bit // 8]).isalpha() and bit % 8 == 5]
    assert set(passed) - set(same) <= {8 * (len(good) - 1)}
    assert stick.run(command)
