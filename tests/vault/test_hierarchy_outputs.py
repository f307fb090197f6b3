"""Did this text pass the barrier? Found under living keys only, and nowhere guessable."""

import hashlib
import hmac
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekimori.vault.datakey import DataKey
from sekimori.vault.outputs import find_output, output_digest, output_row, retagged, tag_of
from sekimori.vault.slots import Slot

ANSWER = "予算は承認された。\n\n次の会議は 4 月 3 日です。"
KEYS = [
    DataKey(bytes([n]) * 16, Slot(f"user{n}", "1", "2026-04"), bytes([n]) * 32) for n in range(1200)[:200]
]


def stored(key, text=ANSWER, rid="r1", record_key=bytes(32)):
    row = output_row(key, record_key, rid, text)
    assert row is not None
    return row


class Tags:
    """Tag rows in memory."""

    def __init__(self, *rows):
        self.rows = rows

    def find_tags(self, tags):
        return [row.rid for row in self.rows if row.tag in tags]


@pytest.mark.parametrize(
    "copied",
    [
        pytest.param(ANSWER, id="as it was"),
        pytest.param(ANSWER.replace("\n", "\r\n") + "\n", id="with other line ends"),
        pytest.param("  " + ANSWER.replace(" ", "\u3000"), id="with other blanks"),
        pytest.param(ANSWER.replace("4", "４"), id="with full-width digits"),
    ],
)
def test_a_copied_answer_is_found(copied):
    rows = Tags(stored(KEYS[7]))
    assert list(find_output(rows, KEYS, copied)) == ["r1"]


def test_a_changed_letter_or_an_erased_key_is_not_found():
    rows = Tags(stored(KEYS[7]))
    assert list(find_output(rows, KEYS, ANSWER.replace("承認", "否認"))) == []
    assert list(find_output(rows, KEYS[:7] + KEYS[8:], ANSWER)) == []


def test_no_plain_hash_of_an_answer_is_stored():
    row = stored(KEYS[7], record_key=os.urandom(32))
    columns = row.tag + row.sealed
    for guess in (ANSWER, "".join(ANSWER.split())):
        assert hashlib.sha256(guess.encode()).digest()[:16] not in columns
    assert output_digest(ANSWER) not in columns


def test_equal_answers_of_two_people_look_different():
    assert stored(KEYS[1]).tag != stored(KEYS[2], rid="r2").tag


def test_a_tag_follows_its_data_key_to_its_successor():
    row = stored(KEYS[1])
    again = retagged(row, bytes(32), KEYS[2])
    assert list(find_output(Tags(again), [KEYS[2]], ANSWER)) == ["r1"]
    assert list(find_output(Tags(again), [KEYS[1]], ANSWER)) == []


@pytest.mark.parametrize("nothing", ["", " \n\u3000"])
def test_an_answer_of_nothing_has_no_tag(nothing):
    assert output_row(KEYS[1], bytes(32), "r1", nothing) is None
    assert list(find_output(Tags(), KEYS, nothing)) == []


@settings(deadline=None)
@given(text=st.text(max_size=200))
def test_any_text_has_a_tag_or_none(text):
    digest = output_digest(text)
    if digest is not None:
        assert tag_of(KEYS[1], digest) == hmac.digest(KEYS[1].tag_key, digest, "sha256")[:16]
