"""Ollama's own API: chat and generate, streamed as JSON lines unless asked otherwise, and embed."""

from __future__ import annotations

import json
from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.model import Kind, ToolCall
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_KNOWN = words(
    "context dimensions format images input keep_alive logprobs messages model options prompt raw stream",
    "suffix system template think tools top_logprobs truncate",
)
_MESSAGE_KNOWN = words("content images role thinking tool_call_id tool_calls tool_name")
_CALLS: dict[str, Kind] = {
    "chat": "generate",
    "generate": "generate",
    "embed": "embed",
    "embeddings": "embed",
}
_USAGE = {"prompt_eval_count": "input_tokens", "eval_count": "output_tokens"}


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    if len(parts) < 2 or parts[-2] != "api" or method != "POST":
        return None
    kind = _CALLS.get(parts[-1])
    return None if kind is None else Route(kind, stream=False if kind == "embed" else None)


def _read(draft: Draft, body: dict[str, Any]) -> None:
    # An answer is streamed unless the request says no.
    draft.stream = body.get("stream") is not False and ("messages" in body or "prompt" in body)
    draft.unknown(body, _KNOWN)
    draft.say("system", as_text(body.get("system")))
    for at, message in enumerate(as_list(body.get("messages"))):
        message = as_dict(message)
        turn = Turn(as_text(message.get("role")) or "user")
        draft.unknown(message, _MESSAGE_KNOWN, f"messages[{at}].")
        turn.text.append(as_text(message.get("content")))
        turn.reasoning.append(as_text(message.get("thinking")))
        turn.tool_call_id = as_text(message.get("tool_call_id")) or as_text(message.get("tool_name"))
        turn.calls += [_tool_call(as_dict(call)) for call in as_list(message.get("tool_calls"))]
        _images(draft, turn, message)
        draft.add(turn)
    asked = Turn("user")
    asked.text.append(as_text(body.get("prompt")))
    _images(draft, asked, body)
    draft.add(asked)
    _inputs(draft, body.get("input"))
    tools = map(as_dict, as_list(body.get("tools")))
    draft.name_tools(as_dict(tool.get("function")).get("name") for tool in tools)


def _inputs(draft: Draft, given: Any) -> None:
    for item in given if isinstance(given, list) else [given]:
        if isinstance(item, str):
            draft.say("user", item)
        elif item is not None:
            draft.skip("input")


def _images(draft: Draft, turn: Turn, holder: dict[str, Any]) -> None:
    for image in as_list(holder.get("images")):
        if isinstance(image, str):
            draft.attach_base64(turn, image, declared="image/*")


def _tool_call(call: dict[str, Any]) -> ToolCall:
    function = as_dict(call.get("function"))
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments or {}, ensure_ascii=False)
    return ToolCall(as_text(call.get("id")), as_text(function.get("name")), arguments)


def _event(answer: Answer, body: dict[str, Any]) -> None:
    if answer.fail(body):
        return
    message, response = body.get("message"), body.get("response")
    if isinstance(message, dict):
        answer.say(message.get("content"))
        answer.think(message.get("thinking"))
        _calls(answer, message)
    elif isinstance(response, str):
        answer.say(response)
        answer.think(body.get("thinking"))
    elif "embedding" not in body and "embeddings" not in body and "done" not in body:
        if bears_text(body):
            answer.skip("an event of no known form")
        return
    answer.understood = True
    answer.model = as_text(body.get("model")) or answer.model
    answer.finish_reason = as_text(body.get("done_reason")) or answer.finish_reason
    answer.count(body, _USAGE)


def _calls(answer: Answer, message: dict[str, Any]) -> None:
    for call in as_list(message.get("tool_calls")):
        made = _tool_call(as_dict(call))
        count = answer.scratch.get("calls", 0)
        answer.scratch["calls"] = count + 1
        answer.call(count, id=made.id, name=made.name, arguments=made.arguments)


def _whole(answer: Answer, body: Any) -> None:
    _event(answer, as_dict(body))


DIALECT = Dialect("ollama", _route, _read, _whole, _event, lines=True)
