"""Files in folders where others write: neither followed elsewhere nor waited for."""

import os
import stat

import pytest

from sekimori.errors import IntegrityError
from sekimori.ledger.files import clear, open_new, open_plain, read_plain, replace_file
from sekimori.ledger.tlog.disk import LocalTree
from support.limits import put, within

TRAPS = ("pipe", "folder", "link")


def open_files():
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("kind", TRAPS)
@pytest.mark.parametrize("read", [open_plain, lambda path: read_plain(path, 10), LocalTree().read])
def test_whatever_is_no_file_is_refused_by_its_path_at_once_and_let_go(tmp_path, kind, read):
    put(kind, tmp_path / "it")
    before = open_files()
    with within(10), pytest.raises(IntegrityError, match=f"{tmp_path / 'it'} is not a plain file"):
        read(tmp_path / "it")
    assert open_files() == before


def test_a_file_is_read_up_to_what_such_a_file_may_have(tmp_path):
    (tmp_path / "it").write_bytes(b"0123456789")
    assert read_plain(tmp_path / "it", 10) == b"0123456789"
    with pytest.raises(IntegrityError, match="has 10 bytes; no such file has more than 9"):
        read_plain(tmp_path / "it", 9)
    with pytest.raises(FileNotFoundError):
        read_plain(tmp_path / "nowhere", 9)


@pytest.mark.parametrize("kind", TRAPS)
@pytest.mark.parametrize("write", [replace_file, LocalTree().write])
def test_a_draft_is_never_written_through_what_somebody_left_in_its_place(tmp_path, kind, write):
    key = tmp_path / "key"
    key.write_bytes(b"secret")
    path = tmp_path / "it"
    put(kind, tmp_path / ".it.draft" if write is replace_file else path, at=key)
    with within(10):
        write(path, b"data")
    assert (path.read_bytes(), stat.S_ISREG(path.lstat().st_mode)) == (b"data", True)
    assert key.read_bytes() == b"secret"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["it", "key"]


def test_a_new_file_has_its_mode_from_the_beginning(tmp_path):
    (tmp_path / "it").touch(0o666)
    handle = open_new(tmp_path / "it", 0o600)
    assert stat.S_IMODE(os.fstat(handle).st_mode) == 0o600
    os.close(handle)


def test_clearing_a_name_leaves_what_a_link_points_to(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "kept").touch()
    put("link", tmp_path / "it", at=folder)
    clear(tmp_path / "it")
    clear(tmp_path / "it")
    assert (folder / "kept").exists()
    assert not (tmp_path / "it").is_symlink()
