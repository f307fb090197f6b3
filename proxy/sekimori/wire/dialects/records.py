"""Objects that services keep and give back: what the dialects of files, batches and threads share."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.draft import Draft, Turn, as_dict, as_text
from sekimori.wire.model import Message


def give_back(answer: Answer, body: Any) -> None:
    """Read an answer that says what the service keeps: there is nothing in it that a model said."""
    if answer.fail(body):
        return
    answer.understood = isinstance(body, (dict, list))
    held = as_dict(body)
    answer.response_id = as_text(held.get("id")) or as_text(held.get("name"))
    answer.finish_reason = as_text(held.get("status")) or as_text(held.get("processing_status"))


def one_event(answer: Answer, event: dict[str, Any]) -> None:
    """Read an event of an answer that is usually none but a document."""
    give_back(answer, event)


def add_with_files(draft: Draft, turn: Turn) -> None:
    """Add a message that holds the files of its form, which the draft has already."""
    message = turn.message()
    attachments = (*draft.attachments, *message.attachments)
    if message.text or attachments:
        draft.messages.append(Message(message.role, message.text, attachments))
        draft.attachments += message.attachments
