"""Lanes as folders: what waits, what was shipped, what may go."""

import fcntl
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.errors import IntegrityError, StateError
from sekimori.ledger.files import LocalFiles
from sekimori.ledger.lane import LaneWriter
from sekimori.ledger.lanes import (
    LOCK,
    ROLL,
    SHIPPED,
    START,
    Position,
    ask_to_roll,
    is_alive,
    lanes,
    mark_shipped,
    pending,
    pending_bytes,
    read_shipped,
    remove_lane,
    segment_path,
    segments,
    take_lane,
    written_bytes,
)
from sekimori.ledger.record import encode
from support.limits import put, within
from support.spool import SEALER, Disk, intent, read_lane, write_lane

figures = st.integers(0, 2**40)


@given(segment=st.integers(1, 2**31), offset=figures, frame=figures, n=figures)
def test_a_position_survives_being_written_down(segment, offset, frame, n):
    position = Position(segment, offset, frame, n)
    assert Position.parse(str(position)) == position


@pytest.mark.parametrize("text", ["", "1:2:3", "1:2:3:4:5", "0:0:0:0", "1:-1:0:0", "a:b:c:d"])
def test_a_text_that_is_no_position_is_refused(text):
    with pytest.raises(ValueError, match=r".*"):
        Position.parse(text)


def test_what_waits_shrinks_to_nothing_as_entries_are_shipped(tmp_path):
    lane = write_lane(tmp_path, [[intent(n, size=9000)] for n in range(20)], segment_bytes=40_000)
    items = read_lane(lane)
    waiting = [pending_bytes(lane)]
    for item in items:
        mark_shipped(lane, item.position)
        waiting.append(pending_bytes(lane))
    assert waiting == sorted(waiting, reverse=True)
    assert waiting[0] > 180_000
    assert waiting[-1] == 0
    assert pending(tmp_path) == {"w1-1": 0}


def test_a_new_lane_has_nothing_waiting(tmp_path):
    assert pending(tmp_path / "nowhere") == {}
    write_lane(tmp_path, [])
    assert pending(tmp_path) == {"w1-1": 0}


def test_shipped_segments_are_deleted_and_reading_goes_on_behind_them(tmp_path):
    lane = write_lane(tmp_path, [[intent(n, size=9000)] for n in range(20)], segment_bytes=40_000)
    items = read_lane(lane)
    before = segments(lane)
    mark_shipped(lane, items[9].position)
    assert segments(lane) == [number for number in before if number >= items[9].position.segment]
    assert len(segments(lane)) < len(before)
    assert read_lane(lane, read_shipped(lane).at()) == items[10:]


def test_a_torn_tail_that_was_reported_waits_no_longer(tmp_path):
    lane = write_lane(tmp_path, [[intent(0)], [intent(1)]])
    position = read_lane(lane)[0].position
    mark_shipped(lane, position)
    assert pending_bytes(lane) > 0
    mark_shipped(lane, position, done=True)
    assert pending_bytes(lane) == 0


def test_a_lane_is_removed_once_it_is_dead_and_shipped(tmp_path):
    lane = write_lane(tmp_path, [[intent(0)]])
    with pytest.raises(StateError, match="not finished"):
        remove_lane(lane)
    mark_shipped(lane, read_lane(lane)[-1].position, done=True)
    remove_lane(lane)
    assert list(tmp_path.iterdir()) == []


def test_a_living_lane_is_not_removed(tmp_path):
    writer = LaneWriter(tmp_path, "w1-1", sealer=SEALER, segment_bytes=40_000, files=Disk())
    with pytest.raises(StateError, match="not finished"):
        remove_lane(tmp_path / "w1-1")
    writer.abandon()


def test_a_removal_that_was_interrupted_is_finished_by_the_next(tmp_path):
    one = write_lane(tmp_path, [], lane="w1-1")
    two = write_lane(tmp_path, [], lane="w1-2")
    one.rename(tmp_path / ".gone-w1-1")
    assert lanes(tmp_path) == [two]
    remove_lane(two)
    assert list(tmp_path.iterdir()) == []


def test_lanes_are_listed_by_name_and_nothing_else_is(tmp_path):
    for name in ("w2-1", "w1-2", "w1-1"):
        write_lane(tmp_path, [], lane=name)
    (tmp_path / "notes.txt").touch()
    (tmp_path / "half-made").mkdir()
    (tmp_path / ".hidden").mkdir()
    assert [path.name for path in lanes(tmp_path)] == ["w1-1", "w1-2", "w2-1"]


def test_a_marker_that_was_tampered_with_is_noticed_and_counts_as_none(tmp_path):
    lane = write_lane(tmp_path, [[intent(0)]])
    full = pending_bytes(lane)
    for content in (b"", b"[]", b'{"position":"x"}', b'{"position":"0:0:0:0"}'):
        (lane / "shipped.json").write_bytes(content)
        with pytest.raises(IntegrityError):
            read_shipped(lane).at()
        assert pending_bytes(lane) == full


def test_a_lane_is_alive_as_long_as_somebody_holds_its_lock(tmp_path):
    folder, lock = take_lane(tmp_path, "w1-1")
    assert is_alive(folder)
    with pytest.raises(BlockingIOError):
        fcntl.flock(os.open(folder / "lock", os.O_RDONLY), fcntl.LOCK_SH | fcntl.LOCK_NB)
    os.close(lock)
    assert not is_alive(folder)


def test_looking_whether_a_lane_is_alive_never_disturbs_its_writer(tmp_path):
    writer = LaneWriter(tmp_path, "w1-1", sealer=SEALER, segment_bytes=40_000, files=Disk())
    for n in range(10):
        assert is_alive(tmp_path / "w1-1")
        writer.commit([encode(intent(n))])
    writer.close()


def test_a_spool_folder_that_can_not_be_made_is_one_clear_sentence(tmp_path):
    (tmp_path / "spool").write_bytes(b"a file")
    with pytest.raises(StateError, match="can't be made"):
        take_lane(tmp_path / "spool", "w1-1")


@given(used=st.integers(0, 40_000), reserved=st.integers(0, 100_000))
def test_the_end_of_data_is_where_the_zeros_begin(tmp_path_factory, used, reserved):
    path = tmp_path_factory.mktemp("file") / "segment"
    path.write_bytes(b"\xff" * used + bytes(reserved))
    with path.open("rb") as file:
        assert written_bytes(file.fileno()) == used


def test_the_start_of_a_lane_is_before_its_first_entry():
    assert Position() == START
    assert str(START) == "1:0:0:0"


def test_what_vanishes_while_it_is_measured_counts_as_shipped(tmp_path, monkeypatch):
    lane = write_lane(tmp_path, [[intent(0)]])
    assert pending_bytes(tmp_path / "gone") == 0
    monkeypatch.setattr("sekimori.ledger.lanes.segments", lambda _: [1, 2])
    assert pending_bytes(lane) > 0


def test_a_full_disk_leaves_no_half_reserved_file(tmp_path, monkeypatch):
    def full(handle, offset, size):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        LocalFiles().create(tmp_path / "segment", 1 << 20)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_a_marker_that_is_no_file_is_named_at_once_and_counts_as_none(tmp_path, kind):
    lane = write_lane(tmp_path, [[intent(1)]])
    waiting = pending_bytes(lane)
    put(kind, lane / SHIPPED)
    with within(10):
        with pytest.raises(IntegrityError, match=f"{lane / SHIPPED} can't be read"):
            read_shipped(lane)
        assert pending(tmp_path) == {"w1-1": waiting}


def test_a_marker_that_is_far_too_long_or_no_text_is_named(tmp_path):
    lane = write_lane(tmp_path, [[intent(1)]])
    for content in (b'{"position":"1:0:0:0"}' + b" " * 5000, b'{"position":"\xff"}'):
        (lane / SHIPPED).write_bytes(content)
        with pytest.raises(IntegrityError, match="can't be read"):
            read_shipped(lane)


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_a_lock_that_is_no_file_is_named_at_once(tmp_path, kind):
    lane = write_lane(tmp_path, [[intent(1)]])
    put(kind, lane / LOCK)
    with within(10), pytest.raises(IntegrityError, match=f"{lane / LOCK} is not a plain file"):
        is_alive(lane)


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_a_segment_that_is_no_file_is_named_at_once_and_measured_as_empty(tmp_path, kind):
    lane = write_lane(tmp_path, [[intent(1)]])
    put(kind, segment_path(lane, 1))
    with within(10):
        assert pending(tmp_path) == {"w1-1": 0}
        with pytest.raises(IntegrityError, match=f"{segment_path(lane, 1)} is not a plain file"):
            read_lane(lane)


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_asking_for_a_new_segment_makes_no_file_elsewhere(tmp_path, kind):
    lane = write_lane(tmp_path / "spool", [[intent(1)]])
    put(kind, lane / ROLL, at=tmp_path / "elsewhere")
    with within(10):
        ask_to_roll(lane)
    assert not (tmp_path / "elsewhere").exists()


def test_a_link_among_what_was_given_up_is_removed_and_not_what_it_points_to(tmp_path):
    lane = write_lane(tmp_path / "spool", [], closed=True)
    kept = tmp_path / "kept"
    kept.mkdir()
    put("link", tmp_path / "spool" / ".gone-x", at=kept)
    mark_shipped(lane, START, done=True)
    remove_lane(lane)
    assert kept.exists()
    assert list((tmp_path / "spool").iterdir()) == []
