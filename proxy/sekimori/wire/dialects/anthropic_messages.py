"""Anthropic messages: typed content blocks, streamed as block events; also as Vertex carries them."""

from __future__ import annotations

import json
from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.model import ToolCall
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_KNOWN = words(
    "anthropic_beta anthropic_version betas cache_control container context_management effort",
    "inference_geo max_tokens mcp_servers messages metadata model output_config output_format",
    "service_tier speed stop_sequences stream system temperature thinking tool_choice tools top_k",
    "top_p",
)
_MESSAGE_KNOWN = frozenset({"role", "content", "cache_control"})
_MAX_OPEN = 4096  # calls without arguments so far
_USAGE = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_input_tokens": "cached_tokens",
}
# Results of tools that the service ran: they belong to the answer, but are none of its words.
_SERVED = "_tool_result"
_SILENT = frozenset({"redacted_thinking", "container_upload", "fallback", "compaction"})


def _route(method: str, target: Target) -> Route | None:
    if method != "POST":
        return None
    if target.ends("messages", "count_tokens"):
        return Route("count-tokens")
    if target.ends("messages") and "threads" not in target.segments:
        return Route("generate")
    return _vertex(target.segments)


def _vertex(parts: tuple[str, ...]) -> Route | None:
    """On Vertex the path names the model and the method: publishers/anthropic/models/MODEL:rawPredict."""
    if parts[-4:-1] != ("publishers", "anthropic", "models"):
        return None
    model, _, method = parts[-1].rpartition(":")
    if model == "count-tokens":
        return Route("count-tokens")
    stream = {"rawPredict": False, "streamRawPredict": True}.get(method)
    return None if stream is None else Route("generate", model, stream)


def _fits(body: dict[str, Any]) -> bool:
    return isinstance(body.get("anthropic_version"), str) and isinstance(body.get("messages"), list)


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.stream = body.get("stream") is True
    draft.unknown(body, _KNOWN)
    system = Turn("system")
    _content(draft, system, body.get("system"), "system")
    draft.add(system)
    if not isinstance(body.get("messages"), list):
        draft.skip("messages")
    for at, message in enumerate(as_list(body.get("messages"))):
        message = as_dict(message)
        turn = Turn(as_text(message.get("role")) or "user")
        draft.unknown(message, _MESSAGE_KNOWN, f"messages[{at}].")
        _content(draft, turn, message.get("content"), f"messages[{at}].content")
        draft.add(turn)
    tools = [as_dict(tool) for tool in as_list(body.get("tools"))]
    draft.name_tools(tool.get("name") or tool.get("type") for tool in tools)


def _content(draft: Draft, turn: Turn, content: Any, where: str) -> None:
    if isinstance(content, str):
        turn.text.append(content)
    elif isinstance(content, list):
        for at, block in enumerate(content):
            _block(draft, turn, as_dict(block), f"{where}[{at}]")
    elif content is not None and bears_text(content):
        draft.skip(where)


def _block(draft: Draft, turn: Turn, block: dict[str, Any], where: str) -> None:
    kind = as_text(block.get("type"))
    if kind == "text":
        turn.text.append(as_text(block.get("text")))
    elif kind == "thinking":
        turn.reasoning.append(as_text(block.get("thinking")))
    elif kind in ("image", "document", "file"):
        _source(draft, turn, block, where)
    elif kind.endswith("tool_use"):
        turn.calls.append(_tool_call(block))
    elif kind.endswith("tool_result"):
        _result(draft, block, where)
    elif kind == "search_result":
        _content(draft, Turn("tool"), block.get("content"), f"{where}.content")
    elif kind == "container_upload":
        draft.attach_id(turn, as_text(block.get("file_id")))
    elif kind not in _SILENT and bears_text(block):
        draft.skip(f"{where}.type={kind}")


def _tool_call(block: dict[str, Any]) -> ToolCall:
    arguments = json.dumps(block.get("input"), ensure_ascii=False)
    return ToolCall(as_text(block.get("id")), as_text(block.get("name")), arguments)


def _result(draft: Draft, block: dict[str, Any], where: str) -> None:
    """Make a message of a tool's result: it stands in a user message, but nobody said it."""
    turn = Turn("tool")
    turn.tool_call_id = as_text(block.get("tool_use_id"))
    content = block.get("content")
    if block.get("type") == "tool_result":
        _content(draft, turn, content, f"{where}.content")
    else:
        for item in as_list(content):
            turn.text.append(as_text(as_dict(item).get("title")))
    draft.add(turn)


def _source(draft: Draft, turn: Turn, block: dict[str, Any], where: str) -> None:
    source, name = as_dict(block.get("source")), as_text(block.get("title"))
    kind, declared = source.get("type"), as_text(source.get("media_type"))
    if kind == "base64":
        draft.attach_base64(turn, as_text(source.get("data")), declared=declared, name=name)
    elif kind == "text":
        draft.attach_text(turn, as_text(source.get("data")), name=name)
    elif kind == "url":
        draft.attach_url(turn, as_text(source.get("url")), declared=declared, name=name)
    elif kind == "file":
        draft.attach_id(turn, as_text(source.get("file_id")), name=name)
    elif kind == "content":
        # What is in a document the user gave, but did not say.
        held = Turn(turn.role)
        _content(draft, held, source.get("content"), f"{where}.source.content")
        turn.attachments += held.attachments
        draft.attach_text(turn, "".join(held.text), name=name)
    elif bears_text(block):
        draft.skip(f"{where}.source.type={as_text(kind)}")


def _whole(answer: Answer, body: Any) -> None:
    body = as_dict(body)
    if isinstance(body.get("content"), list):
        _message(answer, body)
        for at, block in enumerate(body["content"]):
            _start_block(answer, as_dict(block), at)
            _stop_block(answer, at)
    elif isinstance(body.get("input_tokens"), int):
        answer.understood = True
        answer.count(body, _USAGE)
    else:
        answer.fail(body)


def _message(answer: Answer, body: dict[str, Any]) -> None:
    answer.understood = True
    answer.model = as_text(body.get("model")) or answer.model
    answer.response_id = as_text(body.get("id")) or answer.response_id
    answer.finish_reason = as_text(body.get("stop_reason")) or answer.finish_reason
    answer.count(body.get("usage"), _USAGE)


def _start_block(answer: Answer, block: dict[str, Any], at: Any) -> None:
    kind = as_text(block.get("type"))
    if kind == "text":
        answer.say(block.get("text"))
    elif kind == "thinking":
        answer.think(block.get("thinking"))
    elif kind.endswith("tool_use"):
        call = _tool_call(block)
        answer.call(at, id=call.id, name=call.name, arguments=call.arguments if block.get("input") else "")
        if not block.get("input") and len(answer.scratch) < _MAX_OPEN:
            answer.scratch[at] = True
    elif not kind.endswith(_SERVED) and kind not in _SILENT and bears_text(block):
        answer.skip(f"content.type={kind}")


def _stop_block(answer: Answer, at: Any) -> None:
    """Give a call without arguments an empty object: in a stream its pieces might still have followed."""
    if answer.scratch.pop(at, False):
        answer.call(at, arguments="{}")


def _event(answer: Answer, event: dict[str, Any]) -> None:
    kind = event.get("type")
    if kind == "content_block_delta":
        _delta(answer, as_dict(event.get("delta")), event.get("index"))
    elif kind == "content_block_start":
        index = event.get("index")
        _start_block(answer, as_dict(event.get("content_block")), index if isinstance(index, int) else -1)
    elif kind == "content_block_stop":
        index = event.get("index")
        _stop_block(answer, index if isinstance(index, int) else -1)
    elif kind == "message_start":
        _message(answer, as_dict(event.get("message")))
    elif kind == "message_delta":
        answer.finish_reason = as_text(as_dict(event.get("delta")).get("stop_reason")) or answer.finish_reason
        answer.count(event.get("usage"), _USAGE)
    elif kind == "error" or "error" in event:
        answer.fail(event)
    elif kind not in ("message_stop", "ping") and bears_text(event):
        answer.skip(f"event {as_text(kind)}")


def _delta(answer: Answer, delta: dict[str, Any], index: Any) -> None:
    kind = delta.get("type")
    if kind == "text_delta":
        answer.say(delta.get("text"))
    elif kind == "thinking_delta":
        answer.think(delta.get("thinking"))
    elif kind == "input_json_delta":
        at = index if isinstance(index, int) else -1
        if delta.get("partial_json"):
            answer.scratch.pop(at, None)
        answer.call(at, arguments=delta.get("partial_json"))
    elif kind not in ("signature_delta", "citations_delta") and bears_text(delta):
        answer.skip(f"delta.type={as_text(kind)}")


DIALECT = Dialect("anthropic-messages", _route, _read, _whole, _event, _fits)
