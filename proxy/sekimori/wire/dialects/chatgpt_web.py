"""ChatGPT's web page: a message in, and a stream of patches out that build up the messages of a turn.

The stream ("delta encoding v1") carries JSON patches in which place, operation and channel carry over;
each channel has a value of its own. Before that, every event held the whole message so far; that is
read as well. What comes over a WebSocket instead is read in ``sekimori.wire.sockets``.
"""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.patches import CarryOver, Patched
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_KNOWN = words(
    "action client_contextual_info client_prepare_state conversation_id conversation_mode",
    "conversation_origin enable_message_followups force_parallel_switch force_use_sse",
    "history_and_training_disabled messages model paragen_cot_summary_display_override",
    "parent_message_id reset_rate_limits suggestions supported_encodings supports_buffering",
    "system_hints thinking_effort timezone timezone_offset_min variant_purpose websocket_request_id",
)
_MAX_MESSAGES = 1000
_MAX_CHANNELS = 64
_STATE = "chatgpt-web"
# Events beside the answer: the user's own turn again, marks, titles, limits.
_ASIDE = words(
    "conversation_detail_metadata input_message message_marker message_stream_complete moderation",
    "resume_conversation_token server_ste_metadata title_generation url_moderation stream_handoff",
    "conversation_async_status",
)


def _route(method: str, target: Target) -> Route | None:
    if method != "POST" or not target.segments:
        return None
    if target.ends("conversation") and target.segments[-2:-1] in {
        ("f",),
        ("backend-api",),
        ("backend-anon",),
    }:
        return Route("generate", stream=True)
    return Route("state", stream=True) if target.ends("f", "conversation", "resume") else None


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.conversation = as_text(body.get("conversation_id"))
    draft.unknown(body, _KNOWN)
    for at, message in enumerate(as_list(body.get("messages"))):
        _message(draft, as_dict(message), f"messages[{at}]")


def _message(draft: Draft, message: dict[str, Any], where: str) -> None:
    turn = Turn(as_text(as_dict(message.get("author")).get("role")) or "user")
    content = as_dict(message.get("content"))
    named = {}
    for held in map(as_dict, as_list(as_dict(message.get("metadata")).get("attachments"))):
        named[as_text(held.get("id"))] = as_text(held.get("name"))
    for at, part in enumerate(as_list(content.get("parts"))):
        if isinstance(part, str):
            turn.text.append(part)
        elif isinstance(as_dict(part).get("asset_pointer"), str):
            reference = part["asset_pointer"]
            draft.attach_id(turn, reference, name=named.pop(reference.rpartition("//")[2], ""))
        elif isinstance(as_dict(part).get("text"), str):
            turn.text.append(part["text"])
        elif bears_text(part):
            draft.skip(f"{where}.content.parts[{at}]")
    turn.text += [content["text"]] if isinstance(content.get("text"), str) else []
    for reference, name in named.items():
        draft.attach_id(turn, reference, name=name)
    draft.add(turn)


class _Turn:
    """The messages of one answer, in the order in which they began."""

    __slots__ = ("carry", "channels", "messages")

    def __init__(self) -> None:
        self.carry = CarryOver("add")
        self.channels: dict[int, Patched] = {}
        self.messages: dict[str, Any] = {}

    def patch(self, answer: Answer, delta: dict[str, Any]) -> None:
        """Apply a delta to its channel; a value put at the root begins another message."""
        carry = self.carry
        if (
            len(delta) == 1
            and carry.channel in self.channels
            and self.channels[carry.channel].again(delta.get("v"))
        ):
            return
        carry.take(delta)
        tree = self.channels.get(carry.channel)
        if carry.path == () and carry.operation in ("add", "replace"):
            self.keep(tree)
            tree = None
        if tree is None:
            if len(self.channels) >= _MAX_CHANNELS and carry.channel not in self.channels:
                answer.skip("channels beyond the limit")
                return
            tree = self.channels[carry.channel] = Patched()
        tree.apply(carry.operation, carry.path, delta.get("v"))
        if tree.fault or tree.missed:
            answer.skip(f"patch: {tree.fault or 'it has no place'}")

    def keep(self, tree: Patched | None) -> None:
        """Keep the message that a channel has come to."""
        held = as_dict(tree.plain()) if tree is not None else {}
        self.hold(as_dict(held.get("message")) or held)

    def hold(self, message: dict[str, Any]) -> None:
        """Keep a message, the newest of its id."""
        name = as_text(message.get("id")) or str(len(self.messages))
        if message and (name in self.messages or len(self.messages) < _MAX_MESSAGES):
            self.messages[name] = message


def _turn(answer: Answer) -> _Turn:
    turn: _Turn | None = answer.scratch.get(_STATE)
    if turn is None:
        turn = answer.scratch[_STATE] = _Turn()
    return turn


def _named(answer: Answer, name: str, value: Any) -> None:
    if not isinstance(value, dict):
        if name != "delta_encoding" and isinstance(value, str) and bears_text(value):
            answer.skip(f"event {name}")
        return
    if ("v" in value or "o" in value) and "type" not in value:
        answer.understood = True
        _turn(answer).patch(answer, value)
        return
    kind = as_text(value.get("type"))
    if answer.fail(value) or kind in _ASIDE:
        return
    if isinstance(value.get("message"), dict) and "v" not in value:
        answer.understood = True
        _turn(answer).hold(value["message"])
    elif bears_text(value):
        answer.skip(f"event {kind}")


def _finish(answer: Answer) -> None:
    turn = answer.scratch.get(_STATE)
    if not isinstance(turn, _Turn):
        return
    for tree in turn.channels.values():
        turn.keep(tree)
    for at, message in enumerate(turn.messages.values()):
        _said(answer, message, at)


def _said(answer: Answer, message: dict[str, Any], at: int) -> None:
    """Sort one message: answer, reasoning, call of a tool; the user's own and a tool's are no answer."""
    if as_dict(message.get("author")).get("role") != "assistant":
        return
    answer.model = as_text(as_dict(message.get("metadata")).get("model_slug")) or answer.model
    content = as_dict(message.get("content"))
    kind, text = as_text(content.get("content_type")), _text(content)
    channel = message.get("channel")
    recipient = as_text(message.get("recipient")) or "all"
    if kind == "thoughts":
        for thought in map(as_dict, as_list(content.get("thoughts"))):
            answer.think(as_text(thought.get("content")) or as_text(thought.get("summary")))
    elif recipient != "all":
        answer.call(at, id=message.get("id"), name=recipient, arguments=text)
    elif channel in ("analysis", "commentary") or kind == "reasoning_recap":
        answer.think(text or as_text(content.get("content")))
    elif kind in ("text", "multimodal_text", "code", ""):
        answer.say(text)
        answer.response_id = as_text(message.get("id")) or answer.response_id
        details = as_dict(as_dict(message.get("metadata")).get("finish_details"))
        answer.finish_reason = as_text(details.get("type")) or (
            "stop" if message.get("end_turn") is True else answer.finish_reason
        )
    elif bears_text(content):
        answer.skip(f"content_type={kind}")


def _text(content: dict[str, Any]) -> str:
    parts = [
        part if isinstance(part, str) else as_text(as_dict(part).get("text"))
        for part in as_list(content.get("parts"))
    ]
    return "".join(parts) or as_text(content.get("text"))


def _whole(answer: Answer, body: Any) -> None:
    if isinstance(as_dict(body).get("detail"), str):
        answer.error, answer.understood = body["detail"], True
    elif isinstance(as_dict(body).get("mapping"), dict):
        answer.understood = True
        for node in list(body["mapping"].values())[:_MAX_MESSAGES]:
            _turn(answer).hold(as_dict(as_dict(node).get("message")))
    elif isinstance(body, dict):
        _named(answer, "", body)


def _event(answer: Answer, value: dict[str, Any]) -> None:
    _named(answer, "", value)


DIALECT = Dialect("chatgpt-web", _route, _read, _whole, _event, named=_named, finish=_finish)
