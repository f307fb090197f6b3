"""Documents put in order for a question: Cohere's rerank, as Voyage, Jina, vLLM and others have it too."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects import families
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, Turn, as_dict, as_text, words
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_KNOWN = words(
    "documents max_chunks_per_doc max_tokens_per_doc model priority provider query rank_fields",
    "return_documents text text_1 text_2 texts top_k top_n truncate truncation truncation_direction user",
)
_USAGE = {"prompt_tokens": "input_tokens", "total_tokens": "total_tokens", "input_tokens": "input_tokens"}


def _route(method: str, target: Target) -> Route | None:
    return (
        Route("rerank")
        if method == "POST" and target.segments[-1:] in (("rerank",), ("reranking",))
        else None
    )


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.unknown(body, _KNOWN)
    beside = Turn("system")
    for name in ("documents", "texts"):
        given = body.get(name)
        for document in given if isinstance(given, list) else []:
            draft.attach_text(beside, _text(document))
        if given is not None and not isinstance(given, list) and bears_text(given):
            draft.skip(name)
    draft.add(beside)
    asked = Turn("user")
    families.read_inputs(draft, asked, body.get("query"), "query")
    draft.add(asked)


def _text(document: Any) -> str:
    held = as_dict(document)
    return as_text(document) or " ".join(filter(None, map(as_text, held.values())))


def _whole(answer: Answer, body: Any) -> None:
    held = as_dict(body)
    if isinstance(body, list) or isinstance(held.get("results"), list) or isinstance(held.get("data"), list):
        answer.understood = True
        answer.model = as_text(held.get("model")) or None
        answer.response_id = as_text(held.get("id"))
        answer.count(held.get("usage"), _USAGE)
        answer.count(as_dict(held.get("meta")).get("tokens"), _USAGE)
    else:
        answer.fail(held)


def _event(answer: Answer, event: dict[str, Any]) -> None:
    _whole(answer, event)


DIALECT = Dialect("rerank", _route, _read, _whole, _event)
