"""Claude's web page: one prompt in, the events of the Messages API out, or older ones with the text alone."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects import anthropic_messages
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.target import Target

_KNOWN = words(
    "attachments completion_request_id create_conversation_params effort files locale model",
    "organization_uuid parent_message_uuid personalized_styles prompt rendering_mode sync_sources",
    "thinking_mode timezone tool_results tools turn_message_uuids",
)
_VERBS = frozenset({"completion", "retry_completion", "tool_result"})
_ASIDE = frozenset({"message_limit", "conversation_ready", "tool_approval", "compaction_status"})


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    if method == "POST" and len(parts) > 2 and parts[-1] in _VERBS and parts[-3] == "chat_conversations":
        return Route("generate", stream=True)
    return None


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.unknown(body, _KNOWN)
    for style in map(as_dict, as_list(body.get("personalized_styles"))):
        draft.say("system", as_text(style.get("prompt")))
    turn = Turn("user")
    turn.text.append(as_text(body.get("prompt")))
    for held in map(as_dict, as_list(body.get("attachments"))):
        # Its text is in the request, and among the texts.
        draft.attach_text(turn, as_text(held.get("extracted_content")), name=as_text(held.get("file_name")))
    for held in as_list(body.get("files")) + as_list(body.get("sync_sources")):
        if isinstance(held, str):
            draft.attach_id(turn, held)
        else:
            found = as_dict(held)
            name = as_text(found.get("file_name")) or as_text(found.get("name"))
            draft.attach_id(turn, as_text(found.get("file_uuid")) or as_text(found.get("uuid")), name=name)
    draft.add(turn)
    _tools(draft, body)


def _tools(draft: Draft, body: dict[str, Any]) -> None:
    for result in map(as_dict, as_list(body.get("tool_results"))):
        turn = Turn("tool")
        turn.tool_call_id = as_text(result.get("tool_use_id"))
        content = result.get("content")
        texts = [as_dict(part).get("text") for part in as_list(content)]
        turn.text.append(content if isinstance(content, str) else "".join(map(as_text, texts)))
        draft.add(turn)
    tools = [as_dict(tool) for tool in as_list(body.get("tools"))]
    draft.name_tools(tool.get("name") or tool.get("type") for tool in tools)


def _event(answer: Answer, event: dict[str, Any]) -> None:
    if event.get("type") == "completion" or isinstance(event.get("completion"), str):
        answer.understood = True
        answer.say(event.get("completion"))
        answer.model = as_text(event.get("model")) or answer.model
        answer.finish_reason = as_text(event.get("stop_reason")) or answer.finish_reason
    elif as_text(event.get("type")) not in _ASIDE:
        anthropic_messages.DIALECT.event(answer, event)


def _whole(answer: Answer, body: Any) -> None:
    anthropic_messages.DIALECT.whole(answer, body)


DIALECT = Dialect("claude-web", _route, _read, _whole, _event)
