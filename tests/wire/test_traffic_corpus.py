"""All recorded exchanges, where the folder is there: kinds, prompts, answers and models of every dialect.

What a recording means is found here without any reader of ours: by what its path ends in, and by the few
places in which the formats put the words of the user and those of the model.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from sekimori.wire.model import RequestReading, ResponseReading
from support.traffic import Recorded, every_recording, needs_traffic

pytestmark = needs_traffic

# What a path means, the first that fits: the operations as their providers document them.
MEANINGS = (
    (r"/models/[^ ]+ (GET|DELETE)$|/models GET$|available-models|inference-profiles", "model-list"),
    (r"/api/(tags|show)$", "model-list"),
    (r"/organization/", "other-ai"),
    (r"/count_tokens|:countTokens|/count-tokens|/tokenize|/input_tokens$", "count-tokens"),
    (r"/batches|:batchGenerateContent", "batch"),
    (r"/vector_stores/.*/files|/files|^/upload/", "file"),
    (r"/embed|:(batchE|e)mbedContent|/embeddings|feature-extraction|embed[^/]*(/invoke|:predict)?$", "embed"),
    (r"embed", "embed"),
    (r"/rerank", "rerank"),
    (r"/guardrail/", "moderate"),
    (r"/images", "image"),
    (r"/audio/|/listen|/speak|/stt|/tts", "audio"),
    (r"/realtime", "realtime"),
    (r"/fine_tuning", "train"),
    (r"/threads|/assistants|/conversations|/vector_stores|/cachedContents|/v1/streams", "state"),
    (r"/responses/(?!compact)[^/]+", "state"),
    (
        r"/(chat/)?completions?$|/messages$|/responses(/compact)?$|/complete$|/(v[12]|api)/(chat|generate)$",
        "generate",
    ),
    (r":(streamG|g)enerateContent|awPredict|/converse|/invoke|/predictions$|/invocations$|/ocr$", "generate"),
    (r"^/models/|^/pipeline/", "generate"),
)
# Answers that hold no words of a model although they succeeded: a conversation that was only compacted, a
# prediction that only began.
WORDLESS = {"v1-responses-compact.none.a221d3a601", "v1-models-M-predictions.none.4b722def67"}
# Spoken between programs, not with a model; they have tests of their own.
ASIDE = {"mcp", "mcp-sdk-generated", "a2a", "deepseek-web"}


def meaning(recording: Recorded) -> str:
    """Tell what a recording is by its path."""
    path = unquote(urlsplit(recording.url).path) or recording.url
    both = f"{path} {recording.method}"
    found = (kind for pattern, kind in MEANINGS if re.search(pattern, path) or re.search(pattern, both))
    return next(found, "")


@cache
def exchanges() -> tuple[tuple[Recorded, RequestReading, ResponseReading], ...]:
    """Read every recorded exchange once."""
    spoken = [one for one in every_recording() if one.kind == "http" and one.provider not in ASIDE]
    return tuple((one, *one.read()) for one in spoken)


def generations() -> Iterator[tuple[Recorded, RequestReading, ResponseReading]]:
    """Yield the exchanges in which a model was asked and answered."""
    for one, request, response in exchanges():
        if one.succeeded and meaning(one) == "generate":
            yield one, request, response


def words_in(content: Any) -> str:
    """Join the words of a message's content, whichever way it is built."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        return words_in(content.get("parts") or [content])
    said = ""
    for part in content if isinstance(content, list) else []:
        if isinstance(part, str):
            said += part
        elif "guardContent" in part or "citationsContent" in part:
            held = part.get("citationsContent") or part["guardContent"]
            said += words_in(held.get("content") or [held.get("text")])
        elif isinstance(part, dict) and part.get("type", "text") in ("text", "input_text", "output_text"):
            text = part.get("text", part.get("data"))
            said += text if isinstance(text, str) else ""
    return said


def asked(body: dict[str, Any]) -> str:
    """Find the newest words of the user."""
    turns = body.get("messages") or body.get("contents") or body.get("input")
    if isinstance(turns, list):
        users = [
            words_in(turn.get("content") or turn.get("parts"))
            for turn in turns
            if isinstance(turn, dict)
            and turn.get("type", "message") == "message"
            and turn.get("role", "user" if "parts" in turn else "") == "user"
        ]
        return next((said for said in reversed(users) if said), "")
    held = turns.get("prompt") if isinstance(turns, dict) else turns
    for name in ("message", "prompt", "inputText", "inputs"):
        held = held if held is not None else body.get(name)
    if isinstance(held, list) and held and isinstance(held[0], str):
        return str(held[-1])
    return words_in(held)


def first(value: Any) -> Any:
    """Give the first of a list, or the value itself."""
    return (value[0] if value else None) if isinstance(value, list) else value


def answered(body: Any) -> str | None:
    """Find the words of the model in a whole answer; ``None`` where none of the known places is there."""
    body = first(body) if isinstance(body, list) and "candidates" not in str(body)[:2000] else body
    if isinstance(body, list):
        return "".join(answered(one) or "" for one in body)
    if not isinstance(body, dict):
        return None
    for name in ("choices", "candidates", "generations", "outputs", "results", "completions"):
        if isinstance(body.get(name), list) and body[name]:
            return in_choice(body[name][0])
    if isinstance(body.get("output"), list):
        said = [item.get("content") for item in body["output"] if item.get("type") == "message"]
        return "".join(map(words_in, said))
    if isinstance(body.get("output"), dict):
        return words_in(body["output"].get("message", {}).get("content"))
    if isinstance(body.get("message"), dict):
        return words_in(body["message"].get("content"))
    places = ("content", "completion", "generation", "generated_text", "response", "text")
    return next((words_in(body[name]) for name in places if name in body), None)


def in_choice(choice: dict[str, Any]) -> str:
    """Find the words in a choice, which every family names in its own way."""
    content = choice.get("content")
    if isinstance(content, dict):
        parts = content.get("parts") or []
        return "".join(part.get("text", "") for part in parts if not part.get("thought"))
    message = choice.get("message")
    if isinstance(message, dict):
        said = words_in(message.get("content"))
        return said or (message.get("audio") or {}).get("transcript", "")
    data = choice.get("data")
    text = data.get("text") if isinstance(data, dict) else None
    names = ("text", "outputText", "completion")
    return str(text or next((choice[name] for name in names if isinstance(choice.get(name), str)), ""))


def test_no_recording_makes_a_reader_stumble():
    sides: list[tuple[str, Any]] = [(one.id, side) for one, *read in exchanges() for side in read]
    told = [(name, what) for name, side in sides for what in side.skipped]
    assert [found for found in told if found[1].startswith("reader:")] == []


def test_successful_generations_are_parsed_on_both_sides():
    found = list(generations())
    unread = [
        (one.id, request.skipped, response.skipped)
        for one, request, response in found
        if (request.kind, request.parse, response.parse) != ("generate", "parsed", "parsed")
    ]
    assert len(found) >= 1000
    assert len(unread) <= len(found) * 0.005, unread


def test_every_other_operation_is_recognised_with_its_kind():
    others = [(one, request) for one, request, _ in exchanges() if meaning(one) not in ("generate", "")]
    wrong = [
        (one.id, one.method, one.url, request.kind) for one, request in others if request.kind != meaning(one)
    ]
    assert len(others) >= 300
    assert len(wrong) <= len(others) * 0.02, wrong


def test_every_path_of_a_recording_has_a_meaning():
    assert [one.url for one, *_ in exchanges() if not meaning(one)] == []


def test_prompt_and_model_are_those_of_the_recording():
    wrong: list[Any] = []
    for one, request, _ in generations():
        body = json.loads(one.asked.body)
        named = body.get("model")
        in_path = re.search(
            r"/(?:model|models|deployments|endpoints)/(?!chat)([^/:?]+)", urlsplit(one.url).path
        )
        if named and not in_path and request.model != named:
            wrong.append((one.id, request.model, named))
        if in_path and not (request.model or "").startswith(unquote(in_path[1]).partition(":")[0]):
            wrong.append((one.id, request.model, in_path[1]))
        if request.prompt != asked(body):
            wrong.append((one.id, request.prompt[:60], asked(body)[:60]))
    assert wrong == []


def test_a_whole_answer_reads_as_the_words_that_the_model_said():
    wrong: list[Any] = []
    count = 0
    for one, _, response in generations():
        try:
            body = json.loads(one.answered.body)
        except ValueError:
            continue
        words = answered(body)
        count += words is not None
        if words is not None and one.id not in WORDLESS and response.output != words:
            wrong.append((one.id, response.output[:60], words[:60]))
    assert wrong == []
    assert count >= 500


def test_a_streamed_answer_has_words_or_calls_or_a_reason_for_none():
    silent = [
        one.id
        for one, _, response in generations()
        if one.streaming != "none"
        and not (response.output.strip() or response.tool_calls or response.refusal or response.error)
        and response.finish_reason in ("", "stop", "end_turn", "STOP", "COMPLETE", "completed")
        and not response.reasoning
    ]
    assert silent == []


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_streams_cut_into_pieces_read_like_whole_ones(size):
    from sekimori.wire.reader import ResponseReader

    for one, request, response in list(generations())[:: 1 if size > 7 else 40]:
        if one.streaming == "none":
            continue
        body = one.answered.body
        reader = ResponseReader(one.head, request, one.status, one.answered.headers)
        for at in range(0, len(body), size):
            reader.feed(body[at : at + size])
        assert body[:1].isalnum() or reader.finish() == response, one.id
