"""Files left with a service: forms with a file, bytes alone, and what is known of a file."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.dialects.records import add_with_files, give_back, one_event
from sekimori.wire.draft import Draft, Turn, as_dict, as_text, words
from sekimori.wire.media import describe
from sekimori.wire.target import Target

_KNOWN = words(
    "attributes bytes chunking_strategy data display_name displayName expires_after file file_id file_ids",
    "file_name file_size filename md5 metadata mimeType mime_type name part_ids purpose sizeBytes uri",
)
_FORMS = frozenset({"expires_after[anchor]", "expires_after[seconds]"})


def _route(method: str, target: Target) -> Route | None:  # noqa: ARG001 - a file is one, whatever is done with it
    parts = target.segments
    at = next((at for at, part in enumerate(parts) if part in ("files", "uploads")), -1)
    # Behind other words the path may name anything: a repository, a web page's own files.
    beside = at > 0 and parts[at - 1] in ("v1", "v1beta", "v1alpha", "openai", "v2")
    kept = at > 1 and parts[at - 2] in ("vector_stores", "containers", "file_batches")
    return Route("file") if at >= 0 and len(parts) - at <= 3 and (beside or kept) else None


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.unknown(body, _KNOWN | _FORMS)
    turn = Turn("user")
    held = as_dict(body.get("file")) or body
    for name in ("file_id", "uri"):
        if as_text(held.get(name)):
            draft.attach_id(turn, as_text(held.get(name)), name=as_text(held.get("filename")))
    add_with_files(draft, turn)


def _raw(draft: Draft, body: bytes, media_type: str) -> None:
    turn = Turn("user")
    draft.attach_bytes(turn, body, declared=media_type)
    draft.add(turn)


def _content(answer: Answer, body: bytes, media_type: str) -> None:
    answer.understood = True
    answer.attach(describe(body, declared=media_type)[0])


def _whole(answer: Answer, body: Any) -> None:
    give_back(answer, body)


DIALECT = Dialect("files", _route, _read, _whole, one_event, forms=True, raw=_raw, content=_content)
