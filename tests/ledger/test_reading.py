"""Reading a lane back: what a crash explains is reported, everything else is an IntegrityError."""

import contextlib
import os
import shutil
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sekimori.errors import IntegrityError
from sekimori.ledger import frames
from sekimori.ledger.frames import FRAME_HEAD_BYTES
from sekimori.ledger.lane import LaneWriter
from sekimori.ledger.lanes import (
    START,
    Position,
    mark_shipped,
    segment_path,
    segments,
    take_lane,
    written_bytes,
)
from sekimori.ledger.reading import EndState, LaneEnd, LaneReader
from support.spool import SEALER, Disk, commit, intent, opener, read_lane, rids, write_lane

MODEST = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def ends(lane_dir: Path) -> LaneEnd:
    """Read a lane and return how it ends."""
    reader = LaneReader(lane_dir, opener())
    for _ in reader.read():
        pass
    assert reader.end is not None
    return reader.end


def frame_bounds(path: Path) -> list[tuple[int, int]]:
    """Return where each frame of a segment starts and ends."""
    data = path.read_bytes()
    at = len(frames.unpack_header(data)[1])
    bounds = []
    while (head := frames.unpack_frame_head(data[at : at + FRAME_HEAD_BYTES])) is not None:
        bounds.append((at, at + FRAME_HEAD_BYTES + head.length))
        at = bounds[-1][1]
    return bounds


@pytest.fixture
def lane(tmp_path):
    """A lane of four commits and seven entries, whose writer died."""
    commits = [[intent(0), intent(1)], [intent(2)], [intent(3), intent(4), intent(5)], [intent(6)]]
    return write_lane(tmp_path / "spool", commits)


@pytest.fixture
def long_lane(tmp_path):
    """A lane of several segments."""
    return write_lane(tmp_path / "spool", [[intent(n, size=9000)] for n in range(30)], segment_bytes=40_000)


@MODEST
@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=12), segment_bytes=st.integers(600, 5000))
def test_every_entry_comes_back_in_order_and_reading_resumes_anywhere(tmp_path_factory, sizes, segment_bytes):
    commits = [[intent(f"{i}-{j}") for j in range(size)] for i, size in enumerate(sizes)]
    lane = write_lane(tmp_path_factory.mktemp("spool"), commits, segment_bytes=segment_bytes, closed=True)
    items = read_lane(lane)
    assert [item.entry for item in items] == [entry for commit in commits for entry in commit]
    assert [item.n for item in items] == list(range(1, len(items) + 1))
    for index, item in enumerate(items, 1):
        assert read_lane(lane, Position.parse(str(item.position))) == items[index:]
    assert ends(lane).state is EndState.CLOSED


def test_a_lane_whose_writer_died_ends_as_crashed(lane):
    assert ends(lane) == LaneEnd(EndState.CRASHED, read_lane(lane)[-1].position, 0)


def test_a_lane_that_was_never_written_is_empty(tmp_path):
    lane = write_lane(tmp_path / "spool", [])
    assert read_lane(lane) == []
    assert ends(lane).state is EndState.CRASHED


def test_a_lane_whose_writer_died_before_its_first_segment_is_empty(tmp_path):
    folder, lock = take_lane(tmp_path / "spool", "w1-1")
    assert ends(folder).state is EndState.GROWING
    os.close(lock)
    assert ends(folder).state is EndState.CRASHED


def test_a_growing_lane_is_read_as_far_as_it_is(tmp_path):
    writer = LaneWriter(tmp_path, "w1-1", sealer=SEALER, segment_bytes=40_000, files=Disk())
    reader = LaneReader(tmp_path / "w1-1", opener())
    position = START
    for n in range(20):
        commit(writer, "w1-1", intent(n, size=5000))
        ((position, number, entry, *_),) = reader.read(position)
        assert (number, entry.rid) == (n + 1, str(n))
        assert reader.end is not None
        assert reader.end.state is EndState.GROWING
        mark_shipped(tmp_path / "w1-1", position)
    writer.close()
    assert list(reader.read(position)) == []
    closed: LaneEnd | None = reader.end
    assert closed is not None
    assert closed.state is EndState.CLOSED


def test_a_reader_never_sees_a_half_written_commit(tmp_path):
    writer = LaneWriter(tmp_path, "w1-1", sealer=SEALER, segment_bytes=200_000, files=Disk())
    total = 300

    def write():
        for n in range(total):
            commit(writer, "w1-1", intent(n, size=n * 50))
        writer.close()

    thread = threading.Thread(target=write)
    thread.start()
    reader, position, seen = LaneReader(tmp_path / "w1-1", opener()), START, []
    while reader.end is None or reader.end.state is EndState.GROWING:
        for item in reader.read(position):
            seen.append(item.n)
            position = item.position
    thread.join()
    assert seen == list(range(1, total + 1))


# Torn tails.


def test_a_last_frame_cut_at_any_byte_is_torn_and_nothing_else_is_lost(lane):
    path = segment_path(lane, 1)
    data = path.read_bytes()
    start, end = frame_bounds(path)[-1]
    for cut in range(start, end):
        # A file that ends with a whole frame was cut by its writer: the next segment is gone (see below).
        shorter = [data[:cut]] if cut > start else []
        for torn in (*shorter, data[:cut].ljust(len(data), b"\0")):
            path.write_bytes(torn)
            assert rids(lane) == ["0", "1", "2", "3", "4", "5"], cut
            left = len(data[start:cut].rstrip(b"\0"))
            assert ends(lane) == LaneEnd(EndState.CRASHED, read_lane(lane)[-1].position, left), cut


def test_the_last_segment_of_a_dead_lane_cannot_vanish_unseen(tmp_path):
    lane = write_lane(tmp_path, [[intent(n, size=30_000)] for n in range(12)])
    *_, last = numbers = segments(lane)
    assert len(numbers) > 2
    segment_path(lane, last).unlink()
    with pytest.raises(IntegrityError, match=f"Segment {last} of lane w1-1 is missing"):
        read_lane(lane)
    for number in numbers[1:-1]:
        segment_path(lane, number).unlink()
    with pytest.raises(IntegrityError, match="Segment 2 of lane w1-1 is missing"):
        read_lane(lane)


def test_a_lane_whose_end_is_known_may_be_read_on_behind_the_word_that_closed_it(tmp_path):
    lane = write_lane(tmp_path, [[intent(1)]], closed=True)
    reader = LaneReader(lane, opener())
    assert len(list(reader.read())) == 1
    assert reader.end is not None
    again = LaneReader(lane, opener(), ended=True)
    assert list(again.read(reader.end.position)) == []
    with pytest.raises(IntegrityError, match="Segment 2 of lane w1-1 is missing"):
        list(LaneReader(lane, opener()).read(reader.end.position))


@MODEST
@given(lost=st.sets(st.integers(0, 20), min_size=1))
def test_a_last_frame_of_which_any_sectors_never_arrived_is_torn(tmp_path_factory, lost):
    spool = tmp_path_factory.mktemp("spool")
    lane = write_lane(spool, [[intent(0, size=300)], [intent("torn", size=5000)]])
    path = segment_path(lane, 1)
    data = bytearray(path.read_bytes())
    start, end = frame_bounds(path)[-1]
    for sector in {start // 512 + (n % ((end - start) // 512 + 1)) for n in lost}:
        a, b = max(start, sector * 512), min(end, (sector + 1) * 512)
        data[a:b] = bytes(max(0, b - a))
    path.write_bytes(data)
    assert rids(lane) == ["0"]
    assert ends(lane).state is EndState.CRASHED


def test_a_torn_tail_of_a_living_writer_is_just_not_there_yet(tmp_path):
    writer = LaneWriter(tmp_path, "w1-1", sealer=SEALER, segment_bytes=40_000, files=Disk())
    commit(writer, "w1-1", intent("whole"))
    commit(writer, "w1-1", intent("being written"))
    lane = tmp_path / "w1-1"
    start, end = frame_bounds(segment_path(lane, 1))[-1]
    with segment_path(lane, 1).open("r+b") as file:
        file.seek((start + end) // 2)
        file.write(bytes(end - (start + end) // 2))
    assert rids(lane) == ["whole"]
    assert ends(lane) == LaneEnd(EndState.GROWING, read_lane(lane)[-1].position, 0)
    writer.abandon()
    assert ends(lane).torn_bytes > 0


# What no crash explains.


@MODEST
@given(at=st.integers(0, 10**6), change=st.integers(1, 255))
def test_no_changed_byte_before_the_last_frame_goes_unnoticed(lane, at, change):
    path = segment_path(lane, 1)
    good = path.read_bytes()
    damaged = bytearray(good)
    damaged[at % frame_bounds(path)[-1][0]] ^= change
    path.write_bytes(damaged)
    with pytest.raises(IntegrityError):
        read_lane(lane)
    path.write_bytes(good)


@MODEST
@given(at=st.integers(0, 10**6), change=st.integers(1, 255))
def test_a_changed_last_frame_is_never_delivered(lane, at, change):
    path = segment_path(lane, 1)
    good = path.read_bytes()
    damaged = bytearray(good)
    start, end = frame_bounds(path)[-1]
    at = start + at % (end - start)
    damaged[at] ^= change
    path.write_bytes(damaged)
    try:
        assert "6" not in rids(lane)
        assert 0 in (damaged[at], damaged[end - 1]) or at - start < 12  # it looks as if a part never came
    except IntegrityError:
        pass
    path.write_bytes(good)


def test_a_length_that_was_changed_does_not_swallow_what_follows(lane):
    path = segment_path(lane, 1)
    data = bytearray(path.read_bytes())
    start, _ = frame_bounds(path)[1]
    for at in range(8, 12):
        for value in (0, 1, 2, 0x10, 0x7F, 0x80, 0xFF):
            changed = data[:]
            changed[start + at] = value
            path.write_bytes(changed)
            if changed != data:
                with pytest.raises(IntegrityError):
                    read_lane(lane)


@pytest.mark.parametrize("index", [0, 1, 2], ids=["first", "second", "last but one"])
def test_a_lost_frame_before_a_sound_one_is_no_torn_tail(lane, index):
    path = segment_path(lane, 1)
    data = bytearray(path.read_bytes())
    start, end = frame_bounds(path)[index]
    data[start:end] = bytes(end - start)
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match="damaged at byte"):
        read_lane(lane)


def test_a_damaged_frame_before_a_sound_one_alarms_while_the_writer_lives(tmp_path):
    writer = LaneWriter(tmp_path, "w1-1", sealer=SEALER, segment_bytes=40_000, files=Disk())
    for n in range(3):
        commit(writer, "w1-1", intent(n))
    path = segment_path(tmp_path / "w1-1", 1)
    start, end = frame_bounds(path)[1]
    with path.open("r+b") as file:
        file.seek(start)
        file.write(bytes(end - start))
    with pytest.raises(IntegrityError, match="damaged at byte"):
        read_lane(tmp_path / "w1-1")
    writer.abandon()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        pytest.param(lambda f: [f[0], f[1], f[3]], "frame 3", id="one taken out"),
        pytest.param(lambda f: [f[0], f[2], f[1], f[3]], "frame 2", id="two swapped"),
        pytest.param(lambda f: [f[0], f[1], f[1], f[2], f[3]], "frame 1", id="one repeated"),
        pytest.param(lambda f: [f[1], f[2], f[3]], "frame 1", id="the first taken out"),
    ],
)
def test_frames_that_were_rearranged_are_noticed(lane, edit, message):
    path = segment_path(lane, 1)
    data = path.read_bytes()
    bounds = frame_bounds(path)
    pieces = edit([data[a:b] for a, b in bounds])
    path.write_bytes(data[: bounds[0][0]] + b"".join(pieces) + bytes(1000))
    with pytest.raises(IntegrityError, match=message):
        read_lane(lane)


def renumbered(data: bytes, start: int, end: int, **changes: int) -> bytes:
    """Give a frame another clear head with a good checksum."""
    head = frames.unpack_frame_head(data[start : start + FRAME_HEAD_BYTES])
    assert head is not None
    fields = {"number": head.number, "first_n": head.first_n, "count": head.count} | changes
    new = frames.new_head(head.length, **fields)
    return data[:start] + frames.pack_frame(new, data[start + FRAME_HEAD_BYTES : end]) + data[end:]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"count": 2}, "doesn't open", id="another count"),
        pytest.param({"first_n": 9}, "entry 9", id="another first number"),
        pytest.param({"number": 9}, "frame 9", id="another frame number"),
        pytest.param({"count": 0}, "doesn't open", id="said to be the end"),
    ],
)
def test_a_head_that_was_rewritten_with_a_good_checksum_is_noticed(lane, changes, message):
    path = segment_path(lane, 1)
    start, end = frame_bounds(path)[-1]
    path.write_bytes(renumbered(path.read_bytes(), start, end, **changes))
    with pytest.raises(IntegrityError, match=message):
        read_lane(lane)


def test_a_missing_segment_is_named(long_lane):
    segment_path(long_lane, 3).unlink()
    with pytest.raises(IntegrityError, match="Segment 3 of lane w1-1 is missing"):
        read_lane(long_lane)


def test_a_missing_first_segment_is_named(long_lane):
    segment_path(long_lane, 1).unlink()
    with pytest.raises(IntegrityError, match="Segment 1 of lane w1-1 is missing"):
        read_lane(long_lane)


def test_when_all_segments_are_gone_that_is_noticed_by_whoever_read_before(long_lane):
    position = read_lane(long_lane)[5].position
    for number in segments(long_lane):
        segment_path(long_lane, number).unlink()
    with pytest.raises(IntegrityError, match="is missing"):
        read_lane(long_lane, position)


def test_segments_that_were_swapped_are_noticed(long_lane):
    two, three = segment_path(long_lane, 2).read_bytes(), segment_path(long_lane, 3).read_bytes()
    segment_path(long_lane, 2).write_bytes(three)
    segment_path(long_lane, 3).write_bytes(two)
    with pytest.raises(IntegrityError, match="is segment 3"):
        read_lane(long_lane)


def test_a_segment_of_another_lane_is_noticed(tmp_path, long_lane):
    other = write_lane(tmp_path / "spool", [[intent("other")]], lane="w1-2")
    shutil.copy(segment_path(other, 1), segment_path(long_lane, 1))
    with pytest.raises(IntegrityError, match="of lane w1-2"):
        read_lane(long_lane)


def test_a_cut_end_of_a_segment_that_another_follows_is_noticed(long_lane):
    path = segment_path(long_lane, 2)
    data = path.read_bytes()
    start, end = frame_bounds(path)[-1]
    for cut in (start, start + 10, end - 1):
        path.write_bytes(data[:cut])
        with pytest.raises(IntegrityError, match=r"damaged at byte|begins with entry"):
            read_lane(long_lane)


def test_nothing_may_follow_the_end_of_a_closed_lane(tmp_path):
    lane = write_lane(tmp_path / "spool", [[intent("a")]], closed=True)
    with segment_path(lane, 1).open("ab") as file:
        file.write(b"more")
    with pytest.raises(IntegrityError, match="goes on after"):
        read_lane(lane)


def test_another_archivists_key_opens_nothing(lane):
    stranger = type(opener())(bytes(31) + b"\x01")
    with pytest.raises(IntegrityError, match="another archivist"):
        list(LaneReader(lane, stranger).read())


def test_a_removed_lock_is_named_and_can_be_put_back(lane):
    (lane / "lock").unlink()
    with pytest.raises(IntegrityError, match="lock of lane w1-1 was removed") as caught:
        read_lane(lane)
    assert "empty file" in caught.value.hint
    (lane / "lock").touch()
    assert len(read_lane(lane)) == 7


def test_sealed_bytes_that_are_no_entries_are_noticed(tmp_path):
    writer = LaneWriter(tmp_path, "w1-1", sealer=SEALER, segment_bytes=40_000, files=Disk())
    writer.commit([b"\xc1 not an entry"])
    writer.abandon()
    with pytest.raises(IntegrityError, match="something else than entry 1"):
        read_lane(tmp_path / "w1-1")


@MODEST
@given(data=st.binary(max_size=400), keep=st.integers(0, 3))
def test_any_bytes_in_a_segment_are_read_or_an_integrity_error(lane, data, keep):
    path = segment_path(lane, 1)
    good = path.read_bytes()
    kept = [0, len(frames.unpack_header(good)[1]), frame_bounds(path)[0][1], frame_bounds(path)[2][1]][keep]
    path.write_bytes(good[:kept] + data)
    with contextlib.suppress(IntegrityError):
        assert len(rids(lane)) <= 6
    path.write_bytes(good)


@MODEST
@given(data=st.binary(min_size=1, max_size=400))
def test_any_bytes_after_a_frame_mark_are_read_or_an_integrity_error(lane, data):
    path = segment_path(lane, 1)
    good = path.read_bytes()
    end = frame_bounds(path)[-1][1]
    path.write_bytes(good[:end] + frames.FRAME_MAGIC + data)
    with contextlib.suppress(IntegrityError):
        assert len(rids(lane)) == 7
    path.write_bytes(good)


def test_a_segment_full_of_frame_marks_costs_no_time(lane):
    path = segment_path(lane, 1)
    data = path.read_bytes()
    end = frame_bounds(path)[-1][1]
    mark = frames.pack_frame(frames.new_head(500_000, 0, 0, 0), b"x" * 16)
    path.write_bytes(data[:end] + bytes(28) + mark * 30_000)
    with pytest.raises(IntegrityError):
        read_lane(lane)


def test_the_end_of_the_data_is_found_without_reading_it_all(lane):
    path = segment_path(lane, 1)
    with path.open("rb") as file:
        assert 0 <= frame_bounds(path)[-1][1] - written_bytes(file.fileno()) <= 3
