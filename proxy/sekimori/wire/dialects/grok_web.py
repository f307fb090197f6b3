"""Grok's web page, and the one inside X: one message in, JSON objects one after another out."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_KNOWN = words(
    "collectionIds conversationId customInstructions customPersonality deepsearchPreset",
    "deviceEnvInfo disableMemory disableSearch disableSelfHarmShortCircuit disableTextFollowUps",
    "enableImageGeneration enableImageStreaming enableSideBySide enable420 fileAttachments",
    "forceConcise forceSideBySide grokModelOptionId imageAttachments imageGenerationCount",
    "isAsyncChat isReasoning message metadata modeId modelConfigOverride modelMode modelName",
    "parentResponseId promptMetadata requestFeatures responseMetadata responses returnImageBytes",
    "returnRawGrokInXaiRequest returnSearchResults sendFinalMetadata skipCancelCurrentInflightRequests",
    "systemPromptName temporary toolOverrides webpageUrls",
)
_ASIDE = frozenset({"header", "summary", "tool_usage_card", "raw_function_result", "citedWebSearchResults"})


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    if method != "POST":
        return None
    app = len(parts) > 2 and "app-chat" in parts[:-2]
    if app and (
        target.ends("conversations", "new") or (parts[-3] == "conversations" and parts[-1] == "responses")
    ):
        return Route("generate", stream=True)
    return Route("generate", stream=True) if target.ends("grok", "add_response.json") else None


def _claims(method: str, target: Target, body: dict[str, Any]) -> Route | None:  # noqa: ARG001
    return _route(method, target)  # before those whose paths end the same way


def _models(body: dict[str, Any]) -> list[Any]:
    named = [body.get("modelName"), body.get("grokModelOptionId")]
    # The mode stands for a model only where none is named.
    found = [name for name in named if name is not None]
    return found or [name for name in [body.get("modeId")] if name is not None]


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.unknown(body, _KNOWN)
    draft.say("system", as_text(body.get("customInstructions")) or as_text(body.get("customPersonality")))
    for said in map(as_dict, as_list(body.get("responses"))):
        draft.say("user" if said.get("sender") in (1, "USER") else "assistant", as_text(said.get("message")))
        if bears_text(said.get("fileAttachments")):
            draft.skip("responses.fileAttachments")
    turn = Turn("user")
    turn.text.append(as_text(body.get("message")))
    for reference in as_list(body.get("fileAttachments")) + as_list(body.get("imageAttachments")):
        draft.attach_id(turn, as_text(reference))
    draft.add(turn)
    draft.conversation = as_text(body.get("conversationId"))


def _event(answer: Answer, event: dict[str, Any]) -> None:
    result = as_dict(event.get("result"))
    if answer.fail(event) or answer.fail(result):
        return
    if not result:
        return
    answer.understood = True
    _response(answer, as_dict(result.get("response")) or result)


def _response(answer: Answer, response: dict[str, Any]) -> None:
    token = response.get("token")
    if token is None and response.get("sender") == "ASSISTANT":
        token = response.get("message")
    if isinstance(token, str):
        aside = response.get("isThinking") is True or as_text(response.get("messageTag")) in _ASIDE
        (answer.think if aside else answer.say)(token)
    whole = as_dict(response.get("modelResponse"))
    if whole:
        answer.so_far(whole.get("message"))
        answer.model = as_text(whole.get("model")) or answer.model
        answer.response_id = as_text(whole.get("responseId")) or answer.response_id
        answer.finish_reason = "stop"


def _whole(answer: Answer, body: Any) -> None:
    if isinstance(body, dict):
        _event(answer, body)


DIALECT = Dialect("grok-web", _route, _read, _whole, _event, models=_models, lines=True, claims=_claims)
