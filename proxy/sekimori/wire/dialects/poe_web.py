"""Poe's web page: a GraphQL mutation in; the answer comes over a WebSocket (``sekimori.wire.sockets``)."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route, nowhere
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text
from sekimori.wire.unpack import opened

_KNOWN = words("extensions queryName variables query operationName queryInfo")
_VARIABLES_KNOWN = words(
    "attachments bot chatId chatNonce clientNonce customMessagePrice existingMessageAttachmentsIds",
    "fileHashJwts messagePointsDisplayPrice messagePriceCc query referencedMessageId sdid",
    "shouldFetchChat source withChatBreak",
)


def _claims(method: str, target: Target, body: dict[str, Any]) -> Route | None:
    if method != "POST" or not target.segments or not target.segments[-1].startswith("gql_"):
        return None
    asked = _asked(body)
    name = as_text(asked.get("queryName")) or as_text(asked.get("operationName"))
    return Route("generate" if "sendMessage" in name else "state")


def _asked(body: dict[str, Any]) -> dict[str, Any]:
    """Find the query: the body, or the field that holds it where files are sent along."""
    return as_dict(opened(body.get("queryInfo"))) or body


def _models(body: dict[str, Any]) -> list[Any]:
    bot = as_dict(_asked(body).get("variables")).get("bot")
    return [name for name in (bot, body.get("model")) if name is not None]


def _read(draft: Draft, body: dict[str, Any]) -> None:
    asked = _asked(body)
    variables = as_dict(asked.get("variables"))
    draft.unknown(body, _KNOWN)
    chat = variables.get("chatId")
    draft.conversation = str(chat) if isinstance(chat, (int, str)) else ""
    turn = Turn("user")
    turn.text.append(as_text(variables.get("query")))
    for held in as_list(variables.get("attachments")):
        draft.attach_id(turn, as_text(held) or as_text(as_dict(held).get("id")))
    draft.add(turn)
    draft.unknown(variables, _VARIABLES_KNOWN, "variables.")
    if bears_text(variables.get("source")):
        draft.skip("variables.source")


def _whole(answer: Answer, body: Any) -> None:
    found = as_dict(body)
    for fault in map(as_dict, as_list(found.get("errors"))):
        answer.error = as_text(fault.get("message")) or "error"
    answer.understood = "data" in found or bool(answer.error)


def _event(answer: Answer, value: dict[str, Any]) -> None:
    _whole(answer, value)


DIALECT = Dialect("poe-web", nowhere, _read, _whole, _event, models=_models, claims=_claims, forms=True)
