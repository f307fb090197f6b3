"""One input of the fuzzer: bytes that choose a dialect, a framing and a way to cut, and then are read.

``check`` knows nothing of the fuzzer that calls it, so that what one run finds another replays. It raises where
a reader stumbled or hung, or where the network's cuts changed what was read.
"""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Callable

from sekimori.wire.dialects import DIALECTS
from sekimori.wire.model import Head, Headers, RequestReading, ResponseReading
from sekimori.wire.read import ResponseReader, read_request
from sekimori.wire.turns import TurnReader
from sekimori.wire.unknown import evidence

LIMIT = 1 << 20
SECONDS = 5.0
"""More than any input of a fuzzer may take; a reader's real bound is that of its input's size."""

TYPES = (
    "application/json",
    "text/event-stream",
    "application/x-ndjson",
    "application/vnd.amazon.eventstream",
    "application/connect+json",
    "application/connect+proto",
    "application/grpc-web+proto",
    "application/x-protobuf",
    "application/proto",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "application/x-amz-json-1.1",
    "text/plain",
    "",
)
CODINGS: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    ("", bytes),
    ("", bytes),
    ("gzip", gzip.compress),
    ("gzip", bytes),
    ("deflate", zlib.compress),
    ("br", bytes),
    ("zstd", bytes),
)
PATHS = (
    "/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/completions", "/v1/embeddings",
    "/v1beta/models/m:generateContent", "/v1beta/models/m:streamGenerateContent?alt=sse", "/v1/files",
    "/v1/files/f/content", "/v1/batches", "/v1/images/edits", "/v1/audio/transcriptions", "/v1/audio/speech",
    "/v1/moderations", "/v1/rerank", "/v1/complete", "/v2/chat", "/v1/chat", "/v1/generate", "/v2/embed",
    "/api/chat", "/api/generate", "/api/embed", "/model/m/converse", "/model/m/converse-stream",
    "/model/m/invoke", "/model/m/invoke-with-response-stream", "/v1/models/o/m/predictions", "/v1/predictions",
    "/v1/threads/t/messages", "/v1/threads/runs", "/v1/assistants", "/v1/vector_stores", "/v1/fine_tuning/jobs",
    "/models/o/m", "/mcp", "/message", "/v1internal:streamGenerateContent?alt=sse",
    "/generateAssistantResponse", "/user/v5/llm/chat/stream/v7", "/.api/completions/stream",
    "/backend-api/f/conversation", "/backend-api/codex/responses", "/c/api/chat?api-version=2",
    "/api/organizations/o/chat_conversations/c/completion", "/api/v0/chat/completion",
    "/_/BardChatUi/data/assistant.lamda.BardFrontendService/StreamGenerate", "/rest/sse/perplexity_ask",
    "/rest/app-chat/conversations/new", "/api/graphql/", "/api/v2/chat/completions?chat_id=c",
    "/apiv2/kimi.gateway.chat.v1.ChatService/Chat", "/api/trpc/message.newChat?batch=1", "/api/gql_POST",
    "/chat/conversation/c", "/duckchat/v1/chat", "/api/streamingSearch?q=a+b&domain=youchat", "/ws/",
    "/m365Copilot/Chathub/a@b", "/github/chat/threads/t/messages", "/v1/engines/copilot-codex/completions",
    "/aiserver.v1.ChatService/StreamUnifiedChatWithTools", "/agent.v1.AgentService/Run",
    "/exa.api_server_pb.ApiServerService/GetChatMessage", "/v1/realtime?model=m", "/v1/tokenize", "/",
    "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent", "/up/b/updates",
)  # fmt: skip
NAMES = tuple(dialect.name for dialect in DIALECTS)


def check(data: bytes) -> None:
    """Read one input every way that its first four bytes choose; raise AssertionError for a fault of ours."""
    if len(data) < 4:
        return
    where, how, coded, cut, body = data[0], data[1], data[2], data[3], data[4:]
    head = Head("POST" if how & 1 else "GET", "h.test", PATHS[where % len(PATHS)], fields(how, coded))
    sent = CODINGS[coded % len(CODINGS)][1](body)
    started = time.monotonic()
    request = read_request(head, sent, limit=LIMIT)
    sound(request)
    known = RequestReading(kind=request.kind, dialect=NAMES[how % len(NAMES)]) if cut & 1 else request
    whole = answer(head, known, head.headers, [sent])
    sound(whole)
    pieces = [sent[at : at + 1 + cut % 61] for at in range(0, len(sent), 1 + cut % 61)]
    again = answer(head, known, head.headers, pieces)
    assert again == whole or (miscoded(again) and miscoded(whole)), "where it was cut changes what is read"
    turns = TurnReader(head)
    for payload in body.split(b"\n")[:32]:
        turns.client(payload, bool(how & 2))
        turns.server(payload, bool(how & 2))
    evidence(head, request, head.headers, body=sent, answered=sent)
    assert time.monotonic() - started < SECONDS, "reading took too long"


def fields(how: int, coded: int) -> Headers:
    """Choose the header fields."""
    found = [("content-type", TYPES[(how >> 2) % len(TYPES)])]
    coding = CODINGS[coded % len(CODINGS)][0]
    return (*found, ("content-encoding", coding)) if coding else tuple(found)


def answer(head: Head, request: RequestReading, headers: Headers, pieces: list[bytes]) -> ResponseReading:
    """Read an answer in pieces."""
    reader = ResponseReader(head, request, 200, headers, limit=LIMIT)
    for piece in pieces:
        reader.feed(piece)
    return reader.finish()


def miscoded(reading: ResponseReading) -> bool:
    """Tell that a broken coding was noticed: its decoder loses all of the chunk in which it breaks."""
    return reading.parse != "parsed" and any("what its coding says" in what for what in reading.skipped)


def sound(reading: RequestReading | ResponseReading) -> None:
    """Raise AssertionError where a reader stumbled: it says so itself, because the gate must go on."""
    stumbled = [what for what in reading.skipped if what.startswith("reader:")]
    assert not stumbled, stumbled
