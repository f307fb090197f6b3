"""Many requests handed in at once: in the body, or in a file that was left before; results as JSON lines."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects import anthropic_messages, families, family_answers
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.dialects.records import give_back
from sekimori.wire.draft import Draft, as_dict, as_list, words
from sekimori.wire.media import elsewhere
from sekimori.wire.target import Target

_KNOWN = words(
    "agent_id completion_window display_name endpoint input_file_id input_files metadata model name",
    "output_expires_after requests timeout_hours",
)
_HELD = words("body custom_id method params url")


def _route(method: str, target: Target) -> Route | None:  # noqa: ARG001 - asking for the results is of this kind too
    parts = target.segments
    at = next((at for at, part in enumerate(parts) if part == "batches"), -1)
    jobs = len(parts) > 1 and "batch" in parts and "jobs" in parts
    beside = at > 0 and parts[at - 1] in ("v1", "messages", "openai", "v2")
    return Route("batch") if jobs or (beside and len(parts) - at <= 3) else None


def _requests(body: dict[str, Any]) -> list[dict[str, Any]]:
    held = map(as_dict, as_list(body.get("requests")))
    return [as_dict(one.get("params")) or as_dict(one.get("body")) for one in held]


def _models(body: dict[str, Any]) -> list[Any]:
    named = [body, *_requests(body)]
    return [held["model"] for held in named if held.get("model") is not None]


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.unknown(body, _KNOWN)
    for held in map(as_dict, as_list(body.get("requests"))):
        draft.unknown(held, _HELD, "requests.")
        if isinstance(held.get("params"), dict):
            anthropic_messages.DIALECT.read(draft, held["params"])
        else:
            families.read(draft, as_dict(held.get("body")))
    draft.stream = False
    for name in ("input_file_id", "input_files"):
        given = body.get(name)
        for reference in given if isinstance(given, list) else [given]:
            if isinstance(reference, str):
                draft.attachments.append(elsewhere(reference))


def _whole(answer: Answer, body: Any) -> None:
    give_back(answer, body)
    _event(answer, as_dict(body))


def _event(answer: Answer, event: dict[str, Any]) -> None:
    """Read one result: each is a whole answer of its own."""
    answer.understood = answer.understood or "custom_id" in event
    message = as_dict(event.get("result")).get("message")
    body = as_dict(event.get("response")).get("body")
    for held in (message, body):
        if isinstance(held, dict):
            family_answers.whole(answer, held)
            answer.say("\n")
    answer.fail(as_dict(event.get("result")))
    answer.fail(event)


DIALECT = Dialect("batches", _route, _read, _whole, _event, models=_models, lines=True)
