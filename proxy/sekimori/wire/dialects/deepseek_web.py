"""DeepSeek's web page: one prompt in, and patches with carry-over out that build up one message."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.patches import CarryOver, Patched
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_KNOWN = words(
    "action audio_id chat_session_id challenge_response client_stream_id message_id model_class",
    "model_type parent_message_id preempt prompt ref_file_ids search_enabled stop_words",
    "thinking_enabled",
)
_VERBS = frozenset({"completion", "regenerate", "edit_message", "continue"})
_ASIDE = frozenset({"ready", "update_session", "title", "close", "finish", "keep_alive"})
_SILENT = frozenset({"SEARCH", "TOOL_SEARCH", "TOOL_OPEN", "REQUEST", "FILE"})
_STATE = "deepseek-web"


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    if method == "POST" and len(parts) > 2 and parts[-1] in _VERBS and parts[-3:-1] == ("v0", "chat"):
        return Route("generate", stream=True)
    return None


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.unknown(body, _KNOWN)
    draft.conversation = as_text(body.get("chat_session_id"))
    turn = Turn("user")
    turn.text.append(as_text(body.get("prompt")))
    for reference in as_list(body.get("ref_file_ids")):
        draft.attach_id(turn, as_text(reference))
    draft.add(turn)


def _named(answer: Answer, name: str, value: Any) -> None:
    if not isinstance(value, dict) or name in _ASIDE:
        return
    if name == "hint" or value.get("type") == "error":
        answer.error, answer.understood = as_text(value.get("content")) or "error", True
    elif "v" in value:
        answer.understood = True
        if _STATE not in answer.scratch:
            answer.scratch[_STATE] = Patched(), CarryOver()
        tree, carry = answer.scratch[_STATE]
        if len(value) == 1 and tree.again(value["v"]):
            return
        carry.take(value)
        tree.apply(carry.operation, carry.path, value["v"])
        if tree.fault or tree.missed:
            answer.skip(f"patch: {tree.fault or 'it has no place'}")
    elif isinstance(value.get("choices"), list):
        _choices(answer, value)
    elif not answer.fail(value) and bears_text(value):
        answer.skip(f"event {name}")


def _choices(answer: Answer, value: dict[str, Any]) -> None:
    """Read the form of early builds, which was OpenAI's but for the type of a delta."""
    answer.understood = True
    for choice in map(as_dict, value["choices"][:1]):
        delta = as_dict(choice.get("delta"))
        (answer.think if delta.get("type") == "thinking" else answer.say)(delta.get("content"))
        answer.finish_reason = as_text(choice.get("finish_reason")) or answer.finish_reason
    answer.model = as_text(value.get("model")) or answer.model


def _finish(answer: Answer) -> None:
    held = answer.scratch.get(_STATE)
    if held is None:
        return
    tree: Patched = held[0]
    root = as_dict(tree.plain())
    response = as_dict(root.get("response")) or root
    answer.think(response.get("thinking_content"))
    answer.say(response.get("content"))
    for fragment in map(as_dict, as_list(response.get("fragments"))):
        _fragment(answer, fragment)
    answer.finish_reason = as_text(response.get("status"))
    answer.model = as_text(response.get("model")) or answer.model
    answer.response_id = str(response.get("message_id") or "")
    answer.count(response, {"accumulated_token_usage": "total_tokens"})


def _fragment(answer: Answer, fragment: dict[str, Any]) -> None:
    kind = as_text(fragment.get("type"))
    if kind in ("RESPONSE", "TEMPLATE_RESPONSE", ""):
        answer.say(fragment.get("content"))
    elif kind == "THINK":
        answer.think(fragment.get("content"))
    elif kind not in _SILENT and bears_text(fragment):
        answer.skip(f"fragments.type={kind}")


def _whole(answer: Answer, body: Any) -> None:
    found = as_dict(body)
    data = as_dict(found.get("data"))
    told = as_text(data.get("biz_msg")) or as_text(found.get("msg"))
    if told or found.get("code"):
        answer.error, answer.understood = told or f"code {found.get('code')}", True
    else:
        answer.fail(found)


def _event(answer: Answer, value: dict[str, Any]) -> None:
    _named(answer, "", value)


DIALECT = Dialect("deepseek-web", _route, _read, _whole, _event, named=_named, finish=_finish)
