"""An auditor gets a folder on a stick, and uses nobody's tools but Debian's."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sekimori.ledger.tlog.keys import PublicKey, key_hash, parse_ssh_line
from sekimori.ledger.tlog.leaf import parse_leaf
from sekimori.ledger.tlog.proof import check_proof, parse_proof
from sekimori.ledger.tlog.tiles import unpack_bundle
from sekimori.ledger.tlog.trust import parse_trust
from support.installation import secret
from support.rawclient import RawClient, basic

pytestmark = pytest.mark.e2e

API = "api.openai.com"
QUESTION, NO_GRANT = "会議録を要約してください。", "これは許可されていません。"
DICE = random.Random(2026)
SAMPLE = 150


@dataclass(slots=True)
class Audit:
    """An export of what really went through a gate, and the run it came from."""

    house: object
    folder: Path
    records: dict[str, str]

    def proofs(self) -> Iterator[tuple[Path, Path]]:
        """Yield each proof with its envelope."""
        for proof in sorted((self.folder / "proofs").glob("*/*.proof")):
            yield proof, self.folder / "envelopes" / proof.parent.name / f"{proof.stem}.json"

    def accepts(self, proof: Path, envelope: Path, *, policy: str = "policy") -> bool:
        """Ask sigsum-verify."""
        command = [
            "sigsum-verify",
            "-k",
            str(self.folder / "proxy.pub"),
            "-p",
            str(self.folder / policy),
            str(proof),
        ]
        return subprocess.run(command, input=envelope.read_bytes(), capture_output=True).returncode == 0


def ask(house, user: str, text: str) -> bytes:
    body = json.dumps({"model": "gpt-x", "messages": [{"role": "user", "content": text}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\nHost: {API}\nContent-Type: application/json\n"
    with RawClient(house.installation.gate) as client:
        reply = client.connect(f"{API}:443", basic(user, secret(user)))
        if reply.status == 200:
            client.tls(API, house.root)
            reply = client.request(f"{head}Content-Length: {len(body)}", body)
        return reply.body


@pytest.fixture(scope="module")
def audit(house, tmp_path_factory) -> Audit:
    if shutil.which("sigsum-verify") is None:
        pytest.skip("sigsum-verify is not installed; make test installs it")
    for user, text in (("yamada", QUESTION), ("ito", NO_GRANT), ("yamada", QUESTION + "もう一度。")):
        ask(house, user, text)
    folder = tmp_path_factory.mktemp("stick") / "audit"
    done = json.loads(house.installation.run("ledger", "export", str(folder), "--all", "--json").stdout)
    assert done["elsewhere"] == []
    found = {(one["user"], one["decision"]): one["id"] for one in house.installation.records()}
    return Audit(house, folder, {f"{user} {decision}": id_ for (user, decision), id_ in found.items()})


def test_every_leaf_of_a_real_run_is_accepted_by_sigsum_verify(audit):
    proven = list(audit.proofs())
    assert [str(proof) for proof, envelope in proven if not audit.accepts(proof, envelope)] == []
    kinds = {json.loads(envelope.read_bytes())["k"] for _, envelope in proven}
    assert {"intent", "outcome", "stored", "checkpoint"} <= kinds


def test_the_export_has_a_proof_of_each_leaf_that_its_checkpoints_cover(audit):
    for lane in (audit.folder / "lanes").iterdir():
        size = int((lane / "checkpoint").read_text().splitlines()[1])
        assert size > 0
        assert len(list((audit.folder / "proofs" / lane.name).iterdir())) == size
        bundle = next((lane / "tile" / "entries").rglob("*.p/*"))
        leaves = unpack_bundle(bundle.read_bytes(), size)
        for n, leaf in enumerate(leaves):
            text = (audit.folder / "envelopes" / lane.name / f"{n}.json").read_bytes()
            assert parse_leaf(leaf).checksum == hashlib.sha256(hashlib.sha256(text).digest()).digest()


def test_the_sums_cover_every_file_and_a_changed_bit_shows(audit, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(audit.folder, folder)
    check = ["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"]
    listed = {line.split("  ")[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there - listed == {"SHA256SUMS"}
    assert subprocess.run(check, cwd=folder).returncode == 0
    path = folder / DICE.choice(sorted(listed))
    flip(path, DICE.randrange(path.stat().st_size * 8))
    assert subprocess.run(check, cwd=folder, capture_output=True).returncode != 0


def flip(path: Path, bit: int) -> bytes:
    data = bytearray(path.read_bytes())
    before = bytes(data)
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    return before


def check_bits(audit, name: str, *, all_of_them: bool) -> None:
    """Flip bits of one file of the export, one after the other; each must be refused."""
    proof, envelope = next(
        pair for pair in audit.proofs() if json.loads(pair[1].read_bytes())["k"] == "intent"
    )
    path = {
        "proof": proof,
        "envelope": envelope,
        "policy": audit.folder / "policy",
        "keys": audit.folder / "proxy.pub",
    }[name]
    every = range(path.stat().st_size * 8)
    for bit in every if all_of_them else sorted(DICE.sample(every, min(len(every), SAMPLE))):
        before = flip(path, bit)
        try:
            assert not audit.accepts(proof, envelope) or says_the_same(path, before, proof, audit), (
                name,
                bit,
            )
        finally:
            path.write_bytes(before)
    assert audit.accepts(proof, envelope)


def says_the_same(path: Path, before: bytes, proof: Path, audit: Audit) -> bool:
    """Tell what sigsum-verify may let pass: capital hex digits, and lines about other logs and writers."""
    after = path.read_bytes()
    if path == proof:
        return after.lower() == before.lower()
    wanted = parse_proof(proof.read_bytes())
    if path.name == "policy":
        own = next(log.hex() for log in parse_trust(before).logs if key_hash(log) == wanted.log_key_hash)
        return f"log {own}".encode() in after.lower()
    line_of_it = next(
        line
        for line in before.splitlines()
        if key_hash(parse_ssh_line(line.decode())) == wanted.leaf_key_hash
    )
    return line_of_it in after.splitlines()


@pytest.mark.parametrize("name", ["proof", "envelope", "policy", "keys"])
def test_sigsum_verify_refuses_the_export_after_any_bit_is_flipped(audit, name):
    check_bits(audit, name, all_of_them=False)


@pytest.mark.long
@pytest.mark.parametrize("name", ["proof", "envelope", "policy", "keys"])
def test_sigsum_verify_refuses_the_export_after_every_bit_is_flipped(audit, name):
    check_bits(audit, name, all_of_them=True)


def test_our_own_reader_agrees_with_sigsum_verify(audit):
    trust = parse_trust((audit.folder / "policy").read_bytes())
    keys = [parse_ssh_line(line) for line in (audit.folder / "proxy.pub").read_text().splitlines()]
    writers = {key_hash(key): PublicKey(key) for key in keys}
    for proof, envelope in audit.proofs():
        check_proof(parse_proof(proof.read_bytes()), envelope.read_bytes(), writers, trust)


def test_the_super_log_speaks_of_every_lane_under_its_own_policy(audit):
    spoken = set()
    for proof in (audit.folder / "proofs" / "super").iterdir():
        envelope = audit.folder / "envelopes" / "super" / f"{proof.stem}.json"
        assert audit.accepts(proof, envelope, policy="super/policy")
        spoken.add(json.loads(envelope.read_bytes())["of"])
    assert spoken == {lane.name for lane in (audit.folder / "lanes").iterdir()}


def test_nobody_is_named_and_nothing_is_said_in_an_export(audit):
    for path in audit.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert QUESTION.encode() not in data
            assert b"yamada" not in data


def test_an_export_of_single_records_holds_their_leaves_and_no_others(audit, house, tmp_path):
    folder = tmp_path / "one"
    id_ = audit.records["yamada allow"]
    house.installation.run("ledger", "export", str(folder), "--record", id_)
    envelopes = [json.loads(path.read_bytes()) for path in (folder / "envelopes").glob("gate-*/*.json")]
    assert {one["rid"] for one in envelopes} == {id_}
    assert {one["k"] for one in envelopes} == {"intent", "outcome"}
    assert not list((folder / "proofs").glob("archive-*"))


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        pytest.param(["--record", "nothing"], 1, "There is no record nothing", id="an unknown record"),
        pytest.param([], 2, "is not empty", id="a folder that is full"),
    ],
)
def test_an_export_that_cannot_be_made_leaves_nothing_behind(audit, house, tmp_path, options, code, said):
    folder = tmp_path / "out"
    if not options:
        folder.mkdir()
        (folder / "mine").write_text("mine")
    result = house.installation.run("ledger", "export", str(folder), *options, check=False)
    assert (result.returncode, said in result.stderr) == (code, True), result.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name != "out"] == []


def test_prove_writes_what_sigsum_verify_and_openssl_need(audit, house, tmp_path):
    folder = tmp_path / "proof"
    id_ = audit.records["yamada allow"]
    options = ["--disclose", "prompt", "--reason", "照会 2026-15", "--out", str(folder), "--json"]
    said = json.loads(house.installation.run("prove", id_, *options).stdout)
    for leaf in said["leaves"]:
        name = f"{leaf['tree']}-{leaf['index']}"
        command = f"sigsum-verify -k proxy.pub -p policy {name}.proof < {name}.json"
        assert subprocess.run(command, shell=True, cwd=folder).returncode == 0
    (disclosed,) = said["disclosed"]
    assert QUESTION in json.loads(disclosed["text"])["messages"][0]["content"]
    command = disclosed["command"].replace("FILE", "prompt.body")
    shown = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True).stdout
    assert shown.split()[-1] == disclosed["commitment"]
    intent = next(leaf for leaf in said["leaves"] if json.loads(leaf["envelope"])["k"] == "intent")
    assert json.loads(intent["envelope"])["c"]["req"] == disclosed["commitment"]
    assert base64.b64decode(disclosed["bytes_base64"]) == (folder / "prompt.body").read_bytes()


def test_a_disclosure_is_a_record_and_needs_a_reason(audit, house):
    id_ = audit.records["yamada allow"]
    refused = house.installation.run("prove", id_, "--disclose", "output", check=False)
    assert refused.returncode == 2
    assert "needs a reason" in refused.stderr
    house.installation.run("prove", id_, "--disclose", "output", "--reason", "監査")
    newest = house.installation.records()[-1]
    assert (newest["mode"], newest["operation"], newest["path"]) == ("reading", "disclosure", f"/log/{id_}")
    assert newest["details"] == ["監査"]


def test_a_text_that_was_answered_is_found_however_it_was_copied(audit, house, tmp_path):
    content = house.installation.content(audit.records["yamada allow"])
    file = tmp_path / "copied.txt"
    file.write_text("\r\n" + content["output"].replace(" ", "\n\n") + "\r\n")
    asked = house.installation.run("verify-output", str(file), "--reason", "照会", "--json")
    assert audit.records["yamada allow"] in json.loads(asked.stdout)["records"]
    file.write_text("そのような答えはなかった。")
    never = house.installation.run("verify-output", str(file), "--reason", "照会", check=False)
    assert (never.returncode, never.stderr) == (1, "")
    assert house.installation.records()[-1]["operation"] == "verify-output"


def test_a_real_run_is_intact_with_signatures_and_incrementally(audit, house):
    for options in (["--signatures"], ["--since-last", "--signatures"], ["--full"]):
        report = json.loads(house.installation.run("verify", "--json", *options).stdout)
        assert report["ok"]
        assert report["faults"] == []
        assert report["incremental"] == ("--since-last" in options)
    assert report["verdicts"]["verified"] == report["counts"]["entry"]


def test_without_an_archivist_an_export_says_what_is_not_covered(house, tmp_path):
    # Last: it stops the installation of the module.
    house.installation.stop()
    folder = tmp_path / "after"
    done = house.installation.run("ledger", "export", str(folder), "--all", check=False)
    assert done.returncode in (0, 2)
    if done.returncode:
        assert "no archivist runs" in done.stderr
        assert not folder.exists()
