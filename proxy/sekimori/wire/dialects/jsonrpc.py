"""What MCP and A2A share: JSON-RPC 2.0 messages, one or an array of them, and their errors."""

from __future__ import annotations

import json
from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.draft import as_dict, as_list, as_text

MEMBERS = frozenset({"jsonrpc", "id", "method", "params", "result", "error"})
BATCH = "[]"
"""The only member of the object that stands for a body that is an array, as ``read`` makes it."""
MAX_MESSAGES = 1000


def messages(body: Any) -> list[dict[str, Any]]:
    """List the messages of a body, each an object."""
    if isinstance(body, list):
        return [as_dict(one) for one in body[:MAX_MESSAGES]]
    held = as_dict(body)
    return messages(as_list(held[BATCH])) if BATCH in held else [held]


def is_rpc(message: dict[str, Any]) -> bool:
    """Tell whether an object is a message of JSON-RPC 2.0, and nothing else besides.

    A request of another kind could pass for one with a few members more: lax servers don't mind them.
    """
    return (
        message.get("jsonrpc") == "2.0"
        and message.keys() <= MEMBERS
        and ("method" in message or "result" in message or "error" in message)
    )


def method_of(message: dict[str, Any]) -> str:
    """Give the method that a message calls; empty for an answer."""
    return as_text(message.get("method"))


def identifier(message: dict[str, Any]) -> str:
    """Give the id of a message, which may be a number."""
    held = message.get("id")
    return str(held) if isinstance(held, (int, str)) else ""


def failed(answer: Answer, message: dict[str, Any]) -> bool:
    """Take the error out of a message, if it is one."""
    error = message.get("error")
    if not isinstance(error, dict):
        return False
    answer.error = answer.error or as_text(error.get("message")) or f"code {error.get('code')}"
    answer.understood = True
    return True


def as_json(value: Any) -> str:
    """Write a value as JSON text that people can read."""
    return json.dumps(value, ensure_ascii=False)
