"""Cohere chat, version 2: messages with typed parts, a plan before the tools, and events with a type."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.cohere_v1 import read_documents
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.model import ToolCall
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_KNOWN = words(
    "citation_options documents frequency_penalty k logprobs max_tokens messages model p",
    "presence_penalty priority raw_prompting response_format safety_mode seed stop_sequences stream",
    "strict_tools temperature thinking tool_choice tools",
)
_MESSAGE_KNOWN = words("citations content role tool_call_id tool_calls tool_plan")
_USAGE = {"input_tokens": "input_tokens", "output_tokens": "output_tokens"}
_ASIDE = words("citation-end citation-start content-end debug tool-call-end")


def _route(method: str, target: Target) -> Route | None:
    return Route("generate") if method == "POST" and target.ends("v2", "chat") else None


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.stream = body.get("stream") is True
    draft.unknown(body, _KNOWN)
    if not isinstance(body.get("messages"), list):
        draft.skip("messages")
    for at, message in enumerate(as_list(body.get("messages"))):
        message = as_dict(message)
        turn = Turn(as_text(message.get("role")) or "user")
        turn.tool_call_id = as_text(message.get("tool_call_id"))
        turn.reasoning.append(as_text(message.get("tool_plan")))
        draft.unknown(message, _MESSAGE_KNOWN, f"messages[{at}].")
        _content(draft, turn, message.get("content"), f"messages[{at}].content")
        turn.calls += [_tool_call(as_dict(call)) for call in as_list(message.get("tool_calls"))]
        draft.add(turn)
    beside = Turn("system")
    read_documents(draft, beside, body.get("documents"))
    draft.add(beside)
    tools = map(as_dict, as_list(body.get("tools")))
    draft.name_tools(as_dict(tool.get("function")).get("name") for tool in tools)


def _content(draft: Draft, turn: Turn, content: Any, where: str) -> None:
    if isinstance(content, str):
        turn.text.append(content)
        return
    for at, part in enumerate(as_list(content)):
        part = as_dict(part)
        kind = part.get("type")
        if kind == "text":
            turn.text.append(as_text(part.get("text")))
        elif kind == "thinking":
            turn.reasoning.append(as_text(part.get("thinking")))
        elif kind == "image_url":
            held = part.get("image_url")
            draft.attach_url(turn, as_text(held) or as_text(as_dict(held).get("url")))
        elif kind == "document":
            _document(draft, turn, part.get("document"))
        elif bears_text(part):
            draft.skip(f"{where}[{at}].type={as_text(kind)}")


def _document(draft: Draft, turn: Turn, document: Any) -> None:
    """Read a document: in what a tool gave back it is the text itself."""
    data = as_dict(document).get("data", document)
    if turn.role == "tool":
        values = as_dict(data).values() if isinstance(data, dict) else [data]
        turn.text += [value for value in values if isinstance(value, str)]
    else:
        read_documents(draft, turn, [document])


def _tool_call(call: dict[str, Any]) -> ToolCall:
    function = as_dict(call.get("function"))
    return ToolCall(
        as_text(call.get("id")), as_text(function.get("name")), as_text(function.get("arguments"))
    )


def _whole(answer: Answer, body: Any) -> None:
    body = as_dict(body)
    message = body.get("message")
    if not isinstance(message, dict):
        answer.fail(body)
        return
    answer.understood = True
    answer.response_id = as_text(body.get("id"))
    answer.finish_reason = as_text(body.get("finish_reason"))
    _count(answer, body.get("usage"))
    answer.think(message.get("tool_plan"))
    for part in as_list(message.get("content")):
        _answer_part(answer, as_dict(part))
    for at, call in enumerate(as_list(message.get("tool_calls"))):
        made = _tool_call(as_dict(call))
        answer.call(at, id=made.id, name=made.name, arguments=made.arguments)


def _count(answer: Answer, usage: Any) -> None:
    usage = as_dict(usage)
    answer.count(usage.get("billed_units"), _USAGE)
    answer.count(usage.get("tokens"), _USAGE)
    answer.count(usage, {"cached_tokens": "cached_tokens"})


def _answer_part(answer: Answer, part: dict[str, Any]) -> None:
    if "text" in part:
        answer.say(part["text"])
    elif "thinking" in part:
        answer.think(part["thinking"])
    elif bears_text(part):
        answer.skip(f"content.type={as_text(part.get('type'))}")


def _event(answer: Answer, event: dict[str, Any]) -> None:
    kind = as_text(event.get("type"))
    delta = as_dict(event.get("delta"))
    message = as_dict(delta.get("message"))
    answer.understood = answer.understood or bool(kind)
    if kind in ("content-delta", "content-start"):
        _answer_part(answer, as_dict(message.get("content")))
    elif kind in ("tool-call-start", "tool-call-delta"):
        index = event.get("index")
        held = message.get("tool_calls")
        made = _tool_call(as_dict(held[0] if isinstance(held, list) and held else held))
        at = index if isinstance(index, int) else 0
        answer.call(at, id=made.id, name=made.name, arguments=made.arguments)
    elif kind == "tool-plan-delta":
        answer.think(message.get("tool_plan"))
    elif kind == "message-start":
        answer.response_id = as_text(event.get("id"))
    elif kind == "message-end":
        answer.finish_reason = as_text(delta.get("finish_reason"))
        answer.error = answer.error or as_text(delta.get("error"))
        _count(answer, delta.get("usage"))
    elif kind not in _ASIDE and not answer.fail(event) and bears_text(event):
        answer.skip(f"event {kind}")


DIALECT = Dialect("cohere-v2", _route, _read, _whole, _event)
