"""Cohere chat and generate, version 1: one message beside the history, streamed as JSON lines."""

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
    "additional_command chat_history citation_quality connectors conversation_id documents end_sequences",
    "extractiveness force_single_step format frequency_penalty k length logit_bias max_input_tokens",
    "max_tokens message model num_generations p preamble preamble_override presence_penalty preset prompt",
    "prompt_truncation raw_prompting response_format return_likelihoods return_prompt safety_mode",
    "search_queries_only seed stop_sequences stream temperature text tool_results tools truncate",
)
_ROLES = {"USER": "user", "CHATBOT": "assistant", "SYSTEM": "system", "TOOL": "tool"}
_USAGE = {"input_tokens": "input_tokens", "output_tokens": "output_tokens"}
_ASIDE = words(
    "stream-start search-queries-generation search-results citation-generation tool-calls-chunk",
    "tool-calls-generation text-generation stream-end debug",
)


def _route(method: str, target: Target) -> Route | None:
    if method != "POST":
        return None
    spoken = target.ends("v1", "chat") or target.ends("v1", "generate") or target.ends("v1", "summarize")
    return Route("generate") if spoken else None


def fits(body: dict[str, Any]) -> bool:
    """Tell the form by the members that only it has beside its message."""
    return isinstance(body.get("message"), str) and bool(
        {"chat_history", "preamble", "search_queries_only", "prompt_truncation"} & set(body)
    )


def read(draft: Draft, body: dict[str, Any]) -> None:
    """Read a request of chat, generate or summarize."""
    draft.stream = body.get("stream") is True
    draft.conversation = as_text(body.get("conversation_id"))
    draft.unknown(body, _KNOWN)
    draft.say("system", as_text(body.get("preamble")) or as_text(body.get("preamble_override")))
    for held in map(as_dict, as_list(body.get("chat_history"))):
        said = as_text(held.get("role"))
        turn = Turn(_ROLES.get(said.upper(), said.lower() or "user"))
        turn.text.append(as_text(held.get("message")) or as_text(held.get("text")))
        turn.calls += [_tool_call(as_dict(call)) for call in as_list(held.get("tool_calls"))]
        _results(turn, held)
        draft.add(turn)
    asked = Turn("user")
    for name in ("message", "prompt", "text", "additional_command"):
        asked.text.append(as_text(body.get(name)))
    read_documents(draft, asked, body.get("documents"))
    results = Turn("tool")
    _results(results, body)
    draft.add(results)
    draft.add(asked)
    draft.name_tools(as_dict(tool).get("name") for tool in as_list(body.get("tools")))


def _results(turn: Turn, held: dict[str, Any]) -> None:
    if held.get("tool_results"):
        turn.text.append(json.dumps(held["tool_results"], ensure_ascii=False))


def read_documents(draft: Draft, turn: Turn, documents: Any) -> None:
    """Note documents that travel as text beside the message."""
    for document in as_list(documents):
        held = as_dict(document)
        name = as_text(held.get("title")) or as_text(held.get("id"))
        draft.attach_text(turn, _flat(document), name=name)


def _flat(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)


def _tool_call(call: dict[str, Any]) -> ToolCall:
    arguments = json.dumps(call.get("parameters") or {}, ensure_ascii=False)
    return ToolCall(as_text(call.get("id")), as_text(call.get("name")), arguments)


def whole(answer: Answer, body: Any) -> None:
    """Read a complete answer of chat, generate or summarize."""
    body = as_dict(body)
    generations = as_list(body.get("generations"))
    if not generations and not isinstance(body.get("text", body.get("summary")), str):
        answer.fail(body)
        return
    answer.understood = True
    first = as_dict(generations[0]) if generations else body
    answer.say(first.get("text", first.get("summary")))
    answer.finish_reason = as_text(first.get("finish_reason")) or as_text(body.get("finish_reason"))
    _frame(answer, body)
    for at, call in enumerate(as_list(body.get("tool_calls"))):
        _answer_call(answer, as_dict(call), at)


def _frame(answer: Answer, body: dict[str, Any]) -> None:
    said = (as_text(body.get(name)) for name in ("response_id", "id", "generation_id"))
    answer.response_id = answer.response_id or next(filter(None, said), "")
    meta = as_dict(body.get("meta"))
    answer.count(meta.get("billed_units"), _USAGE)
    answer.count(meta.get("tokens"), _USAGE)


def _answer_call(answer: Answer, call: dict[str, Any], at: int) -> None:
    made = _tool_call(call)
    answer.call(at, id=made.id, name=made.name)
    answer.set_arguments(at, made.arguments)


def event(answer: Answer, body: dict[str, Any]) -> None:
    """Read an event: of chat it has a type, of generate only a text and whether it is the last."""
    kind = as_text(body.get("event_type"))
    ends = body.get("is_finished") is True
    if kind in ("text-generation", "") and not ends and isinstance(body.get("text"), str):
        answer.understood = True
        if body.get("index") in (0, None):
            answer.say(body["text"])
    elif kind == "stream-end" or (ends and not kind):
        _end(answer, body)
    elif kind == "tool-calls-generation":
        for at, call in enumerate(as_list(body.get("tool_calls"))):
            _answer_call(answer, as_dict(call), at)
    elif kind == "tool-calls-chunk":
        delta = as_dict(body.get("tool_call_delta"))
        index = delta.get("index")
        at = index if isinstance(index, int) else 0
        answer.call(at, name=delta.get("name"), arguments=delta.get("parameters"))
        answer.think(body.get("text"))
    elif kind == "stream-start":
        answer.understood = True
        answer.response_id = as_text(body.get("generation_id"))
    elif kind not in _ASIDE and not answer.fail(body) and bears_text(body):
        answer.skip(f"event {kind}")


def _end(answer: Answer, body: dict[str, Any]) -> None:
    """Take the end of a stream, which repeats the whole."""
    answer.understood = True
    response = as_dict(body.get("response"))
    if response and not answer.output:
        whole(answer, response)
    _frame(answer, response)
    for at, call in enumerate(as_list(response.get("tool_calls"))):
        _answer_call(answer, as_dict(call), at)
    answer.finish_reason = as_text(body.get("finish_reason")) or answer.finish_reason
    if answer.finish_reason in ("ERROR", "ERROR_TOXIC", "ERROR_LIMIT"):
        answer.error = answer.error or as_text(body.get("error")) or answer.finish_reason


DIALECT = Dialect("cohere-v1", _route, read, whole, event, fits, lines=True)
