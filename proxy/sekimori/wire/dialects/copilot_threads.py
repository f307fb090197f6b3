"""GitHub Copilot on github.com: a message into a thread, typed events out."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_KNOWN = words(
    "confirmations content context currentURL customCopilotID customInstructions intent knowledgeBases",
    "mediaContent mode model parentMessageID references responseMessageID skillOptions streaming",
    "requestTrace tools topic",
)
_ASIDE = frozenset({"debug", "agentStatus", "confirmation", "skillExecution"})


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    if method == "POST" and parts[-1:] == ("messages",) and parts[-4:-2] == ("chat", "threads"):
        return Route("generate", stream=True)
    if len(parts) > 1 and "chat" in parts[:-1] and parts[-1] == "threads":
        return Route("state")
    return None


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.stream = body.get("streaming") is not False
    draft.unknown(body, _KNOWN)
    for text in as_list(body.get("customInstructions")):
        draft.say("system", as_text(text))
    turn = Turn("user")
    turn.text.append(as_text(body.get("content")))
    for held in map(as_dict, as_list(body.get("references")) + as_list(body.get("context"))):
        reference = as_text(held.get("url")) or as_text(held.get("path")) or as_text(held.get("type"))
        draft.attach_id(turn, reference, name=as_text(held.get("name")) or as_text(held.get("path")))
        if bears_text(held.get("text")) or bears_text(held.get("contents")):
            draft.skip("references")
    for held in map(as_dict, as_list(body.get("mediaContent"))):
        draft.attach_url(turn, as_text(held.get("url")))
    draft.add(turn)


def _event(answer: Answer, event: dict[str, Any]) -> None:
    kind = as_text(event.get("type"))
    answer.understood = True
    if kind == "content":
        answer.say(event.get("body"))
    elif kind == "complete":
        answer.response_id = as_text(event.get("id")) or answer.response_id
        answer.finish_reason = "stop"
        answer.model = as_text(event.get("model")) or answer.model
        if not answer.output:
            answer.say(event.get("content"))
    elif kind == "functionCall":
        key = as_text(event.get("id")) or as_text(event.get("name"))
        if event.get("status") in ("started", None):
            answer.call(key, id=event.get("id"), name=event.get("name"), arguments=event.get("arguments"))
    elif kind in ("error", "rateLimit"):
        answer.error = as_text(event.get("description")) or as_text(event.get("errorType")) or "error"
    elif kind not in _ASIDE and not answer.fail(event) and bears_text(event):
        answer.skip(f"event {kind}")


def _whole(answer: Answer, body: Any) -> None:
    found = as_dict(body)
    if isinstance(found.get("message"), dict):
        answer.understood = True
        answer.say(found["message"].get("content"))
    else:
        answer.understood = answer.fail(found) or "thread" in found or "threads" in found


DIALECT = Dialect("github-copilot-web", _route, _read, _whole, _event)
