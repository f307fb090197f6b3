"""Workers find whole files that say what the database says, or nothing new."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from pathlib import Path

import pytest

from sekimori.errors import PolicyFileError, PolicyUnavailableError, SekimoriError
from sekimori.policy.document import plain_host
from sekimori.policy.people import load_people
from sekimori.policy.snapshot import Snapshot, load
from sekimori.store.compiling import Compiler
from sekimori.store.engine import session
from sekimori.store.people import PersonRepo
from sekimori.store.policies import PolicyRepo
from sekimori.store.publish import ISSUE_EVERY_US, Publisher, Seals, read_current
from sekimori.vault.pointers import PointerSigner
from sekimori.vault.published import PolicySeal
from support.evidence import START_US, Installation
from support.limits import put, within

SERVICES = """
services:
  - id: openai-api
    name: OpenAI API
    provider: openai
    hosts: [api.openai.com]
    contract: individual
    contract_no: K-2026-12
    data_locations: [US]
"""
GRANTS = """
grants:
  - id: g-2026-001
    service: openai-api
    users: [yamada]
    purpose: 会議録の要約
    period: {start: 2026-04-01, end: 2027-03-31}
    max_class: 1
    models: ["gpt-*"]
    administrator: tanaka
    decided_by: sasaki
    decided_on: 2026-03-20
    reference: 情シ第12号
"""
SEAL = PolicySeal(bytes(range(32)))
SIGNER = PointerSigner(bytes(range(32)))
COMPILER = Compiler(profile="enterprise", catalogue="1", catalogue_flags=lambda _: (), check_host=plain_host)


@pytest.fixture
def published(house):
    return house.folder / "policy"


@pytest.fixture
def publisher(house, published):
    return new_publisher(house, published)


def new_publisher(
    house: Installation, published: Path, compiler: Compiler = COMPILER, seal: PolicySeal = SEAL
) -> Publisher:
    seals = Seals(house.names, house.names, seal, SIGNER)
    return Publisher(house.engine, published, seals=seals, compiler=compiler, clock=house.clock)


def apply(house: Installation, file: str, text: str) -> None:
    with session(house.engine) as opened:
        PolicyRepo(opened, house.names).apply(file, text, by="root", now_us=house.clock())


def snapshot(published: Path) -> Snapshot:
    current = read_current(published)
    return load(SEAL.read(published, "policy", current.policy), current.policy)


def test_before_anything_is_applied_an_empty_policy_is_published(publisher, published):
    with pytest.raises(PolicyUnavailableError):
        read_current(published)
    publisher.publish()
    assert dict(snapshot(published).services) == {}
    current = read_current(published)
    people = load_people(SEAL.read(published, "people", current.people), current.people)
    assert len(people) == 0


def test_what_is_applied_is_published_and_kept_for_replay(house, publisher, published):
    publisher.publish()
    apply(house, "services.yaml", SERVICES)
    apply(house, "grants.yaml", GRANTS)
    current = publisher.publish()
    assert set(snapshot(published).services) == {"openai-api"}
    with session(house.engine) as opened:
        kept = PolicyRepo(opened, house.names).snapshot(current.policy)
    assert kept == SEAL.read(published, "policy", current.policy)


def test_a_file_may_use_what_a_later_version_of_another_says(house, publisher, published):
    apply(house, "services.yaml", SERVICES)
    apply(house, "grants.yaml", GRANTS)
    apply(house, "services.yaml", SERVICES.replace("OpenAI API", "OpenAI API 2"))
    publisher.publish()
    assert snapshot(published).services["openai-api"].name == "OpenAI API 2"


def test_a_changed_account_is_published_without_compiling_the_policy_again(house, publisher, published):
    before = publisher.publish()
    with session(house.engine) as opened:
        PersonRepo(opened, house.names).add("yamada", now_us=1, proxy_password="$argon2id$x")
    after = publisher.publish()
    assert after.policy == before.policy
    assert after.people != before.people


def test_nothing_is_written_while_nothing_changes_and_the_issue_is_fresh(publisher, published):
    first = publisher.publish()
    stamp = (published / "current.json").stat().st_mtime_ns
    assert publisher.publish() == first
    assert (published / "current.json").stat().st_mtime_ns == stamp


@pytest.mark.parametrize(
    "step_us",
    [
        pytest.param(ISSUE_EVERY_US, id="a minute later"),
        pytest.param(-5_000_000, id="the clock stepped back"),
    ],
)
def test_the_same_policy_is_issued_anew(house, publisher, published, step_us):
    first = publisher.publish()
    house.ticks.at_us += step_us
    again = publisher.publish()
    assert again.policy == first.policy
    assert again.issued_us == pytest.approx(first.issued_us + step_us, abs=10)


def test_a_policy_that_does_not_compile_never_replaces_a_good_one_nor_renews_it(house, publisher, published):
    apply(house, "services.yaml", SERVICES)
    good = publisher.publish()
    apply(house, "services.yaml", "services: [{id: broken}]")
    house.ticks.at_us += ISSUE_EVERY_US
    with pytest.raises(PolicyFileError):
        publisher.publish()
    assert read_current(published) == good
    assert set(snapshot(published).services) == {"openai-api"}
    apply(house, "services.yaml", SERVICES)
    assert publisher.publish().issued_us > good.issued_us


def test_a_published_file_that_vanished_is_written_again(publisher, published):
    current = publisher.publish()
    (published / f"people-{current.people}.bin").unlink()
    publisher.publish()
    assert (published / f"people-{current.people}.bin").exists()


@pytest.mark.parametrize("content", [b"", b"{", b'{"policy": 3}', b"\xff\xfe"])
def test_a_damaged_pointer_is_replaced(publisher, published, content):
    publisher.publish()
    (published / "current.json").write_bytes(content)
    with pytest.raises(PolicyUnavailableError):
        read_current(published)
    assert publisher.publish() == read_current(published)


def test_another_profile_compiles_anew(house, publisher, published):
    publisher.publish()
    other = dataclasses.replace(COMPILER, profile="local_gov")
    new_publisher(house, published, other).publish()
    assert snapshot(published).profile == "local_gov"


def test_old_files_go_and_those_in_force_stay(house, publisher, published):
    for number in range(9):
        apply(house, "services.yaml", SERVICES.replace("OpenAI API", f"OpenAI {number}"))
        current = publisher.publish()
    found = {path.name for path in published.glob("policy-*.bin")}
    assert len(found) == 5
    assert f"policy-{current.policy}.bin" in found
    assert not list(published.glob(".*"))


def test_nothing_in_the_folder_names_a_person_or_a_purpose(house, publisher, published):
    apply(house, "services.yaml", SERVICES)
    apply(house, "grants.yaml", GRANTS)
    with session(house.engine) as opened:
        PersonRepo(opened, house.names).add(
            "yamada", now_us=1, groups=["soumu"], proxy_password="$argon2id$x"
        )
    publisher.publish()
    for path in published.iterdir():
        data = path.read_bytes()
        words = ("yamada", "soumu", "$argon2id$", "会議録の要約", "tanaka", "openai-api", "g-2026-001")
        assert not [word for word in words if word.encode() in data], path


def test_what_an_older_release_left_readable_is_overwritten_and_removed(house, publisher, published):
    published.mkdir()
    names = [f"policy-{'0' * 64}.json", f"people-{'1' * 64}.json", f".people-{'1' * 64}.json.draft"]
    held = []
    for name in names:
        (published / name).write_text("yamada $argon2id$")
        held.append((published / name).open("rb"))  # what a disk still has when the name is gone
    pointer = {"policy": "0" * 64, "people": "1" * 64, "issued_us": 1}
    (published / "current.json").write_text(json.dumps(pointer))
    publisher.publish()
    for file in held:
        assert set(file.read()) <= {0}
        file.close()
    assert not [name for name in names if (published / name).exists()]
    assert set(snapshot(published).services) == set()


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_publishing_writes_through_nothing_that_somebody_left_there(
    house, publisher, published, tmp_path, kind
):
    key = tmp_path / "policy.key"
    key.write_bytes(b"secret")
    published.mkdir()
    for name in (".current.json.draft", f"policy-{'0' * 64}.json"):
        put(kind, published / name, at=key)
    with within(60):
        publisher.publish()
    assert set(snapshot(published).services) == set()
    assert key.read_bytes() == b"secret"
    assert not (published / f"policy-{'0' * 64}.json").exists()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.write_bytes(b"{broken"), id="damaged"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\0"), id="edited"),
    ],
)
def test_a_restarted_publisher_makes_a_file_whole_that_does_not_open(house, publisher, published, damage):
    before = publisher.publish()
    damage(published / PolicySeal.name("people", before.people))
    after = new_publisher(house, published).publish()
    assert len(load_people(SEAL.read(published, "people", after.people), after.people)) == 0


def test_under_a_new_key_everything_is_sealed_anew(house, publisher, published):
    publisher.publish()
    other = PolicySeal(bytes(32))
    after = new_publisher(house, published, seal=other).publish()
    assert load(other.read(published, "policy", after.policy), after.policy).hash == after.policy
    with pytest.raises(PolicyUnavailableError):
        SEAL.read(published, "policy", after.policy)


def test_the_pointer_says_what_workers_ask(publisher, published):
    publisher.publish()
    pointer = json.loads((published / "current.json").read_bytes())
    assert {"policy", "people", "issued_us"} <= set(pointer)
    assert pointer["issued_us"] > START_US


def test_a_fault_is_told_once_and_publishing_goes_on_after_it(house, publisher, published):
    apply(house, "services.yaml", "services: [{id: broken}]")
    told: list[SekimoriError] = []
    stop = threading.Event()
    thread = threading.Thread(target=publisher.run_forever, args=(stop,), kwargs={"on_fault": told.append})
    thread.start()
    try:
        time.sleep(1.2)
        apply(house, "services.yaml", SERVICES)
        deadline = time.monotonic() + 5
        while not (published / "current.json").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        stop.set()
        thread.join(5)
    assert len(told) == 1
    assert set(snapshot(published).services) == {"openai-api"}
