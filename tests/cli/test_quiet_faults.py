"""What children say when something fails: enough to find it, and nothing that somebody wrote."""

import io
import os
import sqlite3
import sys
import threading

import msgspec
import pytest
from sqlalchemy.exc import OperationalError

from sekimori.cli import child, publishing
from sekimori.cli.orders import Orders
from sekimori.errors import Fault, PolicyFileError, PolicyUnavailableError, StateError, where

SECRET = "yamada: 月見草"


def raising(error):
    def fail(*_):
        raise error

    return fail


def test_a_fault_is_told_by_type_and_place():
    try:
        int(SECRET)
    except ValueError as error:
        told = where(error)
    assert told.startswith("ValueError at test_quiet_faults.py:")
    assert SECRET not in told
    assert where(None) == "unknown"


def test_the_publisher_says_where_a_file_is_wrong_and_not_what_it_says():
    faults = [Fault("matsumoto.yaml", line, "grants[0].users", f"no user {SECRET}") for line in (7, 7, 9)]
    told = publishing.told(PolicyFileError(faults))
    assert "3 faults (line 7 grants[0].users; line 9 grants[0].users)" in told
    assert not [word for word in ("matsumoto", "yamada", "月見草") if word in told]


def test_the_publisher_lists_ten_places_at_most():
    told = publishing.told(PolicyFileError([Fault("a.yaml", line, "", "x") for line in range(1, 500)]))
    assert "499 faults" in told
    assert told.count("line") == 10


@pytest.mark.parametrize(
    ("error", "told"),
    [
        pytest.param(StateError("No disk.", hint="Add one."), "No disk. Add one.", id="a sentence of ours"),
        pytest.param(PolicyUnavailableError("It is damaged."), "It is damaged.", id="a damaged file"),
        pytest.param(
            OperationalError(f"INSERT {SECRET}", {"a": SECRET}, sqlite3.OperationalError("disk full")),
            "disk full.",
            id="the database",
        ),
    ],
)
def test_other_faults_of_the_publisher_are_told_in_their_own_words(error, told):
    assert publishing._fault_of(raising(error)) == told


def test_a_fault_that_nobody_expected_in_publishing_what_is_suspended_ends_the_publisher():
    stop = threading.Event()
    with (
        pytest.raises(ValueError, match=SECRET),
        publishing._followed_beside(raising(ValueError(SECRET)), stop),
    ):
        assert stop.wait(10), "the publisher goes on, and no suspension gets out"


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        pytest.param(
            ValueError(SECRET), 1, "stopped by a fault of its own: ValueError at test_quiet", id="a bug"
        ),
        pytest.param(StateError("No disk."), 2, "archive: No disk.", id="a state"),
    ],
)
def test_a_child_that_ends_by_a_fault_quotes_nothing(monkeypatch, capsys, tmp_path, error, code, told):
    ours, theirs = os.pipe()
    orders = Orders(data=str(tmp_path), keys=str(tmp_path), config={}, lifeline_fd=ours)
    monkeypatch.setattr(sys, "argv", ["child", "archive"])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(msgspec.json.encode(orders))))
    monkeypatch.setitem(child._ROLES, "archive", raising(error))
    try:
        assert child.main() == code
    finally:
        os.close(ours)
        os.close(theirs)
    said = "".join(capsys.readouterr())
    assert told in said
    assert SECRET not in said
