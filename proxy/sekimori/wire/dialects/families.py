"""Requests of model families, told by their members alone.

Hosts that run other people's models (Bedrock, SageMaker, Vertex, inference servers) pass the body of the
model's own family through; neither path nor header says which it is. ``read`` looks, and leaves what is a
dialect of its own to that dialect; ``family_answers`` does so for the answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sekimori.wire.dialects import (
    anthropic_complete,
    anthropic_messages,
    bedrock_converse,
    cohere_v1,
    openai_chat,
)
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.model import Kind
from sekimori.wire.texts import bears_text

# Settings that bear no text; every family has its own names for the same few.
_SETTINGS = words(
    "aspectRatio aspect_ratio cfg_scale clip_guidance_preset countPenalty dimensions dimension echo",
    "embeddingConfig embeddingTypes embedding_types frequencyPenalty frequency_penalty height input_type",
    "imageGenerationConfig k logit_bias logprobs max_gen_len max_new_tokens max_tokens maxTokens minTokens",
    "max_tokens_to_sample mode model min_tokens n num_generations numResults normalize output_dimension",
    "output_format p parameters presencePenalty presence_penalty quality query return_likelihoods sampler",
    "options samples schemaVersion seed steps stop stop_sequences stopSequences stream style_preset",
    "taskType temperature textGenerationConfig top_k topKReturn topP top_p top_n truncate use_cache",
    "videoGenerationConfig wait_for_model width api_version image_strength init_image_mode strength",
)
_PROMPTS = ("prompt", "inputText", "text_inputs", "text", "question", "query", "negative_prompt")
_LISTS = ("texts", "inputs", "input", "instances", "documents", "sentences", "passages", "sources", "queries")
_IMAGES = ("image", "images", "inputImage", "init_image", "mask", "mask_image", "inputs_image")
_EMBEDS = frozenset(
    {"texts", "dimensions", "normalize", "embeddingConfig", "embeddingTypes", "embedding_types"}
)
_DRAWS = frozenset(
    {"text_prompts", "imageGenerationConfig", "videoGenerationConfig", "aspect_ratio", "output_format"}
)


def kind_of_body(body: dict[str, Any], model: str) -> Kind:
    """Tell what is asked for, by the body and by the words in the model's name."""
    if "messages" in body:
        return "generate"
    if {"query", "documents"} <= set(body) or "rerank" in model:
        return "rerank"
    named = any("Params" in name for name in body)
    if _EMBEDS & set(body) or "embed" in model or any(name.endswith("EmbeddingParams") for name in body):
        return "embed"
    return "image" if named or _DRAWS & set(body) else "generate"


def read(draft: Draft, body: dict[str, Any]) -> None:
    """Read a request in whichever family's form it is."""
    if isinstance(body.get("messages"), list):
        _messages_of(body)(draft, body)
    elif anthropic_complete.fits(body):
        anthropic_complete.read(draft, body)
    elif isinstance(body.get("message"), str):
        cohere_v1.read(draft, body)
    else:
        _read_parts(draft, body)


def _messages_of(body: dict[str, Any]) -> Callable[[Draft, dict[str, Any]], None]:
    if "anthropic_version" in body:
        return anthropic_messages.DIALECT.read
    return bedrock_converse.read if bedrock_converse.fits(body) else openai_chat.DIALECT.read


def _read_parts(draft: Draft, body: dict[str, Any]) -> None:
    draft.stream = body.get("stream") is True
    asked = Turn("user")
    known = {*_SETTINGS, *_PROMPTS, *_LISTS, *_IMAGES, "text_prompts"}
    for name in _PROMPTS:
        asked.text.append(as_text(body.get(name)))
    for prompt in as_list(body.get("text_prompts")):
        asked.text.append(as_text(as_dict(prompt).get("text")))
    for name, value in body.items():
        if name.endswith("Params"):
            known.add(name)
            _params(draft, asked, as_dict(value))
    for name in _IMAGES:
        _images(draft, asked, body.get(name))
    for name in _LISTS:
        read_inputs(draft, asked, body.get(name), name)
    draft.unknown(body, frozenset(known))
    draft.add(asked)


def _params(draft: Draft, turn: Turn, held: dict[str, Any]) -> None:
    """Read what Amazon's models take to draw or to embed: texts, wherever they stand, and pictures."""
    for name, value in held.items():
        if isinstance(value, str) and name in (
            "text",
            "value",
            "negativeText",
            "maskPrompt",
            "outPaintingMode",
        ):
            turn.text.append(value)
        elif isinstance(value, dict):
            source = as_text(as_dict(value.get("source")).get("bytes")) or as_text(value.get("bytes"))
            if source:
                draft.attach_base64(turn, source)
            else:
                _params(draft, turn, value)
        elif name in ("image", "images", "maskImage", "conditionImage"):
            _images(draft, turn, value)
        elif bears_text(value):
            draft.skip(f"Params.{name}")


def _images(draft: Draft, turn: Turn, given: Any) -> None:
    for image in given if isinstance(given, list) else [given]:
        if isinstance(image, str) and image:
            if image.startswith(("data:", "http:", "https:")):
                draft.attach_url(turn, image)
            else:
                draft.attach_base64(turn, image)


def read_inputs(draft: Draft, turn: Turn, given: Any, where: str) -> None:
    """Read the inputs of a model: texts, lists of texts, conversations, objects with texts in them."""
    if isinstance(given, str):
        turn.text.append(given)
        return
    if isinstance(given, dict):
        given = [given]
    for item in as_list(given):
        if isinstance(item, str):
            draft.say("user", item)
        elif isinstance(item, list) and item and all("content" in as_dict(one) for one in item):
            openai_chat.DIALECT.read(draft, {"messages": item})
        elif isinstance(item, list):
            read_inputs(draft, turn, item, where)
        else:
            _read_object(draft, as_dict(item), where)


def _read_object(draft: Draft, item: dict[str, Any], where: str) -> None:
    turn = Turn("user")
    if isinstance(item.get("role"), str) and "content" in item:
        openai_chat.DIALECT.read(draft, {"messages": [item]})
        return
    for name, value in item.items():
        if isinstance(value, str):
            held = name in ("bytesBase64Encoded", "b64", "image", "data", "content_bytes")
            if held:
                draft.attach_base64(turn, value)
            elif bears_text(value) or name in (
                "text",
                "content",
                "prompt",
                "query",
                "question",
                "context",
                "data",
            ):
                turn.text.append(value)
        elif isinstance(value, list):
            read_inputs(draft, turn, value, f"{where}.{name}")
        elif isinstance(value, dict):
            _read_object(draft, value, f"{where}.{name}")
    draft.add(turn)
