"""character.ai: commands with a turn in, turns out whose text comes again from its beginning."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.draft import as_dict, as_list, as_text
from sekimori.wire.sockets.socket import Said, SocketDialect, never
from sekimori.wire.texts import bears_text

_SAYS = frozenset({"create_and_generate_turn", "generate_turn", "generate_turn_candidate", "create_turn"})
_CONTROL = frozenset(
    {
        "create_chat", "remove_turns", "set_turn_pin", "subscribe", "unsubscribe", "ping", "resurrect_chat",
        "update_primary_candidate", "abort_generation",
    }
)  # fmt: skip


def _shows(value: Any) -> bool:
    found = as_dict(value)
    return as_text(found.get("command")) in _SAYS and isinstance(found.get("payload"), dict)


def _client(value: Any) -> Said | None:
    event = as_dict(value)
    command, payload = as_text(event.get("command")), as_dict(event.get("payload"))
    if command == "edit_turn_candidate":
        said = Said()
        said.say("user", payload.get("new_candidate_raw_content"))
        return said
    if command not in _SAYS | _CONTROL:
        return None
    said = Said(control=command in _CONTROL)
    turn = as_dict(payload.get("turn"))
    for candidate in map(as_dict, as_list(turn.get("candidates"))):
        said.say("user", candidate.get("raw_content"))
    for key in payload.keys() - {"turn", "user_name", "character_name"}:
        if bears_text(payload[key]):
            said.skipped.append(f"payload.{key}"[:80])
    return said


def _server(answer: Answer, value: Any) -> bool:
    event = as_dict(value)
    if event.get("command") == "neo_error":
        answer.error, answer.understood = as_text(event.get("comment")) or "error", True
        return True
    turn = as_dict(event.get("turn"))
    answer.understood = True
    if not turn or as_dict(turn.get("author")).get("is_human") is True:
        return False
    candidate = as_dict(next(iter(as_list(turn.get("candidates"))), None))
    answer.so_far(candidate.get("raw_content"))
    answer.response_id = as_text(as_dict(turn.get("turn_key")).get("turn_id")) or answer.response_id
    answer.model = as_text(candidate.get("model_type")) or answer.model
    if candidate.get("is_final") is True:
        answer.finish_reason = "stop"
    if candidate.get("safety_truncated") is True:
        answer.finish_reason = "safety"
    return candidate.get("is_final") is True or candidate.get("safety_truncated") is True


DIALECT = SocketDialect(
    "character-ai", never, _shows, _client, _server, (b"is_final", b"safety_truncated", b"neo_error")
)
