"""``sekimori ledger export`` and what else writes for an auditor: after forks, and where it can't be written."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from support.archived import archived
from support.evidence import answered, asked

GATE = "gate-"


@pytest.fixture
def forked(run, places):
    """Give up the tree of a gate after something happened to its folder."""

    def fork(happens):
        archived(places, asked("R1"), answered("R1"), asked("R2"), lane="w0-1")
        (tree,) = (path for path in places.ledger.iterdir() if path.name.startswith(GATE))
        happens(tree)
        done = run("ledger", "fork", tree.name, "--reason", "the disk died", "--by", "Tanaka")
        assert done.code == 0, done.err
        archived(places, asked("R3"), answered("R3"), lane="w0-2")
        archived(places, lane="w0-3")  # the tree that goes on gets its checkpoint
        return tree.name

    return fork


def flip(tree):
    path = next((tree / "tile/entries/000.p").iterdir())
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("happens", "kept"),
    [
        pytest.param(lambda tree: shutil.rmtree(tree), 0, id="its folder was lost"),
        pytest.param(flip, 3, id="a bit of it was flipped"),
        pytest.param(lambda tree: None, 3, id="nothing: it is whole"),
    ],
)
def test_after_a_fork_every_record_is_exported_from_where_it_stands_now(run, forked, tmp_path, happens, kept):
    tree = forked(happens)
    out = tmp_path / "stick"
    result = run("ledger", "export", out, "--all", "--wait", "20", "--json")
    assert result.code == 0, result.err
    (done,) = result.lines
    assert done["given_up"] == {tree: f"{tree}-2"}
    assert done["trees"].get(tree, 0) == kept
    envelopes = [json.loads(path.read_bytes()) for path in (out / "envelopes").glob(f"{GATE}*/*.json")]
    assert sorted(one["rid"] for one in envelopes if "rid" in one) == ["R1", "R1", "R2", "R3", "R3"]
    assert f"- {tree}, goes on as {tree}-2" in (out / "README").read_text("utf-8")


def targets(tmp_path):
    (tmp_path / "file").write_text("")
    return {"a file": tmp_path / "file" / "x", "a long name": tmp_path / ("n" * 300), "no folder": "/proc/x"}


@pytest.mark.parametrize("where", ["a file", "a long name", "no folder"])
def test_what_can_not_be_written_is_said_with_its_path(run, places, tmp_path, where):
    archived(places, asked("R1"), answered("R1"))
    path = targets(tmp_path)[where]
    for command in (
        ("ledger", "export", path),
        ("prove", "R1", "--out", path),
        ("ledger", "checkpoint", "--svg", path),
    ):
        result = run(*command)
        assert (result.code, os.path.dirname(path)[:20] in result.err) == (2, True), result.err
        assert "fault of its own" not in result.err


@pytest.mark.parametrize("inside", ["data", "keys"])
def test_nothing_is_exported_into_the_data_or_among_the_keys(run, places, tmp_path, inside):
    archived(places, asked("R1"), answered("R1"))
    (tmp_path / "link").symlink_to(getattr(places, inside))
    for folder in (getattr(places, inside) / "ledger" / "x", tmp_path / "link" / "x"):
        for command in (("ledger", "export", folder), ("prove", "R1", "--out", folder)):
            result = run(*command)
            assert (result.code, "lies inside" in result.err) == (2, True), result.err
        assert not os.path.lexists(folder)


def test_a_proof_that_can_not_be_written_discloses_nothing(run, places, tmp_path):
    archived(places, asked("R1"), answered("R1"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")
    reading = ("--disclose", "prompt", "--reason", "inquiry", "--out", tmp_path / "full")
    assert run("prove", "R1", *reading).code == 2
    assert [one["mode"] for one in run("log", "list", "--json").lines if one["mode"] == "reading"] == []
