"""The key folder: made whole, outside the data, refused when somebody else could read it."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from sekimori.errors import KeyAccessError
from sekimori.vault.keys import ROLES, KeyRing


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
    private = X25519PrivateKey.from_private_bytes(archive.archivist_private)
    assert private.public_key().public_bytes_raw() == gate.archivist_public
    assert gate.issuing_key == ring.gate / "issuing.key"
    assert len({archive.data_key, archive.archivist_private, gate.fingerprint_key}) == 3
    assert len(KeyRing.load_web(ring.directory).session_key) == 32


def test_a_gate_whose_folder_is_all_it_sees_still_starts(ring):
    for role in ("archive", "web", "root"):
        for path in sorted((ring.directory / role).rglob("*"), reverse=True):
            path.unlink()
        (ring.directory / role).rmdir()
    assert KeyRing.load_gate(ring.directory).archivist_public


def test_randomness_comes_from_the_caller(tmp_path):
    one = KeyRing.create(tmp_path / "one", Counting())
    two = KeyRing.create(tmp_path / "two", Counting())
    assert KeyRing.load_archive(one.directory) == KeyRing.load_archive(two.directory)


def test_keys_never_show_in_a_log_line(ring):
    keys = KeyRing.load_archive(ring.directory)
    assert keys.data_key.hex() not in repr(keys)
    assert repr(keys.data_key) not in repr(keys)
    assert "fingerprint_key" not in repr(KeyRing.load_gate(ring.directory))


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


@pytest.mark.parametrize("limit", range(60))
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
    assert finished or limit < 59, "the machine must get to the end once"
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
    path = ring.archive if what == "folder" else ring.archive / "data.key"
    path.chmod(mode)
    with pytest.raises(KeyAccessError, match=f"Others than its owner can reach the key {what}") as caught:
        KeyRing.load_archive(ring.directory)
    assert "chmod" in caught.value.hint


def test_a_key_of_another_user_is_refused(ring, monkeypatch):
    os.chown(ring.archive / "data.key", 12345, -1) if os.geteuid() == 0 else None
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(KeyAccessError, match="belongs to another user"):
        KeyRing.load_archive(ring.directory)


def test_a_missing_key_is_named(ring):
    (ring.archive / "data.key").unlink()
    with pytest.raises(KeyAccessError, match=r"data\.key is missing"):
        KeyRing.load_archive(ring.directory)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(KeyAccessError, match="missing"):
        KeyRing.load_archive(tmp_path / "nowhere")


def test_keys_that_were_mixed_up_are_refused(ring):
    (ring.archive / "archivist.key").write_bytes((ring.archive / "data.key").read_bytes())
    with pytest.raises(KeyAccessError, match="kind data, not archivist-private"):
        KeyRing.load_archive(ring.directory)
