"""Bedrock beside its models: guardrails applied to a text, agents, knowledge bases asked for an answer."""

from __future__ import annotations

import binascii
from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects import bedrock_converse
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_KNOWN = words(
    "content enableTrace endSession guardrailConfiguration input inputText memoryId nextToken outputScope",
    "retrieveAndGenerateConfiguration retrievalConfiguration retrievalQuery sessionConfiguration",
    "sessionId sessionState source sourceArn streamingConfigurations",
)


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    if method != "POST" or not parts:
        return None
    if parts[-1] == "apply" and len(parts) > 4 and parts[-5] == "guardrail":
        return Route("moderate")
    if parts[-1] == "text" and "agentAliases" in parts:
        return Route("agent", stream=True)
    if parts[-1] in ("retrieveAndGenerate", "retrieveAndGenerateStream"):
        return Route("generate", stream=parts[-1].endswith("Stream"))
    return Route("state") if parts[-1] == "retrieve" and "knowledgebases" in parts else None


def _models(body: dict[str, Any]) -> list[Any]:
    held = as_dict(body.get("retrieveAndGenerateConfiguration"))
    arns = (as_dict(part).get("modelArn") for name, part in held.items() if name.endswith("Configuration"))
    return [arn for arn in arns if arn is not None]


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.unknown(body, _KNOWN)
    draft.conversation = as_text(body.get("sessionId"))
    turn = Turn("assistant" if body.get("source") == "OUTPUT" else "user")
    for part in map(as_dict, as_list(body.get("content"))):
        held = as_dict(part.get("text"))
        turn.text.append(as_text(held.get("text")))
        source = as_dict(as_dict(part.get("image")).get("source")).get("bytes")
        if isinstance(source, str):
            draft.attach_base64(turn, source, declared="image/*")
        elif not held and bears_text(part):
            draft.skip("content")
    turn.text.append(as_text(body.get("inputText")))
    for name in ("input", "retrievalQuery"):
        turn.text.append(as_text(as_dict(body.get(name)).get("text")))
    draft.add(turn)


def _whole(answer: Answer, body: Any) -> None:
    body = as_dict(body)
    output, outputs = body.get("output"), as_list(body.get("outputs"))
    if "action" in body or "retrievalResults" in body or isinstance(output, dict):
        answer.understood = True
        for held in [*map(as_dict, outputs), as_dict(output)]:
            answer.say(held.get("text"))
        for found in map(as_dict, as_list(body.get("retrievalResults"))):
            answer.say(as_dict(found.get("content")).get("text"))
        answer.finish_reason = as_text(body.get("action")) or as_text(body.get("guardrailAction"))
    else:
        answer.fail(body)


def _named(answer: Answer, name: str, value: Any) -> None:
    event = as_dict(value)
    if name.startswith("exception:"):
        bedrock_converse.named(answer, name, value)
    elif name == "chunk" and isinstance(event.get("bytes"), str):
        answer.understood = True
        answer.say(_decoded(event["bytes"]))
    elif name == "output" and isinstance(event.get("text"), str):
        answer.understood = True
        answer.say(event["text"])
    elif name == "returnControl":
        answer.understood = True
        answer.skip("event returnControl")
    elif name not in ("trace", "files", "citation", "guardrail") and bears_text(event):
        answer.skip(f"event {name}")


def _decoded(text: str) -> str:
    try:
        return binascii.a2b_base64(text).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return text


def _event(answer: Answer, event: dict[str, Any]) -> None:
    _named(answer, "", event)


DIALECT = Dialect(
    "bedrock-agent",
    _route,
    _read,
    _whole,
    _event,
    models=_models,
    named=_named,
    heading=bedrock_converse.heading,
)
