"""Pictures drawn from words, and changed by words: OpenAI's images, as many others have it too."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.dialects.openai_chat import deployment
from sekimori.wire.dialects.records import add_with_files
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.media import from_base64, from_url
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_KNOWN = words(
    "aspect_ratio background cfg_scale height image image_config images input_fidelity input_references",
    "loras mask metadata model moderation n negative_prompt num_inference_steps output_compression",
    "output_format partial_images prompt provider quality resolution response_format seed size steps",
    "stream style user width",
)
_PICTURES = ("image", "images", "mask", "input_references", "image_url", "image[]")
_USAGE = {"input_tokens": "input_tokens", "output_tokens": "output_tokens", "total_tokens": "total_tokens"}
_NAMES = frozenset({"generations", "edits", "variations", "generate"})


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    if method != "POST" or "organization" in parts:
        return None
    drawn = parts[-1:] == ("images",) or (len(parts) > 1 and parts[-2] == "images" and parts[-1] in _NAMES)
    return Route("image", deployment(target)) if drawn else None


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.stream = body.get("stream") in (True, "true")
    draft.unknown(body, _KNOWN | {"image[]", "image_url"})
    turn = Turn("user")
    turn.text.append(as_text(body.get("prompt")))
    for name in _PICTURES:
        given = body.get(name)
        for item in given if isinstance(given, list) else [given]:
            _picture(draft, turn, item)
    if as_text(body.get("negative_prompt")):
        draft.texts.append(as_text(body.get("negative_prompt")))
    add_with_files(draft, turn)


def _picture(draft: Draft, turn: Turn, item: Any) -> None:
    held = as_dict(item)
    url = as_text(item) or as_text(held.get("url")) or as_text(held.get("image_url"))
    url = url or as_text(as_dict(held.get("image_url")).get("url"))
    if url.startswith(("data:", "http:", "https:", "gs:", "s3:")):
        draft.attach_url(turn, url)
    elif url or isinstance(held.get("b64_json"), str):
        draft.attach_base64(turn, url or held["b64_json"], declared="image/*")
    elif as_text(held.get("file_id")):
        draft.attach_id(turn, as_text(held.get("file_id")))
    elif bears_text(item):
        draft.skip("image")


def _whole(answer: Answer, body: Any) -> None:
    body = as_dict(body)
    if not isinstance(body.get("data"), list) and not isinstance(body.get("images"), list):
        answer.fail(body)
        return
    answer.understood = True
    answer.model = as_text(body.get("model")) or None
    answer.count(body.get("usage"), _USAGE)
    for item in [*as_list(body.get("data")), *as_list(body.get("images"))]:
        _drawn(answer, as_dict(item))


def _drawn(answer: Answer, item: dict[str, Any]) -> None:
    declared = as_text(item.get("mime_type")) or "image/*"
    if isinstance(item.get("b64_json"), str):
        answer.attach(from_base64(item["b64_json"], declared=declared)[0])
    elif isinstance(item.get("url"), str):
        answer.attach(from_url(item["url"], declared=declared)[0])
    # Services write the prompt anew before they draw; that text is all that the model says.
    answer.say(item.get("revised_prompt"))


def _event(answer: Answer, event: dict[str, Any]) -> None:
    kind = as_text(event.get("type"))
    if kind.endswith((".partial_image", ".completed")):
        answer.understood = True
        if kind.endswith(".completed"):
            _drawn(answer, event)
            answer.count(event.get("usage"), _USAGE)
    elif not answer.fail(event):
        _whole(answer, event)


DIALECT = Dialect("openai-images", _route, _read, _whole, _event, forms=True)
