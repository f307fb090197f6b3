"""What a refusal looks like over HTTP: RFC 9457, in Japanese and English, under a stable code.

Refusals of governance keep their own codes and status; what only HTTP can get wrong is in the table below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.responses import Response

from sekimori.governance.refusals import REFUSALS, Forbidden, Missing, Text
from sekimori.governance.use_refusals import USE_REFUSALS

MEDIA = "application/problem+json"
BASE = "/api/v1/problems/"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One refusal as it is sent (RFC 9457); ``missing`` names each field that stands in the way."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    ja: str
    en: str
    missing: tuple[Missing, ...] = ()


PROBLEMS: dict[str, Text] = {
    "unreadable": Text(400, "要求を読み取れませんでした。", "The request could not be read."),
    "idempotency-key": Text(
        400,
        "Idempotency-Key は1〜128文字の英数字・記号です。",
        "An Idempotency-Key has 1 to 128 visible ASCII characters.",
    ),
    "if-match-form": Text(
        400, 'If-Match は ETag の値です（例："3"）。', 'If-Match takes an ETag as it was given, like "3".'
    ),
    "unauthenticated": Text(401, "サインインが必要です。", "Sign in, or send a token."),
    "sign-in": Text(401, "名前またはパスワードが違います。", "The name or the password is wrong."),
    "permission": Text(
        403,
        "この操作の権限がありません。必要な役割：{roles}",
        "This is not allowed; it takes one of: {roles}.",
    ),
    "somebody-elses": Text(403, "他の人のものです。", "It belongs to somebody else."),
    "scope": Text(403, "このトークンではできません。必要な範囲：{scope}", "The token's scopes lack {scope}."),
    "csrf": Text(
        403,
        "画面を読み込み直してからお試しください。",
        "The X-CSRF-Token is missing or wrong; it comes with the session.",
    ),
    "no-route": Text(404, "そのようなパスはありません。", "There is no such path."),
    "no-record": Text(404, "その記録はありません。", "There is no such record."),
    "method": Text(405, "この操作はできません。", "The path does not know this method."),
    "too-slow": Text(408, "要求が時間内に届きませんでした。", "The request did not arrive in time."),
    "version": Text(
        412,
        "読んだ後に変更されています。最新の内容を確認してください。",
        "It was changed after it was read; read it again.",
    ),
    "too-large": Text(413, "要求が大きすぎます。", "The request is too large."),
    "too-long": Text(414, "アドレスが長すぎます。", "The address is too long."),
    "not-json": Text(415, "JSONで送信してください。", "Send application/json."),
    "misdirected": Text(
        421,
        "このサーバはその名前では応答しません。",
        "This server does not answer under that name.",
    ),
    "invalid": Text(422, "要求の内容に誤りがあります。", "The request does not fit: {why}"),
    "key-reused": Text(
        422,
        "同じ Idempotency-Key で異なる要求が送られました。",
        "The Idempotency-Key was used for another request.",
    ),
    "if-match": Text(
        428,
        "If-Match に読んだ版（ETag）を指定してください。",
        "Name the version that was read: If-Match with its ETag.",
    ),
    "too-many": Text(
        429,
        "試行回数が多すぎます。しばらくしてからお試しください。",
        "Too many attempts; try again later.",
    ),
    "internal": Text(
        500,
        "内部の誤りがありました。管理者に連絡してください。",
        "Something broke inside; tell the administrator.",
    ),
    "api-unavailable": Text(
        503,
        "APIを担うプロセスが応答していません。しばらくしてからお試しください。",
        "The process that serves the API does not answer; try again later.",
    ),
}


class Refused(Exception):  # noqa: N818 - a verdict about a request
    """A request is refused; ``headers`` go with the answer."""

    def __init__(self, code: str, *, headers: Mapping[str, str] | None = None, **words: object) -> None:
        super().__init__(code)
        self.code = code
        self.text = PROBLEMS[code]
        self.words = words
        self.headers = dict(headers or {})


def known() -> dict[str, Text]:
    """List every code that the API answers with."""
    return {**PROBLEMS, **REFUSALS, **USE_REFUSALS}


def answer(refused: Refused | Forbidden, accept_language: str = "") -> Response:
    """Write a refusal."""
    if isinstance(refused, Forbidden):
        return _written(
            refused.code, refused.status, refused.ja, refused.en, accept_language, missing=refused.missing
        )
    ja, en = (text.format(**refused.words) for text in (refused.text.ja, refused.text.en))
    return _written(refused.code, refused.text.status, ja, en, accept_language, headers=refused.headers)


def _written(
    code: str,
    status: int,
    ja: str,
    en: str,
    accept_language: str,
    *,
    missing: Sequence[Missing] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    english = prefers_english(accept_language)
    title = en if english else ja
    problem = Problem(
        type=BASE + code,
        title=title,
        status=status,
        detail="; ".join([title, *(f"{each.field}: {each.en if english else each.ja}" for each in missing)]),
        code=code,
        ja=ja,
        en=en,
        missing=tuple(missing),
    )
    language = {"content-language": "en" if english else "ja", **(headers or {})}
    return Response(msgspec.json.encode(problem), status, language, MEDIA)


def prefers_english(accept_language: str) -> bool:
    """Say whether English comes before Japanese; who asks for neither reads Japanese."""
    ranks: dict[str, float] = {}
    for part in accept_language.split(",")[:16]:
        name, _, quality = part.strip().partition(";q=")
        ranks.setdefault(name.split("-")[0].lower(), _quality(quality))
    return ranks.get("en", 0.0) > ranks.get("ja", 0.0)


def _quality(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text))) if text else 1.0
    except ValueError:
        return 0.0


def problem_of(code: str, text: Text) -> dict[str, Any]:
    """Write a code of the table as the page about it shows it."""
    return {"code": code, "status": text.status, "ja": text.ja, "en": text.en}
