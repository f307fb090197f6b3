"""Markings: what marks a text, what only mentions a marking, and what does not hide one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.policy.classify import classify, mask
from sekimori.policy.normal import Normal, fold

CLASS_3 = [
    pytest.param("【機密性3】\n本文", id="brackets"),
    pytest.param("機密性３情報\n本文", id="alone on a line, wide digit"),
    pytest.param("【機3】照会", id="short form of a subject"),
    pytest.param("㊙ 人事案", id="stamp"),
    pytest.param("極秘", id="nothing else"),
    pytest.param("特定秘密", id="designated secret"),
    pytest.param("特別防衛秘密", id="special defence secret"),
    pytest.param("(秘)\n本文です", id="parentheses on a line of their own"),
    pytest.param("議事録【秘】", id="behind a title"),
    pytest.param("マル秘\n会議資料", id="spelled stamp"),
    pytest.param("時限秘\n会議資料", id="secret for a time"),
    pytest.param("区分：極秘", id="label"),
    pytest.param("TOP SECRET", id="top secret"),
    pytest.param("Classification: Secret", id="English label"),
    pytest.param("社外秘\n本文\n極秘", id="the higher of two"),
]
CLASS_2 = [
    pytest.param("【機2】照会", id="short form of a subject"),
    pytest.param("[機密性2]", id="square brackets"),
    pytest.param("機密性2情報", id="nothing else"),
    pytest.param("令和8年度予算案 部外秘\n第1章\n本文です。", id="heading"),
    pytest.param("本文です。\n次の文です。\n終わりです。\n部内限り　総務課", id="foot"),
    pytest.param("議事録（取扱注意）\n本文", id="parentheses behind a title"),
    pytest.param("取扱い: 関係者限り", id="label"),
    pytest.param("**社外秘**", id="Markdown"),
    pytest.param("# 社外秘 #\n本文", id="comment"),
    pytest.param("本文\n- 要返却 -", id="handling restriction"),
    pytest.param("取扱厳重注意\n本文", id="handle with great care"),
    pytest.param("対外厳秘", id="not for outsiders"),
    pytest.param("【取扱注意・複製禁止】", id="two in one bracket"),
    pytest.param("社外秘 1/3ページ", id="page number"),
    pytest.param("CONFIDENTIAL", id="English"),
    pytest.param("Strictly Confidential - do not distribute", id="English with company"),
    pytest.param("For Internal Use Only", id="internal"),
    pytest.param("[Confidential]", id="English in brackets"),
    pytest.param("Company Proprietary\nplan", id="proprietary"),
]
HIDDEN = [
    pytest.param("機 密 性 ２\n本文", id="spaced"),
    pytest.param("機密性Ⅱ", id="Roman numeral"),
    pytest.param("機密性二情報", id="kanji numeral"),
    pytest.param("［機密性２］", id="wide"),
    pytest.param("機密\n性2", id="split over lines"),
    pytest.param("機\u200b密\u200b性2情報", id="zero-width space"),
    pytest.param("機\ufe00密性2", id="variation selector"),
    pytest.param("機\u00ad密性2", id="soft hyphen"),
    pytest.param("機・密・性・2", id="dotted"),
    pytest.param("ＣＯＮＦＩＤＥＮＴＩＡＬ", id="wide English"),
    pytest.param("C O N F I D E N T I A L", id="spaced English"),
    pytest.param("部外祕", id="old form of the character"),
]
ABOUT = [
    pytest.param("秘書の予定を調整してください", id="secretary"),
    pytest.param("秘訣を教えて", id="knack"),
    pytest.param("守秘義務契約の雛形", id="duty of secrecy"),
    pytest.param("【秘書募集】", id="secretary in brackets"),
    pytest.param("秘密情報の保護ハンドブック", id="title of a handbook"),
    pytest.param("企業秘密の管理について説明してください", id="trade secrets"),
    pytest.param("機密性2情報とは何ですか", id="question about the rule"),
    pytest.param("「機密性2情報」の定義を教えて", id="quoted"),
    pytest.param("「機密性3情報」", id="quoted, nothing else"),
    pytest.param("社外秘と極秘の違いは？", id="difference of two"),
    pytest.param("部外秘とは\n何か\n教えてください", id="question over lines"),
    pytest.param("極秘資料の作り方を教えて", id="compound"),
    pytest.param("取扱注意の荷物を送る方法", id="parcel"),
    pytest.param("要機密情報（機密性2情報）を取り扱う場合の手順", id="explanation in parentheses"),
    pytest.param("[機密性2情報](https://example.jp/)", id="link"),
    pytest.param(
        "適切なリスク分析を行った一部の機密性2情報まで取り扱うことができる", id="the agreement itself"
    ),
    pytest.param("約款型クラウドサービスでは、要機密情報を取り扱うことはできないこと", id="the rule itself"),
    pytest.param("Secret Santa ideas", id="Secret Santa"),
    pytest.param("kind: Secret\nmetadata:\n  name: x", id="Kubernetes"),
    pytest.param("[secret]\nkey = 1", id="configuration section"),
    pytest.param('{"secret": "x", "Confidential": 1}', id="JSON"),
    pytest.param("SECRET=abc", id="environment variable"),
    pytest.param("SECRET:\n  x", id="key of a mapping"),
    pytest.param("confidential computing explained", id="confidential computing"),
    pytest.param("It is a proprietary format.", id="proprietary format"),
    pytest.param("機密性1情報", id="class 1"),
    pytest.param("公開\n公表資料", id="public"),
    pytest.param("", id="nothing"),
]


@pytest.mark.req("MOU-1-2", "MOU-2-11")
@pytest.mark.parametrize("text", CLASS_3)
def test_a_marking_of_class_3_is_found(text):
    assert classify([text]).klass == 3


@pytest.mark.req("MOU-1-2", "MOU-2-11")
@pytest.mark.parametrize("text", CLASS_2)
def test_a_marking_of_class_2_is_found(text):
    assert classify([text]).klass == 2


@pytest.mark.parametrize("text", HIDDEN)
def test_width_spacing_and_invisible_characters_hide_no_marking(text):
    assert classify([text]).klass == 2


@pytest.mark.parametrize("text", ABOUT)
def test_text_about_a_marking_is_no_marking(text):
    found = classify([text])

    assert found.klass == 1
    assert found.detected_by == ()


def test_a_mention_is_told_without_raising_the_class():
    assert [(hit.kind, hit.marks) for hit in classify(["機密性2情報とは何ですか"]).hits] == [
        ("機密性2", False)
    ]


def test_a_marking_in_any_of_several_texts_counts():
    found = classify(["こんにちは", "要約して", "前置き\n【機密性２】\n本文"])

    assert (found.klass, found.detected_by) == (2, ("機密性2",))
    assert [(hit.text, hit.offset) for hit in found.hits] == [(2, 5)]


def test_a_single_question_has_no_heading():
    assert classify(["部外秘 予算案", "次の質問", "もう一つ"]).klass == 1
    assert classify(["部外秘 予算案\n目次\n本文"]).klass == 2


@pytest.mark.parametrize(
    ("name", "klass"),
    [
        pytest.param("部外秘_議事録.docx", 2, id="marked"),
        pytest.param("【機2】照会.xlsx", 2, id="short form"),
        pytest.param("㊙計画.pdf", 3, id="stamp"),
        pytest.param("秘_計画.pdf", 3, id="set apart"),
        pytest.param("CONFIDENTIAL-plan.pdf", 2, id="English"),
        pytest.param("秘書名簿.xlsx", 1, id="secretaries"),
        pytest.param("client_secret.json", 1, id="key file"),
        pytest.param("Secret Santa.txt", 1, id="Secret Santa"),
        pytest.param("機密性2情報の取扱規程.pdf", 1, id="about the rule"),
    ],
)
def test_a_file_name_is_read_too(name, klass):
    assert classify([], [name]).klass == klass


def test_an_offset_points_into_the_original_text():
    text = "ﾊﾞｽ\u200bの㍿資料\n次の行 ｶﾞ ［機密性２］"
    hit = classify(["x", text]).hits[0]

    assert text[hit.offset :].startswith("機密性２")
    assert hit.text == 1


@given(st.lists(st.text(alphabet="aｶﾞ㍿㊙\n\u200bé機2", max_size=12), min_size=1, max_size=3), st.data())
def test_a_place_in_normal_text_leads_back_into_one_of_the_texts(texts, data):
    normal = Normal(texts)
    place = data.draw(st.integers(0, len(normal.text)))

    number, offset = normal.origin(place)
    assert 0 <= number < len(texts)
    assert offset >= 0


@given(st.text(max_size=60))
def test_folding_twice_changes_nothing_and_keeps_lines(text):
    assert fold(text).count("\n") == text.count("\n")
    assert "\u200b" not in fold(text)


@given(st.lists(st.text(max_size=40), max_size=3), st.lists(st.text(max_size=20), max_size=2))
def test_any_text_is_classified(texts, names):
    assert classify(texts, names).klass in (1, 2, 3)


# masking


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("CONFIDENTIAL\nOur merger with Acme", id="marking before"),
        pytest.param("Our merger with Acme\n\nCONFIDENTIAL", id="marking behind"),
        pytest.param(
            "Our merger with Acme " + "x " * 400 + "\nCONFIDENTIAL", id="marking beyond what is shown"
        ),
        pytest.param("個人番号 123456789018 Our merger with Acme", id="beside a number"),
    ],
)
def test_a_mask_hides_what_a_refusal_was_about(text):
    masked = mask(text)

    assert "merger" not in masked
    assert "123456789018" not in masked
    assert len(masked) <= 400


def test_a_mask_keeps_the_marking_and_the_shape():
    assert mask("【社外秘】\nab c") == "【社外秘】\n■■ ■"


@pytest.mark.parametrize(
    "revealing",
    [
        "090-1234-5678",
        "4111 1111 1111 1111",
        "taro@example.jp",
        "sk-abcdefghijklmnopqrstuvwx",
        "１２３４５６７",
    ],
)
def test_numbers_addresses_and_tokens_are_always_masked(revealing):
    masked = mask(f"連絡先は {revealing} です")

    assert revealing not in masked
    assert fold(revealing) not in masked
    assert masked.startswith("連絡先は ")


@given(st.text(max_size=900))
def test_a_mask_is_short(text):
    assert len(mask(text)) <= 400
