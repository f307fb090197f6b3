"""Vertex predict and rawPredict: instances in, predictions out; or the body of the publisher's own format."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects import families, family_answers
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, as_dict, as_list, as_text
from sekimori.wire.media import from_base64
from sekimori.wire.model import Kind
from sekimori.wire.target import Target

_METHODS = {"predict": False, "predictLongRunning": False, "rawPredict": False, "streamRawPredict": True,
            "serverStreamingPredict": True, "directPredict": False}  # fmt: skip
_KINDS: tuple[tuple[str, Kind], ...] = (
    ("embed", "embed"),
    ("gecko", "embed"),
    ("imag", "image"),
    ("veo", "image"),
    ("lyria", "audio"),
    ("chirp", "audio"),
)


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    if method != "POST" or len(parts) < 2 or parts[-2] not in ("models", "endpoints"):
        return None
    name, _, verb = parts[-1].rpartition(":")
    stream = _METHODS.get(verb)
    if stream is None:
        return None
    kinds: list[Kind] = [kind for word, kind in _KINDS if word in name]
    return Route(
        kinds[0] if kinds else "generate", name if parts[-2] == "models" else f"endpoints/{name}", stream
    )


def _models(body: dict[str, Any]) -> list[Any]:
    # A publisher's own format may repeat the model: then it must be the same.
    return [body["model"]] if body.get("model") is not None else []


def _read(draft: Draft, body: dict[str, Any]) -> None:
    chat = [held for held in map(as_dict, as_list(body.get("instances"))) if "messages" in held]
    if not chat:
        families.read(draft, body)
    for held in chat:
        draft.say("system", as_text(held.get("context")))
        for message in map(as_dict, as_list(held.get("messages"))):
            said = as_text(message.get("author")) or as_text(message.get("role")) or "user"
            role = "assistant" if said in ("bot", "model", "1") else "user"
            draft.say(role, as_text(message.get("content")))


def _whole(answer: Answer, body: Any) -> None:
    held = as_dict(body)
    predictions = as_list(held.get("predictions"))
    if "predictions" not in held:
        answer.understood = "name" in held  # of an operation that runs on
        if not answer.understood:
            family_answers.whole(answer, body)
        return
    answer.understood = True
    for at, prediction in enumerate(predictions):
        one = as_dict(prediction)
        if isinstance(one.get("bytesBase64Encoded"), str):
            declared = as_text(one.get("mimeType"))
            answer.attach(from_base64(one["bytesBase64Encoded"], declared=declared)[0])
        elif at == 0:
            candidates = as_list(one.get("candidates"))
            said = as_dict(candidates[0]) if candidates else one
            answer.say(
                as_text(prediction) or as_text(said.get("content")) or as_text(said.get("generated_text"))
            )
    metadata = as_dict(as_dict(held.get("metadata")).get("tokenMetadata"))
    for field, ours in (("inputTokenCount", "input_tokens"), ("outputTokenCount", "output_tokens")):
        answer.count(metadata.get(field), {"totalTokens": ours})


DIALECT = Dialect("vertex-predict", _route, _read, _whole, family_answers.event, models=_models)
