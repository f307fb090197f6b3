"""Documents read by a model: Mistral's OCR, a document in and its pages as Markdown out."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, Turn, as_dict, as_text, words
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_KNOWN = words(
    "bbox_annotation_format document document_annotation_format document_annotation_prompt extract_footer",
    "extract_header id image_limit image_min_size include_image_base64 model pages table_format",
)


def _route(method: str, target: Target) -> Route | None:
    return Route("generate") if method == "POST" and target.segments[-1:] == ("ocr",) else None


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.unknown(body, _KNOWN)
    turn = Turn("user")
    turn.text.append(as_text(body.get("document_annotation_prompt")))
    document = as_dict(body.get("document"))
    held = document.get("document_url", document.get("image_url", document.get("file_url")))
    url = as_text(held) or as_text(as_dict(held).get("url"))
    name = as_text(document.get("document_name"))
    if url:
        draft.attach_url(turn, url, name=name)
    elif as_text(document.get("file_id")):
        draft.attach_id(turn, as_text(document.get("file_id")), name=name)
    elif bears_text(document):
        draft.skip("document")
    draft.add(turn)


def _whole(answer: Answer, body: Any) -> None:
    body = as_dict(body)
    if not isinstance(body.get("pages"), list):
        answer.fail(body)
        return
    answer.understood = True
    answer.model = as_text(body.get("model")) or None
    for at, page in enumerate(map(as_dict, body["pages"])):
        answer.say("\n\n" if at else "")
        answer.say(page.get("markdown"))
    answer.say(body.get("document_annotation"))


def _event(answer: Answer, event: dict[str, Any]) -> None:
    _whole(answer, event)


DIALECT = Dialect("ocr", _route, _read, _whole, _event)
