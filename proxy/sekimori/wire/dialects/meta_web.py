"""Meta AI's web page: a GraphQL form whose variables are JSON, and JSON lines out with the text so far."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route, nowhere
from sekimori.wire.draft import Draft, as_dict, as_list, as_text, words
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text
from sekimori.wire.unpack import opened

_MESSAGE_KNOWN = words("sensitive_string_value")
_VARIABLES_KNOWN = words(
    "__relay_internal__pv__AbraDebugDevOnlyrelayprovider alakazam_enabled attachments attachmentsV2",
    "entrypoint externalConversationId flashPreviewInput flashVideoRecapInput isVideoFlash",
    "llmRewritingEnabled message offlineThreadingId promptPrefix promptType scheduledMessageId",
    "snippet suggestedPromptIndex threadSessionId",
)


def _claims(method: str, target: Target, body: dict[str, Any]) -> Route | None:
    if method != "POST" or not target.ends("graphql") or "variables" not in body:
        return None
    if isinstance(_message(_variables(body)).get("sensitive_string_value"), str):
        return Route("generate", stream=True)
    return Route("state") if "Abra" in as_text(body.get("fb_api_req_friendly_name")) else None


def _variables(body: dict[str, Any]) -> dict[str, Any]:
    held = body.get("variables")
    return as_dict(opened(held) if isinstance(held, str) else held)


def _message(variables: dict[str, Any]) -> dict[str, Any]:
    return as_dict(variables.get("message"))


def _read(draft: Draft, body: dict[str, Any]) -> None:
    variables = _variables(body)
    draft.conversation = as_text(variables.get("externalConversationId"))
    draft.say("user", as_text(_message(variables).get("sensitive_string_value")))
    draft.unknown(_message(variables), _MESSAGE_KNOWN, "variables.message.")
    draft.unknown(variables, _VARIABLES_KNOWN, "variables.")
    for name in ("attachments", "attachmentsV2", "snippet"):
        if bears_text(variables.get(name)):
            draft.skip(f"variables.{name}")


def _event(answer: Answer, event: dict[str, Any]) -> None:
    for fault in map(as_dict, as_list(event.get("errors"))):
        answer.error = as_text(fault.get("message")) or "error"
        answer.understood = True
    node = as_dict(as_dict(event.get("data")).get("node"))
    held = as_dict(node.get("bot_response_message"))
    if not held:
        if isinstance(event.get("data"), dict):
            answer.understood = True
        return
    answer.understood = True
    content = as_dict(as_dict(held.get("content")).get("text"))
    pieces = [as_text(as_dict(part).get("text")) for part in as_list(content.get("composed_text"))]
    answer.so_far(held.get("snippet") if isinstance(held.get("snippet"), str) else "".join(pieces))
    answer.response_id = as_text(held.get("id")) or answer.response_id
    if held.get("streaming_state") == "OVERALL_DONE":
        answer.finish_reason = "OVERALL_DONE"


def _whole(answer: Answer, body: Any) -> None:
    if isinstance(body, dict):
        _event(answer, body)


DIALECT = Dialect("meta-web", nowhere, _read, _whole, _event, claims=_claims, forms=True, lines=True)
