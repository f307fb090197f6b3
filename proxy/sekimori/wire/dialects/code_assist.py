"""Gemini Code Assist, Gemini CLI and their kin: Gemini's requests and answers, each wrapped once."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects import gemini
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, as_dict, as_text, words
from sekimori.wire.model import Kind
from sekimori.wire.target import Target

_VERBS: dict[str, tuple[Kind, bool]] = {
    "generateContent": ("generate", False),
    "streamGenerateContent": ("generate", True),
    "countTokens": ("count-tokens", False),
    "fetchAvailableModels": ("model-list", False),
    "completeCode": ("generate", False),
    "generateChat": ("generate", False),
    "generateCode": ("generate", False),
    "streamGenerateChat": ("generate", True),
    **dict.fromkeys(
        words(
            "fetchAdminControls getCodeAssistGlobalUserSetting listExperiments listModelConfigs",
            "loadCodeAssist",
            "onboardUser recordCodeAssistMetrics recordClientEvent retrieveUserQuota",
            "setCodeAssistGlobalUserSetting",
        ),
        ("state", False),
    ),
}
_KNOWN = words(
    "enabledCreditTypes model project request requestId requestType requested_model userAgent",
    "user_prompt_id session_id",
)
_OUTER = words("cloudaicompanionProject metadata tierId")


def _route(method: str, target: Target) -> Route | None:
    version, colon, verb = (target.segments[-1] if target.segments else "").partition(":")
    if not colon or not version.startswith("v1") or not version.endswith("internal"):
        return None
    kind, stream = _VERBS.get(verb, ("other-ai", False))
    return Route(kind, stream=stream) if method == "POST" else None


def _read(draft: Draft, body: dict[str, Any]) -> None:
    inner = as_dict(body.get("request"))
    draft.unknown(body, _KNOWN | _OUTER)
    draft.conversation = as_text(inner.get("session_id")) or as_text(inner.get("sessionId"))
    gemini.DIALECT.read(
        draft, {key: held for key, held in inner.items() if key not in ("session_id", "sessionId")}
    )


def _models(body: dict[str, Any]) -> list[Any]:
    named = [body.get("model"), as_dict(body.get("request")).get("model")]
    return [
        name.removeprefix("models/") if isinstance(name, str) else name for name in named if name is not None
    ]


def _event(answer: Answer, event: dict[str, Any]) -> None:
    held = event.get("response")
    gemini.DIALECT.event(answer, held if isinstance(held, dict) else event)


def _whole(answer: Answer, body: Any) -> None:
    held = as_dict(body).get("response")
    gemini.DIALECT.whole(answer, held if isinstance(held, dict) else body)


DIALECT = Dialect("gemini-code-assist", _route, _read, _whole, _event, models=_models, array=True)
