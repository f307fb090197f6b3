"""What Gemini keeps: cached contents, files, batches and tuned models, and the requests handed in at once."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects import gemini
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.dialects.records import add_with_files, give_back
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.media import describe
from sekimori.wire.model import Kind
from sekimori.wire.target import Target

_KNOWN = words(
    "baseModel base_model batch contents displayName display_name expireTime expire_time file metadata model",
    "name systemInstruction system_instruction toolConfig tool_config tools ttl tuningTask tuning_task",
)
_WORDS: dict[str, Kind] = {
    "cachedContents": "state",
    "fileSearchStores": "state",
    "corpora": "state",
    "tunedModels": "train",
    "tuningJobs": "train",
    "batchPredictionJobs": "batch",
}
_BESIDE = ("v1beta", "v1alpha", "v1", "v1beta1")
_VERBS = frozenset({"generateContent", "streamGenerateContent"})


def _route(method: str, target: Target) -> Route | None:  # noqa: ARG001 - whatever is done with them is of this kind
    parts = target.segments
    if not parts:
        return None
    name, _, verb = parts[-1].rpartition(":")
    if verb in ("batchGenerateContent", "asyncBatchEmbedContent"):
        return Route("batch", name)
    if "google.ai" in verb or verb in _VERBS:
        return None
    found = next((part.partition(":")[0] for part in reversed(parts) if part.partition(":")[0] in _WORDS), "")
    if found:
        return Route(_WORDS[found])
    uploaded = parts[:1] == ("upload",) and parts[1:2] != () and parts[1] in _BESIDE
    if parts[0] == "v1beta" and parts[1:2] in (("batches",), ("files",)):
        return Route("batch" if parts[1] == "batches" else "file")
    return Route("file") if uploaded or parts[0] == "download" else None


def _requests(body: dict[str, Any]) -> list[dict[str, Any]]:
    config = as_dict(
        as_dict(body.get("batch")).get("inputConfig") or as_dict(body.get("batch")).get("input_config")
    )
    held = as_list(as_dict(config.get("requests")).get("requests"))
    return [as_dict(as_dict(one).get("request")) for one in held]


def _models(body: dict[str, Any]) -> list[Any]:
    named = [body.get("model"), body.get("baseModel"), as_dict(body.get("batch")).get("model")]
    named += [request.get("model") for request in _requests(body)]
    return [gemini.bare(model) for model in named if model is not None]


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.unknown(body, _KNOWN)
    inner = {
        key: value
        for key, value in body.items()
        if key in _KNOWN and key not in ("batch", "file", "metadata")
    }
    for request in [inner, *_requests(body)]:
        gemini.DIALECT.read(draft, {key: value for key, value in request.items() if key not in _KEPT})
    held = as_dict(body.get("file"))
    if as_text(held.get("uri")):
        turn = Turn("user")
        draft.attach_url(turn, as_text(held.get("uri")), name=as_text(held.get("displayName")))
        add_with_files(draft, turn)


_KEPT = words(
    "displayName display_name expireTime expire_time name ttl baseModel base_model tuningTask tuning_task"
)


def _raw(draft: Draft, body: bytes, media_type: str) -> None:
    turn = Turn("user")
    draft.attach_bytes(turn, body, declared=media_type)
    draft.add(turn)


def _whole(answer: Answer, body: Any) -> None:
    give_back(answer, body)
    held = as_dict(body)
    answer.model = gemini.bare(as_text(held.get("model"))) or None
    response = as_dict(held.get("response") or as_dict(held.get("metadata")).get("output"))
    inlined = as_dict(response.get("inlinedResponses")).get(
        "inlinedResponses", response.get("inlinedResponses")
    )
    for one in map(as_dict, as_list(inlined)):
        if isinstance(one.get("response"), dict):
            gemini.DIALECT.whole(answer, one["response"])
            answer.say("\n")


def _event(answer: Answer, event: dict[str, Any]) -> None:
    _whole(answer, event)


def _content(answer: Answer, body: bytes, media_type: str) -> None:
    answer.understood = True
    answer.attach(describe(body, declared=media_type)[0])


DIALECT = Dialect(
    "gemini-state", _route, _read, _whole, _event, models=_models, forms=True, raw=_raw, content=_content
)
