"""Amazon Q Developer and Kiro: the state of a conversation in, an AWS event stream out."""

from __future__ import annotations

import json
from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route, nowhere
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.model import ToolCall
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_VERBS = words("SendMessage generateAssistantResponse")
_STATE_KNOWN = words(
    "agentContinuationId agentTaskType chatTriggerType conversationId currentMessage",
    "customizationArn history workspaceId",
)
_INPUT_KNOWN = words("content images modelId origin userInputMessageContext userIntent")
_CONTEXT_KNOWN = words("editorState envState shellState tools toolResults additionalContext")
_SAID_KNOWN = words(
    "content messageId reasoningContent references supplementaryWebLinks followupPrompt toolUses"
)
_ASIDE = words(
    "codeReferenceEvent contextUsageEvent followupPromptEvent initial-response intentsEvent",
    "interactionComponentsEvent messageMetadataEvent meteringEvent metadataEvent",
    "supplementaryWebLinksEvent dryRunSucceedEvent",
)


def _claims(method: str, target: Target, body: dict[str, Any]) -> Route | None:
    at = not target.segments or target.segments[-1] in _VERBS
    if method == "POST" and at and "currentMessage" in as_dict(body.get("conversationState")):
        return Route("generate", stream=True)
    return None


def _models(body: dict[str, Any]) -> list[Any]:
    current = as_dict(as_dict(body.get("conversationState")).get("currentMessage"))
    named = [as_dict(current.get("userInputMessage")).get("modelId"), body.get("modelId"), body.get("model")]
    return [name for name in named if name is not None]


def _read(draft: Draft, body: dict[str, Any]) -> None:
    state = as_dict(body.get("conversationState"))
    draft.conversation = as_text(state.get("conversationId"))
    draft.unknown(body, words("conversationState profileArn source dryRun modelId"))
    draft.unknown(state, _STATE_KNOWN, "conversationState.")
    for at, message in enumerate(as_list(state.get("history"))):
        _message(draft, as_dict(message), f"history[{at}]")
    _message(draft, as_dict(state.get("currentMessage")), "currentMessage")


def _message(draft: Draft, message: dict[str, Any], where: str) -> None:
    asked, said = as_dict(message.get("userInputMessage")), as_dict(message.get("assistantResponseMessage"))
    if asked:
        _asked(draft, asked, where)
    if said:
        turn = Turn("assistant")
        turn.text.append(as_text(said.get("content")))
        turn.calls += [_call(as_dict(call)) for call in as_list(said.get("toolUses"))]
        draft.unknown(said, _SAID_KNOWN, f"{where}.")
        draft.add(turn)


def _asked(draft: Draft, asked: dict[str, Any], where: str) -> None:
    context = as_dict(asked.get("userInputMessageContext"))
    draft.unknown(asked, _INPUT_KNOWN, f"{where}.")
    draft.unknown(context, _CONTEXT_KNOWN, f"{where}.context.")
    for result in map(as_dict, as_list(context.get("toolResults"))):
        _result(draft, result)
    turn = Turn("user")
    turn.text.append(as_text(asked.get("content")))
    for image in map(as_dict, as_list(asked.get("images"))):
        declared = f"image/{as_text(image.get('format'))}"
        draft.attach_base64(turn, as_text(as_dict(image.get("source")).get("bytes")), declared=declared)
    document = as_dict(as_dict(context.get("editorState")).get("document"))
    if isinstance(document.get("text"), str):
        draft.attach_text(turn, document["text"], name=as_text(document.get("relativeFilePath")))
    draft.add(turn)
    for tool in map(as_dict, as_list(context.get("tools"))):
        draft.name_tools([as_dict(tool.get("toolSpecification")).get("name")])


def _result(draft: Draft, result: dict[str, Any]) -> None:
    turn = Turn("tool")
    turn.tool_call_id = as_text(result.get("toolUseId"))
    for part in map(as_dict, as_list(result.get("content"))):
        held = part.get("json")
        turn.text.append(as_text(part.get("text")) if held is None else json.dumps(held, ensure_ascii=False))
    draft.add(turn)


def _call(call: dict[str, Any]) -> ToolCall:
    held = call.get("input")
    arguments = held if isinstance(held, str) else json.dumps(held, ensure_ascii=False)
    return ToolCall(as_text(call.get("toolUseId")), as_text(call.get("name")), arguments)


def _named(answer: Answer, name: str, value: Any) -> None:
    event = as_dict(value)
    if name.startswith("exception") or name in ("invalidStateEvent", "error"):
        told = as_text(event.get("message")) or as_text(event.get("reason"))
        answer.error, answer.understood = told or name, True
        return
    if name in ("", "message") and len(event) == 1:
        name, event = next(iter(event)), as_dict(next(iter(event.values())))
    answer.understood = True
    if name in ("assistantResponseEvent", "codeEvent"):
        answer.say(event.get("content"))
        answer.model = as_text(event.get("modelId")) or answer.model
    elif name == "reasoningContentEvent":
        answer.think(event.get("text"))
    elif name == "toolUseEvent":
        identifier, held = event.get("toolUseId"), event.get("input")
        arguments = held if held is None or isinstance(held, str) else json.dumps(held, ensure_ascii=False)
        answer.call(as_text(identifier), id=identifier, name=event.get("name"), arguments=arguments)
    elif name not in _ASIDE and bears_text(event):
        answer.skip(f"event {name}")


def _whole(answer: Answer, body: Any) -> None:
    found = as_dict(body)
    if isinstance(found.get("message"), str) or answer.fail(found):
        answer.error, answer.understood = answer.error or found["message"], True


def _event(answer: Answer, value: dict[str, Any]) -> None:
    _named(answer, "", value)


DIALECT = Dialect("amazon-q", nowhere, _read, _whole, _event, models=_models, claims=_claims, named=_named)
