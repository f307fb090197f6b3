"""The Model Context Protocol: JSON-RPC over HTTP, answered as one document or as server-sent events.

A call of a tool is a turn of the user whose text is the arguments; its result is the output.
Source: the specification, revisions 2024-11-05 to 2025-11-25.
"""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.dialects.jsonrpc import as_json, failed, identifier, is_rpc, messages, method_of
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.model import ToolCall
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_METHODS = words(
    "completion/complete elicitation/create initialize logging/setLevel ping prompts/get prompts/list",
    "resources/list resources/read resources/subscribe resources/templates/list resources/unsubscribe",
    "roots/list sampling/createMessage server/discover subscriptions/listen tasks/cancel tasks/get",
    "tasks/list tasks/result tasks/update tools/call tools/list",
)
_FRAME = words(
    "_meta cursor level protocolVersion capabilities clientInfo requestId reason progressToken taskId task"
)


def _route(method: str, target: Target) -> Route | None:
    """Claim what has no body: the stream of a session, and its end."""
    return Route("tool") if method in ("GET", "DELETE") and target.ends("mcp") else None


def _claims(method: str, target: Target, body: dict[str, Any]) -> Route | None:
    found = messages(body)
    if method != "POST" or not found or not all(map(is_rpc, found)):
        return None
    own = any(_is_own(method_of(message)) for message in found)
    # An answer names no method: it is taken for one of MCP where its client and server talk.
    replies = all(not method_of(message) for message in found)
    if own or (replies and _names(target)):
        return Route("tool")
    return None


def _names(target: Target) -> bool:
    return "mcp" in target.segments or target.ends("messages") or bool(target.asked("session_id"))


def _is_own(method: str) -> bool:
    return method in _METHODS or method.startswith("notifications/")


def _models(body: dict[str, Any]) -> list[Any]:  # noqa: ARG001 - tools have none
    return []


def _spoken(draft: Draft, target: Target) -> bool:  # noqa: ARG001 - nothing is said
    return not draft.texts


def _read(draft: Draft, body: dict[str, Any]) -> None:
    for message in messages(body):
        method, params = method_of(message), as_dict(message.get("params"))
        if method == "tools/call":
            _called(draft, params, identifier(message))
        elif method:
            _asked(draft, method, params)
        else:
            _replied(draft, as_dict(message.get("result")))


def _called(draft: Draft, params: dict[str, Any], number: str) -> None:
    name, arguments = as_text(params.get("name")), as_json(params.get("arguments") or {})
    turn = Turn("user")
    turn.text.append(arguments)
    turn.calls.append(ToolCall(number, name, arguments))
    draft.add(turn)
    draft.name_tools([name])
    draft.unknown(params, _FRAME | {"name", "arguments", "inputResponses", "requestState"}, "params.")
    if bears_text(params.get("inputResponses")):
        draft.say("user", as_json(params["inputResponses"]))


def _asked(draft: Draft, method: str, params: dict[str, Any]) -> None:
    if method == "completion/complete":
        draft.say("user", as_text(as_dict(params.get("argument")).get("value")))
    elif method == "prompts/get" and params.get("arguments"):
        draft.say("user", as_json(params["arguments"]))
    elif method == "resources/read":
        draft.say("user", as_text(params.get("uri")))
    elif method.startswith("notifications/") and bears_text(params):
        draft.say("system", as_json(params))
    else:
        draft.unknown(params, _FRAME, "params.")


def _replied(draft: Draft, result: dict[str, Any]) -> None:
    """Read what the client answers to the server: words of its user, or of a model that it asked."""
    turn = Turn("assistant" if "role" in result else "user")
    content = result.get("content")
    parts = content if isinstance(content, list) else [content] if _is_part(content) else []
    for part in map(as_dict, parts):
        _part(draft, turn, part)
    if not parts and bears_text(result):
        turn.text.append(as_json(content if content is not None else result))
    draft.add(turn)


def _is_part(content: Any) -> bool:
    return isinstance(content, dict) and isinstance(content.get("type"), str)


def _part(draft: Draft, turn: Turn, part: dict[str, Any]) -> None:
    kind = part.get("type")
    if kind == "text":
        turn.text.append(as_text(part.get("text")))
    elif kind in ("image", "audio"):
        draft.attach_base64(turn, as_text(part.get("data")), declared=as_text(part.get("mimeType")))
    elif bears_text(part):
        turn.text.append(as_json(part))


def _named(answer: Answer, name: str, value: Any) -> None:
    if name == "endpoint":
        answer.understood = True
        return
    for message in messages(value):
        if not is_rpc(message):
            if not answer.fail(message) and bears_text(message):
                answer.skip("a message that is no JSON-RPC")
            continue
        answer.understood = True
        if failed(answer, message) or method_of(message).startswith("notifications/"):
            continue
        if method_of(message):
            # The server asks its client: a call that the client's user or model will answer.
            arguments = as_json(message.get("params") or {})
            answer.call(
                len(answer.scratch), id=identifier(message), name=message["method"], arguments=arguments
            )
            answer.scratch[len(answer.scratch)] = True
        else:
            _result(answer, as_dict(message.get("result")))


def _result(answer: Answer, result: dict[str, Any]) -> None:
    content = result.get("content")
    if isinstance(content, list):
        for part in map(as_dict, content):
            _said(answer, part)
        if not content and bears_text(result.get("structuredContent")):
            answer.say(as_json(result["structuredContent"]))
        if result.get("isError") is True:
            answer.finish_reason = "error"
    for held in map(as_dict, as_list(result.get("contents"))):
        answer.say(held.get("text"))
    for held in map(as_dict, as_list(result.get("messages"))):
        said = held.get("content")
        for piece in said if isinstance(said, list) else [said]:
            _said(answer, as_dict(piece))
    for value in as_list(as_dict(result.get("completion")).get("values")):
        answer.say(value)


def _said(answer: Answer, part: dict[str, Any]) -> None:
    kind = part.get("type")
    if kind == "text":
        answer.say(part.get("text"))
    elif kind == "resource":
        answer.say(as_dict(part.get("resource")).get("text"))
    elif kind not in ("image", "audio", "resource_link") and bears_text(part):
        answer.skip(f"content.type={as_text(kind)}")


def _event(answer: Answer, value: dict[str, Any]) -> None:
    _named(answer, "", value)


def _whole(answer: Answer, body: Any) -> None:
    _named(answer, "", body)


def _finish(answer: Answer) -> None:
    # A notification, and the end of a session, are answered with nothing.
    answer.understood = answer.understood or not answer.skipped


DIALECT = Dialect(
    "mcp",
    _route,
    _read,
    _whole,
    _event,
    models=_models,
    claims=_claims,
    named=_named,
    finish=_finish,
    spoken=_spoken,
)
