import hashlib
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.wire.redact import redact_body, redact_headers, redact_target

JSON_TYPE = "application/json"


def fingerprint(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()[:8]


def body(raw: bytes, content_type: str = JSON_TYPE):
    return redact_body(raw, content_type, fingerprint)


# Made up, and put together here so that no scanner takes this file for a leak.
SECRETS = {
    "openai-key": "sk-" + "proj-abcdEFGH1234abcdEFGH_5678-ijkl",
    "anthropic-key": "sk-" + "ant-api03-abcdEFGH1234abcd",
    "google-key": "AI" + "zaSyA1234567890abcdefghijklmnopqrstu",
    "google-token": "ya" + "29.a0AfH6SMBabcdefghijkl",
    "github-token": "gh" + "p_abcdefghijklmnopqrstuvwxyz0123456789",
    "slack-token": "xo" + "xb-123456789012-abcdefghij",
    "aws-key-id": "AK" + "IAABCDEFGHIJKLMNOP",
    "huggingface-token": "hf" + "_abcdefghijklmnopqrstuvwxyz",
    "groq-key": "gs" + "k_abcdefghijklmnopqrstuvwxyz",
    "jwt": "ey" + "JhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    "private-key": "-----BEGIN RSA PRIVATE" + " KEY-----\nMIIB\n-----END RSA PRIVATE" + " KEY-----",
}


@pytest.mark.parametrize(("kind", "secret"), SECRETS.items(), ids=SECRETS)
@pytest.mark.parametrize("around", ['{{"content":"use {} please"}}', "x={}&y", "({})", "鍵は{}です"])
def test_a_credential_is_cut_wherever_it_stands(kind, secret, around):
    raw = around.format(secret).encode()
    redacted = body(raw)
    assert redacted.body == around.format(f"[redacted:{kind}]").encode()
    (span,) = redacted.spans
    assert raw[span.start : span.start + span.length] == secret.encode()
    assert (span.kind, span.fingerprint) == (kind, fingerprint(secret.encode()))


@pytest.mark.parametrize("secret", [s for s in SECRETS.values() if s.isascii() and "\n" not in s])
def test_a_bearer_token_has_the_fingerprint_of_the_token_itself(secret):
    (in_header,) = redact_headers((("Authorization", f"Bearer {secret}"),), fingerprint).spans
    (in_body,) = body(f'{{"h":"Authorization: Bearer {secret}"}}'.encode()).spans
    assert in_header.fingerprint == in_body.fingerprint == fingerprint(secret.encode())


@pytest.mark.parametrize(
    ("raw", "redacted"),
    [
        pytest.param('{"password":"hunter2"}', '{"password":"[redacted:member]"}', id="password"),
        pytest.param('{"Client_Secret" :\n"a b"}', '{"Client_Secret" :\n"[redacted:member]"}', id="spaced"),
        pytest.param(
            r'{"api_key":"a\"b","c":1}', '{"api_key":"[redacted:member]","c":1}', id="escaped quote inside"
        ),
        pytest.param('{"pwd":-1.5e3}', '{"pwd":"[redacted:member]"}', id="a number"),
        pytest.param('{"access_token":"日本"}', '{"access_token":"[redacted:member]"}', id="any letters"),
        pytest.param(
            r'{"arguments":"{\"api-key\": \"z\\\"q\",\"b\":1}"}',
            r'{"arguments":"{\"api-key\": \"[redacted:member]\",\"b\":1}"}',
            id="JSON inside JSON",
        ),
        pytest.param('{"password":""}', '{"password":""}', id="empty"),
        pytest.param('{"password":{"type":"string"}}', '{"password":{"type":"string"}}', id="a schema"),
        pytest.param('{"required":["password"]}', '{"required":["password"]}', id="a name in a list"),
        pytest.param(
            '{"token":"Hello","logprob":-1}', '{"token":"Hello","logprob":-1}', id="log probabilities"
        ),
        pytest.param(
            '{"max_tokens":5,"total_tokens":9}', '{"max_tokens":5,"total_tokens":9}', id="token counts"
        ),
        pytest.param(
            '{"c":"a risk-averse-task-force-with-desk-space"}',
            '{"c":"a risk-averse-task-force-with-desk-space"}',
            id="words",
        ),
        pytest.param(
            '{"c":"Bearer authentication-is-described-below"}',
            '{"c":"Bearer authentication-is-described-below"}',
            id="a word behind Bearer",
        ),
    ],
)
def test_members_that_hold_credentials_are_cut_and_json_stays_json(raw, redacted):
    json.loads(raw)
    assert body(raw.encode()).body.decode() == redacted
    json.loads(redacted)


def test_a_form_is_redacted_by_the_names_of_its_fields():
    redacted = body(
        b"grant_type=x&client%5Fsecret=abc&a=b", "application/x-www-form-urlencoded; charset=utf-8"
    )
    assert redacted.body == b"grant_type=x&client%5Fsecret=[redacted:query-key]&a=b"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_wide_body_is_redacted_and_its_spans_count_its_own_bytes(encoding):
    raw = '{"メモ":"日本","password":"秘密"}'.encode(encoding)
    redacted = body(raw)
    assert redacted.body.decode(encoding) == '{"メモ":"日本","password":"[redacted:member]"}'
    (span,) = redacted.spans
    assert raw[span.start : span.start + span.length] == "秘密".encode(encoding).removeprefix(b"\xff\xfe")


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        pytest.param("Authorization", "Bearer abc", "Bearer [redacted:authorization]", id="bearer"),
        pytest.param("authorization", "abc", "[redacted:authorization]", id="no scheme"),
        pytest.param("Proxy-Authorization", "Basic dTpw", "Basic [redacted:proxy-authorization]", id="proxy"),
        pytest.param("Cookie", "a=b; c=d", "[redacted:cookie]", id="cookie"),
        pytest.param("Set-Cookie", "a=b; Path=/", "[redacted:set-cookie]", id="set-cookie"),
        pytest.param("X-Api-Key", "k", "[redacted:x-api-key]", id="x-api-key"),
        pytest.param("api-key", "k", "[redacted:api-key]", id="api-key"),
        pytest.param("x-goog-api-key", "k", "[redacted:x-goog-api-key]", id="google"),
        pytest.param("X-Amz-Security-Token", "k", "[redacted:x-amz-security-token]", id="amazon"),
        pytest.param("X-My-Secret-Thing", "k", "[redacted:x-my-secret-thing]", id="secret"),
        pytest.param(
            "openai-sentinel-proof-token", "k", "[redacted:openai-sentinel-proof-token]", id="sentinel"
        ),
        pytest.param(
            "Sec-WebSocket-Protocol",
            "realtime, openai-insecure-api-key.abc, openai-beta.realtime-v1",
            "realtime, openai-insecure-api-key.[redacted:subprotocol], openai-beta.realtime-v1",
            id="subprotocol",
        ),
        pytest.param(
            "Referer",
            "https://a.example/?key=k&b=c",
            "https://a.example/?key=[redacted:query-key]&b=c",
            id="referer",
        ),
        pytest.param("x-ratelimit-remaining-tokens", "5", "5", id="a counter"),
        pytest.param("anthropic-ratelimit-tokens-limit", "5", "5", id="another counter"),
        pytest.param("User-Agent", "x/1.0", "x/1.0", id="nothing"),
    ],
)
def test_header_fields_that_hold_credentials_are_cut(name, value, kept):
    redacted = redact_headers(((name, value),), fingerprint)
    assert redacted.headers == ((name, kept),)
    assert [span.place for span in redacted.spans] == ([f"header:{name.lower()}"] if kept != value else [])


@pytest.mark.parametrize(
    ("target", "kept", "place"),
    [
        pytest.param("/v1/x?key=abc&a=b", "/v1/x?key=[redacted:query-key]&a=b", "query:key", id="key"),
        pytest.param(
            "/v1/x?a=b&%6Bey=abc", "/v1/x?a=b&%6Bey=[redacted:query-key]", "query:key", id="encoded name"
        ),
        pytest.param(
            "/x?Access_Token=abc", "/x?Access_Token=[redacted:query-key]", "query:Access_Token", id="token"
        ),
        pytest.param(
            "/x?X-Amz-Signature=abc",
            "/x?X-Amz-Signature=[redacted:query-key]",
            "query:X-Amz-Signature",
            id="signature",
        ),
        pytest.param("/x?q=" + SECRETS["jwt"], "/x?q=[redacted:jwt]", "query:q", id="by its looks"),
        pytest.param(
            f"/hook/{SECRETS['slack-token']}/x", "/hook/[redacted:slack-token]/x", "path", id="in the path"
        ),
        pytest.param("/x?monkey=abc&q=key", "/x?monkey=abc&q=key", None, id="nothing"),
    ],
)
def test_targets_are_redacted_by_name_and_by_looks(target, kept, place):
    redacted = redact_target(target, fingerprint)
    assert redacted.target == kept
    assert [span.place for span in redacted.spans] == ([place] if place else [])


PIECES = st.sampled_from(
    [
        *SECRETS.values(),
        '"',
        "\\",
        '\\"',
        ":",
        " ",
        '"password"',
        '\\"secret\\"',
        '"api_key":',
        "Bearer ",
        "sk-",
        "eyJ",
        "日",
        "-",
        "_",
        "1",
        "{",
        "}",
        "a1b2c3d4e5f6g7h8",
        "]",
        "[redacted:x]",
        "=",
        "&",
        "?",
    ]
)


@given(st.lists(PIECES, max_size=14), st.sampled_from([JSON_TYPE, "application/x-www-form-urlencoded"]))
def test_redacting_twice_changes_nothing(pieces, content_type):
    once = body("".join(pieces).encode(), content_type)
    again = body(once.body, content_type)
    assert (again.body, again.spans) == (once.body, ())


@given(st.lists(PIECES, max_size=14))
def test_spans_are_ordered_disjoint_and_cover_what_was_cut(pieces):
    raw = "".join(pieces).encode()
    redacted = body(raw)
    rebuilt, at = [], 0
    for span in redacted.spans:
        assert span.start >= at
        rebuilt.append(raw[at : span.start])
        at = span.start + span.length
    rebuilt.append(raw[at:])
    rest = redacted.body
    for piece in rebuilt:
        assert piece in rest
    assert not [s for s in SECRETS.values() if "\n" in s and s.encode() in redacted.body]


@given(st.binary(max_size=300))
def test_any_bytes_can_be_redacted(raw):
    redacted = body(raw)
    assert redacted.spans or redacted.body == raw


JSON = st.recursive(
    st.none() | st.integers() | PIECES | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["password", "api_key", "a", "b"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON, st.booleans())
def test_json_stays_json(value, ascii_only):
    json.loads(body(json.dumps(value, ensure_ascii=ascii_only).encode()).body)


@pytest.mark.parametrize(
    "unit",
    [
        b"sk-",
        b"sk-ant-a ",
        b"eyJ-",
        b"eyJaaaaaaaaaaaa.",
        b'"password":"',
        b'\\"password\\":\\"',
        b"Bearer ",
        b"-----BEGIN PRIVATE" + b" KEY-----",
        b'"password"',
        b'"pwd":\\',
        b'key":',
        b"\\",
    ],
)
def test_a_hostile_body_costs_linear_time(unit):
    def cost(size: int) -> float:
        raw = unit * (size // len(unit))
        start = time.process_time()
        body(raw)
        return time.process_time() - start

    # Ten times the size may cost ten times the time; the square of it would be a hundred times.
    assert cost(400_000) < 40 * max(cost(40_000), 0.002)
