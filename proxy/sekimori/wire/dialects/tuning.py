"""Models made from files of examples: OpenAI's fine-tuning and what is built like it."""

from __future__ import annotations

from typing import Any

from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.dialects.records import give_back, one_event
from sekimori.wire.draft import Draft, as_list, as_text, words
from sekimori.wire.media import elsewhere
from sekimori.wire.target import Target

_KNOWN = words(
    "base_model hyperparameters integrations invalid_sample_skip_percentage job_type metadata method model",
    "name repositories seed suffix training_file training_files validation_file validation_files",
)
_FILES = ("training_file", "validation_file", "training_files", "validation_files")
_WORDS = frozenset({"fine_tuning", "fine-tunes", "fine_tunes", "finetuning"})


def _route(method: str, target: Target) -> Route | None:  # noqa: ARG001 - watching a job is of this kind too
    return Route("train") if _WORDS & set(target.segments) else None


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.unknown(body, _KNOWN)
    for name in _FILES:
        given = body.get(name)
        for item in given if isinstance(given, list) else [given]:
            held = as_text(item) or as_text(item.get("file_id") if isinstance(item, dict) else "")
            if held:
                draft.attachments.append(elsewhere(held))
    for message in as_list(body.get("messages")):
        draft.skip("messages" if message else "")


DIALECT = Dialect("fine-tuning", _route, _read, give_back, one_event)
