"""OpenAI assistants: threads and their messages, runs and their steps, and the vector stores they search."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects import openai_chat
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.dialects.records import give_back
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_KNOWN = words(
    "additional_instructions additional_messages assistant_id attachments attributes chunking_strategy",
    "content description expires_after file_id file_ids filters instructions max_completion_tokens",
    "max_num_results max_prompt_tokens messages metadata model name order parallel_tool_calls query",
    "ranking_options reasoning_effort response_format rewrite_query role stream temperature thread",
    "tool_choice tool_outputs tool_resources tools top_p truncation_strategy",
)
_WORDS = frozenset({"assistants", "threads", "vector_stores"})
_HOLDERS = frozenset({"v1", "openai", "v2"})
_USAGE = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "total_tokens": "total_tokens",
}


def _route(method: str, target: Target) -> Route | None:  # noqa: ARG001 - whatever is done with them is of this kind
    parts = target.segments
    at = next((at for at, part in enumerate(parts) if part in _WORDS), 0)
    if not at or parts[at - 1] not in _HOLDERS:
        return None
    return Route("file" if "files" in parts[at:] else "state")


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.stream = body.get("stream") is True
    draft.unknown(body, _KNOWN)
    for name in ("name", "description", "instructions", "additional_instructions"):
        draft.say("system", as_text(body.get(name)))
    thread = as_dict(body.get("thread"))
    for held in (body.get("messages"), body.get("additional_messages"), thread.get("messages")):
        for at, message in enumerate(as_list(held)):
            _message(draft, as_dict(message), f"messages[{at}]")
    if "content" in body:
        _message(draft, body, "")
    for result in map(as_dict, as_list(body.get("tool_outputs"))):
        turn = Turn("tool")
        turn.text.append(as_text(result.get("output")))
        turn.tool_call_id = as_text(result.get("tool_call_id"))
        draft.add(turn)
    query = body.get("query")
    for text in query if isinstance(query, list) else [query]:
        draft.say("user", as_text(text))
    tools = map(as_dict, as_list(body.get("tools")))
    draft.name_tools(as_dict(tool.get("function")).get("name") or tool.get("type") for tool in tools)


def _message(draft: Draft, message: dict[str, Any], where: str) -> None:
    turn = Turn(as_text(message.get("role")) or "user")
    content = message.get("content")
    for at, part in enumerate(as_list(content)):
        if as_dict(part).get("type") == "image_file":
            draft.attach_id(turn, as_text(as_dict(as_dict(part).get("image_file")).get("file_id")))
        else:
            openai_chat.read_content(draft, turn, [part], f"{where}.content[{at}]")
    if not isinstance(content, list):
        openai_chat.read_content(draft, turn, content, f"{where}.content")
    for attached in map(as_dict, as_list(message.get("attachments"))):
        draft.attach_id(turn, as_text(attached.get("file_id")))
    draft.add(turn)


def _whole(answer: Answer, body: Any) -> None:
    give_back(answer, body)
    held = as_dict(body)
    kind = held.get("object")
    answer.model = as_text(held.get("model")) or answer.model
    answer.count(held.get("usage"), _USAGE)
    if kind == "thread.message":
        _said(answer, held)
    elif kind == "thread.run":
        _run(answer, held)
    elif kind in ("list", "vector_store.search_results.page", "vector_store.file_content.page"):
        for item in map(as_dict, reversed(as_list(held.get("data")))):
            if item.get("object") == "thread.message":
                _said(answer, item)
            elif kind != "list":
                _texts(answer, item.get("content") or [item])


def _said(answer: Answer, message: dict[str, Any]) -> None:
    if message.get("role") == "assistant":
        _texts(answer, message.get("content"))


def _texts(answer: Answer, content: Any) -> None:
    for part in map(as_dict, as_list(content)):
        text = part.get("text")
        answer.say(text if isinstance(text, str) else as_dict(text).get("value"))
        if part.get("type") == "refusal":
            answer.refuse(part.get("refusal"))


def _run(answer: Answer, run: dict[str, Any]) -> None:
    answer.finish_reason = as_text(run.get("status"))
    error = as_dict(run.get("last_error"))
    answer.error = answer.error or as_text(error.get("message"))
    needed = as_dict(as_dict(run.get("required_action")).get("submit_tool_outputs"))
    for at, call in enumerate(as_list(needed.get("tool_calls"))):
        call = as_dict(call)
        function = as_dict(call.get("function"))
        answer.call(at, id=call.get("id"), name=function.get("name"))
        answer.set_arguments(at, as_text(function.get("arguments")))


def _event(answer: Answer, event: dict[str, Any]) -> None:
    """Read an event of a streamed run: every one is an object that says what it is."""
    kind = as_text(event.get("object"))
    if kind == "thread.message.delta":
        answer.understood = True
        _texts(answer, as_dict(event.get("delta")).get("content"))
    elif kind == "thread.run":
        answer.understood = True
        _run(answer, event)
        answer.model = as_text(event.get("model")) or answer.model
        answer.response_id = as_text(event.get("id")) or answer.response_id
        answer.count(event.get("usage"), _USAGE)
    elif not kind.startswith("thread") and not answer.fail(event) and bears_text(event):
        answer.skip(f"event {kind}")


DIALECT = Dialect("openai-assistants", _route, _read, _whole, _event)
