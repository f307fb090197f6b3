"""Bedrock Converse and ConverseStream, and the messages of Amazon Nova, which are built alike."""

from __future__ import annotations

import json
from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.model import Headers, ToolCall
from sekimori.wire.target import Target, header
from sekimori.wire.texts import bears_text

_KNOWN = words(
    "additionalModelResponseFieldPaths guardrailConfig inferenceConfig messages outputConfig",
    "performanceConfig promptVariables requestMetadata schemaVersion serviceTier system toolConfig",
)
_USAGE = {
    "inputTokens": "input_tokens",
    "outputTokens": "output_tokens",
    "totalTokens": "total_tokens",
    "cacheReadInputTokens": "cached_tokens",
    "cacheReadInputTokenCount": "cached_tokens",
}
_SOURCED = ("image", "document", "video", "audio")
_SILENT = frozenset({"cachePoint"})
_OPERATIONS = {"converse": False, "converse-stream": True}
_EVENTS = frozenset(
    {
        "messageStart",
        "contentBlockStart",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
    }
)


def _route(method: str, target: Target) -> Route | None:
    if method != "POST" or len(target.segments) < 3 or target.segments[-3] != "model":
        return None
    stream = _OPERATIONS.get(target.segments[-1])
    return None if stream is None else Route("generate", target.segments[-2], stream)


def fits(body: dict[str, Any]) -> bool:
    """Tell messages of this form: parts named by their only member, and not by a ``type``."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not {"inferenceConfig", "schemaVersion"} & set(body):
        return False
    return all(isinstance(as_dict(message).get("content"), list) for message in messages)


def read(draft: Draft, body: dict[str, Any]) -> None:
    """Read a request."""
    draft.unknown(body, _KNOWN)
    system = Turn("system")
    _content(draft, system, body.get("system"), "system")
    draft.add(system)
    for at, message in enumerate(as_list(body.get("messages"))):
        message = as_dict(message)
        turn = Turn(as_text(message.get("role")) or "user")
        _content(draft, turn, message.get("content"), f"messages[{at}].content")
        draft.add(turn)
    for variable in as_dict(body.get("promptVariables")).values():
        draft.say("user", as_text(as_dict(variable).get("text")))
    tools = as_list(as_dict(body.get("toolConfig")).get("tools"))
    draft.name_tools(
        as_dict(held).get("name")
        for tool in map(as_dict, tools)
        for held in (tool.get("toolSpec"), tool.get("systemTool"))
    )


def _content(draft: Draft, turn: Turn, content: Any, where: str) -> None:
    if isinstance(content, str):
        turn.text.append(content)
    elif isinstance(content, list):
        for at, part in enumerate(content):
            for name, value in as_dict(part).items():
                _part(draft, turn, name, value, f"{where}[{at}]")
    elif content is not None and bears_text(content):
        draft.skip(where)


def _part(draft: Draft, turn: Turn, name: str, value: Any, where: str) -> None:
    held = as_dict(value)
    if name == "text":
        turn.text.append(as_text(value) or as_text(held.get("text")))
    elif name in _SOURCED:
        _source(draft, turn, held, name, where)
    elif name == "toolUse":
        turn.calls.append(_tool_call(held))
    elif name == "toolResult":
        result = Turn("tool")
        result.tool_call_id = as_text(held.get("toolUseId"))
        _content(draft, result, held.get("content"), f"{where}.toolResult.content")
        draft.add(result)
    elif name == "json":
        turn.text.append(json.dumps(value, ensure_ascii=False))
    elif name == "reasoningContent":
        turn.reasoning.append(as_text(as_dict(held.get("reasoningText")).get("text")))
    elif name in ("guardContent", "citationsContent"):
        _nested(draft, turn, held, where)
    elif name == "searchResult":
        _document(draft, turn, held.get("content"), as_text(held.get("title")), where)
    elif name not in _SILENT and bears_text(value):
        draft.skip(f"{where}.{name}")


def _nested(draft: Draft, turn: Turn, held: dict[str, Any], where: str) -> None:
    if "content" in held:
        _content(draft, turn, held.get("content"), f"{where}.content")
    for name in ("text", "image"):
        if name in held:
            _part(draft, turn, name, held[name], where)


def _document(draft: Draft, turn: Turn, content: Any, name: str, where: str) -> None:
    """Note a document that travels as parts: what is in it the user gave, but did not say."""
    held = Turn(turn.role)
    _content(draft, held, content, f"{where}.content")
    turn.attachments += held.attachments
    draft.attach_text(turn, "".join(held.text), name=name)


def _source(draft: Draft, turn: Turn, held: dict[str, Any], kind: str, where: str) -> None:
    source, name = as_dict(held.get("source")), as_text(held.get("name"))
    declared = (
        {"document": "application"}.get(kind, kind) + "/" + (as_text(held.get("format")) or "octet-stream")
    )
    if isinstance(source.get("bytes"), str):
        draft.attach_base64(turn, source["bytes"], declared=declared, name=name)
    elif isinstance(source.get("text"), str):
        draft.attach_text(turn, source["text"], name=name)
    elif "s3Location" in source:
        draft.attach_url(
            turn, as_text(as_dict(source["s3Location"]).get("uri")), declared=declared, name=name
        )
    elif "content" in source:
        _document(draft, turn, source["content"], name, where)
    elif bears_text(held):
        draft.skip(f"{where}.source")


def _tool_call(held: dict[str, Any]) -> ToolCall:
    arguments = json.dumps(held.get("input") or {}, ensure_ascii=False)
    return ToolCall(as_text(held.get("toolUseId")), as_text(held.get("name")), arguments)


def whole(answer: Answer, body: Any) -> None:
    """Read a complete answer."""
    body = as_dict(body)
    if not isinstance(body.get("output"), dict):
        answer.fail(body)
        return
    answer.understood = True
    answer.finish_reason = as_text(body.get("stopReason")) or answer.finish_reason
    answer.count(body.get("usage"), _USAGE)
    parts = as_list(as_dict(body["output"].get("message")).get("content"))
    for at, part in enumerate(parts):
        for name, value in as_dict(part).items():
            _answer_part(answer, name, value, at)


def _answer_part(answer: Answer, name: str, value: Any, at: int) -> None:
    held = as_dict(value)
    if name == "text":
        answer.say(value)
    elif name == "toolUse":
        call = _tool_call(held)
        answer.call(at, id=call.id, name=call.name, arguments=call.arguments)
    elif name == "reasoningContent":
        answer.think(as_dict(held.get("reasoningText")).get("text"))
    elif name == "citationsContent":
        for piece in as_list(held.get("content")):
            answer.say(as_dict(piece).get("text"))
    elif name not in ("toolResult", *_SILENT) and bears_text(value):
        answer.skip(f"content.{name}")


def is_event(body: dict[str, Any]) -> str:
    """Find the name under which a chunk of InvokeModel holds such an event; empty where there is none."""
    return next((name for name in body if name in _EVENTS), "")


def named(answer: Answer, name: str, value: Any) -> None:
    """Read an event, whose name stands in the headers of its message."""
    event = as_dict(value)
    if name.startswith("exception:"):
        answer.understood = True
        answer.error = answer.error or as_text(event.get("message")) or name.removeprefix("exception:")
        return
    name = name if name in _EVENTS else is_event(event)
    answer.understood = answer.understood or bool(name)
    event = as_dict(event[name]) if name in event else event
    index = event.get("contentBlockIndex")
    at = index if isinstance(index, int) else 0
    if name == "contentBlockDelta":
        _delta(answer, as_dict(event.get("delta")), at)
    elif name == "contentBlockStart":
        start = as_dict(as_dict(event.get("start")).get("toolUse"))
        if start:
            answer.call(at, id=start.get("toolUseId"), name=start.get("name"))
    elif name == "messageStop":
        answer.finish_reason = as_text(event.get("stopReason")) or answer.finish_reason
    elif name == "metadata":
        answer.count(event.get("usage"), _USAGE)
    elif not name and not answer.fail(event) and bears_text(event):
        answer.skip("event of no known name")


def _delta(answer: Answer, delta: dict[str, Any], at: int) -> None:
    for name, value in delta.items():
        if name == "text":
            answer.say(value)
        elif name == "toolUse":
            answer.call(at, arguments=as_dict(value).get("input"))
        elif name == "reasoningContent":
            answer.think(as_dict(value).get("text"))
        elif name not in ("citation", "toolResult") and bears_text(value):
            answer.skip(f"delta.{name}")


def _event(answer: Answer, event: dict[str, Any]) -> None:
    named(answer, "", event)


def heading(answer: Answer, headers: Headers) -> None:
    """Take from the header fields what the body does not say: the request's id, and token counts."""
    answer.response_id = answer.response_id or header(headers, "x-amzn-requestid")
    if not answer.usage:
        for field, ours in (("input", "input_tokens"), ("output", "output_tokens")):
            count = header(headers, f"x-amzn-bedrock-{field}-token-count")
            if count.isdecimal() and len(count) < 12:
                answer.usage[ours] = int(count)


DIALECT = Dialect("bedrock-converse", _route, read, whole, _event, fits, named=named, heading=heading)
