"""The published checkpoint is carried elsewhere: marked as witnessed, stamped, kept once."""

import os
import threading
import time

import pytest

from sekimori.errors import IntegrityError, StateError
from sekimori.ledger.outside.follower import Follower, Stamping
from sekimori.ledger.outside.http import Remote
from sekimori.ledger.outside.timestamps import Authority, read_roots
from sekimori.ledger.outside.witnessed import Mark, WitnessedWatch, standing
from sekimori.ledger.outside.worm import WormFolder, write_once
from sekimori.ledger.tlog.checkpoint import log_verifier
from sekimori.ledger.tlog.keys import KeySigner, PublicKey
from sekimori.ledger.tlog.note import COSIGNATURE, Verifier, cosign_note, with_signatures
from support.outside import SmallLog, authority
from support.tlog import LOG, WITNESS, WITNESS_NAME, witness_verifier

SMALL = SmallLog()
LOG_VERIFIER = log_verifier(LOG.public)
SECOND = KeySigner(bytes(range(96, 128)))
SECOND_VERIFIER = Verifier("witness.example/w2", COSIGNATURE, PublicKey(SECOND.public))
ARCHIVE = KeySigner(bytes(range(32, 64)))
BOTH = (witness_verifier(), SECOND_VERIFIER)
T = 1_795_204_800


def marking(path, signer=ARCHIVE):
    """The archivist's mark, with its memory among the keys."""
    return Mark(path, signer, path.with_name("keys.since"))


class Ears:
    """Remembers what it is told."""

    def __init__(self):
        self.failures, self.ages = [], []

    def unwitnessed(self, seconds):
        self.ages.append(seconds)

    def failed(self, kind, sentence):
        self.failures.append((kind, sentence))


def checkpoint(size, *times, log=SMALL):
    """A checkpoint cosigned by the first, or by both witnesses."""
    note = log.offer(size).note
    keys = ((WITNESS_NAME, WITNESS), ("witness.example/w2", SECOND))
    signed = [cosign_note(note.text, *key, time=time) for key, time in zip(keys, times, strict=False)]
    return with_signatures(note, signed).pack()


@pytest.fixture
def published(tmp_path):
    """Publish a checkpoint as the tree's writer does."""
    folder = tmp_path / "super"
    folder.mkdir()
    (folder / "log.vkey").write_text(LOG_VERIFIER.vkey + "\n")

    def publish(data):
        (folder / "checkpoint").write_bytes(data)
        return lambda: folder

    return publish


# --- witnessed -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "quorum", "witnessed"),
    [
        pytest.param((), 1, 0, id="nobody"),
        pytest.param((T,), 1, T, id="one of one"),
        pytest.param((T,), 2, 0, id="one of two"),
        pytest.param((T, T - 60), 2, T - 60, id="both, since the later one"),
        pytest.param((T, T - 60), 1, T, id="any, since the newest"),
    ],
)
def test_a_checkpoint_is_witnessed_once_enough_have_signed_it(times, quorum, witnessed):
    found = standing(checkpoint(5, *times), LOG_VERIFIER, BOTH, quorum)
    assert (found.witnessed, len(found.cosigners)) == (witnessed, len(times))
    assert standing(checkpoint(5, *times), LOG_VERIFIER, (), 0).witnessed == 0


def test_a_false_cosignature_is_an_alarm():
    data = checkpoint(5, T).replace(b"\n5\n", b"\n6\n")
    with pytest.raises(IntegrityError):
        standing(data, LOG_VERIFIER, BOTH, 1)


@pytest.mark.parametrize(
    ("age", "limit", "ok"),
    [
        pytest.param(None, 100, False, id="never"),
        pytest.param(0, 100, True, id="now"),
        pytest.param(100, 100, True, id="at the limit"),
        pytest.param(101, 100, False, id="too old"),
        pytest.param(-3600, 100, False, id="a time that is yet to come"),
        pytest.param(None, 0, True, id="no witness configured"),
    ],
)
def test_the_gate_closes_where_nothing_says_that_all_is_well(tmp_path, age, limit, ok):
    path = tmp_path / "witnessed"
    if age is not None:
        marking(path).touch(T - age)
    watch = WitnessedWatch(path, limit, ARCHIVE.public)
    assert watch.ok == (not limit)
    watch.look(T)
    assert watch.ok == ok
    assert not watch.look(T)


def forge_touch(path):
    path.touch()
    os.utime(path, (T, T))


def forge_time(path):
    path.write_bytes(path.read_bytes().replace(str(T - 3600).encode(), str(T).encode()))


def forge_under_another_key(path):
    marking(path, SECOND).touch(T)


def forge_nothing(path):
    path.write_bytes(b"")
    os.utime(path, (T, T))


def forge_endless(path):
    path.unlink()
    os.mkfifo(path)


def forge_removal(path):
    path.unlink()


FORGERIES = (
    forge_touch,
    forge_time,
    forge_under_another_key,
    forge_nothing,
    forge_endless,
    forge_removal,
)


@pytest.mark.req("MOU-2-7", "MOU-2-8")
@pytest.mark.parametrize("forge", [pytest.param(one, id=one.__name__[6:]) for one in FORGERIES])
def test_whoever_writes_in_the_data_folder_does_not_open_the_gate(tmp_path, forge):
    path = tmp_path / "witnessed"
    mark = marking(path)
    mark.begin(T - 3600)
    watch = WitnessedWatch(path, 100, ARCHIVE.public)
    forge(path)
    watch.look(T)
    assert not watch.ok
    assert mark.age(T) >= 3600
    # Nor does a restart of the archivist, which remembers elsewhere since when it waits.
    again = marking(path)
    again.begin(T)
    watch.look(T)
    assert not watch.ok
    assert again.age(T) == 3600
    again.touch(T)
    watch.look(T)
    assert watch.ok


def test_an_old_checkpoint_does_not_become_new_by_a_restart(tmp_path, published):
    mark = marking(tmp_path / "witnessed")
    mark.begin(T + 3600)
    folder = published(checkpoint(5, T))
    Follower(folder, Ears(), lambda: T + 3600, witnesses=BOTH, quorum=1, mark=mark).step()
    assert mark.age(T + 3600) == 3600


def test_a_mark_that_is_there_is_not_begun_anew(tmp_path):
    mark = marking(tmp_path / "witnessed")
    mark.begin(T)
    mark.begin(T + 100)
    assert mark.age(T + 100) == 100


def test_the_mark_is_begun_once_the_folder_is_there_and_never_again(tmp_path):
    folder, ears = tmp_path / "ledger" / "super", Ears()
    mark = marking(folder.parent / "witnessed")
    follower = Follower(lambda: folder, ears, lambda: T, witnesses=BOTH, quorum=1, mark=mark)
    follower.step()  # a first start: the archivist is about to make the folder
    folder.mkdir(parents=True)
    follower.step()
    assert (mark.age(T + 5), ears.failures) == (5, [])
    (folder.parent / "witnessed").unlink()
    follower.step()
    assert mark.age(T) == float("inf")


def test_a_checkpoint_without_its_quorum_leaves_the_mark_alone(tmp_path, published):
    mark, ears = marking(tmp_path / "witnessed"), Ears()
    mark.begin(T - 50)
    follower = Follower(published(checkpoint(5, T)), ears, lambda: T, witnesses=BOTH, quorum=2, mark=mark)
    follower.step()
    published(checkpoint(6, T, T))
    follower.step()
    assert ears.ages == [50, 0]


# --- written once ----------------------------------------------------------------------------------


@pytest.mark.req("MOU-2-7")
def test_a_file_is_written_once_and_never_again(tmp_path):
    path = tmp_path / "a"
    assert write_once(path, b"one")
    assert not write_once(path, b"one")
    with pytest.raises(IntegrityError):
        write_once(path, b"two")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"one", 0o444)
    (tmp_path / "b").symlink_to(path)
    with pytest.raises(IntegrityError):
        write_once(tmp_path / "b", b"two")
    assert path.read_bytes() == b"one"


def test_each_size_is_kept_once_by_day(tmp_path, published):
    worm, ears, clock = tmp_path / "worm", Ears(), [T]
    worm.mkdir()
    follower = Follower(published(checkpoint(5, T)), ears, lambda: clock[0], worm=WormFolder(worm))
    # The same tree again, with another time of its witness; then it grew.
    for seconds, data in ((0, checkpoint(5, T)), (1, checkpoint(5, T + 1)), (86400, checkpoint(9, T + 2))):
        clock[0] = T + seconds
        published(data)
        follower.step()
    kept = {str(path.relative_to(worm)): path.read_bytes() for path in worm.glob("*/*")}
    assert kept == {
        "2026-11-20/200000-5.checkpoint": checkpoint(5, T),
        "2026-11-21/200000-9.checkpoint": checkpoint(9, T + 2),
    }
    assert ears.failures == []


def test_a_share_that_is_not_mounted_is_told_and_tried_again(tmp_path, published):
    worm, ears = tmp_path / "worm", Ears()
    follower = Follower(published(checkpoint(5)), ears, lambda: T, worm=WormFolder(worm))
    follower.step()
    assert [kind for kind, _ in ears.failures] == ["worm"]
    assert not worm.exists()
    worm.mkdir()
    follower.step()
    assert len(list(worm.glob("*/*"))) == 1


def test_a_folder_that_takes_nothing_is_told(tmp_path):
    (tmp_path / "2026-11-20").write_text("a file where the day's folder should be")
    with pytest.raises(StateError):
        WormFolder(tmp_path).keep("5.checkpoint", b"x", T)


# --- following ---------------------------------------------------------------------------------------


def test_a_published_checkpoint_that_is_false_is_told_and_not_carried_on(tmp_path, published):
    worm, ears = tmp_path / "worm", Ears()
    worm.mkdir()
    other = SmallLog(signer=SECOND).offer(5).note.pack()
    follower = Follower(published(other), ears, lambda: T, worm=WormFolder(worm))
    follower.step()
    assert [kind for kind, _ in ears.failures] == ["witness"]
    assert list(worm.iterdir()) == []


def test_nothing_is_told_before_anything_is_published(tmp_path):
    ears = Ears()
    Follower(lambda: tmp_path / "super", ears, lambda: T).step()
    assert (ears.failures, ears.ages) == ([], [])


def test_an_authority_is_asked_when_it_is_due_and_a_failure_is_tried_again(tmp_path, published):
    tsa, ears, clock = authority(), Ears(), [time.time()]
    stamps, worm = tmp_path / "stamps" / "tsa", tmp_path / "worm"
    worm.mkdir()
    with tsa.server() as server:
        asking = Authority("tsa", Remote(server.url), read_roots(tsa.ca))
        follower = Follower(
            published(checkpoint(5)),
            ears,
            lambda: clock[0],
            stampings=[Stamping(asking, 200.0, stamps)],
            worm=WormFolder(worm),
        )
        follower.step()
        clock[0] += 100
        follower.step()
        assert len(list(stamps.glob("*/*.tsr"))) == 1
        (stamp,) = stamps.glob("*/*.tsr")
        assert tsa.accepts(stamp, stamp.with_suffix(".checkpoint"))
    clock[0] += 101
    follower.step()  # nobody answers now
    follower.step()  # and nobody is asked again at once
    assert [kind for kind, _ in ears.failures] == ["timestamp"]
    names = sorted(path.name.partition("-")[2] for path in worm.glob("*/*"))
    assert names == ["5-tsa.checkpoint", "5-tsa.tsr", "5.checkpoint"]


def test_after_a_restart_the_next_stamp_is_due_when_it_was(tmp_path, published):
    tsa, stamps = authority(), tmp_path / "stamps"
    with tsa.server() as server:
        for expected in (1, 1):
            one = Stamping(Authority("tsa", Remote(server.url), read_roots(tsa.ca)), 3600.0, stamps)
            follower = Follower(published(checkpoint(5)), Ears(), time.time, stampings=[one])
            stop = threading.Event()
            thread = threading.Thread(target=follower.run, args=[stop])
            thread.start()
            until = time.monotonic() + 10
            while not list(stamps.glob("*/*.tsr")) and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(1.2 if expected else 0)
            stop.set()
            thread.join()
            assert len(list(stamps.glob("*/*.tsr"))) == expected
