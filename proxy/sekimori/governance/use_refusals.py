"""Refusals of the commands about using a service; the codes are as stable as those of ``refusals``."""

from __future__ import annotations

from collections.abc import Iterable

from sekimori.governance.refusals import Forbidden, Missing, Text


class UseForbidden(Forbidden):
    """A command about the use of a service may not be carried out; nothing was changed."""

    @property
    def status(self) -> int:
        """Give the HTTP status that goes with the code."""
        return USE_REFUSALS[self.code].status


def refuse_use(code: str, *, missing: Iterable[Missing] = (), **words: object) -> UseForbidden:
    """Make the refusal ``code``, with ``words`` filled into its text."""
    text = USE_REFUSALS[code]
    return UseForbidden(code, text.ja.format(**words), text.en.format(**words), missing=missing)


USE_REFUSALS: dict[str, Text] = {
    "notice-differs": Text(
        409,
        "周知の内容が更新されました。最新の内容を確認してください。",
        "The notice has another version or text now; read it again.",
    ),
    "notice-verbatim": Text(
        422, "次の文言が必要です：{words}", "The Japanese text must hold these words: {words}."
    ),
    "token-bound": Text(
        403, "このフィードバックのリンクはあなたのものではありません。", "This feedback link is not yours."
    ),
    "token-used": Text(409, "このリンクは回答済みです。", "This feedback link has been used."),
    "token-expired": Text(
        409, "リンクの有効期限が切れました。新しいリンクを開いてください。", "The feedback link expired."
    ),
    "text-too-long": Text(
        422, "自由記述は{limit}文字以内です。", "The free text may have {limit} characters at most."
    ),
    "own-feedback": Text(
        403, "回答した本人は対応を完了できません。", "Whoever gave the feedback may not resolve it."
    ),
    "own-output": Text(
        403, "作成した本人は確認者になれません。", "The author of the output may not review its use."
    ),
    "secondary-use-owner": Text(
        409,
        "二次利用責任者が定められていません。",
        "Nobody is responsible for secondary use (二次利用責任者).",
    ),
    "not-verified": Text(
        409, "対外利用には人による確認が必要です。", "A person must have verified what is used outside."
    ),
    "not-administrator": Text(
        403,
        "このサービスのクラウドサービス管理者ではありません。",
        "Not the cloud service administrator of this service.",
    ),
    "no-proposal": Text(
        409, "確認した提案が最新のものではありません。", "The proposal that was read is not the current one."
    ),
    "anomaly-unanswered": Text(
        422, "すべての異常について所見を記載してください。", "Every anomaly needs a finding."
    ),
    "own-anomaly": Text(
        403,
        "異常の当事者は点検に署名できません。",
        "Nobody signs the review of an anomaly of their own.",
    ),
    "own-reading": Text(403, "自分の閲覧を自分で承認できません。", "Nobody allows their own reading."),
    "own-content": Text(
        403, "記録の本人は閲覧を承認できません。", "Whoever wrote it may not decide who reads it."
    ),
    "reading-over": Text(
        409, "閲覧できる時間（{minutes}分）が過ぎました。", "The {minutes} minutes for reading are over."
    ),
    "not-trial": Text(409, "検証段階の公開サービスではありません。", "This is no public service in trial."),
}
