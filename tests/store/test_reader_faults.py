"""A reader that fails: the evidence is stored, and the log says where it failed and quotes nothing."""

import json
import logging

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from sekimori.store import readings
from sekimori.store.engine import open_store, writing
from sekimori.store.finding import Query
from sekimori.store.tables import STATEMENT
from support.evidence import ANSWER, answered, asked, body


def faulty(*_):
    raise ValueError(f"cannot read {ANSWER!r} of yamada")


def test_a_reader_that_fails_is_told_by_its_place_and_quotes_nothing(monkeypatch, caplog):
    monkeypatch.setattr(readings, "read_response", faulty)
    with caplog.at_level(logging.DEBUG):
        told = readings.read_answer(asked("r1"), answered("r1"))
    assert (told.answer.parse, told.answer.error, told.text) == ("unparsed", "wire reader: ValueError", "")
    (line,) = caplog.records
    assert line.exc_info is None
    assert "failed on r1: ValueError at test_reader_faults.py:" in caplog.text
    assert not [word for word in ("yamada", ANSWER, repr(ANSWER)) if word in caplog.text]


def test_an_error_of_the_database_does_not_quote_what_was_to_be_stored(tmp_path):
    engine = open_store(tmp_path / "sekimori.db")
    row = {"id": "月見草", "kind": "erase", "time_us": 1, "envelope": b"yamada", "leaf": b"", "tree": ""}
    try:
        with pytest.raises(IntegrityError) as caught, writing(engine) as connection:
            connection.execute(insert(STATEMENT), [row, row])
    finally:
        engine.dispose()
    assert not [word for word in ("月見草", "yamada") if word in str(caught.value)]


@pytest.mark.parametrize("count", [2**63, 2**64, 10**40, -(2**64)])
def test_a_service_that_answers_an_absurd_count_of_tokens_does_not_stop_the_lane(house, count):
    usage = {"prompt_tokens": count, "completion_tokens": 7}
    response = {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER}}],
        "usage": usage,
    }
    worker = house.worker("w1-a")
    worker.write(asked("r1"), answered("r1", body=body(json.dumps(response).encode())))
    worker.close()
    house.archivist.run_once()
    assert house.notes.alarms == []
    (shown,) = house.log().list(Query())
    assert (shown["state"], shown["usage"]) == ("complete", {"output_tokens": 7})
    house.settle()
    assert house.verify().faults == ()
