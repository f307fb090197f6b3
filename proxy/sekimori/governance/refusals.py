"""Why a command was refused: a stable code, what it says in two languages, and its HTTP status.

The codes are an interface: the API answers with them, and people look them up. The table below is the
whole of them; a text with ``{name}`` is filled in where it is raised.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from sekimori.errors import SekimoriError


class Missing(msgspec.Struct, frozen=True):
    """One field that stands in the way, and what it lacks."""

    field: str
    ja: str
    en: str


class Text(NamedTuple):
    """What a refusal says, and under which HTTP status."""

    status: int
    ja: str
    en: str


class Forbidden(SekimoriError):  # noqa: N818 - a verdict about a command, named as the API names it
    """A command may not be carried out; nothing was changed."""

    def __init__(self, code: str, ja: str, en: str, *, missing: Iterable[Missing] = ()) -> None:
        super().__init__(en)
        self.code = code
        self.ja = ja
        self.en = en
        self.missing = tuple(missing)

    @property
    def status(self) -> int:
        """Give the HTTP status that goes with the code."""
        return REFUSALS[self.code].status

    def __str__(self) -> str:
        told = "; ".join(f"{each.field}: {each.en}" for each in self.missing)
        return f"{self.code}: {self.en}" + (f" ({told})" if told else "")


def refuse(code: str, *, missing: Iterable[Missing] = (), **words: object) -> Forbidden:
    """Make the refusal ``code``, with ``words`` filled into its text."""
    text = REFUSALS[code]
    return Forbidden(code, text.ja.format(**words), text.en.format(**words), missing=missing)


REFUSALS: dict[str, Text] = {
    # whoever asks
    "other-tenant": Text(404, "別の組織の情報です。", "This belongs to another organisation."),
    "not-found": Text(404, "{noun}「{id}」はありません。", "There is no {noun} {id!r}."),
    "exists": Text(409, "{noun}「{id}」は既にあります。", "There is a {noun} {id!r} already."),
    "role": Text(403, "この操作には次の役割が必要です：{roles}", "This needs one of the roles {roles}."),
    "transition": Text(
        409,
        "状態が「{status}」のため、この操作（{verb}）はできません。",
        "{verb} is not possible while it is {status}.",
    ),
    "stale": Text(
        409,
        "他の人が先に変更しました。最新の内容を確認してください。",
        "Somebody else changed it first; read it again.",
    ),
    "incomplete": Text(422, "記載の足りない項目があります。", "Some fields are missing or wrong."),
    "reason-missing": Text(422, "理由を記載してください。", "Give a reason."),
    "owned-by-file": Text(
        409,
        "適用ファイル {file} が管理しているため、ここでは変更できません。",
        "The file {file} owns it; change the file.",
    ),
    "kept-by-hand": Text(
        409,
        "サービス {id} は台帳で管理されているため、適用ファイルでは変更できません。",
        "The service {id} is kept in the register by hand; a file cannot take it over.",
    ),
    "retired": Text(
        409,
        "サービス {id} は廃止されています。別のIDで登録してください。",
        "The service {id} was retired; it comes back only under another id.",
    ),
    # four eyes
    "own-application": Text(
        403, "申請者本人は審査・承認できません。", "Nobody examines or decides on their own application."
    ),
    "own-use": Text(
        403, "利用者の範囲に含まれる人は承認できません。", "Whoever is among the users may not decide."
    ),
    "own-change": Text(
        403, "変更した本人は承認できません。", "A change needs the approval of somebody else than its editor."
    ),
    "own-deputy": Text(
        403,
        "申請者または利用者の代決者として、その申請について決定することはできません。",
        "A deputy does not decide about the applicant or the users for whom they stand in.",
    ),
    "own-role": Text(403, "自分の役割を自分で承認できません。", "Nobody approves their own role."),
    "own-assessment": Text(403, "申請者本人は評価者になれません。", "The assessor may not be the applicant."),
    "own-appointment": Text(
        403,
        "決定した本人をクラウドサービス管理者に指名できません。",
        "Whoever decides may not appoint themself as the administrator.",
    ),
    "not-yours": Text(403, "担当者ではありません。", "Only {who} may do this."),
    "not-authority": Text(
        403,
        "このサービス・組織の許可権限者ではありません。",
        "Not an approval authority for this service and unit.",
    ),
    "no-authority": Text(
        409,
        "このサービス・組織には許可権限者がいません。",
        "There is no living approval authority for this service and unit.",
    ),
    # the truth table
    "tos-confidential": Text(
        409,
        "約款型クラウドサービスでは、要機密情報を取り扱うことはできません。承認できる人はいません。",
        "Confidential information cannot be handled on a terms-of-service service; nobody can approve it.",
    ),
    "class-3": Text(
        409, "機密性3情報はいかなるAIサービスでも取り扱えません。", "Class 3 goes to no AI service."
    ),
    "class-cap": Text(
        409,
        "データの所在地により機密性1情報に限られます：{locations}",
        "Data is stored in {locations}: class 1 only.",
    ),
    "training-use": Text(
        409,
        "提供者が入力を学習に利用するため、機密性1情報に限られます。",
        "The provider trains on what it is sent: class 1 only.",
    ),
    "checklist-incomplete": Text(
        409, "確認事項への対応が完了していません。", "The confirmation items are not complete."
    ),
    "information-types": Text(
        409,
        "取り扱う機密性2情報の種類（一部）を列挙してください。",
        "The permitted types of class 2 information are not listed.",
    ),
    "risk-analysis": Text(
        409, "署名された有効なリスク分析がありません。", "There is no signed risk analysis that still fits."
    ),
    "consent-missing": Text(
        409, "{body}の了解の記録がありません。", "The consent (了解) of {body} is not recorded."
    ),
    "advice-missing": Text(
        409, "助言の記録がありません：{bodies}", "The advice of these bodies is not recorded: {bodies}."
    ),
    "advice-unreflected": Text(
        422, "助言をどのように反映したかを記載してください。", "State how the advice was reflected."
    ),
    # what must be there beforehand
    "service-inactive": Text(409, "サービスが利用可能な状態ではありません。", "The service is not active."),
    "service-used": Text(409, "有効な承認があります。", "There are grants in force."),
    "log-plan": Text(409, "ログ管理計画が完成していません。", "The log plan is not complete."),
    "scope-missing": Text(
        409,
        "利用可能な業務の範囲が特定されていません。",
        "No published work scope admits this service.",
    ),
    "contract-incomplete": Text(
        409, "個別契約の記載が足りません。", "Facts of the individual contract are missing."
    ),
    "register-incomplete": Text(409, "サービスの記載が足りません。", "Facts of the service are missing."),
    "rules-missing": Text(409, "有効な運用規程がありません。", "No operating rules are in force."),
    "rules-incomplete": Text(409, "運用規程の記載が足りません。", "The operating rules are not complete."),
    "risks-open": Text(
        409, "10のリスクのうち未処置のものがあります。", "Some of the ten risks are not disposed of."
    ),
    "risks-unreviewed": Text(
        409, "10のリスクをすべて確認してください。", "Each of the ten risks must be reviewed first."
    ),
    "administrator-missing": Text(
        422,
        "クラウドサービス管理者の指名が必要です。",
        "A cloud service administrator must be appointed.",
    ),
    "terms-pending": Text(409, "約款の変更が確認されていません。", "Changed terms have not been confirmed."),
    "terms-differ": Text(
        409, "確認した約款が最新のものではありません。", "The terms that were read are not the current ones."
    ),
    "period-over": Text(409, "利用期間が終了しています。", "The usage period is over."),
    "period": Text(409, "まだその時ではありません。", "It is not time for this."),
    "renewal-open": Text(409, "更新の申請があります。", "There is a renewal already."),
    "due-open": Text(409, "再発防止策が記載されていません。", "The measure against recurrence is missing."),
    "grant-exists": Text(409, "既に承認が有効になっています。", "There is a grant already."),
    "profile-locked": Text(
        409, "このプロファイルでは変更できません：{keys}", "The profile does not let these change: {keys}."
    ),
    # signed files
    "unsigned": Text(
        403,
        "異なる{needed}名の許可権限者の署名が必要です（有効な署名：{found}）。",
        "{needed} different approval authorities must sign the file; {found} did.",
    ),
    "replayed": Text(
        409,
        "この内容は以前に署名・適用され、その後置き換えられたか、別のファイル名で適用されています。"
        "日付等を書き加え、署名し直してください。",
        "These very bytes were signed and applied before, and replaced since or applied under another name: "
        "write today's date into the file and have it signed anew.",
    ),
}
