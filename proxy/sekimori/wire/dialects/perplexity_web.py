"""Perplexity's web page: a query in, and blocks out that come whole, piece by piece, or as patches."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.patches import Patched, split_path
from sekimori.wire.target import Target

_KNOWN = words(
    "attachments context_uuid cursor frontend_uuid is_incognito language last_backend_uuid mode model",
    "model_preference params parent_entry_uuid query query_str search_focus source sources timezone",
    "use_schematized_api version",
)
_PARAMS_KNOWN = words(
    "attachments client_coordinates client_search_results_cache_key dsl_query frontend_context_uuid",
    "frontend_uuid is_incognito is_nav_suggestions_disabled is_related_query is_sponsored language",
    "last_backend_uuid local_search_enabled mentions mode model_preference prompt_source query_source",
    "search_focus search_recency_filter send_back_text_in_streaming_api skip_search_enabled sources",
    "supported_block_use_cases time_from_first_type timezone use_schematized_api version",
    "always_search_override override_no_search comet_max_assistant_enabled",
    "should_ask_for_mcp_tool_confirmation",
)
_VERBS = frozenset({"perplexity_ask", "perplexity.ask"})
_FIELD = "markdown_block"
_MAX_BLOCKS = 256


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    if method == "POST" and parts and parts[-1] in _VERBS:
        return Route("generate", stream=True)
    if len(parts) > 2 and parts[-3] in _VERBS and parts[-2] == "reconnect":
        return Route("state", stream=True)
    return None


def _models(body: dict[str, Any]) -> list[Any]:
    named = [
        body.get("model"),
        body.get("model_preference"),
        as_dict(body.get("params")).get("model_preference"),
    ]
    return [name for name in named if name is not None]


def _read(draft: Draft, body: dict[str, Any]) -> None:
    params = as_dict(body.get("params"))
    draft.unknown(body, _KNOWN)
    draft.unknown(params, _PARAMS_KNOWN, "params.")
    said = [as_text(body.get("query_str")), as_text(body.get("query")), as_text(params.get("dsl_query"))]
    turn = Turn("user")
    turn.text.append(next(filter(None, said), ""))
    for text in dict.fromkeys(said):
        if text and text not in turn.text:
            draft.skip("a second query")
    for held in as_list(body.get("attachments")) + as_list(params.get("attachments")):
        draft.attach_url(turn, as_text(held) or as_text(as_dict(held).get("url")))
    draft.add(turn)
    draft.conversation = as_text(params.get("last_backend_uuid")) or as_text(body.get("context_uuid"))


def _event(answer: Answer, event: dict[str, Any]) -> None:
    if answer.fail(event):
        return
    blocks = event.get("blocks")
    if isinstance(blocks, list):
        answer.understood = True
        for block in map(as_dict, blocks):
            _block(answer, block)
    answer.model = as_text(event.get("display_model")) or answer.model
    answer.response_id = as_text(event.get("backend_uuid")) or answer.response_id
    if event.get("final_sse_message") is True or event.get("status") == "COMPLETED":
        answer.finish_reason = as_text(event.get("status")) or "COMPLETED"
    if event.get("status") == "FAILED":
        answer.error = as_text(event.get("text")) or "FAILED"


def _block(answer: Answer, block: dict[str, Any]) -> None:
    usage, diff = as_text(block.get("intended_usage")), as_dict(block.get("diff_block"))
    if _FIELD not in block and diff.get("field") != _FIELD:
        return  # sources, plans, pictures: what was found, not what was said
    if usage not in answer.scratch and len(answer.scratch) >= _MAX_BLOCKS:
        answer.skip("blocks beyond the limit")
        return
    tree: Patched = answer.scratch.setdefault(usage, Patched())
    if tree.root is None:
        tree.apply("replace", (), {"chunks": []})
    for patch in map(as_dict, as_list(diff.get("patches"))):
        tree.apply(as_text(patch.get("op")) or "replace", split_path(patch.get("path")), patch.get("value"))
    _markdown(tree, as_dict(block.get(_FIELD)))
    if tree.fault or tree.missed:
        answer.skip(f"patch: {tree.fault or 'it has no place'}")


def _markdown(tree: Patched, block: dict[str, Any]) -> None:
    """Put the pieces of a block behind those that came before."""
    start = block.get("chunk_starting_offset")
    for at, chunk in enumerate(as_list(block.get("chunks"))):
        tree.apply("replace", ("chunks", str(start + at) if type(start) is int else "-"), chunk)
    if isinstance(block.get("answer"), str):
        tree.apply("replace", ("answer",), block["answer"])


def _finish(answer: Answer) -> None:
    """Take the text of the answer's own block; where there are others, they hold the same in parts."""
    texts = {usage: _text(as_dict(tree.plain())) for usage, tree in answer.scratch.items()}
    whole = texts.get("ask_text") or texts.get("")
    answer.say(whole or "".join(texts.values()))


def _text(block: dict[str, Any]) -> str:
    return as_text(block.get("answer")) or "".join(map(as_text, as_list(block.get("chunks"))))


def _whole(answer: Answer, body: Any) -> None:
    if isinstance(body, dict):
        _event(answer, body)


DIALECT = Dialect("perplexity-web", _route, _read, _whole, _event, models=_models, finish=_finish)
