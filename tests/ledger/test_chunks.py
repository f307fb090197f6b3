"""Conversations are stored once, come back byte for byte, and can be erased."""

import json
import os
import tracemalloc
from itertools import pairwise

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from sekimori.errors import IntegrityError
from sekimori.ledger import manifest as manifests
from sekimori.ledger.chunks import MAX_DEPTH, Deduper, address_of
from sekimori.ledger.manifest import COPY, LARGE_BYTES, Manifest, decode, encode
from sekimori.ledger.rebuild import TextMissingError
from support.texts import Texts, as_body, conversation


def stored(turns, **shape):
    """Store a conversation and return it with its bodies."""
    texts = Texts()
    bodies = {
        f"r{number:03}": as_body(request) for number, request in enumerate(conversation(turns, **shape))
    }
    for rid, body in bodies.items():
        texts.store(rid, body)
    return texts, bodies


def single(*turns, **members):
    return as_body(
        {"model": "m", **members, "messages": [{"role": "user", "content": turn} for turn in turns]}
    )


A, B, C, D, E = (f"{name}の質問です。" * 20 for name in "甲乙丙丁戊")


# --- exact bytes -----------------------------------------------------------------------------------


def test_every_turn_of_a_conversation_comes_back_byte_for_byte():
    texts, bodies = stored(30)
    for rid, body in bodies.items():
        assert texts.deduper.load(rid) == body
        assert texts.cold().load(rid) == body


@settings(deadline=None)
@given(
    bodies=st.lists(
        st.binary(max_size=200) | st.binary(max_size=100).map(lambda b: b'{"messages":[' + b), max_size=5
    )
)
def test_any_bodies_come_back_byte_for_byte(bodies):
    texts = Texts()
    for number, body in enumerate(bodies):
        texts.store(str(number), body)
    assert [texts.cold().load(str(number)) for number in range(len(bodies))] == bodies


TURN = st.sampled_from([A, B, C, "はい", "続けて", "x" * LARGE_BYTES]) | st.text(max_size=400)
HISTORY = st.lists(st.lists(TURN, max_size=12), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    histories=HISTORY,
    indent=st.sampled_from([None, 1]),
    tools=st.sampled_from(["", "t" * 200, "t" * LARGE_BYTES]),
)
def test_any_mixture_of_conversations_comes_back_byte_for_byte(histories, indent, tools):
    """Turns are repeated, dropped, reordered, and shared between conversations."""
    texts = Texts()
    bodies = {}
    for number, turns in enumerate(histories):
        request = {
            "messages": [{"role": "user", "content": turn} for turn in turns],
            "tools": tools,
            "n": number,
        }
        bodies[str(number)] = json.dumps(request, indent=indent).encode()
        texts.store(str(number), bodies[str(number)])
    cold = texts.cold()
    assert {rid: cold.load(rid) for rid in reversed(bodies)} == bodies


def test_a_body_that_is_not_json_is_stored_too():
    texts = Texts()
    body = "私は JSON ではない。".encode("utf-16") * 500
    texts.store("r1", body)
    assert texts.cold().load("r1") == body


# --- what it costs ---------------------------------------------------------------------------------


@pytest.mark.req("UPD-P2-4")
def test_two_hundred_turns_cost_little_more_than_their_unique_bytes_compressed():
    texts, bodies = stored(200, asked=250, answered=1500)
    turns = [as_body(turn) for turn in json.loads(bodies["r199"])["messages"]]
    at_best = len(zstandard.compress(b",".join(turns), 3))
    each_by_itself = sum(len(zstandard.compress(turn, 3)) for turn in turns)
    assert texts.rows.size() <= 1.3 * at_best
    assert texts.rows.size() <= each_by_itself
    assert sum(len(zstandard.compress(body, 3)) for body in bodies.values()) > 90 * at_best


def test_short_turns_cost_less_than_each_compressed_by_itself():
    texts, bodies = stored(200, asked=60, answered=200)
    each = sum(len(zstandard.compress(as_body(turn), 3)) for turn in json.loads(bodies["r199"])["messages"])
    assert texts.rows.size() <= 1.3 * each


def test_a_turn_costs_as_much_at_the_end_as_at_the_beginning():
    texts, _ = stored(120)
    sizes = [len(sealed) for sealed in texts.rows.manifests.values()]
    assert sum(sizes[-20:]) < 1.2 * sum(sizes[10:30])


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda r: r, id="the very same again"),
        pytest.param(lambda r: r | {"temperature": 1, "seed": 7}, id="other parameters"),
        pytest.param(lambda r: r | {"messages": r["messages"][9:]}, id="the oldest turns dropped"),
        pytest.param(lambda r: r | {"messages": r["messages"][:-2]}, id="a step back"),
        pytest.param(
            lambda r: (
                r
                | {"messages": [*r["messages"][:-2], *({**turn, "cache": 1} for turn in r["messages"][-2:])]}
            ),
            id="the newest turns marked",
        ),
        pytest.param(
            lambda r: r | {"messages": [{"role": "system", "content": "別の指示"}, *r["messages"][1:]]},
            id="another system prompt",
        ),
    ],
)
def test_what_a_client_does_to_a_conversation_does_not_store_it_again(change):
    texts, bodies = stored(40)
    request = json.loads(bodies["r039"])
    body = as_body(change(request))
    texts.store("again", body)
    assert len(texts.rows.manifests["again"]) < len(zstandard.compress(body, 3)) / 15
    assert texts.cold().load("again") == body


def test_a_large_document_is_stored_once_for_all_conversations():
    texts = Texts()
    document = os.urandom(30_000).hex()
    bodies = {str(n): single(f"Q{n}" + A, document, f"要約 {n}", tools=document) for n in range(5)}
    for rid, body in bodies.items():
        texts.store(rid, body)
    assert len(texts.rows.large_rows) == 2  # as a turn and as the tools
    assert texts.rows.size() < 2.2 * len(document) * 0.6
    assert {rid: texts.cold().load(rid) for rid in bodies} == bodies


def test_nothing_is_shared_between_two_data_keys():
    texts = Texts()
    texts.store("april", single(A, B, "x" * LARGE_BYTES))
    texts.key = b"\1" * 32
    april = texts.rows.size()
    stored = texts.store("may", single(A, B, "x" * LARGE_BYTES))
    assert stored.links == frozenset()
    assert texts.rows.size() > 1.9 * april
    assert address_of(bytes(32), b"x") != address_of(b"\1" * 32, b"x")


def test_memory_stays_bounded():
    texts = Texts(cache_bytes=200_000)
    bodies = [as_body(request) for request in conversation(60)]
    tracemalloc.start()
    for number, body in enumerate(bodies):
        texts.store(str(number), body)
    texts.deduper.load("3")
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert texts.deduper._bodies._used <= 200_000
    assert held < 3_000_000


def test_a_long_conversation_is_stored_whole_now_and_then():
    texts = Texts()
    turns = []
    for number in range(MAX_DEPTH + 30):
        turns.append(f"{number}: {A[:90]}")
        texts.store(str(number), single(*turns[-20:]))
    depths = [decode(texts.rows.manifest(rid) or b"").depth for rid in texts.rows.manifests]
    assert max(depths) == MAX_DEPTH
    assert depths[-1] < 30
    assert texts.cold().load(str(MAX_DEPTH + 29)) == single(*turns[-20:])


def test_a_body_read_cold_opens_each_manifest_once():
    texts, bodies = stored(50)
    texts.rows.opened = 0
    cold = texts.cold()
    cold.load("r049")
    assert texts.rows.opened == 50
    for rid in bodies:
        cold.load(rid)
    assert texts.rows.opened <= 50 + 50 * 50 / 2


# --- erasing ---------------------------------------------------------------------------------------


def test_the_records_that_contain_a_turn_of_another_are_listed():
    texts = Texts()
    for rid, turns in {"1": (A,), "2": (A, B, C), "3": (A, B, C, D, E), "other": (D, E)}.items():
        texts.store(rid, single(*turns))
    assert texts.deduper.references("1").containing == ("2", "3")
    assert texts.deduper.references("2").containing == ("3",)
    assert texts.deduper.references("3") == ((), ())
    assert texts.deduper.references("other") == ((), ())


@pytest.mark.req("UPD-P2-4")
def test_after_a_record_and_what_contains_it_are_erased_nothing_of_it_is_left():
    texts = Texts()
    for rid, turns in {"1": (A,), "2": (A, B), "3": (A, B, C)}.items():
        texts.store(rid, single(*turns))
    for rid in ("2", *texts.deduper.references("2").containing):
        texts.rows.erase(rid)
    assert texts.cold().load("1") == single(A)
    for rid in ("2", "3"):
        with pytest.raises(TextMissingError, match=f"record {rid}"):
            texts.cold().load(rid)


def test_a_record_that_merely_leans_on_the_erased_is_rebased_and_stays_readable():
    texts = Texts()
    document = "x" * LARGE_BYTES
    bodies = {
        "1": single(A, document),
        "2": single(A, document, B, C),
        "3": single(A, document, B + "訂正", D),  # its question was corrected: nothing of 2 is in it
        "4": single(A, document, B + "訂正", D, E),
    }
    for rid, body in bodies.items():
        stored = texts.store(rid, body)
        if rid == "3":  # as if it had been found by an anchor of 2
            assert stored.links == {"1"}
            stored = Deduper(Anchored(texts.rows, "2")).store("3", body, texts.key)
            assert stored.links == {"2"}
            texts.rows.put("3", stored)
            texts.deduper.forget()
    assert texts.deduper.references("2") == ((), ("3",))
    for rid, again in texts.deduper.rebase(["3"], {"2"}).items():
        assert again.links == {"1"}  # which owns the document
        texts.rows.put(rid, again)
    texts.rows.erase("2")
    assert {rid: texts.cold().load(rid) for rid in "134"} == {rid: bodies[rid] for rid in "134"}


class Anchored:
    """Rows in which every anchor leads to one record."""

    def __init__(self, rows, rid):
        self._rows = rows
        self._rid = rid

    def __getattr__(self, name):
        return getattr(self._rows, name)

    def anchored(self, anchors):
        return dict.fromkeys(anchors, self._rid)


def test_an_erased_tool_list_gets_a_living_owner():
    texts = Texts()
    tools = [{"name": "search", "description": "調べる" * 4000}]
    first, second, third = single(A, tools=tools), single(B, tools=tools), single(C, tools=tools)
    for rid, body in {"1": first, "2": second, "3": third}.items():
        texts.store(rid, body)
    assert texts.deduper.references("1") == ((), ("2", "3"))  # a tool list is nobody's turn
    for rid, again in texts.deduper.rebase(("2", "3"), {"1"}).items():
        texts.rows.put(rid, again)
    texts.rows.erase("1")
    assert [texts.cold().load(rid) for rid in ("2", "3")] == [second, third]
    assert texts.cold().references("2").leaning == ("3",)


@settings(max_examples=60, deadline=None)
@given(histories=HISTORY, victim=st.integers(0, 5))
def test_whatever_is_erased_the_rest_stays_readable(histories, victim):
    texts = Texts()
    bodies = {str(number): single(*turns) for number, turns in enumerate(histories)}
    for rid, body in bodies.items():
        texts.store(rid, body)
    rid = str(victim % len(bodies))
    found = texts.cold().references(rid)
    erased = {rid, *found.containing}
    for other, again in texts.cold().rebase(found.leaning, erased).items():
        texts.rows.put(other, again)
    for other in erased:
        texts.rows.erase(other)
    left = bodies.keys() - erased
    assert {rid: texts.cold().load(rid) for rid in left} == {rid: bodies[rid] for rid in left}


def test_a_conversation_goes_on_after_what_it_referred_to_was_erased():
    texts = Texts()
    texts.store("1", single(A))
    texts.store("2", single(A, B))
    texts.rows.erase("2")
    texts.deduper.forget()
    texts.store("3", single(A, B, C))
    assert texts.cold().load("3") == single(A, B, C)


# --- hostile rows ----------------------------------------------------------------------------------


def test_a_manifest_of_another_record_is_not_taken_for_this_ones():
    texts, _ = stored(3)
    opened = texts.rows.manifest("r002")
    swapped = encode(msgspec.structs.replace(decode(opened), previous="r000"))
    texts.rows.forged["r002"] = swapped
    with pytest.raises(IntegrityError):
        texts.cold().load("r002")


SOUND = Manifest(1, 3, b"", "", 0, ((1, 3),), 0, b"abc")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"version": 9}, id="version"),
        pytest.param({"check": b"12345678"}, id="check"),
        pytest.param({"operations": ((COPY, 0, 1),)}, id="copies from nothing"),
        pytest.param({"operations": ((COPY, 0),)}, id="a short operation"),
        pytest.param({"operations": ((),)}, id="an empty operation"),
        pytest.param({"operations": ((9, 1),)}, id="an unknown operation"),
        pytest.param({"operations": ((1, -3),)}, id="a negative length"),
        pytest.param({"operations": ((1, 1 << 40),)}, id="an endless length"),
        pytest.param({"operations": ((3, b"nowhere"),)}, id="a large piece that isn't there"),
        pytest.param({"operations": ((3, 7),)}, id="an address that is none"),
        pytest.param({"how": 7}, id="packed otherwise"),
        pytest.param({"how": 1}, id="not compressed"),
        pytest.param({"previous": "r1"}, id="its own predecessor"),
        pytest.param({"previous": "gone", "depth": 1}, id="a predecessor that is gone"),
        pytest.param({"size": 1 << 40}, id="an endless size"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_an_integrity_error(change):
    texts = Texts()
    texts.rows.forged["r1"] = encode(msgspec.structs.replace(SOUND, **change))
    with pytest.raises(IntegrityError):
        texts.deduper.load("r1")


@settings(deadline=None)
@given(data=st.binary(max_size=100))
def test_any_bytes_are_a_manifest_or_an_integrity_error(data):
    texts = Texts()
    texts.rows.forged["r1"] = data
    with pytest.raises(IntegrityError):
        texts.deduper.load("r1")


def test_pieces_are_numbered_apart():
    kinds = [manifests.COPY, manifests.TURNS, manifests.GLUE, manifests.LARGE_TURN, manifests.LARGE_GLUE]
    assert all(after == before + 1 for before, after in pairwise(kinds))
