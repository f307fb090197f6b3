"""OpenAI responses: items in, items out, and a stream of named events that repeats the whole at its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sekimori.wire.answer import Answer, error_text
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.dialects.openai_chat import deployment
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.model import ToolCall
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_KNOWN = words(
    "background client_metadata context_management conversation frequency_penalty include input",
    "instructions max_output_tokens max_tool_calls metadata model models moderation",
    "parallel_tool_calls plugins presence_penalty previous_response_id prompt prompt_cache_key",
    "prompt_cache_options prompt_cache_retention provider reasoning response_id safety_identifier",
    "search_parameters seed service_tier session_id store stream stream_options temperature text",
    "tool_choice tools top_k top_logprobs top_p truncation user verbosity",
)
# Items of tools that the service runs itself, and what a client sends back of them.
_CALLS = words(
    "apply_patch_call code_interpreter_call computer_call custom_tool_call file_search_call",
    "function_call image_generation_call local_shell_call mcp_approval_request mcp_call program",
    "shell_call tool_search_call web_search_call",
)
_RESULTS = ("_output", "_response")
_USAGE = {"input_tokens": "input_tokens", "output_tokens": "output_tokens", "total_tokens": "total_tokens"}
_TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed", "response.done"})


def _route(method: str, target: Target) -> Route | None:
    if method != "POST":
        return None
    if target.ends("responses") or target.ends("responses", "compact"):
        return Route("generate", deployment(target))
    return Route("count-tokens") if target.ends("responses", "input_tokens") else None


def _fits(body: dict[str, Any]) -> bool:
    items = body.get("input")
    if not isinstance(items, list) or not items or not isinstance(body.get("model"), str):
        return False
    return all(isinstance(item, dict) and ("role" in item or "type" in item) for item in items)


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.stream = body.get("stream") is True
    conversation = body.get("conversation")
    draft.conversation = as_text(conversation) or as_text(as_dict(conversation).get("id"))
    draft.conversation = draft.conversation or as_text(body.get("previous_response_id"))
    draft.unknown(body, _KNOWN)
    draft.say("system", as_text(body.get("instructions")))
    items = body.get("input")
    if isinstance(items, str):
        draft.say("user", items)
    for at, item in enumerate(as_list(items)):
        _item(draft, as_dict(item), f"input[{at}]")
    tools = [as_dict(tool) for tool in as_list(body.get("tools"))]
    draft.name_tools(tool.get("name") or tool.get("type") for tool in tools)


def _item(draft: Draft, item: dict[str, Any], where: str) -> None:
    kind = as_text(item.get("type"))
    if kind == "message" or ("role" in item and not kind):
        turn = Turn(as_text(item.get("role")) or "user")
        _content(draft, turn, item.get("content"), f"{where}.content")
    elif kind in _CALLS:
        turn = Turn("assistant")
        turn.calls.append(_call_of(item))
    elif kind.endswith(_RESULTS):
        turn = Turn("tool")
        turn.tool_call_id = as_text(item.get("call_id"))
        _content(draft, turn, item.get("output"), f"{where}.output")
    elif kind == "reasoning":
        turn = Turn("assistant")
        turn.reasoning += [as_text(as_dict(part).get("text")) for part in _reasoning_parts(item)]
    elif kind in ("input_text", "input_image", "input_file", "input_audio"):
        turn = Turn("user")
        _part(draft, turn, item, where)
    else:
        if bears_text(item):
            draft.skip(f"{where}.type={kind}")
        return
    draft.add(turn)


def _reasoning_parts(item: dict[str, Any]) -> list[Any]:
    return as_list(item.get("content")) or as_list(item.get("summary"))


def _call_of(item: dict[str, Any]) -> ToolCall:
    arguments = next((as_text(item[key]) for key in ("arguments", "input", "code") if item.get(key)), "")
    name = as_text(item.get("name")) or as_text(item.get("type"))
    return ToolCall(as_text(item.get("call_id")) or as_text(item.get("id")), name, arguments)


def _content(draft: Draft, turn: Turn, content: Any, where: str) -> None:
    if isinstance(content, str):
        turn.text.append(content)
    elif isinstance(content, list):
        for at, part in enumerate(content):
            _part(draft, turn, as_dict(part), f"{where}[{at}]")
    elif content is not None and bears_text(content):
        draft.skip(where)


def _part(draft: Draft, turn: Turn, part: dict[str, Any], where: str) -> None:
    kind = part.get("type")
    if kind in ("input_text", "output_text", "text", "summary_text"):
        turn.text.append(as_text(part.get("text")))
    elif kind == "refusal":
        turn.text.append(as_text(part.get("refusal")))
    elif kind in ("input_image", "computer_screenshot"):
        held = part.get("image_url")
        _reference(draft, turn, part, as_text(held) or as_text(as_dict(held).get("url")))
    elif kind == "input_file":
        data = as_text(part.get("file_data"))
        if data and not data.startswith("data:"):
            draft.attach_base64(turn, data, name=as_text(part.get("filename")))
        else:
            _reference(draft, turn, part, data or as_text(part.get("file_url")))
    elif kind == "input_audio":
        audio = as_dict(part.get("input_audio")) or part
        draft.attach_base64(
            turn, as_text(audio.get("data")), declared=f"audio/{as_text(audio.get('format'))}"
        )
    elif bears_text(part):
        draft.skip(f"{where}.type={as_text(kind)}")


def _reference(draft: Draft, turn: Turn, part: dict[str, Any], url: str) -> None:
    name = as_text(part.get("filename"))
    if url:
        draft.attach_url(turn, url, name=name)
    else:
        draft.attach_id(turn, as_text(part.get("file_id")), name=name)


def _whole(answer: Answer, body: Any) -> None:
    body = as_dict(body)
    if isinstance(body.get("output"), list):
        _response(answer, body)
    elif body.get("object") == "response.input_tokens":
        answer.understood = True
        answer.count(body, _USAGE)
    else:
        answer.fail(body)


def _response(answer: Answer, body: dict[str, Any]) -> None:
    answer.understood = True
    answer.model = as_text(body.get("model")) or answer.model
    answer.response_id = as_text(body.get("id")) or answer.response_id
    usage = as_dict(body.get("usage"))
    answer.count(usage, _USAGE)
    answer.count(usage.get("input_tokens_details"), {"cached_tokens": "cached_tokens"})
    answer.count(usage.get("output_tokens_details"), {"reasoning_tokens": "reasoning_tokens"})
    reason = as_text(as_dict(body.get("incomplete_details")).get("reason"))
    answer.finish_reason = reason or as_text(body.get("status")) or answer.finish_reason
    answer.error = answer.error or error_text(body)
    items = as_list(body.get("output"))
    if items:
        answer.restart()
    for at, item in enumerate(items):
        _output_item(answer, as_dict(item), at)


def _output_item(answer: Answer, item: dict[str, Any], at: int) -> None:
    kind = as_text(item.get("type"))
    if kind == "message":
        for part in as_list(item.get("content")):
            _output_part(answer, as_dict(part))
    elif kind == "reasoning":
        for part in _reasoning_parts(item):
            answer.think(as_dict(part).get("text"))
    elif kind in _CALLS:
        call = _call_of(item)
        answer.call(at, id=call.id, name=call.name, arguments=call.arguments)
    elif not kind.endswith(_RESULTS) and kind not in ("compaction", "mcp_list_tools") and bears_text(item):
        answer.skip(f"output.type={kind}")


def _output_part(answer: Answer, part: dict[str, Any]) -> None:
    if part.get("type") == "output_text":
        answer.say(part.get("text"))
    elif part.get("type") == "refusal":
        answer.refuse(part.get("refusal"))
    elif bears_text(part):
        answer.skip(f"output.content.type={as_text(part.get('type'))}")


def _event(answer: Answer, event: dict[str, Any]) -> None:
    kind = as_text(event.get("type"))
    known = _EVENTS.get(kind)
    if known is not None:
        answer.understood = True
        known(answer, event)
    elif kind in _TERMINAL:
        _response(answer, as_dict(event.get("response")))
    elif kind == "error":
        answer.understood = True
        answer.error = answer.error or as_text(event.get("message")) or error_text(event)
    elif not kind:
        answer.fail(event)
    elif not kind.startswith("response.") and bears_text(event):
        answer.skip(f"event {kind}")


def _created(answer: Answer, event: dict[str, Any]) -> None:
    response = as_dict(event.get("response"))
    answer.model = as_text(response.get("model")) or answer.model
    answer.response_id = as_text(response.get("id")) or answer.response_id


def _item_known(answer: Answer, event: dict[str, Any]) -> None:
    item = as_dict(event.get("item"))
    if item.get("type") in _CALLS:
        call = _call_of(item)
        key = _key(event)
        answer.call(key, id=call.id, name=call.name)
        if call.arguments:
            answer.set_arguments(key, call.arguments)


def _key(event: dict[str, Any]) -> Any:
    index = event.get("output_index")
    return index if isinstance(index, int) else as_text(event.get("item_id"))


_EVENTS: dict[str, Callable[[Answer, dict[str, Any]], None]] = {
    "response.created": _created,
    "response.in_progress": _created,
    "response.output_text.delta": lambda answer, event: answer.say(event.get("delta")),
    "response.refusal.delta": lambda answer, event: answer.refuse(event.get("delta")),
    "response.reasoning_text.delta": lambda answer, event: answer.think(event.get("delta")),
    "response.reasoning_summary_text.delta": lambda answer, event: answer.think(event.get("delta")),
    "response.output_item.added": _item_known,
    "response.output_item.done": _item_known,
    "response.function_call_arguments.delta": lambda answer, event: answer.call(
        _key(event), arguments=event.get("delta")
    ),
    "response.custom_tool_call_input.delta": lambda answer, event: answer.call(
        _key(event), arguments=event.get("delta")
    ),
}

DIALECT = Dialect("openai-responses", _route, _read, _whole, _event, _fits)
