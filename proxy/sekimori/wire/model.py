"""What was read of an exchange: the values that all dialects are turned into.

Field names follow the OpenTelemetry gen_ai conventions where these have one. Nothing here reads bytes;
``sekimori.wire.read`` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "generate",
    "embed",
    "rerank",
    "moderate",
    "image",
    "audio",
    "file",
    "batch",
    "model-list",
    "count-tokens",
    "realtime",
    "tool",
    "agent",
    "state",
    "train",
    "other-ai",
    "not-ai",
]
Parse = Literal["parsed", "partial", "unparsed"]
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request: ``path`` is the raw request target, with its query."""

    method: str
    host: str
    path: str
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Attachment:
    """Something sent beside the text.

    ``media_type`` is judged by content; ``reference`` is the URL or file id of what is not inline
    (then ``size`` is 0 and ``sha256`` empty). ``read`` tells that its text is among the texts.
    """

    name: str = ""
    media_type: str = ""
    size: int = 0
    sha256: str = ""
    read: bool = False
    reference: str = ""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool by the model; ``arguments`` is JSON text as it came."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation, its text parts joined with nothing."""

    role: str
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the service counted them; ``None`` where it did not say."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class RequestReading:
    """A request as people mean it.

    ``model_certain`` is false where the service might see another model than ``model``, or none where there
    should be one. ``texts`` holds every human-readable text, for the class detector; ``skipped`` names what
    bears text and was not understood.
    """

    kind: Kind = "other-ai"
    dialect: str = ""
    parse: Parse = "unparsed"
    model: str | None = None
    model_certain: bool = False
    stream: bool = False
    messages: tuple[Message, ...] = ()
    prompt: str = ""
    attachments: tuple[Attachment, ...] = ()
    tools: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    conversation: str = ""
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResponseReading:
    """An answer as people mean it: ``output`` is the text of choice or candidate 0, without reasoning."""

    output: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage | None = None
    finish_reason: str = ""
    model: str | None = None
    parse: Parse = "unparsed"
    skipped: tuple[str, ...] = ()
    error: str = ""
    refusal: str = ""
    response_id: str = ""
    attachments: tuple[Attachment, ...] = ()
