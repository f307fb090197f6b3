"""Each API dialect on an exchange of our own: what is asked, what is answered, and under which kind."""

import base64
import json
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from sekimori.wire.model import Head, RequestReading, ResponseReading
from sekimori.wire.read import read_request, read_response

JSON = "application/json"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(24)).decode()


@dataclass(frozen=True)
class Exchange:
    """One exchange: the request as JSON, the answer as JSON, lines, events or bytes."""

    path: str
    asked: Any
    answered: Any = None
    type: str = JSON
    method: str = "POST"

    def read(self) -> tuple[RequestReading, ResponseReading]:
        head = Head(self.method, "host.example", self.path, (("content-type", JSON),))
        body = b"" if self.asked is None else json.dumps(self.asked, ensure_ascii=False).encode()
        request = read_request(head, body)
        raw = self.answered if isinstance(self.answered, bytes) else json.dumps(self.answered).encode()
        return request, read_response(head, request, 200, (("content-type", self.type),), raw)


def lines(*values: Any) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def events(*values: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values)


def said(role: str, *parts: Any) -> dict[str, Any]:
    return {"role": role, "content": list(parts)}


HI = [{"role": "user", "content": "秘密の話 please"}]
CONVERSE = {
    "system": [{"text": "be brief"}, {"cachePoint": {"type": "default"}}],
    "messages": [
        said("user", {"text": "look"}, {"image": {"format": "png", "source": {"bytes": PNG}}}),
        said("assistant", {"toolUse": {"toolUseId": "t", "name": "find", "input": {"q": "x"}}}),
        said("user", {"toolResult": {"toolUseId": "t", "content": [{"json": {"a": 1}}, {"text": "ok"}]}}),
        said("user", {"text": "and "}, {"text": "now?"}),
    ],
    "inferenceConfig": {"maxTokens": 5},
    "toolConfig": {"tools": [{"toolSpec": {"name": "find", "description": "finds a thing"}}]},
}

GENERATED = [
    pytest.param(
        Exchange(
            "/model/amazon.nova-lite-v1%3A0/converse",
            CONVERSE,
            {
                "output": {
                    "message": said(
                        "assistant",
                        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
                        {"text": "yes"},
                        {"toolUse": {"toolUseId": "u", "name": "find", "input": {}}},
                    )
                },
                "stopReason": "tool_use",
                "usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7},
            },
        ),
        ("bedrock-converse", "amazon.nova-lite-v1:0", "and now?", "yes", "hm", ("find", "{}"), 3),
        id="converse",
    ),
    pytest.param(
        Exchange(
            "/model/meta.llama3/invoke",
            {"prompt": "ask me", "max_gen_len": 5},
            {"generation": "told", "prompt_token_count": 2, "stop_reason": "stop"},
        ),
        ("bedrock-invoke", "meta.llama3", "ask me", "told", "", None, 2),
        id="llama",
    ),
    pytest.param(
        Exchange(
            "/model/mistral.mixtral/invoke",
            {"prompt": "<s>[INST] ask me [/INST]", "max_tokens": 5},
            {"outputs": [{"text": "told", "stop_reason": "stop"}]},
        ),
        ("bedrock-invoke", "mistral.mixtral", "<s>[INST] ask me [/INST]", "told", "", None, None),
        id="mistral",
    ),
    pytest.param(
        Exchange(
            "/model/amazon.titan-text/invoke",
            {"inputText": "ask me", "textGenerationConfig": {"topP": 1}},
            {"inputTextTokenCount": 2, "results": [{"outputText": "told", "completionReason": "FINISH"}]},
        ),
        ("bedrock-invoke", "amazon.titan-text", "ask me", "told", "", None, 2),
        id="titan",
    ),
    pytest.param(
        Exchange(
            "/model/cohere.command-r/invoke",
            {"message": "ask me", "chat_history": [{"role": "CHATBOT", "message": "hello there"}]},
            {"text": "told", "finish_reason": "COMPLETE", "generation_id": "g"},
        ),
        ("bedrock-invoke", "cohere.command-r", "ask me", "told", "", None, None),
        id="command r",
    ),
    pytest.param(
        Exchange(
            "/model/ai21.j2-mid/invoke",
            {"prompt": "ask me", "maxTokens": 5},
            {"id": 1, "completions": [{"data": {"text": "told"}, "finishReason": {"reason": "length"}}]},
        ),
        ("bedrock-invoke", "ai21.j2-mid", "ask me", "told", "", None, None),
        id="jurassic",
    ),
    pytest.param(
        Exchange(
            "/model/deepseek.r1/invoke",
            {"prompt": "ask me", "max_tokens": 5},
            {"choices": [{"text": "told", "stop_reason": "stop"}]},
        ),
        ("bedrock-invoke", "deepseek.r1", "ask me", "told", "", None, None),
        id="deepseek on bedrock",
    ),
    pytest.param(
        Exchange(
            "/model/ai21.jamba/invoke",
            {"messages": HI},
            {"choices": [{"index": 0, "message": {"role": "assistant", "content": "told"}}]},
        ),
        ("bedrock-invoke", "ai21.jamba", "秘密の話 please", "told", "", None, None),
        id="jamba",
    ),
    pytest.param(
        Exchange(
            "/model/anthropic.claude-v2/invoke",
            {"prompt": "\n\nHuman: ask me\n\nAssistant:", "max_tokens_to_sample": 5},
            {"type": "completion", "completion": " told", "stop_reason": "stop_sequence"},
        ),
        (
            "bedrock-invoke",
            "anthropic.claude-v2",
            "\n\nHuman: ask me\n\nAssistant:",
            " told",
            "",
            None,
            None,
        ),
        id="claude 2",
    ),
    pytest.param(
        Exchange(
            "/v1/complete",
            {"model": "claude-2", "prompt": "ask me", "max_tokens_to_sample": 5, "stream": True},
            events({"type": "completion", "completion": "to"}, {"type": "ping"}, {"completion": "ld"}),
        ),
        ("anthropic-complete", "claude-2", "ask me", "told", "", None, None),
        id="anthropic complete",
    ),
    pytest.param(
        Exchange(
            "/v1/chat",
            {"model": "command", "message": "ask me", "preamble": "be brief", "stream": True},
            lines(
                {"event_type": "stream-start", "generation_id": "g"},
                {"event_type": "text-generation", "text": "to"},
                {"event_type": "text-generation", "text": "ld"},
                {
                    "event_type": "stream-end",
                    "finish_reason": "COMPLETE",
                    "response": {"text": "told", "meta": {"billed_units": {"input_tokens": 3}}},
                },
            ),
        ),
        ("cohere-v1", "command", "ask me", "told", "", None, 3),
        id="cohere v1, streamed",
    ),
    pytest.param(
        Exchange(
            "/v1/generate",
            {"model": "command", "prompt": "ask me"},
            {"id": "i", "generations": [{"text": "told", "finish_reason": "COMPLETE"}, {"text": "other"}]},
        ),
        ("cohere-v1", "command", "ask me", "told", "", None, None),
        id="cohere generate",
    ),
    pytest.param(
        Exchange(
            "/v2/chat",
            {"model": "command-a", "messages": HI, "documents": [{"data": {"text": "極秘 です"}}]},
            events(
                {"type": "message-start", "id": "m"},
                {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I plan"}}},
                {
                    "type": "tool-call-start",
                    "index": 0,
                    "delta": {"message": {"tool_calls": {"id": "c", "function": {"name": "find"}}}},
                },
                {
                    "type": "tool-call-delta",
                    "index": 0,
                    "delta": {"message": {"tool_calls": {"function": {"arguments": "{}"}}}},
                },
                {"type": "content-delta", "delta": {"message": {"content": {"text": "told"}}}},
                {
                    "type": "message-end",
                    "delta": {"finish_reason": "COMPLETE", "usage": {"tokens": {"input_tokens": 9}}},
                },
            ),
        ),
        ("cohere-v2", "command-a", "秘密の話 please", "told", "I plan", ("find", "{}"), 9),
        id="cohere v2, streamed",
    ),
    pytest.param(
        Exchange(
            "/api/chat",
            {"model": "llama3", "messages": [{"role": "user", "content": "ask me", "images": [PNG]}]},
            lines(
                {"model": "llama3", "message": {"role": "assistant", "content": "to"}, "done": False},
                {
                    "message": {
                        "role": "assistant",
                        "content": "ld",
                        "thinking": "hm",
                        "tool_calls": [{"function": {"name": "find", "arguments": {"q": 1}}}],
                    },
                    "done": True,
                    "done_reason": "stop",
                    "prompt_eval_count": 4,
                },
            ),
            "application/x-ndjson",
        ),
        ("ollama", "llama3", "ask me", "told", "hm", ("find", '{"q": 1}'), 4),
        id="ollama",
    ),
    pytest.param(
        Exchange(
            "/api/generate",
            {"model": "llama3", "prompt": "ask me", "system": "be brief", "stream": False},
            {"model": "llama3", "response": "told", "done": True, "prompt_eval_count": 4},
        ),
        ("ollama", "llama3", "ask me", "told", "", None, 4),
        id="ollama generate",
    ),
    pytest.param(
        Exchange(
            "/models/org/name",
            {"inputs": "ask me", "parameters": {"max_new_tokens": 5}},
            [{"generated_text": "told"}],
        ),
        ("huggingface", "org/name", "ask me", "told", "", None, None),
        id="hugging face",
    ),
    pytest.param(
        Exchange(
            "/generate_stream",
            {"inputs": "ask me", "parameters": {}},
            events(
                {"token": {"text": "to", "special": False}, "generated_text": None},
                {"token": {"text": "ld", "special": False}},
                {"token": {"text": "</s>", "special": True}, "generated_text": "told"},
            ),
        ),
        ("huggingface", None, "ask me", "told", "", None, None),
        id="text generation server",
    ),
    pytest.param(
        Exchange(
            "/v1/models/org/name/predictions",
            {"input": {"prompt": "ask me", "system_prompt": "be brief"}, "stream": True},
            {"id": "p", "status": "succeeded", "urls": {}, "output": ["to", "ld"], "model": "org/name"},
        ),
        ("replicate", "org/name", "ask me", "told", "", None, None),
        id="replicate",
    ),
    pytest.param(
        Exchange(
            "/endpoints/mine/invocations",
            {"inputs": [[{"role": "user", "content": "ask me"}]], "parameters": {}},
            [{"generation": {"role": "assistant", "content": "told"}}],
        ),
        ("sagemaker", "mine", "ask me", "told", "", None, None),
        id="sagemaker",
    ),
    pytest.param(
        Exchange(
            "/v1/projects/p/locations/l/publishers/google/models/text-bison:predict",
            {"instances": [{"prompt": "ask me"}], "parameters": {}},
            {"predictions": [{"content": "told"}]},
        ),
        ("vertex-predict", "text-bison", "ask me", "told", "", None, None),
        id="vertex predict",
    ),
    pytest.param(
        Exchange(
            "/v1/projects/p/locations/l/publishers/mistralai/models/mistral-large:rawPredict",
            {"model": "mistral-large", "messages": HI},
            {"choices": [{"index": 0, "message": {"role": "assistant", "content": "told"}}]},
        ),
        ("vertex-predict", "mistral-large", "秘密の話 please", "told", "", None, None),
        id="another publisher on vertex",
    ),
    pytest.param(
        Exchange(
            "/complete",
            {"model": "luminous", "prompt": [{"type": "text", "data": "ask me"}], "maximum_tokens": 5},
            {"completions": [{"completion": "told"}], "num_tokens_prompt_total": 3},
        ),
        ("aleph-alpha", "luminous", "ask me", "told", "", None, 3),
        id="aleph alpha",
    ),
    pytest.param(
        Exchange(
            "/v1/conversations",
            {"model": "mistral-medium", "inputs": "ask me", "stream": True},
            events(
                {"type": "conversation.response.started", "conversation_id": "c"},
                {"type": "message.output.delta", "content": "to"},
                {"type": "message.output.delta", "content": {"type": "text", "text": "ld"}},
                {"type": "conversation.response.done", "usage": {"prompt_tokens": 5}},
            ),
        ),
        ("mistral-conversations", "mistral-medium", "ask me", "told", "", None, 5),
        id="mistral conversations",
    ),
    pytest.param(
        Exchange(
            "/v1/ocr",
            {"model": "ocr", "document": {"type": "document_url", "document_url": "https://x.example/a"}},
            {"pages": [{"markdown": "told"}, {"markdown": "more"}], "model": "ocr"},
        ),
        ("ocr", "ocr", "", "told\n\nmore", "", None, None),
        id="ocr",
    ),
    pytest.param(
        Exchange(
            "/v1/fim/completions",
            {"model": "codestral", "prompt": "def f():", "suffix": "return 1"},
            {"choices": [{"index": 0, "message": {"role": "assistant", "content": "told"}}]},
        ),
        ("openai-completions", "codestral", "def f():", "told", "", None, None),
        id="fill in the middle",
    ),
    pytest.param(
        Exchange(
            "/chat/completions",
            {"model": "m", "messages": HI},
            {"status": "OK", "data": {"choices": [{"index": 0, "message": {"content": "told"}}]}},
        ),
        ("openai-chat", "m", "秘密の話 please", "told", "", None, None),
        id="an answer in an envelope",
    ),
]


@pytest.mark.parametrize(("exchange", "expected"), GENERATED)
def test_a_generation_is_read_on_both_sides(exchange, expected):
    request, response = exchange.read()
    dialect, model, prompt, output, reasoning, call, counted = expected
    assert (request.kind, request.dialect) == ("generate", dialect)
    assert (request.parse, response.parse) == ("parsed", "parsed"), (request.skipped, response.skipped)
    assert (request.model, request.model_certain) == (model, model is not None)
    assert (request.prompt, response.output, response.reasoning) == (prompt, output, reasoning)
    assert [(made.name, made.arguments) for made in response.tool_calls] == ([call] if call else [])
    assert (response.usage.input_tokens if response.usage else None) == counted


OTHERS = [
    pytest.param(
        Exchange("/v2/embed", {"model": "e", "texts": ["社外秘 one", "two"]}, {"embeddings": {"float": []}}),
        ("embed", "embeddings", "e"),
        id="cohere embed",
    ),
    pytest.param(
        Exchange("/model/amazon.titan-embed/invoke", {"inputText": "社外秘 one"}, {"embedding": [1.0]}),
        ("embed", "bedrock-invoke", "amazon.titan-embed"),
        id="titan embed",
    ),
    pytest.param(
        Exchange(
            "/model/amazon.titan-image/invoke",
            {"taskType": "TEXT_IMAGE", "textToImageParams": {"text": "社外秘 one"}},
            {"images": [PNG]},
        ),
        ("image", "bedrock-invoke", "amazon.titan-image"),
        id="titan image",
    ),
    pytest.param(
        Exchange(
            "/model/x/count-tokens",
            {"input": {"converse": {"messages": [said("user", {"text": "社外秘"})]}}},
            {"inputTokens": 5},
        ),
        ("count-tokens", "bedrock-invoke", "x"),
        id="bedrock counting",
    ),
    pytest.param(
        Exchange("/v1/rerank", {"model": "r", "query": "q", "documents": ["社外秘 one"]}, {"results": []}),
        ("rerank", "rerank", "r"),
        id="rerank",
    ),
    pytest.param(
        Exchange("/v1/moderations", {"model": "m", "input": ["社外秘 one"]}, {"results": [], "model": "m"}),
        ("moderate", "moderations", "m"),
        id="moderation",
    ),
    pytest.param(
        Exchange(
            "/v1/images/generations", {"model": "d", "prompt": "社外秘 one"}, {"data": [{"b64_json": PNG}]}
        ),
        ("image", "openai-images", "d"),
        id="image",
    ),
    pytest.param(
        Exchange("/v1/audio/speech", {"model": "t", "input": "社外秘 one"}, b"ID3" + bytes(40), "audio/mpeg"),
        ("audio", "speech", "t"),
        id="speech",
    ),
    pytest.param(
        Exchange("/v1/speak?model=aura", {"text": "社外秘 one"}, b"RIFF____WAVE" + bytes(40), "audio/wav"),
        ("audio", "speech", "aura"),
        id="speech, model in the query",
    ),
    pytest.param(
        Exchange(
            "/v1/listen?model=nova",
            {"url": "https://x.example/社外秘"},
            {"results": {"channels": [{"alternatives": [{"transcript": "told"}]}]}},
        ),
        ("audio", "transcription", "nova"),
        id="transcription, model in the query",
    ),
    pytest.param(
        Exchange("/v1/tokenize", {"model": "c", "text": "社外秘 one"}, {"tokens": [1, 2]}),
        ("count-tokens", "tokenize", "c"),
        id="tokenize",
    ),
    pytest.param(
        Exchange(
            "/v1/messages/batches",
            {"requests": [{"custom_id": "1", "params": {"model": "c", "max_tokens": 1, "messages": HI}}]},
            {"id": "b", "type": "message_batch", "processing_status": "in_progress"},
        ),
        ("batch", "batches", "c"),
        id="batch with its requests",
    ),
    pytest.param(
        Exchange(
            "/v1beta/models/g:batchGenerateContent",
            {
                "batch": {
                    "inputConfig": {
                        "requests": {
                            "requests": [{"request": {"contents": [{"parts": [{"text": "社外秘"}]}]}}]
                        }
                    }
                }
            },
            {"name": "batches/1", "metadata": {}},
        ),
        ("batch", "gemini-state", "g"),
        id="gemini batch",
    ),
    pytest.param(
        Exchange(
            "/v1beta/cachedContents",
            {"model": "models/g", "contents": [{"parts": [{"text": "社外秘 one"}]}], "ttl": "60s"},
            {"name": "cachedContents/1", "model": "models/g"},
        ),
        ("state", "gemini-state", "g"),
        id="gemini cache",
    ),
    pytest.param(
        Exchange(
            "/v1/threads/t/messages", {"role": "user", "content": "社外秘 one"}, {"object": "thread.message"}
        ),
        ("state", "openai-assistants", None),
        id="message of a thread",
    ),
    pytest.param(
        Exchange("/v1/threads/t/runs", {"assistant_id": "a", "instructions": "社外秘 one"}, {"id": "r"}),
        ("state", "openai-assistants", None),
        id="run",
    ),
    pytest.param(
        Exchange("/v1/conversations", {"items": [{"role": "user", "content": "社外秘 one"}]}, {"id": "c"}),
        ("state", "openai-stored", None),
        id="conversation",
    ),
    pytest.param(
        Exchange(
            "/v1/fine_tuning/jobs", {"model": "m", "training_file": "f", "suffix": "社外秘"}, {"id": "j"}
        ),
        ("train", "fine-tuning", "m"),
        id="fine tuning",
    ),
    pytest.param(
        Exchange(
            "/v1/realtime/client_secrets",
            {"session": {"type": "realtime", "model": "rt", "instructions": "社外秘 one"}},
            {"value": "ek_x", "session": {}},
        ),
        ("realtime", "realtime-sessions", "rt"),
        id="realtime session",
    ),
    pytest.param(
        Exchange(
            "/guardrail/g/version/1/apply",
            {"source": "INPUT", "content": [{"text": {"text": "社外秘 one"}}]},
            {"action": "NONE", "outputs": []},
        ),
        ("moderate", "bedrock-agent", None),
        id="guardrail",
    ),
]


@pytest.mark.parametrize(("exchange", "expected"), OTHERS)
def test_another_operation_is_read_with_its_kind_and_its_texts(exchange, expected):
    request, response = exchange.read()
    assert (request.kind, request.dialect, request.model) == expected
    assert (request.parse, response.parse) == ("parsed", "parsed"), (request.skipped, response.skipped)
    assert any("社外秘" in text or "秘密" in text for text in request.texts)


@pytest.mark.parametrize(
    ("method", "path", "answered", "kind"),
    [
        pytest.param("GET", "/api/tags", {"models": []}, "model-list", id="ollama"),
        pytest.param("GET", "/foundation-models", {"modelSummaries": []}, "model-list", id="bedrock"),
        pytest.param("GET", "/v1/batches/b", {"id": "b", "status": "completed"}, "batch", id="batch"),
        pytest.param("DELETE", "/v1/files/f", {"id": "f", "deleted": True}, "file", id="file"),
        pytest.param("GET", "/v1/files/f/content", b"\x89PNG\r\n\x1a\n" + bytes(9), "file", id="content"),
        pytest.param("GET", "/v1/assistants/a", {"object": "assistant", "id": "a"}, "state", id="assistant"),
        pytest.param("GET", "/v1/responses/r", {"object": "response", "output": []}, "state", id="response"),
        pytest.param("DELETE", "/v1beta/cachedContents/c", {}, "state", id="cache"),
        pytest.param("GET", "/v1/fine_tuning/jobs", {"data": []}, "train", id="fine tuning"),
    ],
)
def test_what_a_service_keeps_is_asked_for_without_a_model(method, path, answered, kind):
    request, response = Exchange(path, None, answered, method=method).read()
    assert (request.kind, request.model_certain) == (kind, True)
    assert (request.parse, response.parse) == ("parsed", "parsed"), response.skipped


def test_the_results_of_a_batch_are_read_one_by_one():
    message = {"type": "message", "model": "c", "content": [{"type": "text", "text": "told"}]}
    results = [{"custom_id": str(n), "result": {"type": "succeeded", "message": message}} for n in range(2)]
    path = "/v1/messages/batches/b/results"
    _, response = Exchange(path, None, lines(*results), "application/x-jsonl", "GET").read()
    assert (response.parse, response.output) == ("parsed", "told\ntold\n")


def test_one_result_alone_is_read_like_many():
    message = {"type": "message", "model": "c", "content": [{"type": "text", "text": "told"}]}
    result = {"custom_id": "1", "result": {"type": "succeeded", "message": message}}
    _, response = Exchange("/v1/messages/batches/b/results", None, lines(result), JSON, "GET").read()
    assert (response.parse, response.output) == ("parsed", "told\n")


def test_a_stored_prediction_streams_its_text_verbatim():
    stream = b'event: output\ndata: {"a\n\nevent: output\ndata: 1\ndata: \n\nevent: done\ndata: {}\n\n'
    _, response = Exchange("/v1/streams/s", None, stream, "text/event-stream", "GET").read()
    assert (response.parse, response.output, response.finish_reason) == ("parsed", '{"a1\n', "done")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param(
            "/v1/messages/batches",
            {"requests": [{"params": {"model": name, "messages": HI, "max_tokens": 1}} for name in "ab"]},
            id="two models in a batch",
        ),
        pytest.param("/v1/speak?model=a&model=b", {"text": "x"}, id="two in the query"),
        pytest.param("/v1/speak?model=a", {"text": "x", "model": "b"}, id="query and body"),
        pytest.param("/model/a/converse", {**CONVERSE, "model": "b"}, id="path and body"),
        pytest.param("/model/a%2Fb/converse", CONVERSE, id="a slash in the path's name"),
        pytest.param("/v1/models/org/name/predictions", {"version": "v", "input": {}}, id="path and version"),
        pytest.param(
            "/v1/realtime/client_secrets?model=a", {"session": {"model": "b"}}, id="query and session"
        ),
        pytest.param(
            "/v1/p/publishers/mistralai/models/a:rawPredict", {"model": "b", "messages": HI}, id="raw predict"
        ),
    ],
)
def test_a_model_that_is_named_twice_must_be_one(path, body):
    assert not Exchange(path, body).read()[0].model_certain


def test_an_inference_profile_is_a_model_although_its_name_has_a_slash():
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"
    path = "/model/" + arn.replace(":", "%3A").replace("/", "%2F") + "/converse"
    request, _ = Exchange(path, CONVERSE, {"output": {}}).read()
    assert (request.kind, request.model, request.model_certain) == ("generate", arn, True)


@pytest.mark.parametrize(
    ("path", "body", "skipped"),
    [
        pytest.param("/v2/chat", {"model": "m", "messages": HI, "new": "極秘 text"}, "new", id="member"),
        pytest.param(
            "/model/m/converse",
            {"messages": [said("user", {"hologram": {"words": "極秘 text"}})]},
            "messages[0].content[0].hologram",
            id="part",
        ),
        pytest.param("/api/chat", {"model": "m", "input": [{"words": "極秘 text"}]}, "input", id="input"),
        pytest.param("/v1/images/generations", {"model": "m", "poem": "極秘 text"}, "poem", id="image"),
    ],
)
def test_what_bears_text_and_is_not_known_makes_a_request_partial(path, body, skipped):
    request, _ = Exchange(path, body).read()
    assert (request.parse, request.skipped) == ("partial", (skipped,))


SOMETHING: tuple[Any, ...] = (
    None,
    0,
    "x y",
    [],
    {},
    [[]],
    [{}],
    {"text": 1},
    {"type": "text", "text": None},
    [["x y"]],
    {"a": [{"content": [0]}]},
)
MEMBERS = [
    "messages",
    "message",
    "prompt",
    "input",
    "inputs",
    "instances",
    "documents",
    "texts",
    "content",
    "contents",
    "image",
    "images",
    "requests",
    "session",
    "items",
    "thread",
    "tools",
    "chat_history",
    "query",
    "file",
    "batch",
    "output",
    "outputs",
    "choices",
    "data",
    "delta",
    "results",
    "predictions",
    "generations",
    "completions",
    "text",
    "usage",
    "meta",
    "response",
    "result",
    "token",
    "bytes",
    "error",
    "pages",
    "candidates",
]
PATHS = sorted({str(getattr(param.values[0], "path", "")) for param in [*GENERATED, *OTHERS]})


@pytest.mark.parametrize("path", PATHS)
def test_no_value_in_any_place_makes_a_reader_stumble(path):
    chosen = Random(path)
    for name in MEMBERS:
        value, inner = chosen.choice(SOMETHING), chosen.choice(MEMBERS)
        bodies = ({name: value}, {name: {inner: value}}, {name: [{inner: value}]})
        for body in bodies:
            request, response = Exchange(path, body, body).read()
            assert not any(what.startswith("reader:") for what in (*request.skipped, *response.skipped)), body
        streamed = Exchange(path, bodies[0], events(*bodies), "text/event-stream").read()[1]
        assert not any(what.startswith("reader:") for what in streamed.skipped), bodies
