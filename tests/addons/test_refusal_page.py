from __future__ import annotations

import base64
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.addons.reply import Refusal, answer
from sekimori.policy.reasons import Reason, explain

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=y>\u202e\u2066\x1b[31m"
# 2026-11-21 05:06:07 in Japan
MOMENT_US = 1_795_205_167_000_000


def page(code: Reason = Reason.NO_GRANT, *, path: str = "", **fields) -> str:
    known = {"reference": "7Q2K-9MXD", "host": "chatgpt.com"}
    return answer(Refusal(code, **(known | fields)), navigation=True, path=path).body.decode()


@pytest.mark.parametrize("code", [reason for reason in Reason if explain(reason).status >= 400])
def test_every_page_says_why_by_which_rule_and_what_to_do_in_both_languages(code):
    text, shown = explain(code), page(code)
    for sentence in (
        text.ja,
        text.en,
        text.action_ja,
        text.action_en,
        "7Q2K-9MXD",
        code.value,
        "chatgpt.com",
    ):
        assert sentence in shown
    assert shown.index(text.ja) < shown.index(text.en)


@pytest.mark.req("MOU-1-7", "MOU-1-11")
def test_the_page_of_an_unapproved_service_carries_the_rule_word_for_word_and_the_way_to_apply():
    shown = page(apply_url="https://sekimori.example/apply?service=chatgpt&ref=7Q2K")
    assert "利用に当たっては、組織の規程に則り承認を得る手続きが必要であること" in shown
    assert "要機密情報を含まない場合であっても、利用に当たっては" in shown
    assert 'href="https://sekimori.example/apply?service=chatgpt&amp;ref=7Q2K"' in shown


@pytest.mark.req("MOU-1-10")
def test_the_page_about_confidential_information_repeats_the_sentence_word_for_word():
    shown = page(Reason.TOS_CONFIDENTIAL)
    assert "約款型クラウドサービスでは、要機密情報を取り扱うことはできないこと" in shown


def test_a_rule_is_quoted_apart_from_its_source():
    shown = page(Reason.SUSPENDED)
    assert "<p>「その利用状況について管理することが必要である」</p>" in shown


def test_every_reason_that_failed_is_told():
    shown = page(all_codes=(Reason.NO_GRANT, Reason.TOS_CONFIDENTIAL, Reason.TOS_CONFIDENTIAL))
    assert shown.count("DENY_TOS_CONFIDENTIAL") == 1
    assert explain(Reason.TOS_CONFIDENTIAL).en in shown


def test_the_time_is_that_of_japan():
    shown = page(time_us=MOMENT_US)
    assert "2026年11月21日 05:06:07" in shown
    assert 'datetime="2026-11-21T05:06:07+09:00"' in shown


def test_the_query_is_not_shown():
    assert "secret" not in page(path="/c/abc?token=secret#secret")


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        pytest.param(Reason.USER_OUT_OF_SCOPE, True, id="the reason is about the user"),
        pytest.param(Reason.NO_GRANT, False, id="the reason is about the service"),
    ],
)
def test_the_user_is_named_only_where_the_reason_is_about_the_user(code, shown):
    assert ("yamada" in page(code, user="yamada")) is shown


def test_the_policy_allows_our_style_and_nothing_else():
    answered = answer(Refusal(Reason.NO_GRANT, "r", "h"), navigation=True)
    policy = dict(answered.headers)[b"content-security-policy"].decode()
    (style,) = re.findall("<style>(.*?)</style>", answered.body.decode(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


@pytest.mark.parametrize("field", ["reference", "host", "service_name", "user", "apply_url"])
def test_nothing_from_the_wire_is_markup(field):
    shown = page(Reason.USER_OUT_OF_SCOPE, **{field: HOSTILE})
    assert "<script" not in shown
    assert "<img" not in shown


def test_details_and_path_are_not_markup_either():
    shown = page(details=(HOSTILE,), path=HOSTILE)
    assert "<script" not in shown
    assert "‹U+202E›‹U+2066›‹U+001B›[31m" in shown


@given(wire=st.text(st.characters(), max_size=80))
def test_a_page_has_the_same_elements_whatever_came_over_the_wire(wire):
    def elements(value: str) -> list[str]:
        shown = page(reference=value, host=value, service_name=value, details=("-" + value,), path=value)
        return re.findall(r"<[^>]*>", shown)

    assert elements(wire or "a") == elements("a")
    assert not re.search(
        "[\u200b-\u200f\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\x7f]", page(details=(wire,))
    )
