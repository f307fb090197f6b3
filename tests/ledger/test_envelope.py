"""Envelopes are canonical, commitments open one by one, and nothing else is ever raised."""

import hashlib
import hmac
import json
import shutil
import subprocess

import msgspec
import pytest
import rfc8785
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import example, given
from hypothesis import strategies as st

from sekimori.errors import IntegrityError
from sekimori.ledger.envelope import (
    META,
    REQUEST,
    RESPONSE,
    commit,
    commitments,
    decode_envelope,
    encode_envelope,
    fits,
    meta_bytes,
    opening,
    read_record_envelope,
    record_envelope,
)
from sekimori.ledger.record import Body, Intent, Outcome, Part, decode

KEY = bytes(range(32))
RID = "0196f0c2-7a51-7c3e-9d0f-5b1f0e6a4c21"

texts = st.text(st.characters(codec="utf-8"), max_size=20)
values = st.recursive(
    st.one_of(texts, st.integers(1 - (1 << 53), (1 << 53) - 1), st.booleans()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(st.characters(max_codepoint=127), max_size=8), inner, max_size=4),
    ),
    max_leaves=12,
)
envelopes = st.dictionaries(st.text(st.characters(max_codepoint=127), max_size=8), values, max_size=6)


@given(envelopes)
def test_an_envelope_is_what_rfc_8785_makes_of_it(fields):
    assert encode_envelope(fields) == rfc8785.dumps(fields)


@given(envelopes)
def test_an_envelope_comes_back(fields):
    fields = {**fields, "v": 1}
    assert decode_envelope(encode_envelope(fields)) == fields


def nested(depth: int):
    value: object = 1
    for _ in range(depth):
        value = [value]
    return {"a": value}


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"a": 1.0}, id="float"),
        pytest.param({"a": None}, id="null"),
        pytest.param({"a": 1 << 53}, id="large integer"),
        pytest.param({"a": -(1 << 53)}, id="large negative integer"),
        pytest.param({"a": 1 << 100}, id="huge integer"),
        pytest.param({"é": 1}, id="key beyond ASCII"),
        pytest.param({1: 1}, id="key that is no text"),
        pytest.param({"a": "\ud800"}, id="lone surrogate"),
        pytest.param({"a": b"x"}, id="bytes"),
        pytest.param({"a": ("x",)}, id="tuple"),
        pytest.param(nested(9), id="deep"),
        pytest.param({"a": "x" * 65_536}, id="long"),
    ],
)
def test_what_an_envelope_may_not_hold_is_refused(fields):
    with pytest.raises(IntegrityError):
        encode_envelope(fields)


GOOD = encode_envelope({"k": "intent", "n": 1, "t": 1_795_204_800_007_777, "v": 1})


@given(
    st.one_of(
        st.binary(max_size=100),
        st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.builds(
            lambda at, cut, data: GOOD[:at] + data + GOOD[at + cut :],
            st.integers(0, len(GOOD)),
            st.integers(0, 5),
            st.binary(max_size=5),
        ),
    )
)
@example(b'{"v":1,"k":"x"}')
@example(b'{"k":"x", "v":1}')
@example(b'{"v":1}\n')
@example(b'{"v":2}')
@example(b'{"v":true}')
@example(b'{"v":1.0}')
@example(b'{"a":1,"a":2,"v":1}')
@example(b'{"a":"\\u0041","v":1}')
@example(b'{"a":"\\ud800","v":1}')
@example(b"[1]")
@example(b"[" * 100_000)
@example(b'{"a":' * 20_000)
@example(b'{"a":' + b"9" * 5000 + b',"v":1}')
def test_any_bytes_are_an_envelope_or_an_integrity_error(data):
    try:
        fields = decode_envelope(data)
    except IntegrityError:
        return
    assert encode_envelope(fields) == data
    assert json.loads(data) == fields


def test_the_envelope_of_a_record_names_nobody():
    data = record_envelope(
        kind="intent",
        lane="w1-20260401",
        n=7,
        rid=RID,
        time_us=1_795_204_800_007_777,
        policy="ab" * 32,
        commitments=commitments(KEY, RID, {META: b"meta", REQUEST: b"body"}),
    )
    assert sorted(decode_envelope(data)) == ["c", "k", "lane", "n", "pol", "rid", "t", "v"]


plain = st.text("0123456789abcdefXYZ._-", max_size=70)
words = st.one_of(plain, plain, texts)
numbers = st.integers(0, (1 << 53) - 1)
made = st.one_of(
    st.dictionaries(st.sampled_from([META, REQUEST, RESPONSE]), st.binary(max_size=40)),
    st.dictionaries(st.text("abcm", max_size=4), st.binary(max_size=4), max_size=3),
)


@given(kind=words, lane=words, n=numbers, rid=words, time_us=numbers, policy=words, commitments=made)
@example(kind='"', lane="\\", n=0, rid="\n", time_us=0, policy="\x7f", commitments={RESPONSE: b"", META: b""})
@example(kind="intent\n", lane="", n=0, rid="", time_us=0, policy="", commitments={})
@example(kind="", lane="", n=0, rid="a" * 3000, time_us=0, policy="", commitments={META: bytes(32)})
def test_an_envelope_written_quickly_is_the_one_written_slowly(
    kind, lane, n, rid, time_us, policy, commitments
):
    written = record_envelope(
        kind=kind, lane=lane, n=n, rid=rid, time_us=time_us, policy=policy, commitments=commitments
    )
    assert written == encode_envelope(
        {
            "c": {name: value.hex() for name, value in commitments.items()},
            "k": kind,
            "lane": lane,
            "n": n,
            "pol": policy,
            "rid": rid,
            "t": time_us,
            "v": 1,
        }
    )
    read = read_record_envelope(written)
    assert (read.k, read.lane, read.n, read.rid, read.t, read.pol) == (kind, lane, n, rid, time_us, policy)
    assert read.commitments() == commitments


@pytest.mark.parametrize("field", ["n", "time_us"])
@pytest.mark.parametrize("number", [-1, 1 << 53])
def test_a_record_has_no_number_that_an_envelope_can_not_hold(field, number):
    known = {
        "kind": "part",
        "lane": "w1-1",
        "n": 1,
        "rid": RID,
        "time_us": 1,
        "policy": "",
        "commitments": {},
    }
    try:
        written = record_envelope(**{**known, field: number})
    except IntegrityError:
        assert number > 0
    else:
        assert decode_envelope(written)["t" if field == "time_us" else "n"] == number


RECORD = record_envelope(
    kind="intent", lane="w1-1", n=1, rid=RID, time_us=7, policy="ab", commitments={META: bytes(32)}
)


@given(at=st.integers(0, len(RECORD) - 1), change=st.integers(1, 255))
def test_any_bytes_are_the_envelope_of_a_record_or_an_integrity_error(at, change):
    altered = bytearray(RECORD)
    altered[at] ^= change
    try:
        read = read_record_envelope(bytes(altered))
    except IntegrityError:
        return
    assert read != read_record_envelope(RECORD)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(RECORD + b"\n", id="a newline behind it"),
        pytest.param(RECORD.replace(b'"v":1', b'"v":2'), id="a later version"),
        pytest.param(RECORD.replace(b'"v":1', b'"v":true'), id="no version"),
        pytest.param(RECORD.replace(b',"v":1', b',"v":1,"w":1'), id="a further field"),
        pytest.param(RECORD.replace(b'"n":1,', b'"n": 1,'), id="a blank"),
        pytest.param(b'{"a":1,"v":1}', id="another envelope"),
    ],
)
def test_what_is_no_envelope_of_a_record_is_refused(data):
    with pytest.raises(IntegrityError):
        read_record_envelope(data)


@given(
    what=st.sampled_from([META, REQUEST, RESPONSE]),
    data=st.binary(max_size=50),
    key=st.binary(min_size=32, max_size=32),
)
def test_an_opening_is_hkdf_and_a_commitment_is_hmac(what, data, key):
    info = b"commit" + RID.encode() + what.encode()
    assert opening(key, RID, what) == HKDF(SHA256(), 32, None, info).derive(key)
    expected = hmac.new(opening(key, RID, what), f"sekimori/v1/{what}\0".encode() + data, hashlib.sha256)
    assert commit(opening(key, RID, what), what, data) == expected.digest()


def test_a_long_body_is_committed_to_like_a_short_one():
    data = bytes(range(256)) * 1000
    expected = hmac.digest(KEY, b"sekimori/v1/req\0" + data, "sha256")
    assert commit(KEY, REQUEST, data) == expected


def test_one_opening_opens_one_commitment_and_no_other():
    made = commitments(KEY, RID, {META: b"same", REQUEST: b"same", RESPONSE: b"same"})
    assert len(set(made.values())) == 3
    opened = opening(KEY, RID, REQUEST)
    assert fits(made[REQUEST], opened, REQUEST, b"same")
    assert not fits(made[REQUEST], opened, REQUEST, b"other")
    assert not fits(made[RESPONSE], opened, RESPONSE, b"same")
    assert commitments(KEY, RID + "x", {REQUEST: b"same"})[REQUEST] != made[REQUEST]


def test_a_record_key_of_another_length_is_refused():
    with pytest.raises(IntegrityError):
        commitments(b"short", RID, {META: b""})


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_computes_the_same_commitment():
    opened, body = opening(KEY, RID, REQUEST), b'{"a":1,"a":2,"x":0.70000000000000001}'
    ran = subprocess.run(
        ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{opened.hex()}"],
        input=b"sekimori/v1/req\0" + body,
        capture_output=True,
        check=True,
    )
    assert ran.stdout.decode().split()[-1] == commit(opened, REQUEST, body).hex()


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(
            Intent(rid=RID, time_us=1, user="yamada", body=Body(stored=b"secret", size=6)), id="intent"
        ),
        pytest.param(Part(rid=RID, time_us=1, number=1, body=Body(stored=b"secret")), id="part"),
        pytest.param(
            Outcome(rid=RID, time_us=1, state="complete", body=Body(stored=b"secret"), prompt=Body(size=3)),
            id="outcome",
        ),
    ],
)
def test_the_committed_entry_has_all_but_the_bytes_and_the_key(entry):
    data = meta_bytes(entry)
    assert b"secret" not in data
    assert decode(data) == msgspec.structs.replace(
        entry, body=msgspec.structs.replace(entry.body, stored=b"")
    )
