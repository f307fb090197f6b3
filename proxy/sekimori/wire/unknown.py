"""Is this AI traffic? Told by shape alone, for a host that no catalogue knows and that policy has decrypted.

Each sign belongs to one place: the target, its query, the header fields, the body, the answer. A place counts
once, for its strongest sign, and two points make evidence: one sign that means nothing else (2), or two
places that each might be chance (1). What the signs say is handed on, for whoever reviews the log. Nothing
raises.

What this does not see: encrypted or compressed payloads inside the body, and services that speak like any
other web application; those pass as what they seem to be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sekimori.errors import WireError
from sekimori.wire.draft import as_dict, as_list, words
from sekimori.wire.encoding import decode
from sekimori.wire.jsontext import read_json
from sekimori.wire.model import Head, Headers, Kind, RequestReading
from sekimori.wire.target import Target, header, media_type, read_target

ENOUGH = 2
_LIMIT = 8 << 20
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Sign:
    """Something that AI traffic has: where it was seen, how much it weighs, what it is."""

    place: str
    weight: int
    words: str


# Ends of paths that are used for nothing else, and some that are words of everyday programming too.
_PATHS: tuple[tuple[tuple[str, ...], int], ...] = (
    (("chat", "completions"), 2),
    (("images", "generations"), 2),
    (("images", "variations"), 2),
    (("audio", "transcriptions"), 2),
    (("audio", "translations"), 2),
    (("audio", "speech"), 2),
    (("messages", "count_tokens"), 2),
    (("responses", "input_tokens"), 2),
    (("fine_tuning", "jobs"), 2),
    (("messages", "batches"), 2),
    (("pipeline", "feature-extraction"), 2),
    (("pipeline", "text-generation"), 2),
    (("realtime", "sessions"), 2),
    (("realtime", "calls"), 2),
    (("realtime", "client_secrets"), 2),
    ((".well-known", "agent-card.json"), 2),
    ((".well-known", "agent.json"), 2),
    (("converse",), 2),
    (("converse-stream",), 2),
    (("invoke-with-response-stream",), 2),
    (("v1", "completions"), 1),
    (("v1", "messages"), 1),
    (("v1", "responses"), 1),
    (("v1", "complete"), 1),
    (("v1", "models"), 1),
    (("api", "tags"), 1),
    (("api", "show"), 1),
    (("complete",), 1),
    (("completion",), 1),
    (("completions",), 1),
    (("responses",), 1),
    (("responses", "compact"), 1),
    (("embeddings",), 1),
    (("embed",), 1),
    (("rerank",), 1),
    (("moderations",), 1),
    (("predictions",), 1),
    (("invocations",), 1),
    (("invoke",), 1),
    (("generate",), 1),
    (("tokenize",), 1),
    (("chat",), 1),
    (("ask",), 1),
    (("conversation",), 1),
    (("mcp",), 1),
    (("ocr",), 1),
    (("tts",), 1),
    (("stt",), 1),
    (("speak",), 1),
    (("listen",), 1),
    (("images", "edits"), 1),
)
# Words that stand anywhere in a path: alone, or only right behind the version of an API.
_SEGMENTS = {
    "vector_stores": 2,
    "cachedContents": 2,
    "fine_tuning": 2,
    "fine-tunes": 2,
    "inference-profiles": 2,
}
_VERSIONED = words(
    "assistants audio available-models batches chat complete completions conversations deployments embed",
    "embeddings endpoints engines files generate guardrail images listen messages model models moderations",
    "ocr organization pipeline publishers rerank responses speak streams stt threads tokenize tts",
)
_VERSION = re.compile(r"v\d+((alpha|beta|internal)\d*)?|openai|beta")
_GOOGLE = re.compile(
    r":(generateContent|streamGenerateContent|generateText|countTokens|embedContent|batchEmbedContents"
    r"|batchGenerateContent|rawPredict|streamRawPredict|generateAnswer|fetchPredictOperation|generateMessage)$"
)
_HEADERS = re.compile(
    r"anthropic-(version|beta|dangerous-direct-browser-access|client-platform|ratelimit-.*|organization-id)"
    r"|openai-(beta|organization|project|intent|version|processing-ms|sentinel-.*)|x-stainless-.*"
    r"|copilot-(integration-id|vision-request)|mcp-(protocol-version|session-id|method)|x-cursor-.*"
    r"|grazie-.*|x-ds-pow-response|x-vqd-(4|hash-1)|x-groq-.*|x-amzn-bedrock-.*"
    r"|x-ratelimit-(limit|remaining|reset)-(tokens|input-tokens)|x-gemini-.*|azureml-model-.*|cohere-.*|a2a-.*"
)
_AGENTS = re.compile(
    r"\b(openai|azureopenai|anthropic|groq|mistral|cohere|ollama|replicate|google-genai-sdk|genai"
    r"|huggingface[ _-]?hub|claude-cli|claude-code|codex[_-]cli|gemini-?cli|githubcopilotchat|langchain"
    r"|litellm|llama[_-]?index)\b",
    re.IGNORECASE,
)
_KEYS = re.compile(r"(?:bearer\s+)?(?:sk-(?:ant|proj|or|svcacct)-|gsk_|xai-|pplx-|hf_|nvapi-)", re.IGNORECASE)

_FAMILIES = re.compile(
    r"(^|[/.:_-])(gpt|chatgpt|o[134](-|$)|claude|gemini|gemma|llama|mi[sx]tral|codestral|ministral|devstral|qwen"
    r"|qwq|deepseek|command-?[ra]?|embed|whisper|dall-e|sora|grok|phi-?[234]|kimi|glm-|nova-|titan|jamba|yi-|sonar"
    r"|text-(davinci|embedding|bison|moderation)|tts-|imagen|veo-|stable-diffusion|flux|bge-|e5-|luminous|rerank"
    r"|nova-3|aura-)",
    re.IGNORECASE,
)
_SAMPLING = words(
    "do_sample frequency_penalty generationConfig generation_config inferenceConfig maxOutputTokens",
    "maxTokenCount maxTokens max_completion_tokens max_gen_len max_new_tokens max_output_tokens max_tokens",
    "max_tokens_to_sample maximum_tokens num_predict presence_penalty repetition_penalty stopSequences",
    "stop_sequences systemInstruction system_instruction temperature textGenerationConfig toolConfig",
    "tool_choice topP top_p",
)
_NESTED = ("parameters", "options", "config", "request", "generationConfig", "inferenceConfig")
_ASKS = words("contents input inputText input_text inputs message messages prompt query text user_input")
_TURNS = frozenset({"user", "assistant", "system", "developer", "tool", "model", "human", "ai"})
_ONLY_AI = frozenset({"assistant", "system", "developer", "tool", "model"})
_THREADS = words(
    "chat_session_id conversationId conversation_id parentMessageId parent_message_id",
    "parent_message_uuid session_id thread_id",
)
_MCP = re.compile(
    r"(initialize|tools/(list|call)|prompts/(list|get)|resources/(list|read|subscribe|unsubscribe|templates/list)"
    r"|completion/complete|logging/setLevel|sampling/createMessage|elicitation/create|roots/list"
    r"|notifications/(initialized|cancelled|progress|message|.*_changed)|message/(send|stream)"
    r"|tasks/(get|cancel|resubscribe|pushNotificationConfig/.*)|SendMessage|SendStreamingMessage)"
)
_OBJECTS = re.compile(
    rb'"object"\s*:\s*"(chat\.completion|text_completion|response|assistant|thread|vector_store|fine_tuning\.job'
    rb"|realtime\.|embedding|conversation|model|file|batch|organization\.usage)[a-z._]*\""
)
_LISTED = re.compile(
    rb'"(id|name|model)"\s*:\s*"(models/)?[a-z0-9@/._-]{0,40}?(gpt-|claude|gemini|llama|mistral|qwen|deepseek|grok)'
)
_COUNTS = re.compile(
    rb'"(prompt_tokens|completion_tokens|input_tokens|output_tokens|promptTokenCount|totalTokenCount|inputTokens'
    rb"|prompt_eval_count|inputTextTokenCount|generated_tokens|num_tokens_total|billed_units)\""
)


def evidence(
    head: Head,
    reading: RequestReading,
    answer: Headers = (),
    *,
    body: bytes = b"",
    answered: bytes = b"",
) -> tuple[str, ...]:
    """Say what tells that this is AI traffic; empty where that is not enough to say so.

    ``answer`` holds the header fields of the answer and ``answered`` its first bytes, where there is one
    already; both bodies are as on the wire.
    """
    try:
        signs = list(_signs(head, reading, answer, body, answered))
    except Exception:  # noqa: BLE001 - a fault here would decide about a stranger's traffic: say what is known
        signs = [Sign("body", ENOUGH, "a body that could not be judged")]
    weights: dict[str, int] = {}
    for sign in signs:
        weights[sign.place] = max(weights.get(sign.place, 0), sign.weight)
    if sum(weights.values()) < ENOUGH:
        return ()
    return tuple(dict.fromkeys(sign.words[:_SHOWN] for sign in sorted(signs, key=lambda one: -one.weight)))


def kind_by_shape(head: Head, reading: RequestReading, signs: tuple[str, ...]) -> Kind:
    """Tell the kind of an exchange with a host of which nothing is known: none of AI where nothing says so.

    The gate asks this of no host that the catalogue or the policy names: what that is sent is AI traffic.
    """
    if signs or versioned(read_target(head)) or reading.kind == "realtime":
        return reading.kind
    return "not-ai"


def _signs(
    head: Head, reading: RequestReading, answer: Headers, body: bytes, answered: bytes
) -> Iterator[Sign]:
    if reading.dialect and reading.parse != "unparsed" and (reading.messages or reading.kind == "embed"):
        yield Sign("body", 2 if reading.messages else 1, f"reads as {reading.dialect}")
    yield from _of_target(read_target(head))
    yield from _of_headers((*head.headers, *answer))
    if isinstance(value := _value(body, head.headers), (dict, list)):
        yield from _of_body(value)
    yield from _of_answer(head, answer, answered)


def _of_target(target: Target) -> Iterator[Sign]:
    last = target.segments[-1:]
    if last and _GOOGLE.search(last[0]):
        yield Sign("target", 2, f"method {last[0].rpartition(':')[2]}")
    pairs = set(pairwise(target.segments))
    for tail, weight in _PATHS:
        if target.ends(*tail) or (weight == ENOUGH and tail in pairs):
            yield Sign("target", weight, f"path /{'/'.join(tail)}")
    for segment in target.segments:
        if segment in _SEGMENTS:
            yield Sign("target", _SEGMENTS[segment], f"path …/{segment}/…")
    if word := versioned(target):
        yield Sign("target", 1, f"path /{word}")
    if {"publishers", "models"} <= set(target.segments):
        yield Sign("target", 2, "path /publishers/…/models/…")
    if any(_FAMILIES.search(model) for model in target.asked("model")):
        yield Sign("query", 1, "a model in the query")


def versioned(target: Target) -> str:
    """Find a word by which AI services call what they keep, where they have it: at the root of an API."""
    before = "v1"
    for segment in target.segments:
        if segment in _VERSIONED and _VERSION.fullmatch(before):
            return segment
        before = segment
    return ""


def _of_headers(headers: Headers) -> Iterator[Sign]:
    for name, value in headers:
        name = name.lower()
        if _HEADERS.fullmatch(name):
            yield Sign("header", 1, f"header {name}")
        elif name in ("user-agent", "x-goog-api-client") and (found := _AGENTS.search(value)):
            yield Sign("header", 1, f"client {found[0]}")
        elif name in ("authorization", "x-api-key", "api-key") and _KEYS.match(value):
            yield Sign("header", 2, "a key of an AI service")


def _value(body: bytes, headers: Headers) -> Any:
    if not body:
        return None
    try:
        return read_json(decode(body, header(headers, "content-encoding"), limit=_LIMIT).body)
    except WireError:
        return None


def _of_body(value: Any) -> Iterator[Sign]:
    if isinstance(value, list):
        value = as_dict(value[0]) if value else {}
    if value.get("jsonrpc") == "2.0":
        method = value.get("method")
        if isinstance(method, str) and _MCP.fullmatch(method):
            yield Sign("body", 2, f"JSON-RPC {method}")
        return
    model = value.get("model", value.get("modelId"))
    if isinstance(model, str) and _FAMILIES.search(model):
        yield Sign("body", 1, "names a model")
    yield from _of_turns(value)
    held = [value, *(as_dict(value.get(key)) for key in _NESTED)]
    sampling = sorted({key for one in held for key in _SAMPLING & one.keys()})
    asks = sorted(_ASKS & value.keys())
    if len(sampling) > 1 or (sampling and asks):
        yield Sign("body", 2 if asks else 1, f"sampling: {', '.join(sampling[:3])}")
    if asks and isinstance(model, str):
        yield Sign("body", 2 if _FAMILIES.search(model) else 1, f"{asks[0]} for a model")
    if asks and (isinstance(value.get("stream"), bool) or _THREADS & value.keys()):
        yield Sign("body", 1, f"{asks[0]} of a conversation")


def _of_turns(value: dict[str, Any]) -> Iterator[Sign]:
    """Look for turns with roles, where services keep them."""
    held = value.get("messages", value.get("contents", value.get("chat_history")))
    turns = [as_dict(turn) for turn in as_list(held)]
    roles = {str(turn.get("role", turn.get("author", ""))).lower() for turn in turns}
    if roles & _TURNS and any("content" in turn or "parts" in turn or "message" in turn for turn in turns):
        known = roles & _ONLY_AI or "parts" in turns[0] or "model" in value
        yield Sign("body", 2 if known else 1, f"turns of {', '.join(sorted(roles & _TURNS))}")


def _of_answer(head: Head, answer: Headers, answered: bytes) -> Iterator[Sign]:
    kind = media_type(header(answer, "content-type"))
    if head.method == "POST" and kind in ("text/event-stream", "application/vnd.amazon.eventstream"):
        yield Sign("answer", 1, f"answered with {kind}")
    if not answered or kind.startswith("text/html"):
        return
    try:
        told = decode(answered, header(answer, "content-encoding"), limit=_LIMIT).body
    except WireError:
        return
    if found := _OBJECTS.search(told):
        weak = found[1] in (
            b"model",
            b"file",
            b"batch",
            b"thread",
            b"response",
            b"conversation",
            b"embedding",
        )
        yield Sign("answer", 1 if weak else 2, f"answered with {found[0].decode('ascii', 'replace')}")
    elif _LISTED.search(told):
        yield Sign("answer", 1, "answered with the names of models")
    if found := _COUNTS.search(told):
        yield Sign("answer", 2 if head.method == "POST" else 1, f"counts {found[1].decode('ascii')}")
