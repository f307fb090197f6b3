"""``sekimori ledger`` as people and scripts run it."""

import base64
import json
import re
import shutil
import sys

import pytest

from sekimori.cli.checks import check_ledger, only_one
from sekimori.cli.config import Config
from sekimori.cli.opened import cipher, store
from sekimori.cli.trees import check_start, ledger, log_keys
from sekimori.errors import StateError
from sekimori.ledger.tlog.checkpoint import log_verifier, sign_checkpoint
from sekimori.ledger.tlog.keys import KeySigner
from sekimori.store.engine import writing
from sekimori.store.events import Event, EventRepo
from sekimori.store.trees import TreeKeeper

START_US = 1_795_204_800_000_000
TREE = "archive-1-2026Q4"


class Stepping:
    """A clock that moves on by two seconds whenever it is asked."""

    def __init__(self) -> None:
        self.at_us = START_US

    def __call__(self) -> int:
        self.at_us += 2_000_000
        return self.at_us


CLOCK = Stepping()


def grow(places, event="hold-1"):
    """Let the archivist state something."""
    with store(places) as engine, ledger(places) as opened:
        with writing(engine) as connection:
            EventRepo(connection, cipher(places)).add(event, "hold", START_US, Event(said={"count": 1}))
        keeper = TreeKeeper(
            engine,
            folder=opened.folder,
            logs=opened.keys.folder,
            locks=opened.locks,
            signing=opened.signing,
            cipher=cipher(places),
            clock=CLOCK,
        )
        for _ in range(4):
            keeper.step()
        keeper.close()


def test_the_line_for_the_register_names_the_super_log_its_size_and_its_root(run, places):
    grow(places)
    (line,) = run("ledger", "checkpoint").out.splitlines()
    (found,) = run("ledger", "checkpoint", "--json").lines
    assert found["line"] == line
    assert line.split() == [
        "sekimori",
        "super",
        found["origin"],
        str(found["size"]),
        found["root"],
        found["time"],
    ]
    assert len(base64.b64decode(found["root"])) == 32
    assert re.fullmatch(r"[0-9a-f]{16}", found["origin"])
    assert found["time"].endswith("+09:00")
    assert found["date"] == found["time"][:10] == "2026-11-21"
    text = (places.ledger / "super" / "checkpoint").read_text()
    assert found["origin"] in text
    assert text.splitlines()[1:3] == [str(found["size"]), found["root"]]


def test_the_line_can_be_photographed(run, places, tmp_path):
    pytest.importorskip("segno")
    grow(places)
    drawn = run("ledger", "checkpoint", "--qr", "--svg", tmp_path / "line.svg").out
    assert "█" in drawn or "▄" in drawn
    assert "<svg" in (tmp_path / "line.svg").read_text()


def test_without_the_package_that_draws_codes_the_line_is_printed_and_a_sentence(run, places, monkeypatch):
    grow(places)
    monkeypatch.setitem(sys.modules, "segno", None)
    result = run("ledger", "checkpoint", "--qr")
    assert result.code == 2
    assert result.out.startswith("sekimori super ")
    assert "segno" in result.err


def test_before_the_first_record_there_is_no_line(run):
    result = run("ledger", "checkpoint")
    assert result.code == 2
    assert "published nothing yet" in result.err


def test_a_super_log_that_somebody_put_beside_ours_is_no_line(run, places):
    grow(places)
    (line,) = run("ledger", "checkpoint").out.splitlines()
    evil = KeySigner(bytes(32))
    planted = places.ledger / "super-9"
    shutil.copytree(places.ledger / "super", planted)
    (planted / "log.vkey").write_text(log_verifier(evil.public).vkey + "\n")
    (planted / "checkpoint").write_bytes(sign_checkpoint(1, bytes(32), evil).pack())
    assert run("ledger", "checkpoint").out.splitlines() == [line]


def test_a_checkpoint_that_its_log_did_not_sign_is_no_line(run, places):
    grow(places)
    path = places.ledger / "super" / "checkpoint"
    origin, size, *rest = path.read_text().split("\n")
    path.write_text("\n".join([origin, str(int(size) + 1), *rest]))
    assert run("ledger", "checkpoint").code == 2


def test_status_shows_what_folder_lock_store_and_database_say(run, places):
    grow(places)
    rows = {row["log"]: row for row in run("ledger", "status", "--json").lines}
    assert list(rows) == ["super", TREE]
    size = rows[TREE]["published"]
    assert size >= 1  # an installation may state things of its own
    assert (rows[TREE]["locked"], rows[TREE]["stored"]) == (size, size)
    assert {row["fault"] for row in rows.values()} == {""}
    shutil.rmtree(places.ledger / TREE)
    rows = {row["log"]: row for row in run("ledger", "status", "--json").lines}
    assert (rows[TREE]["published"], rows[TREE]["locked"]) == (0, size)


def test_a_start_is_refused_where_a_memory_says_something_else_and_a_fork_makes_it_right(run, places):
    grow(places)
    check_ledger(places, Config())
    held = {row["log"]: row["stored"] for row in run("ledger", "status", "--json").lines}[TREE]
    shutil.rmtree(places.ledger / TREE)
    (sentence,) = check_start(places)
    assert "is missing" in sentence
    with pytest.raises(StateError, match="sekimori ledger fork"):
        check_ledger(places, Config())
    (done,) = run("ledger", "fork", TREE, "--reason", "the disk died", "--by", "Tanaka", "--json").lines
    assert (done["log"], done["goes_on_as"], done["moved"]) == (TREE, f"{TREE}-2", held)
    check_ledger(places, Config())
    (report,) = run("verify", "--json").lines
    assert report["given_up"] == [TREE]
    assert f"Given up in a fork, so that what they had beyond this is missing: {TREE}." in run("verify").out


def test_a_lost_lock_store_is_named_and_replaced_with_the_super_log_only(run, places):
    grow(places)
    places.lock_store.unlink()
    (sentence,) = check_start(places)
    assert "lock store" in sentence
    refused = run("ledger", "fork", TREE, "--reason", "why", "--by", "Tanaka")
    assert (refused.code, places.lock_store.exists()) == (2, False)
    result = run("ledger", "fork", TREE, "super", "--reason", "why", "--by", "Tanaka", "--json")
    assert [line["goes_on_as"] for line in result.lines] == ["super-2", f"{TREE}-2"]
    assert check_start(places) == []
    (line,) = run("ledger", "checkpoint").out.splitlines()
    assert line.startswith("sekimori super-2 ")


def test_nothing_is_forked_while_the_archivist_works(run, places):
    grow(places)
    with only_one(places):
        result = run("ledger", "fork", TREE, "--reason", "why", "--by", "Tanaka")
    assert result.code == 2
    assert "Stop it" in result.err


def test_machines_that_share_keys_share_no_log(places, tmp_path):
    from dataclasses import replace

    shared = replace(places, url="postgresql://nobody@nowhere/nothing")
    assert log_keys(places).folder == places.keys / "archive" / "logs"
    assert log_keys(shared).folder.parent == log_keys(places).folder
    assert json.dumps(log_keys(shared).names()) == "[]"
