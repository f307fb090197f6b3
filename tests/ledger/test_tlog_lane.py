"""A lane on the real disk: what is published can be proven, and every memory that disagrees stops it."""

import errno
import shutil
from dataclasses import replace

import pytest

from sekimori.errors import ClockError, IntegrityError, StateError
from sekimori.ledger.tlog.checkpoint import Checkpoint, log_origin, log_verifier, open_checkpoint
from sekimori.ledger.tlog.disk import LocalTree
from sekimori.ledger.tlog.leaf import LeafSigner
from sekimori.ledger.tlog.lockstore import SqliteLockStore
from sekimori.ledger.tlog.merkle import (
    EMPTY_ROOT,
    check_consistency,
    check_inclusion,
    inclusion_path,
    leaf_hash,
    root_of,
)
from sekimori.ledger.tlog.note import parse_vkey
from sekimori.ledger.tlog.opening import create_lane, open_lane
from sekimori.ledger.tlog.seams import Head, LaneState
from sekimori.ledger.tlog.superlog import SuperLog, abandon
from sekimori.ledger.tlog.tiles import bundles_of, tiles_of
from support.tlog import (
    GATE,
    LOG,
    NOW,
    WITNESS,
    MemoryLocks,
    WatchedSigner,
    cosign,
    envelope,
    leaves,
    witness_verifier,
)

VERIFIER = log_verifier(LOG.public)


class World:
    """A folder, a lock store and a key: all that a lane is made of."""

    def __init__(self, folder):
        self.folder = folder
        self.locks = MemoryLocks()
        self.signer = WatchedSigner()

    def create(self, **more):
        return create_lane(
            self.folder, name="gate-0-2026Q4", signer=self.signer, locks=self.locks, now_us=NOW, **more
        )

    def open(self, **more):
        return open_lane(self.folder, signer=self.signer, locks=self.locks, **more)

    def made(self, *batches, **more):
        """Return a lane with these many leaves in each publication."""
        lane = self.create(**more)
        lane.publish(now_us=NOW)
        for count in batches:
            lane.append(leaves(count, lane.size))
            lane.publish(now_us=NOW)
        return lane

    def checkpoint(self):
        return open_checkpoint((self.folder / "checkpoint").read_bytes(), VERIFIER).checkpoint

    def snapshot(self, name="snapshot"):
        shutil.copytree(self.folder, self.folder.with_name(name))

    def restore(self, name="snapshot"):
        shutil.rmtree(self.folder)
        shutil.copytree(self.folder.with_name(name), self.folder)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "gate-0-2026Q4")


def test_a_new_lane_publishes_an_empty_tree_and_its_key(world):
    world.made()
    assert world.checkpoint() == Checkpoint(log_origin(LOG.public), 0, EMPTY_ROOT)
    assert parse_vkey((world.folder / "log.vkey").read_text().rstrip()).vkey == VERIFIER.vkey
    assert (world.folder / "log.pub").read_text().startswith("ssh-ed25519 ")
    assert not world.folder.stat().st_mode & 0o007


def test_what_is_published_can_be_proven_from_the_files_alone(world):
    lane = world.made(1, 255, 3, 300)
    checkpoint = world.checkpoint()
    assert (lane.size, lane.published_size, checkpoint.size) == (559, 559, 559)
    assert checkpoint.root == lane.head.root == root_of([leaf_hash(leaf) for leaf in leaves(559)])
    for index in (0, 255, 256, 558):
        path = inclusion_path(index, 559, lane.nodes())
        check_inclusion(leaf_hash(leaves(1, index)[0]), index, 559, path, checkpoint.root)
    assert lane.leaves(250, 262) == tuple(leaves(12, 250))


def test_the_files_are_those_of_the_specification_and_partial_ones_go_when_full(world):
    world.made(3, 2, 300, 1)
    there = {str(path.relative_to(world.folder)) for path in world.folder.rglob("*") if path.is_file()}
    now = {tile.path for tile in (*tiles_of(306), *bundles_of(306))}
    before = {"tile/0/001.p/49", "tile/entries/001.p/49"}
    assert there == now | before | {"checkpoint", "log.vkey", "log.pub", "lock"}


def test_a_lane_goes_on_after_a_restart(world):
    world.made(200).release()
    lane = world.open()
    assert lane.append(leaves(100, 200)) == 200
    lane.publish(now_us=NOW + 1)
    assert world.checkpoint().root == root_of([leaf_hash(leaf) for leaf in leaves(300)])


def test_witnesses_are_offered_a_proof_from_whatever_they_saw_last(world):
    lane = world.made(7, 300)
    old, seen = world.checkpoint(), []

    def witness(offer):
        check_consistency(
            old.size, old.root, offer.checkpoint.size, offer.checkpoint.root, offer.prove(old.size)
        )
        seen.append(offer.checkpoint.size)
        return cosign(offer)

    lane.append(leaves(5, 307))
    note = lane.publish(now_us=NOW, cosign=witness)
    assert seen == [312]
    opened = open_checkpoint((world.folder / "checkpoint").read_bytes(), VERIFIER, [witness_verifier()])
    assert (opened.note, len(opened.witnesses)) == (note, 1)


def test_without_new_leaves_the_same_checkpoint_is_published_again(world):
    lane = world.made(5)
    first = world.checkpoint()
    note = lane.publish(now_us=NOW + 60_000_000, cosign=cosign)
    assert world.checkpoint() == first
    assert len(note.signatures) == 2


def test_a_lane_that_keeps_its_envelopes_gives_them_back(world):
    lane = world.create(keeps_envelopes=True)
    for count in (3, 300, 1):
        start = lane.next_index
        lane.append(leaves(count, start), [envelope(n) for n in range(start, start + count)])
        lane.publish(now_us=NOW)
    lane.release()
    lane = world.open(keeps_envelopes=True)
    assert lane.envelopes(0, 304) == tuple(envelope(n) for n in range(304))
    lane.append(leaves(1, 304), [envelope(304)])
    lane.publish(now_us=NOW)
    assert lane.envelopes(255, 305) == tuple(envelope(n) for n in range(255, 305))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param(leaves(2), [envelope(0)], id="too few envelopes"),
        pytest.param(leaves(1), [envelope(1)], id="another envelope"),
        pytest.param([bytes(127)], [envelope(1)], id="no leaf"),
        pytest.param(leaves(1), [bytes(65_536)], id="a huge envelope"),
    ],
)
def test_what_does_not_belong_together_is_not_taken(world, given, kept):
    lane = world.create(keeps_envelopes=True)
    with pytest.raises(IntegrityError):
        lane.append(given, kept)
    lane.publish(now_us=NOW)
    assert lane.size == 0


# --- memories that disagree --------------------------------------------------------------------


def test_a_second_writer_is_not_let_in(world):
    world.made(1)
    with pytest.raises(StateError, match="Another process"):
        world.open()
    with pytest.raises(StateError, match="Another process"):
        world.create()


def test_a_folder_that_was_restored_is_refused(world):
    lane = world.made(10)
    world.snapshot()
    lane.append(leaves(5, 10))
    lane.publish(now_us=NOW)
    lane.release()
    world.restore()
    with pytest.raises(StateError, match="lost or restored") as caught:
        world.open()
    assert "ledger fork" in caught.value.hint


def test_a_folder_that_was_restored_and_grown_otherwise_is_refused(world):
    lane = world.made(10)
    world.snapshot()
    lane.append(leaves(5, 10))
    lane.publish(now_us=NOW)
    lane.release()
    world.restore()
    other = World(world.folder)
    other.locks.known = {
        lane.origin: replace(world.locks.known[lane.origin], head=Head(10, world.checkpoint().root, NOW))
    }
    grown = other.open()
    grown.append(leaves(5, 10, mark="x"))
    grown.publish(now_us=NOW)
    grown.release()
    with pytest.raises(IntegrityError, match="two roots"):
        world.open()


def test_a_lock_store_that_was_restored_is_refused(world):
    lane = world.made(10)
    old = dict(world.locks.known)
    lane.append(leaves(5, 10))
    lane.publish(now_us=NOW)
    lane.release()
    world.locks.known = old
    with pytest.raises(StateError, match="restored from a backup"):
        world.open()


def test_a_lock_store_that_lost_the_log_is_refused_and_no_new_log_hides_it(world):
    world.made(10).release()
    world.locks.known.clear()
    with pytest.raises(StateError, match="was lost"):
        world.open()
    with pytest.raises(StateError, match="doesn't know"):
        world.create()


def test_a_log_that_is_known_is_not_begun_again(world):
    world.made(10).release()
    shutil.rmtree(world.folder)
    with pytest.raises(StateError):
        world.create()
    shutil.rmtree(world.folder)
    with pytest.raises(StateError, match="missing"):
        world.open()


@pytest.mark.parametrize(
    ("size", "root", "error"),
    [
        pytest.param(11, bytes(32), StateError, id="more than there is"),
        pytest.param(10, bytes(32), IntegrityError, id="another root at this size"),
        pytest.param(7, bytes(32), IntegrityError, id="another root at an older size"),
    ],
)
def test_a_witness_that_remembers_something_else_stops_the_start(world, size, root, error):
    world.made(10).release()
    with pytest.raises(error):
        world.open(remembered=[Checkpoint(log_origin(LOG.public), size, root)])


def test_a_witness_that_remembers_an_older_size_is_content(world):
    world.made(10).release()
    older = root_of([leaf_hash(leaf) for leaf in leaves(7)])
    assert world.open(remembered=[Checkpoint(log_origin(LOG.public), 7, older)]).size == 10


def test_a_writer_that_was_overtaken_signs_nothing_more(world):
    lane = world.made(10)
    known = world.locks.known[lane.origin]
    world.locks.known[lane.origin] = replace(known, head=Head(11, bytes(32), NOW))
    with pytest.raises(StateError, match="went on"):
        lane.publish(now_us=NOW)
    with pytest.raises(StateError, match="closed here"):
        lane.append(leaves(1, 10))
    assert max(world.signer.signed) == 10


@pytest.mark.parametrize("name", ["checkpoint", "tile/0/000.p/10", "tile/entries/000.p/10"])
def test_a_file_that_was_altered_is_found_at_the_start(world, name):
    world.made(10).release()
    path = world.folder / name
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    with pytest.raises(IntegrityError):
        world.open()


def test_a_tile_that_was_removed_is_found_at_the_start(world):
    world.made(10).release()
    (world.folder / "tile/entries/000.p/10").unlink()
    with pytest.raises(IntegrityError, match="missing"):
        world.open()


# --- clock, disk, end --------------------------------------------------------------------------


def test_nothing_is_signed_while_the_clock_stands_before_the_last_checkpoint(world):
    lane = world.made(10)
    lane.append(leaves(1, 10))
    with pytest.raises(ClockError):
        lane.publish(now_us=NOW - 1)
    assert (lane.size, world.checkpoint().size) == (10, 10)
    assert max(world.signer.signed) == 10
    lane.publish(now_us=NOW)
    assert world.checkpoint().size == 11


class FailingDisk(LocalTree):
    """The real disk, until a call is told to fail or to lie."""

    def __init__(self):
        self.error = 0
        self.flips = ""

    def write(self, path, data):
        if self.error:
            raise OSError(self.error, "told to")
        if self.flips and self.flips in str(path):
            data = bytes([data[0] ^ 1]) + data[1:]
        super().write(path, data)


def test_a_full_disk_stops_the_lane_until_there_is_room(world):
    disk = FailingDisk()
    lane = world.made(10, files=disk)
    lane.append(leaves(5, 10))
    disk.error = errno.ENOSPC
    with pytest.raises(StateError, match="no room"):
        lane.publish(now_us=NOW)
    disk.error = 0
    lane.publish(now_us=NOW)
    assert world.checkpoint().root == root_of([leaf_hash(leaf) for leaf in leaves(15)])


def test_a_failed_sync_closes_the_lane_and_a_new_start_goes_on(world):
    disk = FailingDisk()
    lane = world.made(10, files=disk)
    lane.append(leaves(5, 10))
    disk.error = errno.EIO
    with pytest.raises(StateError, match="can't be written"):
        lane.publish(now_us=NOW)
    disk.error = 0
    with pytest.raises(StateError, match="closed here"):
        lane.publish(now_us=NOW)
    lane.release()
    assert world.open().size == 10


@pytest.mark.parametrize("place", ["tile/0/.", "tile/1/", "tile/entries/", "envelope/"])
def test_a_bit_that_flips_on_its_way_to_the_disk_is_never_signed(world, place):
    disk = FailingDisk()
    lane = world.create(files=disk, keeps_envelopes=True)
    lane.append(leaves(10), [envelope(n) for n in range(10)])
    lane.publish(now_us=NOW)
    disk.flips = place
    lane.append(leaves(300, 10), [envelope(n) for n in range(10, 310)])
    with pytest.raises(IntegrityError):
        lane.publish(now_us=NOW)
    assert (max(world.signer.signed), world.locks.known[lane.origin].head.size) == (10, 10)


def test_a_lane_whose_quarter_is_over_never_grows_again(world):
    lane = world.made(10)
    lane.append(leaves(1, 10))
    with pytest.raises(StateError, match="not published"):
        lane.close()
    lane.publish(now_us=NOW)
    lane.close()
    with pytest.raises(StateError, match="never grows again"):
        world.open()
    with pytest.raises(StateError, match="closed here"):
        lane.append(leaves(1, 11))


# --- fork --------------------------------------------------------------------------------------


def super_log(tmp_path, key=WITNESS):
    locks = MemoryLocks()
    lane = create_lane(
        tmp_path / "super", name="super", signer=key, locks=locks, now_us=NOW, keeps_envelopes=True
    )
    return SuperLog(lane, LeafSigner(GATE))


def test_a_fork_leaves_a_leaf_that_says_what_each_memory_had(tmp_path, world):
    lane = world.made(10)
    world.snapshot()
    lane.append(leaves(5, 10))
    lane.publish(now_us=NOW)
    lane.release()
    lost = lane.head
    world.restore()
    over = super_log(tmp_path)
    index = abandon(
        world.folder,
        lane="gate-0-2026Q4",
        public=LOG.public,
        goes_on_as="gate-0-2026Q4-2",
        reason="disk replaced, restored from last night",
        by="tanaka",
        locks=world.locks,
        super_log=over,
        now_us=NOW,
    )
    (said,) = over.lane.envelopes(index, index + 1)
    for text in ("abandon", "gate-0-2026Q4-2", "tanaka", lost.root.hex(), world.checkpoint().root.hex()):
        assert text.encode() in said
    assert world.locks.known[lane.origin].state is LaneState.ABANDONED
    assert world.checkpoint().size == 10
    with pytest.raises(StateError, match="abandoned"):
        world.open()
    with pytest.raises(StateError, match="already"):
        abandon(
            world.folder,
            lane="gate-0-2026Q4",
            public=LOG.public,
            goes_on_as="again",
            reason="again",
            by="tanaka",
            locks=world.locks,
            super_log=over,
            now_us=NOW,
        )


@pytest.mark.parametrize("damage", ["store lost", "folder lost", "checkpoint altered"])
def test_a_fork_works_whatever_was_lost(tmp_path, world, damage):
    world.made(10).release()
    if damage == "store lost":
        world.locks.known.clear()
    elif damage == "folder lost":
        shutil.rmtree(world.folder)
    else:
        (world.folder / "checkpoint").write_bytes(b"nothing")
    over = super_log(tmp_path)
    index = abandon(
        world.folder,
        lane="gate-0-2026Q4",
        public=LOG.public,
        goes_on_as="gate-0-2026Q4-2",
        reason=damage,
        by="tanaka",
        locks=world.locks,
        super_log=over,
        now_us=NOW,
    )
    assert over.lane.published_size == index + 1


def test_the_real_lock_store_serves_a_lane(tmp_path, world):
    world.locks = SqliteLockStore.create(tmp_path / "lock.db")
    lane = world.made(3, 300)
    lane.release()
    lane = world.open()
    assert lane.size == 303
    lane.close()
    world.locks.close()
