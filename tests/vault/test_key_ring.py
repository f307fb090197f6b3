"""The key folder: made whole, outside the data, refused when somebody else could read it."""

import dataclasses
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from sekimori.errors import KeyAccessError
from sekimori.vault.keyfile import key_to_text
from sekimori.vault.keys import ROLES, KeyRing, leaf_public
from sekimori.vault.shared import PEOPLE, POLICY


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing.create(tmp_path / "keys")


class Counting:
    """A source of bytes that are all different and never random."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, count: int) -> bytes:
        self.calls += 1
        return bytes([self.calls]) * count


class PowerFailureError(Exception):
    """The machine stops here."""


def everything_under(folder: Path) -> list[Path]:
    return [folder, *folder.rglob("*")]


@pytest.mark.req("ABG-CG5-1")
def test_only_the_owner_can_reach_anything_in_a_new_key_folder(ring):
    for path in everything_under(ring.directory):
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_each_role_finds_its_keys_in_its_own_folder(ring):
    gate, archive = KeyRing.load_gate(ring.directory), KeyRing.load_archive(ring.directory)
    recorder = KeyRing.load_recorder(ring.directory)
    private = X25519PrivateKey.from_private_bytes(archive.archivist_private)
    assert private.public_key().public_bytes_raw() == recorder.archivist_public
    assert gate.issuing_key == ring.gate / "issuing.key"
    secrets = {archive.store_key, archive.archivist_private, archive.signing_key}
    assert len(secrets | {gate.fingerprint_key, recorder.signing_key, gate.policy_key}) == 6
    assert archive.writers == (leaf_public(recorder.signing_key), leaf_public(archive.signing_key))
    assert len(KeyRing.load_web(ring.directory).session_key) == 32


def test_a_gate_whose_folder_is_all_it_sees_still_starts(ring):
    for role in ("archive", "web", "root"):
        shutil.rmtree(ring.directory / role)
    assert KeyRing.load_gate(ring.directory).archive_public
    assert KeyRing.load_recorder(ring.directory).archivist_public


def test_who_reads_what_strangers_send_holds_no_key_that_signs(ring):
    keys, signing = KeyRing.load_gate(ring.directory), KeyRing.load_recorder(ring.directory).signing_key
    assert signing not in [getattr(keys, field.name) for field in dataclasses.fields(keys)]


def test_randomness_comes_from_the_caller(tmp_path):
    one = KeyRing.create(tmp_path / "one", Counting())
    two = KeyRing.create(tmp_path / "two", Counting())
    for path in everything_under(one.directory):
        if path.is_file():
            assert path.read_bytes() == (two.directory / path.relative_to(one.directory)).read_bytes()


def test_keys_never_show_in_a_log_line(ring):
    keys = KeyRing.load_archive(ring.directory)
    for key in (keys.archivist_private, keys.store_key, keys.signing_key):
        assert key.hex() not in repr(keys)
        assert repr(key) not in repr(keys)
    for held in (KeyRing.load_gate(ring.directory), KeyRing.load_recorder(ring.directory)):
        assert "_key=b" not in repr(held)


@pytest.mark.parametrize(
    "place",
    [
        pytest.param("data/keys", id="inside"),
        pytest.param("data", id="the same folder"),
        pytest.param("data/../data/keys", id="inside by a detour"),
    ],
)
def test_a_key_folder_inside_the_data_folder_is_refused(tmp_path, place):
    (tmp_path / "data").mkdir()
    with pytest.raises(KeyAccessError, match="inside the data folder"):
        KeyRing.create(tmp_path / place, data=tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_a_link_does_not_carry_the_keys_into_the_data_folder(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "keys").symlink_to(tmp_path / "data")
    with pytest.raises(KeyAccessError, match="inside the data folder"):
        KeyRing.create(tmp_path / "keys", data=tmp_path / "data")


def test_existing_keys_are_never_replaced(ring):
    before = KeyRing.load_archive(ring.directory)
    with pytest.raises(KeyAccessError, match="already holds keys"):
        KeyRing.create(ring.directory)
    assert KeyRing.load_archive(ring.directory) == before


def test_an_empty_folder_of_the_right_mode_is_filled(tmp_path):
    (tmp_path / "keys").mkdir(mode=0o700)
    assert KeyRing.create(tmp_path / "keys").exists()


def test_a_folder_that_others_enter_is_not_filled(tmp_path):
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys").chmod(0o755)
    with pytest.raises(KeyAccessError, match="Others than its owner"):
        KeyRing.create(tmp_path / "keys")


class FailingMachine:
    """Lets so many system calls through, then stops."""

    def __init__(self, limit: int) -> None:
        self.left = limit

    def wrap(self, call: Callable[..., object]) -> Callable[..., object]:
        def counted(*args, **kwargs):
            if self.left == 0:
                raise PowerFailureError
            self.left -= 1
            return call(*args, **kwargs)

        return counted


@pytest.mark.parametrize("limit", range(150))
def test_a_power_failure_while_keys_are_made_leaves_none_or_all(tmp_path, monkeypatch, limit):
    machine = FailingMachine(limit)
    for name in ("fsync", "mkdir", "rename", "link", "rmdir"):
        monkeypatch.setattr(os, name, machine.wrap(getattr(os, name)))
    directory = tmp_path / "keys"
    finished = True
    try:
        KeyRing.create(directory)
    except PowerFailureError:
        finished = False
    monkeypatch.undo()
    assert finished or limit < 149, "the machine must get to the end once"
    if not KeyRing(directory).exists():
        KeyRing.create(directory)
    KeyRing.load_gate(directory)
    KeyRing.load_archive(directory)
    KeyRing.load_web(directory)
    assert {path.name for path in directory.iterdir()} == set(ROLES)


@pytest.mark.parametrize(
    ("mode", "what"),
    [
        pytest.param(0o640, "file", id="group may read"),
        pytest.param(0o604, "file", id="the world may read"),
        pytest.param(0o620, "file", id="group may replace"),
        pytest.param(0o750, "folder", id="group may enter"),
        pytest.param(0o701, "folder", id="the world may enter"),
    ],
)
def test_a_key_that_others_can_reach_is_refused(ring, mode, what):
    path = ring.archive if what == "folder" else ring.archive / "store.key"
    path.chmod(mode)
    with pytest.raises(KeyAccessError, match=f"Others than its owner can reach the key {what}") as caught:
        KeyRing.load_archive(ring.directory)
    assert "chmod" in caught.value.hint


def test_a_key_of_another_user_is_refused(ring, monkeypatch):
    os.chown(ring.archive / "store.key", 12345, -1) if os.geteuid() == 0 else None
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(KeyAccessError, match="belongs to another user"):
        KeyRing.load_archive(ring.directory)


def test_a_missing_key_is_named(ring):
    (ring.archive / "store.key").unlink()
    with pytest.raises(KeyAccessError, match=r"store\.key is missing"):
        KeyRing.load_archive(ring.directory)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(KeyAccessError, match="missing"):
        KeyRing.load_archive(tmp_path / "nowhere")


def test_keys_that_were_mixed_up_are_refused(ring):
    (ring.archive / "archivist.key").write_bytes((ring.archive / "store.key").read_bytes())
    with pytest.raises(KeyAccessError, match="kind store, not archivist-private"):
        KeyRing.load_archive(ring.directory)


# --- an installation from before the ledger -------------------------------------------------------

_NEW_FILES = (
    "archive/people.key",
    "archive/policy.key",
    "archive/signing.key",
    "archive/store.key",
    "archive/gate.pub",
    "gate/archive.pub",
    "gate/policy-signing.pub",
    "gate/policy.key",
    "gate/signing.key",
    "gate/signing.pub",
    "root/people.key",
    "root/policy-signing.key",
    "root/policy-signing.pub",
    "root/policy.key",
    "web/people.key",
    "web/policy-signing.pub",
    "web/policy.key",
)
_DATA_KEY = bytes(range(32))


@pytest.fixture
def old_ring(ring):
    """A key folder as release 1 made it."""
    for name in _NEW_FILES:
        (ring.directory / name).unlink()
    for name in ("kek", "logs"):
        (ring.archive / name).rmdir()
    (ring.archive / "data.key").write_bytes(key_to_text("data", _DATA_KEY))
    (ring.archive / "data.key").chmod(0o600)
    return ring


def test_an_older_key_folder_gets_what_it_lacks_and_keeps_what_it_has(old_ring):
    before = {path: path.read_bytes() for path in everything_under(old_ring.directory) if path.is_file()}
    KeyRing.complete(old_ring.directory)
    assert {path: path.read_bytes() for path in before} == before
    keys = KeyRing.load_archive(old_ring.directory)
    assert keys.data_key == _DATA_KEY
    assert leaf_public(KeyRing.load_recorder(old_ring.directory).signing_key) in keys.writers
    for path in everything_under(old_ring.directory):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_completing_twice_changes_nothing(old_ring):
    KeyRing.complete(old_ring.directory)
    after = {path: path.read_bytes() for path in everything_under(old_ring.directory) if path.is_file()}
    KeyRing.complete(old_ring.directory)
    assert {
        path: path.read_bytes() for path in everything_under(old_ring.directory) if path.is_file()
    } == after


def test_a_process_that_runs_apart_makes_no_key_and_says_who_may(old_ring):
    with pytest.raises(KeyAccessError, match=r"signing\.key is missing") as caught:
        KeyRing.check(old_ring.directory, ["gate"])
    assert "sekimori init" in caught.value.hint
    KeyRing.complete(old_ring.directory)
    KeyRing.check(old_ring.directory, ROLES)


@pytest.mark.parametrize("limit", range(100))
def test_a_power_failure_while_keys_are_added_is_made_good_by_the_next_start(old_ring, monkeypatch, limit):
    machine = FailingMachine(limit)
    for name in ("fsync", "mkdir", "rename", "link"):
        monkeypatch.setattr(os, name, machine.wrap(getattr(os, name)))
    finished = True
    try:
        KeyRing.complete(old_ring.directory)
    except PowerFailureError:
        finished = False
    monkeypatch.undo()
    assert finished or limit < 99, "the machine must get to the end once"
    KeyRing.complete(old_ring.directory)
    keys = KeyRing.load_archive(old_ring.directory)
    assert keys.writers[0] == leaf_public(KeyRing.load_recorder(old_ring.directory).signing_key)


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["archive/store.key"], id="store"),
        pytest.param(["archive/signing.key"], id="archivist's signature"),
        pytest.param(["gate/signing.key"], id="gate's signature"),
        pytest.param(["web/people.key", "root/people.key", "archive/people.key"], id="people"),
    ],
)
def test_a_key_that_was_lost_is_never_replaced_by_another(ring, names):
    for name in names:
        (ring.directory / name).unlink()
    KeyRing.complete(ring.directory)
    assert not [name for name in names if (ring.directory / name).exists()]


def test_a_key_that_several_roles_hold_lies_in_the_folder_of_each(old_ring):
    KeyRing.complete(old_ring.directory)
    held = KeyRing.load_policy(old_ring.directory)
    for role in ("gate", "root", "web", "archive"):
        assert (old_ring.directory / role / "policy.key").read_bytes() == key_to_text("policy", held)
    assert KeyRing.load_people(old_ring.directory) != held


def test_a_copy_that_was_lost_is_made_from_the_others(ring):
    held = KeyRing.load_policy(ring.directory)
    (ring.gate / "policy.key").unlink()
    KeyRing.complete(ring.directory)
    assert KeyRing.load_gate(ring.directory).policy_key == held


def test_the_gates_key_is_not_made_anew_where_its_public_half_is_left_somewhere(old_ring):
    KeyRing.complete(old_ring.directory)
    for name in ("signing.key", "signing.pub"):
        (old_ring.gate / name).unlink()
    KeyRing.complete(old_ring.directory)
    assert not (old_ring.gate / "signing.key").exists()


@pytest.mark.parametrize(
    ("own", "held"),
    [
        pytest.param("gate", {POLICY}, id="the gate"),
        pytest.param("web", {POLICY, PEOPLE}, id="the web server"),
        pytest.param("root", {POLICY, PEOPLE}, id="the publisher"),
        pytest.param("archive", {POLICY, PEOPLE}, id="the archivist and whoever governs"),
    ],
)
def test_a_role_finds_what_it_shares_in_its_own_folder(ring, own, held):
    read = {POLICY: KeyRing.load_policy, PEOPLE: KeyRing.load_people}
    wanted = {shared: load(ring.directory) for shared, load in read.items()}
    for role in set(ROLES) - {own}:
        shutil.rmtree(ring.directory / role)
    for shared, load in read.items():
        if shared in held:
            assert load(ring.directory) == wanted[shared]
        else:
            with pytest.raises(KeyAccessError, match="missing"):
                load(ring.directory)


def test_copies_that_differ_are_refused(ring):
    path = ring.web / "policy.key"
    path.unlink()
    path.write_bytes(key_to_text("policy", bytes(32)))
    path.chmod(0o600)
    with pytest.raises(KeyAccessError, match="should hold one key, and differ"):
        KeyRing.complete(ring.directory)


def test_the_key_of_the_published_files_may_be_made_anew_since_they_are_published_anew(ring):
    before = KeyRing.load_policy(ring.directory)
    for role in ("gate", "root", "web", "archive"):
        (ring.directory / role / "policy.key").unlink()
    KeyRing.complete(ring.directory)
    assert KeyRing.load_policy(ring.directory) != before


def test_nothing_is_added_where_no_keys_are(tmp_path):
    with pytest.raises(KeyAccessError, match="holds no keys"):
        KeyRing.complete(tmp_path / "keys")
