"""The state of the agreement's rows: every row is there, and every count is one of something that exists."""

import json
from pathlib import Path

import pytest

from sekimori.governance import commands, using
from sekimori.governance.compliance import compliance_rows, governed_counts, log_counts, sources, standings
from sekimori.governance.state import State
from sekimori.policy.codes import Reason
from support.offices import everything_there_is

ROWS = json.loads((Path(__file__).parents[2] / "docs/requirements/rows.json").read_text("utf-8"))
GROUPS = ("MOU-", "UK-", "DSN-", "FORM-")


@pytest.mark.req("INT-12")
def test_every_row_of_the_agreement_is_reported_in_order_with_the_status_that_is_wanted_of_it():
    wanted = {row["id"]: (row["target"], row["en"]) for row in ROWS if row["id"].startswith(GROUPS)}
    found = {id_: (row.status, row.en) for id_, row in compliance_rows().items()}
    assert found == wanted
    assert list(found) == list(wanted)


@pytest.mark.parametrize("source", sorted(sources(compliance_rows())))
def test_a_source_of_evidence_is_one(source):
    kind, _, name = source.partition(":")
    if kind == "log":
        assert name in {"records", "refused", *(reason.value for reason in Reason)}
        return
    machine = (commands.MACHINES | using.MACHINES)[kind]
    assert not name or name in machine.states


def test_every_row_has_a_japanese_line_and_evidence():
    for id_, row in compliance_rows().items():
        assert row.ja, id_
        assert row.evidence, id_


@pytest.mark.req("INT-12")
def test_evidence_is_counted_out_of_the_log_and_of_what_is_governed():
    office = everything_there_is()
    log = log_counts({"allow": 7, "deny": 3}, {"DENY_TOS_CONFIDENTIAL": 2})
    found = {each.id: each for each in standings(office.state, log)}
    assert found["MOU-2-7"].evidence == {"log:records": 10}
    assert found["MOU-1-2"].evidence["log:DENY_TOS_CONFIDENTIAL"] == 2
    assert found["UK-423-2c"].evidence["grant"] == len(list(office.state.all(commands.NOUNS["grant"])))
    assert found["DSN-A2-9"].evidence["log:refused"] == 3


def test_a_row_without_evidence_says_so():
    assert not any(each.seen for each in standings(State(), {}))
    assert governed_counts(State(), sources(compliance_rows())) == {}
