"""Secret files appear complete or not at all."""

import os
import stat

import pytest

from sekimori.errors import KeyAccessError
from sekimori.vault.files import destroy_secret, make_folder, read_secret, write_secret


@pytest.fixture
def folder(tmp_path):
    make_folder(tmp_path / "root")
    return tmp_path / "root"


def test_a_secret_is_readable_by_its_owner_only_whatever_the_umask(folder):
    before = os.umask(0)
    try:
        write_secret(folder / "ca.key", b"secret")
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "ca.key").stat().st_mode) == 0o600
    assert read_secret(folder / "ca.key") == b"secret"


def test_an_existing_secret_is_not_overwritten(folder):
    write_secret(folder / "ca.key", b"first")
    with pytest.raises(KeyAccessError, match="already exists"):
        write_secret(folder / "ca.key", b"second")
    assert read_secret(folder / "ca.key") == b"first"
    assert [path.name for path in folder.iterdir()] == ["ca.key"]


def test_a_secret_is_replaced_when_that_is_asked_for(folder):
    write_secret(folder / "issuing.key", b"first")
    write_secret(folder / "issuing.key", b"second", replace=True)
    assert read_secret(folder / "issuing.key") == b"second"


def test_a_failed_write_leaves_nothing_under_the_name(folder, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyAccessError, match="No space left"):
        write_secret(folder / "ca.key", b"secret")
    assert not (folder / "ca.key").exists()


def test_a_draft_of_a_process_that_died_is_not_in_the_way(folder):
    (folder / f".ca.key.{os.getpid()}.draft").write_bytes(b"half")
    write_secret(folder / "ca.key", b"secret")
    assert read_secret(folder / "ca.key") == b"secret"


def test_a_file_where_a_folder_belongs_is_refused(tmp_path):
    (tmp_path / "root").write_bytes(b"")
    with pytest.raises(KeyAccessError, match="not a folder"):
        make_folder(tmp_path / "root")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes into a folder of another user")
def test_what_root_writes_into_a_folder_of_another_user_becomes_that_users(folder):
    os.chown(folder, 12345, 54321)
    make_folder(folder / "kek")
    write_secret(folder / "kek" / "epoch.key", b"secret")
    for path in (folder / "kek", folder / "kek" / "epoch.key"):
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)


def test_zeros_never_go_through_a_link(folder):
    (folder / "other").write_bytes(b"secret")
    (folder / "key").symlink_to(folder / "other")
    with pytest.raises(KeyAccessError, match="can't be destroyed"):
        destroy_secret(folder / "key")
    assert (folder / "other").read_bytes() == b"secret"
