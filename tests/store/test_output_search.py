"""Did this text pass the barrier? Asked with a reason, on record, not too often; erased and never look alike."""

from __future__ import annotations

import pytest

from sekimori.errors import UsageError
from sekimori.store.engine import reading
from sekimori.store.erasing import Authority, Eraser
from sekimori.store.exporting.disclosing import OUTPUT, PROMPT, disclose
from sekimori.store.holding import Holding
from sekimori.store.log import Query
from sekimori.store.output_search import OutputSearch
from sekimori.store.reading_desk import HOUR_US, Reader
from sekimori.store.surveying import Wanted
from support.evidence import ANSWER, answered, asked, refused
from support.evidence import PROMPT as QUESTION

SATO = Reader("sato", "os", "照会 2026-15")


@pytest.fixture
def stored(house):
    worker = house.worker("w1")
    worker.write(
        asked("r1"), answered("r1"), asked("r2", user="ito"), answered("r2", text="別の答え"), refused("r3")
    )
    worker.close()
    house.archivist.run_once()
    house.settle()
    return house


def search(house, **options) -> OutputSearch:
    ids = (f"asked-{number}" for number in range(1_000))
    return OutputSearch(
        house.engine, house.store_keys, clock=house.clock, new_id=lambda: next(ids), **options
    )


def erase(house, rid: str) -> None:
    for _ in range(3):
        house.settle()
    eraser = Eraser(house.engine, house.store_keys, clock=house.clock, new_id=lambda: "erasure")
    eraser.carry_out(Wanted(records=frozenset({rid})), Authority("appi-35", "kato", "sato"))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(ANSWER, id="as it was"),
        pytest.param(f"\ufeff\r\n  {ANSWER.replace('。', '。 ')}\n", id="with other spacing"),
        pytest.param(ANSWER.replace(":", "\uff1a"), id="in another width"),
    ],
)
@pytest.mark.req("MOU-2-7")
def test_a_text_that_passed_is_found_however_it_was_copied(stored, text):
    assert search(stored).find(text.removeprefix("\ufeff"), SATO) == ["r1"]


def test_one_changed_letter_is_another_text(stored):
    assert search(stored).find(ANSWER.replace("承認", "否認"), SATO) == []


def test_an_erased_answer_looks_like_one_that_never_was(stored):
    erase(stored, "r1")
    asking = search(stored)
    assert asking.find(ANSWER, SATO) == asking.find("そのような答えはなかった。", SATO) == []
    assert asking.find("別の答え", SATO) == ["r2"]


def test_who_asks_and_why_is_on_record_before_the_answer(stored):
    search(stored).find(ANSWER, SATO)
    (record,) = stored.log().list(Query(user="sato"))
    assert (record["mode"], record["operation"], record["details"]) == (
        "reading",
        "verify-output",
        [SATO.reason],
    )
    assert stored.verify().faults == ()


def test_nobody_asks_more_often_than_he_may(stored):
    asking = search(stored, at_most=2)
    for _ in range(2):
        asking.find(ANSWER, SATO)
    with pytest.raises(UsageError, match="within an hour"):
        asking.find(ANSWER, SATO)
    assert asking.find(ANSWER, Reader("tanaka", "os", "監査")) == ["r1"]  # another may
    stored.ticks.at_us += HOUR_US
    assert asking.find(ANSWER, SATO) == ["r1"]


def test_without_a_reason_nobody_asks(stored):
    with pytest.raises(UsageError, match="reason"):
        search(stored).find(ANSWER, Reader("sato", "os", " "))


def test_what_is_disclosed_is_what_the_envelope_commits_to(stored):
    with reading(stored.engine) as connection:
        (prompt,) = disclose(connection, Holding(connection, stored.store_keys), "r1", PROMPT)
        (output,) = disclose(connection, Holding(connection, stored.store_keys), "r1", OUTPUT)
    assert QUESTION in prompt.data.decode()
    assert ANSWER in output.data.decode()
    assert prompt.opening != output.opening


@pytest.mark.parametrize(
    ("rid", "what", "said"),
    [
        pytest.param("r3", PROMPT, "was stored", id="a refusal"),
        pytest.param("r9", PROMPT, "is gone", id="an unknown record"),
    ],
)
def test_where_nothing_is_left_nothing_is_disclosed(stored, rid, what, said):
    with reading(stored.engine) as connection, pytest.raises(UsageError, match=said):
        disclose(connection, Holding(connection, stored.store_keys), rid, what)


def test_an_erased_record_cannot_be_disclosed(stored):
    erase(stored, "r1")
    with reading(stored.engine) as connection, pytest.raises(UsageError, match="erased"):
        disclose(connection, Holding(connection, stored.store_keys), "r1", PROMPT)
