"""The socket that only programs of this machine reach: whose it is, and what is left behind."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from sekimori.cli.local_listener import local_listener
from sekimori.errors import StateError


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # A socket's path has 107 bytes; pytest's own folders may be deeper than that.
    monkeypatch.chdir(tmp_path)
    return Path("govern") / "api.sock"


def reached(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


def test_it_opens_for_owner_and_group_and_is_gone_afterwards(path):
    with local_listener(path) as listener:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert stat.S_IMODE(path.parent.stat().st_mode) & 0o007 == 0
        assert reached(path)
        assert listener.family == socket.AF_UNIX
    assert not path.exists()


def test_its_group_is_the_one_that_the_folder_hands_on(path):
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to any group")
    path.parent.mkdir()
    os.chown(path.parent, -1, 12345)
    path.parent.chmod(0o2750)
    with local_listener(path):
        assert path.stat().st_gid == 12345


def test_what_a_killed_predecessor_left_is_no_hindrance(path):
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert not reached(path)
    with local_listener(path):
        assert reached(path)


@pytest.mark.parametrize(
    "name",
    [pytest.param("x" * 120, id="a path that is too long"), pytest.param("no/such/folder", id="no folder")],
)
def test_where_nothing_can_listen_a_sentence_says_so(path, name):
    with (
        pytest.raises(StateError, match="can't be listened on") as caught,
        local_listener(path.parent / name),
    ):
        pass
    assert "107 bytes" in caught.value.hint
