from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.addons.reply import Refusal, answer, apply_link
from sekimori.policy.reasons import Reason, explain

SHAPES = ["openai", "anthropic", "gemini", "bedrock", "problem"]
REFUSING = [reason for reason in Reason if explain(reason).status >= 400]


def refusal(code: Reason = Reason.NO_GRANT, **fields) -> Refusal:
    known = {
        "reference": "7Q2K-9MXD",
        "host": "chatgpt.com",
        "service_name": "ChatGPT",
        "user": "yamada",
        "apply_url": "https://sekimori.example/apply?ref=7Q2K-9MXD",
    }
    return Refusal(code, **(known | fields))


def headers_of(answered) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in answered.headers}


@pytest.mark.parametrize("shape", [*SHAPES, "unheard-of"])
@pytest.mark.parametrize("code", REFUSING)
def test_every_refusal_is_a_failure_in_every_shape_and_says_its_reason(code, shape):
    answered = answer(refusal(code), navigation=False, shape=shape)
    headers = headers_of(answered)
    assert answered.status == explain(code).status >= 400
    assert headers["x-sekimori-reason"] == code.value
    assert headers["x-sekimori-reference"] == "7Q2K-9MXD"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-length"] == str(len(answered.body))
    assert explain(code).ja in answered.body.decode()
    assert "set-cookie" not in headers


@pytest.mark.parametrize("code", list(Reason))
def test_only_what_passes_by_itself_asks_for_another_try(code):
    headers = headers_of(answer(refusal(code), navigation=False, shape="openai"))
    later = code in {
        Reason.AUDIT_UNAVAILABLE,
        Reason.POLICY_UNAVAILABLE,
        Reason.IDENTITY_UNAVAILABLE,
        Reason.OVERLOADED,
        Reason.GATE_ERROR,
        Reason.CLOCK,
    }
    assert ("retry-after" in headers) is later
    assert headers["x-should-retry"] == ("true" if later else "false")


@pytest.mark.parametrize("status", [0, 200, 302, 600])
def test_no_status_that_a_client_takes_for_success_is_ever_sent(status):
    assert answer(refusal(status=status), navigation=False, shape="openai").status == 403


@pytest.mark.req("MOU-1-8")
def test_nobody_is_asked_for_a_proxy_password():
    answered = answer(refusal(Reason.AUTH_REQUIRED), navigation=False, shape="problem")
    assert answered.status == 407
    assert headers_of(answered)["proxy-authenticate"] == 'Basic realm="Sekimori", charset="UTF-8"'


def test_the_wait_is_what_the_gate_says():
    answered = answer(refusal(Reason.OVERLOADED, retry_after=3), navigation=False, shape="openai")
    assert headers_of(answered)["retry-after"] == "3"


def test_a_head_request_gets_the_length_and_no_body():
    whole = answer(refusal(), navigation=True, shape="problem")
    head = answer(refusal(), navigation=True, shape="problem", method="HEAD")
    assert head.body == b""
    assert head.headers == whole.headers


def test_a_message_has_a_japanese_line_then_an_english_one():
    body = json.loads(answer(refusal(details=("要約",)), navigation=False, shape="openai").body)
    ja, en = body["error"]["message"].split("\n")
    assert ja.startswith(explain(Reason.NO_GRANT).ja)
    assert en.startswith(explain(Reason.NO_GRANT).en)
    assert all(
        part in line
        for line in (ja, en)
        for part in ("DENY_NO_GRANT", "7Q2K-9MXD", "要約", "https://sekimori.example/apply")
    )


def test_openai_errors_have_their_four_fields():
    error = json.loads(answer(refusal(), navigation=False, shape="openai").body)["error"]
    assert (error["type"], error["param"], error["code"]) == ("permission_error", None, "DENY_NO_GRANT")


def test_anthropic_errors_name_a_type_and_the_request():
    body = json.loads(answer(refusal(), navigation=False, shape="anthropic").body)
    assert (body["type"], body["error"]["type"], body["request_id"]) == (
        "error",
        "permission_error",
        "7Q2K-9MXD",
    )


def test_gemini_errors_are_a_google_status():
    error = json.loads(answer(refusal(), navigation=False, shape="gemini").body)["error"]
    assert (error["code"], error["status"]) == (403, "PERMISSION_DENIED")
    info, help_ = error["details"]
    assert (info["reason"], info["metadata"]["reference"]) == ("DENY_NO_GRANT", "7Q2K-9MXD")
    assert help_["links"][0]["url"].startswith("https://sekimori.example/apply")


@pytest.mark.parametrize(
    ("code", "name"),
    [
        pytest.param(Reason.NO_GRANT, "AccessDeniedException", id="policy"),
        pytest.param(Reason.MALFORMED, "ValidationException", id="malformed"),
        pytest.param(Reason.AUDIT_UNAVAILABLE, "ServiceUnavailableException", id="audit"),
    ],
)
def test_bedrock_errors_are_named_in_a_header(code, name):
    answered = answer(refusal(code), navigation=False, shape="bedrock")
    assert headers_of(answered)["x-amzn-errortype"] == name
    assert list(json.loads(answered.body)) == ["message"]


def test_others_get_a_problem():
    answered = answer(
        refusal(all_codes=(Reason.NO_GRANT, Reason.TOS_CONFIDENTIAL)), navigation=False, shape="problem"
    )
    body = json.loads(answered.body)
    assert headers_of(answered)["content-type"] == "application/problem+json"
    assert body["type"] == "urn:sekimori:reason:DENY_NO_GRANT"
    assert body["status"] == 403
    assert body["instance"] == "urn:sekimori:reference:7Q2K-9MXD"
    assert body["reasons"] == ["DENY_NO_GRANT", "DENY_TOS_CONFIDENTIAL"]


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("javascript:alert(1)", id="script"),
        pytest.param("//elsewhere.example/", id="no scheme"),
        pytest.param("https://a.example/\r\nx: y", id="line break"),
        pytest.param("https://a.example/ b", id="space"),
        pytest.param("https://例え.example/", id="not ascii"),
    ],
)
def test_an_address_that_no_browser_should_open_is_left_out(url):
    assert (
        "apply_url"
        not in json.loads(answer(refusal(apply_url=url), navigation=False, shape="openai").body)["error"]
    )


@pytest.mark.parametrize("code", [Reason.AUTH_REQUIRED, Reason.AUDIT_UNAVAILABLE, Reason.MALFORMED])
def test_nobody_is_sent_to_apply_where_that_would_not_help(code):
    assert refusal(code).link == ""


def test_the_link_to_apply_carries_service_and_reference():
    link = apply_link("https://sekimori.example/", service="a&b", reference="7Q2K")
    assert link == "https://sekimori.example/apply?service=a%26b&ref=7Q2K"
    assert apply_link("", service="a", reference="b") == ""


@given(
    wire=st.text(st.characters(), max_size=300),
    code=st.sampled_from(REFUSING),
    shape=st.sampled_from(SHAPES),
    navigation=st.booleans(),
)
def test_whatever_came_over_the_wire_can_be_answered_and_breaks_no_header(wire, code, shape, navigation):
    answered = answer(
        refusal(
            code, reference=wire, host=wire, service_name=wire, user=wire, details=(wire,), apply_url=wire
        ),
        navigation=navigation,
        shape=shape,
        path=wire,
    )
    answered.body.decode()
    assert navigation or isinstance(json.loads(answered.body), dict)
    for name, value in answered.headers:
        assert name.decode("ascii").islower()
        assert value.decode("ascii").isprintable()


@given(wire=st.text(st.sampled_from("a\u202e\u2066\x1b\x00\u2028\u2029\r\n\x85\u200b\ud800"), max_size=50))
def test_nothing_invisible_from_the_wire_reaches_a_message(wire):
    message = json.loads(answer(refusal(details=(wire,)), navigation=False, shape="openai").body)["error"][
        "message"
    ]
    assert not set(message) & set("\u202e\u2066\x1b\x00\u2028\u2029\r\x85\u200b\ud800")
    assert message.count("\n") == 1
