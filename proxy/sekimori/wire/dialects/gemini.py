"""Gemini generateContent and its kin, on the Gemini API and on Vertex: the path names model and method."""

from __future__ import annotations

import json
from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.model import Kind, ToolCall
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_METHODS: dict[str, tuple[Kind, bool]] = {
    "generateContent": ("generate", False),
    "streamGenerateContent": ("generate", True),
    "countTokens": ("count-tokens", False),
    "computeTokens": ("count-tokens", False),
    "embedContent": ("embed", False),
    "batchEmbedContents": ("embed", False),
}
_KNOWN = words(
    "cachedContent cached_content content contents embedContentConfig generateContentRequest",
    "generationConfig generation_config labels model modelArmorConfig outputDimensionality",
    "output_dimensionality requests safetySettings safety_settings serviceTier store",
    "systemInstruction system_instruction taskType task_type title toolConfig tool_config tools",
)
_PART_KNOWN = frozenset(
    {"thought", "thoughtSignature", "thought_signature", "videoMetadata", "mediaResolution"}
)
_USAGE = {
    "promptTokenCount": "input_tokens",
    "candidatesTokenCount": "output_tokens",
    "totalTokenCount": "total_tokens",
    "cachedContentTokenCount": "cached_tokens",
    "thoughtsTokenCount": "reasoning_tokens",
}


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    if method != "POST" or len(parts) < 2 or ":" not in parts[-1]:
        return None
    name, _, verb = parts[-1].rpartition(":")
    known = _METHODS.get(verb)
    if known is None or parts[-2] not in ("models", "tunedModels", "endpoints"):
        return None
    kind, stream = known
    return Route(kind, name if parts[-2] == "models" else f"{parts[-2]}/{name}", stream)


def _models(body: dict[str, Any]) -> list[Any]:
    """Find each model that a body names beside the path: services may ignore it, but it must not differ."""
    holders = [
        body,
        as_dict(body.get("generateContentRequest")),
        *map(as_dict, as_list(body.get("requests"))),
    ]
    return [bare(holder["model"]) for holder in holders if holder.get("model") is not None]


def bare(model: Any) -> Any:
    """Cut a resource's path down to the name of the model."""
    return model.rpartition("/models/")[2].removeprefix("models/") if isinstance(model, str) else model


def _fits(body: dict[str, Any]) -> bool:
    contents = body.get("contents")
    return (
        isinstance(contents, list) and bool(contents) and all("parts" in as_dict(item) for item in contents)
    )


def _either(holder: dict[str, Any], camel: str, snake: str) -> Any:
    return holder.get(camel) if camel in holder else holder.get(snake)


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.unknown(body, _KNOWN)
    inner = as_dict(body.get("generateContentRequest")) or body
    _content(draft, _either(inner, "systemInstruction", "system_instruction"), "system", "systemInstruction")
    contents = inner.get("contents")
    if not isinstance(contents, list):
        contents = [contents] if contents is not None else []
    for at, content in enumerate(contents):
        _content(draft, content, "user", f"contents[{at}]")
    for request in [body, *map(as_dict, as_list(body.get("requests")))]:
        _content(draft, request.get("content"), "user", "content")
    for tool in map(as_dict, as_list(inner.get("tools"))):
        declared = as_list(_either(tool, "functionDeclarations", "function_declarations"))
        draft.name_tools(as_dict(item).get("name") for item in declared)
        draft.name_tools(key for key in tool if key not in ("functionDeclarations", "function_declarations"))


def _content(draft: Draft, content: Any, role: str, where: str) -> None:
    if isinstance(content, str):
        draft.say(role, content)
        return
    held = as_dict(content)
    said = as_text(held.get("role"))
    turn = Turn(
        role if role == "system" or not said else {"model": "assistant", "function": "tool"}.get(said, said)
    )
    parts = held.get("parts")
    for at, part in enumerate(parts if isinstance(parts, list) else [parts]):
        _part(draft, turn, part, f"{where}.parts[{at}]")
    draft.add(turn)


def _part(draft: Draft, turn: Turn, part: Any, where: str) -> None:
    if isinstance(part, str):
        turn.text.append(part)
        return
    for key, value in as_dict(part).items():
        if key == "text":
            (turn.reasoning if part.get("thought") is True else turn.text).append(as_text(value))
        elif key in ("inlineData", "inline_data"):
            blob = as_dict(value)
            declared = as_text(_either(blob, "mimeType", "mime_type"))
            name = as_text(_either(blob, "displayName", "display_name"))
            draft.attach_base64(turn, as_text(blob.get("data")), declared=declared, name=name)
        elif key in ("fileData", "file_data"):
            blob = as_dict(value)
            declared = as_text(_either(blob, "mimeType", "mime_type"))
            draft.attach_url(turn, as_text(_either(blob, "fileUri", "file_uri")), declared=declared)
        elif key in ("functionCall", "function_call"):
            turn.calls.append(_tool_call(as_dict(value)))
        elif key in ("functionResponse", "function_response"):
            _result(draft, as_dict(value))
        elif key in ("executableCode", "executable_code", "codeExecutionResult", "code_execution_result"):
            turn.reasoning.append(_code(value))
        elif key not in _PART_KNOWN and bears_text(value):
            draft.skip(f"{where}.{key}")


def _tool_call(call: dict[str, Any]) -> ToolCall:
    arguments = json.dumps(call.get("args") or {}, ensure_ascii=False)
    return ToolCall(as_text(call.get("id")), as_text(call.get("name")), arguments)


def _result(draft: Draft, response: dict[str, Any]) -> None:
    turn = Turn("tool")
    turn.tool_call_id = as_text(response.get("id")) or as_text(response.get("name"))
    turn.text.append(json.dumps(response.get("response"), ensure_ascii=False))
    draft.add(turn)


def _code(value: Any) -> str:
    held = as_dict(value)
    return as_text(held.get("code")) or as_text(held.get("output"))


def _whole(answer: Answer, body: Any) -> None:
    if isinstance(body, list):
        # Without alt=sse a stream is one JSON array; read at its end it is a whole body like any other.
        for chunk in body:
            _chunk(answer, as_dict(chunk))
    else:
        _chunk(answer, as_dict(body))


def _chunk(answer: Answer, body: dict[str, Any]) -> None:
    if answer.fail(body):
        return
    feedback = as_dict(_either(body, "promptFeedback", "prompt_feedback"))
    candidates = body.get("candidates")
    usage = _either(body, "usageMetadata", "usage_metadata")
    counted = isinstance(body.get("totalTokens"), int)
    embedded = "embedding" in body or "embeddings" in body
    if isinstance(candidates, list) or feedback or isinstance(usage, dict) or counted or embedded:
        answer.understood = True
    answer.model = as_text(_either(body, "modelVersion", "model_version")) or answer.model
    answer.response_id = as_text(_either(body, "responseId", "response_id")) or answer.response_id
    answer.count(usage, _USAGE)
    if counted:
        answer.count(body, {"totalTokens": "input_tokens"})
    answer.finish_reason = as_text(feedback.get("blockReason")) or answer.finish_reason
    for candidate in map(as_dict, as_list(candidates)):
        if candidate.get("index") in (0, None):
            _candidate(answer, candidate)
            break


def _candidate(answer: Answer, candidate: dict[str, Any]) -> None:
    reason = _either(candidate, "finishReason", "finish_reason")
    answer.finish_reason = as_text(reason) or answer.finish_reason
    for part in map(as_dict, as_list(as_dict(candidate.get("content")).get("parts"))):
        _answer_part(answer, part)


def _answer_part(answer: Answer, part: dict[str, Any]) -> None:
    for key, value in part.items():
        if key == "text":
            (answer.think if part.get("thought") is True else answer.say)(value)
        elif key in ("functionCall", "function_call"):
            call = _tool_call(as_dict(value))
            count = answer.scratch.get("calls", 0)
            answer.scratch["calls"] = count + 1
            answer.call(count, id=call.id, name=call.name, arguments=call.arguments)
        elif key in ("executableCode", "codeExecutionResult"):
            answer.think(_code(value))
        elif key not in _PART_KNOWN and key not in ("inlineData", "fileData") and bears_text(value):
            answer.skip(f"parts.{key}")


DIALECT = Dialect("gemini", _route, _read, _whole, _chunk, _fits, _models, array=True)
