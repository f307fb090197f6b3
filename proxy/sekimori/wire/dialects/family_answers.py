"""Answers of model families, told by their members alone: the other half of ``families``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects import (
    anthropic_complete,
    anthropic_messages,
    bedrock_converse,
    cohere_v1,
    openai_chat,
)
from sekimori.wire.draft import as_dict, as_list, as_text
from sekimori.wire.media import from_base64
from sekimori.wire.texts import bears_text

_USAGE = {
    "inputTextTokenCount": "input_tokens",
    "inputTokenCount": "input_tokens",
    "prompt_token_count": "input_tokens",
    "totalOutputTextTokenCount": "output_tokens",
    "outputTokenCount": "output_tokens",
    "generation_token_count": "output_tokens",
    "cacheReadInputTokenCount": "cached_tokens",
}


def whole(answer: Answer, body: Any) -> None:
    """Read a whole answer in whichever family's form it is."""
    if isinstance(body, list):
        _listed(answer, body)
    else:
        _read(answer, as_dict(body))


def _read(answer: Answer, body: dict[str, Any]) -> bool:
    reader = next((read for name, read in _ANSWERS if name in body), None)
    if reader is not None:
        reader(answer, body)
    metrics = body.get("amazon-bedrock-invocationMetrics")
    answer.count(body, _USAGE)
    _measure(answer, metrics)
    return reader is not None or answer.fail(body) or isinstance(metrics, dict)


def event(answer: Answer, body: dict[str, Any]) -> None:
    """Read one event of a streamed answer."""
    kind = as_text(body.get("type"))
    if kind.startswith(("message_", "content_block_")) or kind == "error":
        anthropic_messages.DIALECT.event(answer, body)
    elif bedrock_converse.is_event(body):
        bedrock_converse.named(answer, "", body)
    elif "is_finished" in body or "event_type" in body:
        cohere_v1.event(answer, body)
    elif isinstance(body.get("token"), dict):
        _token(answer, body)
    elif "choices" in body:
        _chunk(answer, body)
    elif not _read(answer, body) and bears_text(body):
        answer.skip("an event of no known family")
    _measure(answer, body.get("amazon-bedrock-invocationMetrics"))


def _measure(answer: Answer, metrics: Any) -> None:
    """Take Bedrock's own counts where the model gave none; for tool calls the two differ."""
    answer.count(metrics, {theirs: ours for theirs, ours in _USAGE.items() if ours not in answer.usage})


def _token(answer: Answer, body: dict[str, Any]) -> None:
    """Read an event of a text generation server: a token, and at the end how it came to the end."""
    answer.understood = True
    token = as_dict(body["token"])
    if token.get("special") is not True:
        answer.say(token.get("text"))
    details = as_dict(body.get("details"))
    answer.finish_reason = as_text(details.get("finish_reason")) or answer.finish_reason
    answer.count(details, {"generated_tokens": "output_tokens", "prefill_tokens": "input_tokens"})


def _chunk(answer: Answer, body: dict[str, Any]) -> None:
    openai_chat.DIALECT.event(answer, body)
    _spoken(answer, body)


def _choices(answer: Answer, body: dict[str, Any]) -> None:
    openai_chat.DIALECT.whole(answer, body)
    _spoken(answer, body)


def _spoken(answer: Answer, body: dict[str, Any]) -> None:
    """Say the text that stands in a choice itself: DeepSeek's completions on Bedrock."""
    for choice in map(as_dict, as_list(body.get("choices"))[:1]):
        answer.say(choice.get("text"))
        answer.finish_reason = as_text(choice.get("stop_reason")) or answer.finish_reason


def _listed(answer: Answer, items: list[Any]) -> None:
    """Read a list: of texts that were generated, of numbers, of labels."""
    answer.understood = True
    first = as_dict(items[0]) if items else {}
    if not first and items and isinstance(items[0], list):
        return
    _said(answer, first)


def _said(answer: Answer, held: dict[str, Any]) -> None:
    answer.understood = True
    names = (
        "generated_text",
        "summary_text",
        "translation_text",
        "outputText",
        "text",
        "answer",
        "content",
        "sequence",
    )
    for name in names:
        if isinstance(held.get(name), str):
            answer.say(held[name])
            break
    else:
        generation = held.get("generation")
        answer.say(as_dict(generation).get("content") or as_dict(held.get("data")).get("text"))
    reason = held.get("finishReason", held.get("completionReason", held.get("stop_reason")))
    details = as_dict(held.get("details"))
    answer.finish_reason = as_text(reason) or as_text(as_dict(reason).get("reason")) or answer.finish_reason
    answer.finish_reason = as_text(details.get("finish_reason")) or answer.finish_reason
    answer.count(held, {"tokenCount": "output_tokens"})


def _first_of(name: str) -> Callable[[Answer, dict[str, Any]], None]:
    def reader(answer: Answer, body: dict[str, Any]) -> None:
        items = as_list(body.get(name))
        if items and isinstance(items[0], str):
            answer.understood = True
            answer.say(items[0])
        else:
            _said(answer, as_dict(items[0]) if items else {})

    return reader


def _generation(answer: Answer, body: dict[str, Any]) -> None:
    answer.understood = True
    answer.say(body["generation"])
    answer.finish_reason = as_text(body.get("stop_reason")) or answer.finish_reason


def _numbers(answer: Answer, body: dict[str, Any]) -> None:
    answer.understood = True
    answer.response_id = as_text(body.get("id"))


def _drawn(answer: Answer, body: dict[str, Any]) -> None:
    answer.understood = True
    for item in [*as_list(body.get("images")), *as_list(body.get("artifacts"))]:
        data = item if isinstance(item, str) else as_text(as_dict(item).get("base64"))
        if data:
            answer.attach(from_base64(data, declared="image/png")[0])


def _content(answer: Answer, body: dict[str, Any]) -> None:
    if isinstance(body["content"], list):
        anthropic_messages.DIALECT.whole(answer, body)
    else:
        _said(answer, body)


def _output(answer: Answer, body: dict[str, Any]) -> None:
    if isinstance(body["output"], dict):
        bedrock_converse.whole(answer, body)
    else:
        answer.understood = True
        answer.say(body["output"])


# The first of these members that an answer has tells its family.
_ANSWERS: tuple[tuple[str, Callable[[Answer, dict[str, Any]], None]], ...] = (
    ("content", _content),
    ("output", _output),
    ("choices", _choices),
    ("completion", anthropic_complete.event),
    ("completions", _first_of("completions")),
    ("outputs", _first_of("outputs")),
    ("generation", _generation),
    ("generations", cohere_v1.whole),
    ("embedding", _numbers),
    ("embeddings", _numbers),
    ("results", _first_of("results")),
    ("predictions", _first_of("predictions")),
    ("generated_text", _said),
    ("generated_texts", _first_of("generated_texts")),
    ("outputText", _said),
    ("answer", _said),
    ("sequence", _said),
    ("artifacts", _drawn),
    ("images", _drawn),
    ("text", cohere_v1.whole),
    ("labels", _numbers),
    ("scores", _numbers),
)
