"""Le Chat: one message in, and lines out, each a mark, a colon and JSON: pieces of text, or patches."""

from __future__ import annotations

import json
from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.concatenated import PrefixedLinesDecoder
from sekimori.wire.dialects.dialect import Dialect, Framing, Route, nowhere
from sekimori.wire.dialects.openai_chat import read_content
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.patches import Patched, split_path
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_KNOWN = words(
    "agentId chatId clientPromptData content disabledFeatures features files incognito integrations",
    "libraries",
    "messageFiles messageId messageInput mode model projectId shouldAwaitStreamBackgroundTasks",
    "shouldUseMessagePatch shouldUsePersistentStream stableAnonymousIdentifier transcription",
)
_USAGE = {"promptTokens": "input_tokens", "completionTokens": "output_tokens"}
_ASIDE = frozenset({"2", "8", "e", "f", "h", "i", "j", "k"})  # data, annotations, steps, sources, files
_STATE = "lechat-web"


def _claims(method: str, target: Target, body: dict[str, Any]) -> Route | None:
    if method != "POST":
        return None
    if target.ends("api", "chat") and "chatId" in body and ("messageInput" in body or "mode" in body):
        return Route("generate", stream=True)
    if target.segments[-2:-1] != ("trpc",) or not target.segments[-1].startswith("message."):
        return None
    # The first message of a chat goes in here, and its answer is asked for behind.
    return Route("generate" if target.segments[-1] == "message.newChat" else "state")


def _read(draft: Draft, body: dict[str, Any]) -> None:
    if "chatId" not in body:
        for call in map(as_dict, body.values()):
            _message(draft, as_dict(call.get("json")) or call)
    else:
        _message(draft, body)


def _message(draft: Draft, body: dict[str, Any]) -> None:
    draft.unknown(body, _KNOWN)
    draft.conversation = as_text(body.get("chatId")) or draft.conversation
    turn = Turn("user")
    said = body.get("messageInput") if body.get("messageInput") is not None else body.get("content")
    read_content(draft, turn, said, "messageInput")
    for held in as_list(body.get("messageFiles")) + as_list(body.get("files")):
        found = as_dict(held)
        draft.attach_id(turn, as_text(held) or as_text(found.get("id")), name=as_text(found.get("name")))
    draft.add(turn)


def _framing(begin: bytes, media_type: str) -> Framing | None:  # noqa: ARG001
    return PrefixedLinesDecoder() if begin[:1].isalnum() and b":" in begin[:4] else None


def _named(answer: Answer, name: str, value: Any) -> None:
    patches = as_list(as_dict(as_dict(value).get("json")).get("patches"))
    answer.understood = True
    if name == "0":
        answer.say(value)
    elif name == "g":
        answer.think(value)
    elif name == "3":
        answer.error = as_text(value) or "error"
    elif name in ("9", "b", "c"):
        _call(answer, as_dict(value))
    elif name == "d":
        answer.finish_reason = as_text(as_dict(value).get("finishReason"))
        answer.count(as_dict(value).get("usage"), _USAGE)
    elif patches:
        _patch(answer, patches)
    elif name not in _ASIDE and name != "a" and isinstance(value, str) and bears_text(value):
        answer.skip(f"line {name}")


def _call(answer: Answer, call: dict[str, Any]) -> None:
    arguments = call.get("args")
    text = call.get("argsTextDelta") if arguments is None else json.dumps(arguments, ensure_ascii=False)
    answer.call(
        as_text(call.get("toolCallId")), id=call.get("toolCallId"), name=call.get("toolName"), arguments=text
    )


def _patch(answer: Answer, patches: list[Any]) -> None:
    tree: Patched = answer.scratch.setdefault(_STATE, Patched())
    if tree.root is None:
        tree.apply("replace", (), {})
    for patch in map(as_dict, patches):
        tree.apply(as_text(patch.get("op")) or "replace", split_path(patch.get("path")), patch.get("value"))
    if tree.fault or tree.missed:
        answer.skip(f"patch: {tree.fault or 'it has no place'}")


def _finish(answer: Answer) -> None:
    held = answer.scratch.get(_STATE)
    message = as_dict(held.plain()) if isinstance(held, Patched) else {}
    chunks = message.get("contentChunks")
    for chunk in map(as_dict, as_list(chunks)):
        kind = as_text(chunk.get("type"))
        if kind in ("text", ""):
            answer.say(chunk.get("text"))
        elif kind == "thinking":
            for piece in map(as_dict, as_list(chunk.get("thinking"))):
                answer.think(piece.get("text"))
        elif kind not in ("reference", "tool_call", "tool_file") and bears_text(chunk):
            answer.skip(f"contentChunks.type={kind}")
    if not isinstance(chunks, list):
        answer.say(message.get("content"))


def _whole(answer: Answer, body: Any) -> None:
    found = as_dict(as_list(body)[0] if as_list(body) else body)
    answer.understood = answer.fail(found) or "result" in found


def _event(answer: Answer, value: dict[str, Any]) -> None:
    _named(answer, "", value)


DIALECT = Dialect(
    "lechat-web",
    nowhere,
    _read,
    _whole,
    _event,
    claims=_claims,
    framing=_framing,
    named=_named,
    finish=_finish,
)
