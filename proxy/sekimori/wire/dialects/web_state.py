"""What web chats ask for beside an answer: new conversations, titles, checks, upload tickets, votes.

Their paths are told here. What such a request says in words is named as skipped, but for a title: that
a person may have typed.
"""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, as_dict, words
from sekimori.wire.model import Kind
from sekimori.wire.target import Target

_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# The ends of paths; an empty word stands for any segment.
_ENDS: tuple[tuple[tuple[str, ...], Kind], ...] = (
    (("f", "conversation", "prepare"), "state"),
    (("backend-api", "conversation", ""), "state"),
    (("backend-api", "conversation", "", "title"), "state"),
    (("backend-api", "conversation", "gen_title", ""), "state"),
    (("backend-api", "conversation", "message_feedback"), "state"),
    (("backend-api", "conversations"), "state"),
    (("sentinel", "chat-requirements"), "state"),
    (("sentinel", "chat-requirements", ""), "state"),
    (("sentinel", "ping"), "state"),
    (("backend-api", "files", "", "uploaded"), "file"),
    (("backend-api", "files", "process_upload_stream"), "file"),
    (("chat_conversations",), "state"),
    (("chat_conversations", ""), "state"),
    (("chat_conversations", "", "title"), "state"),
    (("chat_conversations", "delete_many"), "state"),
    (("v0", "chat", "create_pow_challenge"), "state"),
    (("chat_session", "create"), "state"),
    (("chat_session", "delete"), "state"),
    (("chat_session", "update_title"), "state"),
    (("c", "api", "start"), "state"),
    (("c", "api", "conversations"), "state"),
    (("c", "api", "conversations", ""), "state"),
    (("app-chat", "conversations"), "state"),
    (("app-chat", "upload-file"), "file"),
    (("rest", "uploads", "batch_create_upload_urls"), "file"),
    (("api", "v2", "chats", "new"), "state"),
    (("api", "v2", "files", "getstsToken"), "file"),
    (("chat", "conversation"), "state"),
)
_TITLES = frozenset({"title", "name", "summary"})
_MAX_TITLE = 200


def _route(method: str, target: Target) -> Route | None:
    if method in _METHODS and target.segments:
        for ends, kind in _ENDS:
            tail = target.segments[-len(ends) :]
            if len(tail) == len(ends) and all(
                word in ("", part) for word, part in zip(ends, tail, strict=True)
            ):
                return Route(kind)
    return None


def _spoken(draft: Draft, target: Target) -> bool:  # noqa: ARG001 - nothing is said
    return not draft.texts


def _models(body: dict[str, Any]) -> list[Any]:
    return [] if body.get("model") is None else [body["model"]]


def _read(draft: Draft, body: dict[str, Any]) -> None:
    for key in sorted(_TITLES & body.keys()):
        if isinstance(body[key], str) and len(body[key]) <= _MAX_TITLE:
            draft.say("user", body[key])
    short = {
        key for key in _TITLES & body.keys() if isinstance(body[key], str) and len(body[key]) <= _MAX_TITLE
    }
    draft.unknown(body, words("timezone locale") | short)


def _whole(answer: Answer, body: Any) -> None:
    if not answer.fail(as_dict(body)):
        answer.understood = isinstance(body, (dict, list))


def _event(answer: Answer, value: dict[str, Any]) -> None:
    _whole(answer, value)


DIALECT = Dialect("web-state", _route, _read, _whole, _event, models=_models, spoken=_spoken)
