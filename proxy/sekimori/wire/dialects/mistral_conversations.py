"""Mistral conversations: inputs to a model or an agent, outputs as entries, streamed as typed events."""

from __future__ import annotations

import json
from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects import openai_chat
from sekimori.wire.dialects.dialect import Dialect, Route, nowhere
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.model import ToolCall
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_KNOWN = words(
    "agent_id agent_version completion_args description from_entry_id guardrails handoff_execution inputs",
    "instructions metadata model name store stream tools",
)
_USAGE = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "total_tokens": "total_tokens",
}


def _claims(method: str, target: Target, body: dict[str, Any]) -> Route | None:
    spoken = method == "POST" and "conversations" in target.segments[-3:] and "inputs" in body
    return Route("generate") if spoken else None


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.stream = body.get("stream") is True
    draft.unknown(body, _KNOWN)
    draft.say("system", as_text(body.get("instructions")))
    inputs = body.get("inputs")
    if isinstance(inputs, str):
        draft.say("user", inputs)
    for at, entry in enumerate(as_list(inputs)):
        _entry(draft, as_dict(entry), f"inputs[{at}]")
    tools = map(as_dict, as_list(body.get("tools")))
    draft.name_tools(as_dict(tool.get("function")).get("name") or tool.get("type") for tool in tools)


def _entry(draft: Draft, entry: dict[str, Any], where: str) -> None:
    kind = as_text(entry.get("type"))
    if kind == "function.result":
        turn = Turn("tool")
        turn.tool_call_id = as_text(entry.get("tool_call_id"))
        turn.text.append(as_text(entry.get("result")))
    elif kind == "function.call":
        turn = Turn("assistant")
        turn.calls.append(_tool_call(entry))
    elif "content" in entry:
        turn = Turn(as_text(entry.get("role")) or ("assistant" if kind == "message.output" else "user"))
        openai_chat.read_content(draft, turn, entry.get("content"), f"{where}.content")
    else:
        if kind not in ("tool.execution", "agent.handoff") and bears_text(entry):
            draft.skip(f"{where}.type={kind}")
        return
    draft.add(turn)


def _tool_call(entry: dict[str, Any]) -> ToolCall:
    arguments = entry.get("arguments")
    if isinstance(arguments, dict):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return ToolCall(as_text(entry.get("tool_call_id")), as_text(entry.get("name")), as_text(arguments))


def _whole(answer: Answer, body: Any) -> None:
    body = as_dict(body)
    if not isinstance(body.get("outputs"), list):
        answer.fail(body)
        return
    answer.understood = True
    answer.response_id = as_text(body.get("conversation_id"))
    answer.count(body.get("usage"), _USAGE)
    for at, entry in enumerate(map(as_dict, body["outputs"])):
        if entry.get("type") == "function.call":
            call = _tool_call(entry)
            answer.call(at, id=call.id, name=call.name, arguments=call.arguments)
        else:
            answer.model = as_text(entry.get("model")) or answer.model
            _say(answer, entry.get("content"))


def _say(answer: Answer, content: Any) -> None:
    if isinstance(content, str):
        answer.say(content)
    for part in map(as_dict, content if isinstance(content, list) else [content]):
        if part.get("type") == "thinking":
            for piece in map(as_dict, as_list(part.get("thinking"))):
                answer.think(piece.get("text"))
        else:
            answer.say(part.get("text"))


def _event(answer: Answer, event: dict[str, Any]) -> None:
    kind = as_text(event.get("type"))
    answer.understood = answer.understood or kind.startswith(("conversation.", "message."))
    if kind == "message.output.delta":
        answer.model = as_text(event.get("model")) or answer.model
        _say(answer, event.get("content"))
    elif kind == "function.call.delta":
        call = _tool_call(event)
        answer.call(as_text(event.get("id")) or call.id, id=call.id, name=call.name, arguments=call.arguments)
    elif kind == "conversation.response.started":
        answer.response_id = as_text(event.get("conversation_id"))
    elif kind == "conversation.response.done":
        answer.count(event.get("usage"), _USAGE)
    elif kind == "conversation.response.error":
        answer.error = answer.error or as_text(event.get("message")) or "error"
    elif (
        not kind.startswith(("tool.execution", "agent.handoff"))
        and not answer.fail(event)
        and bears_text(event)
    ):
        answer.skip(f"event {kind}")


DIALECT = Dialect("mistral-conversations", nowhere, _read, _whole, _event, claims=_claims)
