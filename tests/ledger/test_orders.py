"""What the spool and its recorder say to each other, in whatever pieces the socket gives it."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import threading

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekimori.errors import IntegrityError
from sekimori.ledger.evidence import Draft
from sekimori.ledger.orders import (
    CLOSE,
    Answer,
    Inbox,
    Said,
    answer_message,
    close_order,
    commit_order,
    read_drafts,
    receive,
)

DRAFTS = st.lists(
    st.builds(
        Draft,
        kind=st.sampled_from(["intent", "part", "outcome"]),
        rid=st.text(max_size=20),
        time_us=st.integers(0, 2**53),
        policy=st.text(max_size=20),
        key=st.binary(min_size=32, max_size=32),
        meta=st.binary(max_size=300),
        stored=st.binary(max_size=3000),
    ),
    max_size=5,
)
SAID = st.none() | st.builds(Said, message=st.text(max_size=50), hint=st.text(max_size=50))
ANSWERS = st.builds(
    Answer,
    ordered=st.booleans(),
    refused=st.lists(st.tuples(st.integers(0, 2**31), st.text(max_size=20)), max_size=3),
    full=SAID,
    lost=SAID,
    waiting=st.integers(0, 2**60),
    no_room=SAID,
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in itertools.pairwise(at)]


def send_all(sock: socket.socket, parts: list[bytes]) -> None:
    for part in parts:
        sock.sendall(part)


@given(answers=st.lists(ANSWERS, max_size=4), cuts=st.lists(st.integers(0, 10_000), max_size=6))
def test_answers_are_read_however_they_are_cut(answers, cuts):
    inbox = Inbox()
    data = b"".join(map(answer_message, answers))
    read = [answer for piece in pieces(data, cuts) for answer in inbox.feed(piece)]
    assert read == answers


@settings(max_examples=60)
@given(drafts=DRAFTS, cuts=st.lists(st.integers(0, 20_000), max_size=4))
def test_an_order_is_read_however_it_is_cut(drafts, cuts):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for order, expected in ((b"".join(commit_order(drafts)), drafts), (close_order(), None)):
            thread = threading.Thread(target=send_all, args=(ours, pieces(order, cuts)))
            thread.start()
            message = receive(theirs)
            thread.join()
            assert message is not None
            assert (message == CLOSE) if expected is None else (read_drafts(message) == drafts)


@pytest.mark.parametrize("sent", [0, 3, 8, 20], ids="{} bytes".format)
def test_an_order_whose_sender_is_gone_is_no_order(sent):
    ours, theirs = socket.socketpair()
    with theirs:
        ours.sendall(struct.pack(">Q", 100)[:sent] + bytes(max(0, sent - 8)))
        ours.close()
        assert receive(theirs) is None


@pytest.mark.parametrize(
    "data", [struct.pack(">Q", 1 << 40), close_order() * 2], ids=["of a terabyte", "two at once"]
)
def test_what_is_no_order_is_refused_and_no_memory_taken_for_it(data):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(data)
        with pytest.raises(IntegrityError, match="no order"):
            receive(theirs)


@pytest.mark.parametrize(("size", "parts"), [(100, 1), (60_000, 1), (64 * 1024, 2), (1 << 20, 2)])
def test_an_order_goes_out_at_once_unless_it_is_too_large_to_be_copied(size, parts):
    order = commit_order([Draft("intent", "a", 1, "", bytes(32), b"", bytes(size))])
    assert len(order) == parts
    assert int.from_bytes(b"".join(order)[:8], "big") == len(b"".join(order)) - 8


def test_a_sender_that_is_held_up_within_an_order_is_waited_for():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", 0, 10_000))
        with pytest.raises(BlockingIOError):
            receive(theirs)
        order = b"".join(commit_order([Draft("intent", "a", 1, "", bytes(32), b"", bytes(100))]))
        ours.sendall(order[:5])
        timer = threading.Timer(0.1, ours.sendall, (order[5:50],))
        later = threading.Timer(0.2, ours.sendall, (order[50:],))
        timer.start()
        later.start()
        message = receive(theirs)
        assert message is not None
        assert read_drafts(message)[0].stored == bytes(100)
        timer.join()
        later.join()


@given(st.binary(max_size=200))
def test_bytes_that_no_recorder_sends_raise_nothing_unforeseen(data):
    with contextlib.suppress(msgspec.DecodeError):
        list(Inbox().feed(struct.pack(">Q", len(data)) + data))
