"""The words of the rule behind a reason, apart from their source, so that a page can quote them."""

from __future__ import annotations

from dataclasses import dataclass

from sekimori.policy.reasons import Reason, explain


@dataclass(frozen=True, slots=True)
class Quote:
    """Words of a rule and where they stand; without a source they are not quoted but told."""

    words: str
    source: str


# Sentences of the 申合せ that a page must carry word for word.
_SOURCE = "ChatGPT等の生成AIの業務利用に関する申合せ（第2版）"
_VERBATIM = {
    Reason.TOS_CONFIDENTIAL: Quote(
        "約款型クラウドサービスでは、要機密情報を取り扱うことはできないこと", f"{_SOURCE} [MOU-1-10]"
    ),
    Reason.NO_GRANT: Quote(
        "要機密情報を含まない場合であっても、"
        "利用に当たっては、組織の規程に則り承認を得る手続きが必要であること",
        f"{_SOURCE} [MOU-1-11]",
    ),
}


def quotes(code: Reason) -> list[Quote]:
    """Quote the rule of ``code``, and the sentence that its page must carry unless it says the same."""
    sentence, rule = _VERBATIM.get(code), _quote(explain(code).rule)
    if sentence is None:
        return [rule]
    return [sentence] if rule.words in sentence.words else [sentence, rule]


def _quote(rule: str) -> Quote:
    if not rule.startswith("「"):
        return Quote(rule, "")
    words, _, source = rule[1:].rpartition("」")
    return Quote(words, source.strip())
