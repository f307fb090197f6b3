"""The log shows the contract's fields, and nobody reads content unseen."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from sekimori.errors import UsageError
from sekimori.ledger.record import Redaction
from sekimori.store.engine import reading
from sekimori.store.log import Query
from sekimori.store.metadata import rfc3339
from sekimori.store.tables import READING
from support.evidence import ANSWER, PROMPT, START_US, answered, asked, body, refused

CONTRACT = {
    *(
        "id",
        "time",
        "user",
        "user_source",
        "client",
        "service",
        "provider",
        "model",
        "host",
        "method",
        "path",
    ),
    *("purpose", "class", "class_source", "decision", "reasons", "policy", "grant", "prompt_sha256"),
    *("prompt_bytes", "output_sha256", "output_bytes", "parse", "state", "redacted", "usage", "session"),
    *("feedback", "stored_sha256"),
}


@pytest.fixture
def log(house):
    worker = house.worker("w1")
    span = Redaction(place="header:authorization", kind="bearer", start=7, length=20, fingerprint="f1")
    worker.write(
        asked("r1", redacted=(span,), policy="abc"),
        answered("r1"),
        refused("r2", time_us=START_US + 5, user="sato", service="deepseek"),
        asked("r3", time_us=START_US + 9),
    )
    house.archivist.run_once()
    return house.log()


@pytest.mark.req("MOU-2-7")
def test_a_record_has_every_field_of_the_contract(log):
    shown = log.show("r1")
    assert set(shown) >= CONTRACT
    intent, outcome = asked("r1"), answered("r1")
    assert shown["time"] == "2026-04-01T02:59:05.678901Z"
    assert (shown["user"], shown["class"], shown["decision"]) == ("yamada", 1, "allow")
    assert (shown["parse"], shown["state"], shown["feedback"]) == ("parsed", "complete", None)
    assert (shown["prompt_sha256"], shown["prompt_bytes"]) == (intent.body.sha256, intent.body.size)
    assert (shown["output_sha256"], shown["output_bytes"]) == (outcome.body.sha256, outcome.body.size)
    assert shown["stored_sha256"] == {
        "request": intent.body.stored_sha256,
        "response": outcome.body.stored_sha256,
    }
    assert shown["usage"]["input_tokens"] == 12
    assert shown["redacted"] == [
        {
            "part": "request",
            "place": "header:authorization",
            "kind": "bearer",
            "start": 7,
            "length": 20,
            "fingerprint": "f1",
        }
    ]


def test_metadata_holds_no_content(log):
    assert "月見草" not in repr(log.show("r1"))
    assert "宵待草" not in repr(log.list(Query()))


@pytest.mark.req("DSN-A2-7")
@pytest.mark.parametrize(
    ("query", "ids"),
    [
        pytest.param(Query(), ["r1", "r2", "r3"], id="all, newest last"),
        pytest.param(Query(limit=2), ["r2", "r3"], id="the newest two"),
        pytest.param(Query(user="sato"), ["r2"], id="by user"),
        pytest.param(Query(user="ＳＡＴＯ"), ["r2"], id="by user, written otherwise"),
        pytest.param(Query(service="openai-api"), ["r1", "r3"], id="by service"),
        pytest.param(Query(decision="deny"), ["r2"], id="by decision"),
        pytest.param(Query(since_us=START_US + 5), ["r2", "r3"], id="since, inclusive"),
        pytest.param(Query(until_us=START_US + 5), ["r1"], id="until, exclusive"),
        pytest.param(Query(user="nobody"), [], id="nothing fits"),
    ],
)
def test_a_search_finds_what_fits(log, query, ids):
    assert [shown["id"] for shown in log.list(query)] == ids


def test_an_exchange_in_flight_and_a_refusal_show_their_states(log):
    assert [(shown["id"], shown["state"]) for shown in log.list(Query())] == [
        ("r1", "complete"),
        ("r2", "blocked"),
        ("r3", "open"),
    ]
    assert log.show("r2")["reasons"] == ["DENY_NO_GRANT", "DENY_TOS_CONFIDENTIAL"]
    assert log.show("r2")["masked"] == "機密性2情報 ******"
    assert log.show("r3")["output_sha256"] is None


@pytest.mark.req("MOU-2-7", "DSN-A2-6")
def test_content_shows_prompt_and_output_as_people_read_them(log):
    content = log.content("r1", reader="tanaka", reader_source="os", reason="苦情の調査").fields()
    assert content["prompt"] == PROMPT
    assert content["output"] == ANSWER
    assert [message["role"] for message in content["messages"]] == ["user"]
    assert list(content["tool_calls"]) == []


@pytest.mark.req("MOU-2-7")
def test_a_reading_is_on_record_before_content_is_returned(house, log, monkeypatch):
    def fail(*_):
        raise InterruptedError

    monkeypatch.setattr("sekimori.store.log.content_of", fail)
    with pytest.raises(InterruptedError):
        log.content("r1", reader="tanaka", reader_source="os", reason="苦情の調査")
    (shown,) = log.list(Query(user="tanaka"))
    assert (shown["mode"], shown["path"], shown["state"]) == ("reading", "/log/r1", "complete")
    assert shown["details"] == ["苦情の調査"]
    with reading(house.engine) as connection:
        (row,) = connection.execute(select(READING)).all()
    assert (row.rid, row.subject_rid) == (shown["id"], "r1")
    assert house.faults() == {("policy_version", "abc", "missing")}


@pytest.mark.parametrize(("reader", "reason"), [("", "監査"), ("tanaka", ""), ("tanaka", "  ")])
def test_content_without_reader_or_reason_is_not_shown(log, reader, reason):
    with pytest.raises(UsageError):
        log.content("r1", reader=reader, reader_source="os", reason=reason)


def test_a_record_that_is_not_there_is_none_and_no_reading(log):
    assert log.show("r9") is None
    assert log.content("r9", reader="tanaka", reader_source="os", reason="監査") is None
    assert log.list(Query(user="tanaka")) == []


def test_what_no_reader_understands_is_shown_as_it_came(house):
    worker = house.worker("w1")
    odd = body(b"\x00\x01 not json", "application/octet-stream")
    worker.write(asked("r1", body=odd, parse="unparsed"), answered("r1", body=odd, headers=()))
    house.archivist.run_once()
    content = house.log().content("r1", reader="tanaka", reader_source="os", reason="監査")
    assert dict(content.unread)["request"] == "\x00\x01 not json"


def test_one_altered_entry_does_not_hide_the_others(house, log):
    house.edit("UPDATE entry SET sealed = (SELECT sealed FROM lane LIMIT 1) WHERE n = 3")
    shown = log.list(Query())
    assert [(entry["id"], entry["state"]) for entry in shown][1] == ("r2", "altered")
    assert len(shown) == 3


@pytest.mark.parametrize(
    ("time_us", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1, "1970-01-01T00:00:00.000001Z"),
        (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_times_keep_every_microsecond(time_us, text):
    assert rfc3339(time_us) == text
