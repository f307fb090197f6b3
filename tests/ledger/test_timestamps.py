"""Time-stamps over a checkpoint, made by OpenSSL behind HTTP and verified by OpenSSL as an auditor would."""

import hashlib
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sekimori.errors import IntegrityError, StateError
from sekimori.ledger.outside.http import Remote
from sekimori.ledger.outside.timestamps import (
    Authority,
    check_stamp,
    newest,
    read_roots,
    store_stamp,
)
from support.outside import Scripted, SmallLog, TimeStamping, authority

CHECKPOINT = SmallLog().offer(42).note.pack()
REPLY = "application/timestamp-reply"


@pytest.fixture(scope="module")
def tsa():
    return authority()


@pytest.fixture(scope="module")
def stamped(tsa, tmp_path_factory):
    """A stored stamp and the checkpoint beside it."""
    folder = tmp_path_factory.mktemp("stamps")
    with tsa.server() as server:
        asking = Authority("tsa", Remote(server.url), read_roots(tsa.ca))
        stamp = asking.stamp(CHECKPOINT, time.time())
    path = store_stamp(folder, CHECKPOINT, stamp, 42)
    return path, path.with_suffix(".checkpoint")


def flipped(file, at, folder):
    data = bytearray(file.read_bytes())
    data[at // 8] ^= 1 << at % 8
    altered = folder / f"{file.suffix[1:]}-{at}"
    altered.write_bytes(data)
    return altered


def covered(stamp):
    """Where the statement and its signature lie in a stamp: the imprint of the checkpoint to the time, and the end."""
    data = stamp.read_bytes()
    imprint = data.index(hashlib.sha256(CHECKPOINT).digest())
    return [*range(imprint, imprint + 60), *range(len(data) - 60, len(data))]


@pytest.mark.req("MOU-2-7")
def test_openssl_accepts_what_is_stored_and_refuses_it_with_a_bit_flipped(tsa, stamped, tmp_path):
    stamp, data = stamped
    assert data.read_bytes() == CHECKPOINT
    assert tsa.accepts(stamp, data)
    for n, byte in enumerate(range(0, len(CHECKPOINT), 5)):
        assert not tsa.accepts(stamp, flipped(data, byte * 8 + n % 8, tmp_path)), f"byte {byte} of the data"
    for n, byte in enumerate(covered(stamp)[::3]):
        assert not tsa.accepts(flipped(stamp, byte * 8 + n % 8, tmp_path), data), f"byte {byte} of the stamp"


def test_a_stored_stamp_can_be_read_and_not_changed(stamped, tmp_path):
    stamp, _ = stamped
    assert {file.stat().st_mode & 0o777 for file in stamped} == {0o444}
    assert abs(newest(stamp.parents[1]) - time.time()) < 60
    assert newest(tmp_path / "nothing") == 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_ours_accepts_nothing_that_openssl_refuses(stamped, tsa, tmp_path, data):
    at = data.draw(st.integers(0, stamped[0].stat().st_size * 8 - 1))
    altered = flipped(stamped[0], at, tmp_path)
    try:
        check_stamp(altered.read_bytes(), CHECKPOINT, read_roots(tsa.ca))
    except IntegrityError:
        return
    # What no signature covers may differ, as a certificate that nobody needs.
    assert tsa.accepts(altered, stamped[1])


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_stumble(tsa, data):
    with pytest.raises(IntegrityError):
        check_stamp(data, CHECKPOINT, read_roots(tsa.ca))


def test_a_stamp_of_something_else_or_of_an_older_request_is_not_believed(tsa):
    kept = []

    def replaying(_, query):
        kept.append(tsa.answer(query))
        return 200, REPLY, kept[0]

    with Scripted(replaying) as server:
        asking = Authority("tsa", Remote(server.url), read_roots(tsa.ca))
        asking.stamp(CHECKPOINT, time.time())
        for data in (CHECKPOINT, b"another"):
            with pytest.raises(IntegrityError):
                asking.stamp(data, time.time())


def test_an_authority_of_another_ca_is_not_believed(tsa, tmp_path):
    other = TimeStamping(tmp_path)
    with other.server() as server, pytest.raises(IntegrityError):
        Authority("tsa", Remote(server.url), read_roots(tsa.ca)).stamp(CHECKPOINT, time.time())


def test_a_time_that_is_not_now_is_not_believed(tsa):
    with tsa.server() as server, pytest.raises(IntegrityError, match="not now"):
        Authority("tsa", Remote(server.url), read_roots(tsa.ca)).stamp(CHECKPOINT, time.time() - 3600)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param((500, REPLY, b""), StateError, id="unable"),
        pytest.param((200, "text/html", b"<p>"), StateError, id="a page"),
        pytest.param((200, REPLY, b"noise"), IntegrityError, id="noise"),
        pytest.param((200, REPLY, b"x" * 70_000), StateError, id="without end"),
    ],
)
def test_an_answer_that_is_no_stamp_is_told(tsa, answer, error):
    with Scripted(lambda *_: answer) as server, pytest.raises(error):
        Authority("tsa", Remote(server.url), read_roots(tsa.ca)).stamp(CHECKPOINT, time.time())


def test_a_ca_file_that_is_none_is_named(tmp_path):
    (tmp_path / "empty").write_text("")
    for path in (tmp_path / "missing", tmp_path / "empty"):
        with pytest.raises(StateError, match=path.name):
            read_roots(path)
