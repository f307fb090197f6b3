"""Use as the log tells it: out of the sealed entries and out of the index, and what is no use."""

import pytest

from sekimori.errors import IntegrityError
from sekimori.governance.said import KIND as SAID
from sekimori.ledger.record import Body
from sekimori.store import uses as module
from sekimori.store.uses import Recounted, Uses
from support.evidence import START_US, answered, asked, refused

END_US = START_US + 1_000


@pytest.fixture
def uses(house):
    worker = house.worker("w1")
    worker.write(
        asked("r1"),
        answered("r1"),
        refused("r2", time_us=START_US + 5, user="sato", service="", grant=""),
        asked("r3", time_us=START_US + 9),
        asked("said", time_us=START_US + 10, kind=SAID),
        asked("t1", time_us=START_US + 11, mode="turn", body=Body(sha256="1" * 64, size=10)),
        answered("t1", time_us=START_US + 12, prompt=Body(sha256="2" * 64, size=70)),
        asked("late", time_us=END_US),
    )
    house.archivist.run_once()
    house.log().content("r1", reader="tanaka", reader_source="os", reason="点検")
    return Uses(house.engine, house.store_keys)


def total(found):
    return Recounted(
        len(found),
        sum(not each.allowed for each in found),
        sum(each.bytes_sent for each in found),
        sum(each.bytes_received for each in found),
    )


@pytest.mark.req("MOU-0-1")
def test_a_recount_of_the_index_says_what_the_entries_say(uses):
    found = list(uses.each(START_US, END_US))
    assert [(each.user, each.service, each.allowed) for each in found] == [
        ("yamada", "openai-api", True),
        ("sato", "api.openai.com", False),
        ("yamada", "openai-api", True),
        ("yamada", "openai-api", True),
    ]
    assert found[3].bytes_sent == 70
    assert total(found) == uses.recount(START_US, END_US)
    assert uses.decisions(START_US, END_US) == {"allow": 3, "deny": 1}
    assert uses.reasons(START_US, END_US) == {"DENY_NO_GRANT": 1, "DENY_TOS_CONFIDENTIAL": 1}
    assert uses.first_us() == START_US


@pytest.mark.parametrize("size", [1, 2, 3, 4, 500])
def test_pages_of_any_size_hold_the_same(uses, monkeypatch, size):
    whole = list(uses.each(START_US, END_US))
    monkeypatch.setattr(module, "_PAGE", size)
    assert [use for page in uses.pages(START_US, END_US) for use in page] == whole


def test_an_edited_index_says_something_else_than_the_entries(house, uses):
    house.edit("UPDATE record SET prompt_bytes = prompt_bytes + 1 WHERE rid = 'r1'")
    assert total(list(uses.each(START_US, END_US))) != uses.recount(START_US, END_US)


def test_a_record_that_is_not_what_was_written_is_not_counted_around(house, uses):
    house.edit("UPDATE entry SET sealed = (SELECT sealed FROM entry WHERE n = 4) WHERE n = 1")
    with pytest.raises(IntegrityError, match="r1"):
        list(uses.each(START_US, END_US))
