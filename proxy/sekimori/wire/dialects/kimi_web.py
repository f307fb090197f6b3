"""Kimi's web page: one message in a Connect envelope, and blocks out that are set and appended to.

Before that it spoke server-sent events, with a message list; that is read as well.
"""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Framing, Route
from sekimori.wire.dialects.openai_chat import read_content
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.envelopes import END, EnvelopeDecoder, is_enveloped
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text
from sekimori.wire.unpack import FRAMES

_KNOWN = words("chatId chat_id message options scenario tools kimiplusId")
_OLD_KNOWN = words(
    "history kimiplus_id messages model refs refs_file scene_labels use_search extend model_code"
)
_MAX_BLOCKS = 4096
_SILENT = frozenset({"block", "message", "heartbeat", "chat", "done", "op", "mask", "eventOffset"})


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    if method != "POST" or len(parts) < 3:
        return None
    if parts[-1] == "Chat" and parts[-2].startswith("kimi.") and parts[-2].endswith("ChatService"):
        return Route("generate", stream=True)
    return (
        Route("generate", stream=True)
        if target.ends("completion", "stream") and parts[-4:-3] == ("chat",)
        else None
    )


def _read(draft: Draft, body: dict[str, Any]) -> None:
    if FRAMES not in body:
        _read_old(draft, body)
        return
    for frame in map(as_dict, as_list(body[FRAMES])):
        draft.unknown(frame, _KNOWN)
        draft.conversation = as_text(frame.get("chatId")) or as_text(frame.get("chat_id"))
        message = as_dict(frame.get("message"))
        turn = Turn(as_text(message.get("role")) or "user")
        for at, block in enumerate(map(as_dict, as_list(message.get("blocks")))):
            _block(draft, turn, block, f"message.blocks[{at}]")
        draft.add(turn)


def _block(draft: Draft, turn: Turn, block: dict[str, Any], where: str) -> None:
    for name, held in block.items():
        found = as_dict(held)
        if name == "text":
            turn.text.append(as_text(found.get("content")))
        elif name in ("file", "image"):
            draft.attach_id(
                turn,
                as_text(found.get("id")) or as_text(found.get("fileId")),
                name=as_text(found.get("name")),
            )
        elif bears_text(held):
            draft.skip(f"{where}.{name}")


def _read_old(draft: Draft, body: dict[str, Any]) -> None:
    draft.unknown(body, _OLD_KNOWN)
    for at, message in enumerate(map(as_dict, as_list(body.get("messages")))):
        turn = Turn(as_text(message.get("role")) or "user")
        read_content(draft, turn, message.get("content"), f"messages[{at}].content")
        draft.add(turn)
    turn = Turn("user")
    for reference in as_list(body.get("refs")):
        draft.attach_id(turn, as_text(reference))
    draft.add(turn)


def _framing(begin: bytes, media_type: str) -> Framing | None:
    return EnvelopeDecoder(media_type) if is_enveloped(media_type) and begin[:1] != b"{" else None


def _named(answer: Answer, name: str, value: Any) -> None:
    event = as_dict(value)
    if answer.fail(event):
        return
    if name == END:
        answer.understood = True
    elif "event" in event:
        _old(answer, event)
    else:
        _step(answer, event)


def _step(answer: Answer, event: dict[str, Any]) -> None:
    answer.understood = True
    block, message = as_dict(event.get("block")), as_dict(event.get("message"))
    if message.get("role") == "assistant":
        answer.response_id = as_text(message.get("id")) or answer.response_id
        if as_text(message.get("status")).endswith("COMPLETED"):
            answer.finish_reason = "stop"
    if block:
        _piece(answer, block, append=event.get("op") == "append")
    for key, held in event.items():
        if key not in _SILENT and bears_text(held):
            answer.skip(f"event {key}")


def _piece(answer: Answer, block: dict[str, Any], *, append: bool) -> None:
    blocks: dict[Any, tuple[str, list[str]]] = answer.scratch.setdefault("blocks", {})
    for kind in ("text", "think"):
        held = block.get(kind)
        if not isinstance(held, dict):
            continue
        key = (as_text(block.get("id")), kind)
        if key not in blocks and len(blocks) >= _MAX_BLOCKS:
            answer.skip("blocks beyond the limit")
            return
        pieces = blocks.setdefault(key, (kind, []))[1]
        if not append:
            pieces.clear()
        pieces.append(as_text(held.get("content")))


def _old(answer: Answer, event: dict[str, Any]) -> None:
    kind = event.get("event")
    answer.understood = True
    if kind == "cmpl":
        answer.say(event.get("text"))
    elif kind == "k1":
        answer.think(event.get("text"))
    elif kind == "all_done":
        answer.finish_reason = "stop"
    elif kind == "error":
        answer.error = as_text(event.get("message")) or "error"


def _finish(answer: Answer) -> None:
    for kind, pieces in answer.scratch.get("blocks", {}).values():
        for piece in pieces:
            (answer.say if kind == "text" else answer.think)(piece)


def _whole(answer: Answer, body: Any) -> None:
    found = as_dict(body)
    if isinstance(found.get("message"), str) and "code" in found:
        answer.error, answer.understood = found["message"], True
    else:
        answer.fail(found)


def _event(answer: Answer, value: dict[str, Any]) -> None:
    _named(answer, "", value)


DIALECT = Dialect(
    "kimi-web", _route, _read, _whole, _event, forms=True, framing=_framing, named=_named, finish=_finish
)
