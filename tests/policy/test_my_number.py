"""個人番号: check digit, keyword within reach, and the ways of writing one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.policy.classify import classify
from sekimori.policy.my_number import is_my_number

# made up, or long published as examples
VALID = ["123456789018", "111111111118", "000111111111", "548836529885", "983205673214", "465281266333", "222222222330", "222222222250"]  # fmt: skip
INVALID = ["123456789019", "123456789010", "983205673210", "000000000000", "12345678901", "1234567890180"]


@pytest.mark.parametrize("digits", VALID)
def test_a_valid_number_is_recognised(digits):
    assert is_my_number(digits)


@pytest.mark.parametrize("digits", INVALID)
def test_an_invalid_number_is_not(digits):
    assert not is_my_number(digits)


@given(st.text(alphabet="0123456789", min_size=11, max_size=11))
def test_at_most_one_check_digit_fits(eleven):
    assert sum(is_my_number(f"{eleven}{check}") for check in range(10)) <= 1


WRITTEN = [
    pytest.param("マイナンバーは 1234 5678 9018 です", id="in fours"),
    pytest.param("個人番号：１２３４５６７８９０１８", id="wide"),
    pytest.param("123456789018 が個人番号です", id="keyword behind"),
    pytest.param("my number 1234-5678-9018", id="English"),
    pytest.param("Individual Number: 1234‐5678−9018", id="dashes of two kinds"),
    pytest.param("ﾏｲﾅﾝﾊﾞｰ 123456789018", id="half-width keyword"),
    pytest.param("マイ\u200bナンバー 1 2 3 4 5 6 7 8 9 0 1 8", id="spaced, zero-width in the keyword"),
    pytest.param("個人番号 一二三四五六七八九〇一八", id="kanji digits"),
    pytest.param("個人番号\n1234\n5678\n9018", id="split over lines"),
    pytest.param("1. 1234 5678 9018 (個人番号)", id="behind a list number"),
    pytest.param("個人番号 ①②③④⑤⑥⑦⑧⑨⓪①⑧", id="circled digits"),
    pytest.param("個人番号 ١٢٣٤٥٦٧٨٩٠١٨", id="Arabic digits"),
    pytest.param("個人番号" + "あ" * 290 + "123456789018", id="at the end of its reach"),
    pytest.param("個人番号 12345 678 9018", id="in odd groups"),
]
NOT_ONE = [
    pytest.param("123456789018", id="no keyword"),
    pytest.param("個人番号 123456789019", id="wrong check digit"),
    pytest.param("個人番号 000000000000", id="all the same"),
    pytest.param("個人番号は12桁です", id="about the number"),
    pytest.param("個人番号ではなく法人番号 7000012050002 です", id="thirteen digits"),
    pytest.param("個人番号" + "あ" * 301 + "123456789018", id="out of reach"),
    pytest.param(
        "マイナンバーカードの申請は 2026年11月21日 10:30 までに 03-1234-5678 へ", id="dates and telephones"
    ),
]


@pytest.mark.parametrize("text", WRITTEN)
def test_a_number_is_found_however_it_is_written(text):
    found = classify([text])

    assert found.my_number
    assert found.klass == 2
    assert "123456789018" not in repr(found)


@pytest.mark.parametrize("text", NOT_ONE)
def test_what_is_no_number_is_let_be(text):
    assert not classify([text]).my_number


def test_a_keyword_in_one_message_reaches_a_number_in_the_next():
    found = classify(["個人番号を入力します", "123456789018"])

    assert found.my_number
    assert [(hit.text, hit.offset) for hit in found.hits] == [(1, 0)]


@given(
    digits=st.sampled_from(VALID),
    gaps=st.lists(st.sampled_from(["", " ", "-", "\n", "・", "\u200b", "　"]), min_size=11, max_size=11),
)
def test_homogeneous_or_lone_groups_are_always_found(digits, gaps):
    written = "".join(digit + gap for digit, gap in zip(digits, [*gaps, ""], strict=True))

    assert classify([f"個人番号は {written} です"]).my_number
