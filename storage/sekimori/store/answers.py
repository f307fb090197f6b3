"""The feedback that belongs to a record: what somebody answered on its conversation, after it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sekimori.governance.conversation import Conversation, conversation_id
from sekimori.governance.feedback import Feedback
from sekimori.governance.said import subject_of
from sekimori.governance.state import State
from sekimori.store.metadata import rfc3339


def feedback_on(state: State, record: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give the first answer after a record, as ``log show`` tells it; its text is content and is not told."""
    user, service = record.get("user"), record.get("service")
    if not user or not service or record.get("decision") != "allow":
        return None
    at_us = _us(record["time"])
    named = record.get("conversation") or (record.get("session") if record.get("mode") == "turn" else None)
    subject = subject_of(user, record.get("user_source") or "")
    talk = state.find(Conversation, conversation_id(subject, service, at_us, named or ""))
    if talk is None:
        return None
    given = [each for each in state.matching(Feedback, conversation=talk.id) if each.at_us >= at_us]
    covering = state.find(Feedback, talk.covered_by)
    if not given and covering is not None and covering.at_us >= at_us:
        return _told(covering, covered=True)
    return _told(min(given, key=lambda each: each.at_us), covered=False) if given else None


def _told(given: Feedback, *, covered: bool) -> dict[str, Any]:
    return {
        "id": given.id,
        "time": rfc3339(given.at_us),
        "answer": given.answer,
        "source": given.source,
        "covered": covered,
    }


def _us(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond
