"""You.com: the prompt stands in the query of the URL, and pieces of the answer come as named events."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text
from sekimori.wire.unpack import opened

_KNOWN = words(
    "cfr chat chatid conversationturnid disable_web_results domain enable_agent_clarification_questions",
    "enable_editable_workflow enable_worklow_generation_ux incognito mkt page past_chat_length",
    "pastchatlength prompttemplate q query querytraceid responsefilter safesearch selectedaimodel",
    "selectedchatmode sources traceid use_nested_youchat_updates use_personalization_extraction",
)
_TOKENS = frozenset({"youChatToken", "token"})
_STREAM = "streamingSearch"


def _route(method: str, target: Target) -> Route | None:
    if method not in ("GET", "POST") or not target.ends(_STREAM):
        return None
    asked = target.asked("selectedaimodel")
    return Route("generate", asked[0] if asked else None, stream=True)


def _spoken(draft: Draft, target: Target) -> bool:
    asked = {name.lower(): value for name, value in target.query}
    _say(draft, asked)
    for name, value in asked.items():
        if name not in _KNOWN and bears_text(value):
            draft.skip(f"query.{name}")
    return len(asked) == len(target.query)


def _read(draft: Draft, body: dict[str, Any]) -> None:
    asked = {name.lower(): value for name, value in body.items()}
    _say(draft, asked)
    draft.unknown(asked, _KNOWN)


def _say(draft: Draft, asked: dict[str, Any]) -> None:
    draft.conversation = as_text(asked.get("chatid"))
    history = asked.get("chat")
    for past in map(as_dict, as_list(opened(history) if isinstance(history, str) else history)):
        draft.say("user", as_text(past.get("question")))
        draft.say("assistant", as_text(past.get("answer")))
    said = as_text(asked.get("q")) or as_text(asked.get("query"))
    if said:
        draft.texts.append(said)
    turn = Turn("user")
    turn.text.append(said)
    sources = asked.get("sources")
    for held in map(as_dict, as_list(opened(sources) if isinstance(sources, str) else sources)):
        name = as_text(held.get("user_filename"))
        draft.attach_id(turn, as_text(held.get("filename")) or name, name=name)
    draft.add(turn)


def _named(answer: Answer, name: str, value: Any) -> None:
    found = as_dict(value)
    if name == "error" or answer.fail(found):
        answer.error, answer.understood = answer.error or as_text(found.get("message")) or "error", True
    elif name == "done":
        answer.finish_reason = "stop"
    else:
        _event(answer, found)


def _event(answer: Answer, event: dict[str, Any]) -> None:
    answer.understood = True
    for key in _TOKENS & event.keys():
        answer.say(event[key])
    if event.get("t") == "youChatToken":
        answer.say(event.get("v"))


def _whole(answer: Answer, body: Any) -> None:
    if isinstance(body, dict):
        _named(answer, "", body)


DIALECT = Dialect("you-web", _route, _read, _whole, _event, named=_named, spoken=_spoken)
