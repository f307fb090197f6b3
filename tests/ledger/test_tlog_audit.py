"""A whole tree from its files: sound ones pass, and what was changed is named."""

import pytest

from sekimori.ledger.tlog.audit import TreeAudit
from sekimori.ledger.tlog.disk import LocalTree
from sekimori.ledger.tlog.opening import create_lane
from sekimori.ledger.tlog.shelf import Shelf
from sekimori.ledger.tlog.tiles import Tile
from support.tlog import LOG, NOW, MemoryLocks, leaves

SIZE = 600


@pytest.fixture
def folder(tmp_path):
    lane = create_lane(tmp_path / "gate-0", name="gate-0", signer=LOG, locks=MemoryLocks(), now_us=NOW)
    lane.append(leaves(SIZE))
    lane.publish(now_us=NOW)
    lane.release()
    return tmp_path / "gate-0", lane.head


def audited(folder, head):
    audit = TreeAudit(head.size, head.root, Shelf(folder, LocalTree()).tile)
    return list(audit.leaves()), audit.faults


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_sound_tree_has_no_faults(folder):
    found, faults = audited(*folder)
    assert found == list(enumerate(leaves(SIZE)))
    assert faults == []


def test_a_leaf_that_was_altered_is_named(folder):
    flip(folder[0] / "tile/entries/001", 3 * 130 + 5)
    _, faults = audited(*folder)
    assert [(fault.path, fault.leaf) for fault in faults] == [("tile/entries/001", 256 + 3)]


def test_a_hash_that_was_altered_is_named(folder):
    flip(folder[0] / "tile/0/001", 7 * 32)
    _, faults = audited(*folder)
    assert ("tile/0/001", None) in [(fault.path, fault.leaf) for fault in faults]
    assert all(fault.leaf is None for fault in faults)


def test_a_hash_and_a_leaf_elsewhere_that_were_altered_are_told_apart(folder):
    flip(folder[0] / "tile/0/001", 7 * 32)
    flip(folder[0] / "tile/entries/000", 9 * 130 + 5)
    _, faults = audited(*folder)
    assert [fault.leaf for fault in faults if fault.leaf is not None] == [9]
    assert "tile/0/001" in {fault.path for fault in faults}


def test_a_tile_above_that_was_altered_is_named(folder):
    flip(folder[0] / "tile/1/000.p/2", 32)
    _, faults = audited(*folder)
    assert {fault.path for fault in faults} == {"tile/1/000.p/2", "checkpoint"}


@pytest.mark.parametrize(
    "path", ["tile/entries/001", "tile/0/001", "tile/1/000.p/2", "tile/entries/002.p/88"]
)
def test_a_file_that_is_missing_is_named(folder, path):
    (folder[0] / path).unlink()
    _, faults = audited(*folder)
    assert path in {fault.path for fault in faults}


def test_two_leaves_that_changed_places_are_both_named(folder):
    path = folder[0] / "tile/entries/000"
    data = path.read_bytes()
    path.write_bytes(data[130:260] + data[:130] + data[260:])
    _, faults = audited(*folder)
    assert [fault.leaf for fault in faults] == [0, 1]


def test_leaves_and_hashes_altered_together_do_not_fit_the_root(folder):
    lane = create_lane(
        folder[0].with_name("other"), name="other", signer=LOG, locks=MemoryLocks(), now_us=NOW
    )
    lane.append(leaves(SIZE, mark="x"))
    lane.publish(now_us=NOW)
    _, faults = audited(folder[0].with_name("other"), folder[1])
    assert [fault.path for fault in faults] == ["checkpoint"]


def test_a_cut_tail_is_missing(folder):
    audit = TreeAudit(SIZE + 1, folder[1].root, Shelf(folder[0], LocalTree()).tile)
    list(audit.leaves())
    assert Tile(0, 2, 89).path in {fault.path for fault in audit.faults}
