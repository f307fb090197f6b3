"""The words of ``log list`` and ``log show``: one record from its opened entries. Pure.

The field names are a contract with scripts. Nothing here reads a body; hashes come out of the sealed
entries, so that only those who can open these see them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from sekimori.ledger.record import Intent, Outcome, Redaction
from sekimori.store.rows import Answer, first_state

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Metadata = dict[str, Any]


def rfc3339(time_us: int) -> str:
    """Write an instant as RFC 3339, UTC, to the microsecond."""
    moment = _EPOCH + timedelta(microseconds=time_us)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def describe(intent: Intent, outcome: Outcome | None, answer: Answer | None) -> Metadata:
    """Return every metadata field of one record."""
    fields = _asked(intent) | _answered(intent, outcome, answer or Answer(parse=intent.parse))
    if outcome is not None and outcome.prompt.sha256:
        # A turn of several messages: only its end knows the hash over all of them.
        fields |= {"prompt_sha256": outcome.prompt.sha256, "prompt_bytes": outcome.prompt.size}
    return fields


def _asked(intent: Intent) -> Metadata:
    return {
        "id": intent.rid,
        "time": rfc3339(intent.time_us),
        "mode": intent.mode,
        "user": intent.user or None,
        "user_source": intent.user_source,
        "client": intent.client or None,
        "service": intent.service or None,
        "provider": intent.provider or None,
        "model": intent.model or None,
        "host": intent.host or None,
        "port": intent.port,
        "method": intent.method or None,
        "path": intent.path or None,
        "operation": intent.kind or None,
        "dialect": intent.dialect or None,
        "stream": intent.stream,
        "purpose": intent.purpose or None,
        "class": intent.klass,
        "class_source": intent.class_source or None,
        "detected": list(intent.detected),
        "decision": intent.decision,
        "reasons": list(intent.reasons),
        "details": list(intent.details),
        "rule": intent.rule or None,
        "policy": intent.policy or None,
        "unsigned_policy": intent.unsigned_policy,
        "grant": intent.grant or None,
        "session": intent.session or None,
        "conversation": intent.conversation or None,
        "masked": intent.masked or None,
        "prompt_sha256": intent.body.sha256 or None,
        "prompt_bytes": intent.body.size,
        "attachments": [msgspec.structs.asdict(attached) for attached in intent.attachments],
    }


def _answered(intent: Intent, outcome: Outcome | None, answer: Answer) -> Metadata:
    return {
        "output_sha256": (outcome.body.sha256 or None) if outcome else None,
        "output_bytes": outcome.body.size if outcome else 0,
        "parse": _overall(intent, outcome, answer),
        "skipped": [*intent.skipped, *answer.skipped],
        "state": outcome.state if outcome else first_state(intent),
        "status": (outcome.status or None) if outcome else None,
        "error": answer.error or (outcome.error if outcome else "") or None,
        "cut": [*(outcome.reasons if outcome else ())],
        "model_answered": answer.model or None,
        "finish_reason": answer.finish_reason or None,
        "usage": answer.usage or None,
        "ended": rfc3339(outcome.time_us) if outcome else None,
        "first_byte_after_us": outcome.first_byte_us - intent.time_us
        if outcome and outcome.first_byte_us
        else None,
        "redacted": _redacted("request", intent) + (_redacted("response", outcome) if outcome else []),
        "stored_sha256": {
            "request": intent.body.stored_sha256 or None,
            "response": (outcome.body.stored_sha256 or None) if outcome else None,
        },
        "feedback": None,
    }


def _overall(intent: Intent, outcome: Outcome | None, answer: Answer) -> str:
    """Say of both directions what the worse of the two allows."""
    if outcome is None or outcome.status == 0:
        return intent.parse
    both = {intent.parse, answer.parse}
    return both.pop() if len(both) == 1 else "partial"


def _redacted(part: str, entry: Intent | Outcome) -> list[Metadata]:
    spans: list[Redaction] = [*entry.redacted, *entry.body.redacted]
    return [
        {
            "part": part,
            "place": span.place,
            "kind": span.kind,
            "start": span.start,
            "length": span.length,
            "fingerprint": span.fingerprint,
        }
        for span in spans
    ]
