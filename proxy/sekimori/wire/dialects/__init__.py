"""The dialects, one to a file, and the table in which they are looked up.

To add one: a file with a ``DIALECT``, a line in ``DIALECTS``, a fixture in the tests. Order matters only
where two paths could be taken for each other: the first that claims a target reads it.
"""

from __future__ import annotations

from sekimori.wire.dialects import (
    a2a,
    aleph_alpha,
    amazon_q,
    anthropic_complete,
    anthropic_messages,
    batches,
    bedrock_agent,
    bedrock_converse,
    bedrock_invoke,
    chatgpt_web,
    claude_web,
    code_assist,
    cody,
    cohere_v1,
    cohere_v2,
    copilot_threads,
    cursor,
    deepseek_web,
    duck_web,
    embeddings,
    files,
    gemini,
    gemini_state,
    gemini_web,
    grok_web,
    huggingchat_web,
    huggingface,
    images,
    jetbrains,
    kimi_web,
    lechat_web,
    listings,
    mcp,
    meta_web,
    mistral_conversations,
    moderations,
    ocr,
    ollama,
    openai_assistants,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_responses,
    openai_stored,
    perplexity_web,
    pi_web,
    poe_web,
    qwen_web,
    realtime_sessions,
    replicate,
    rerank,
    sagemaker,
    speech,
    tokens,
    transcription,
    tuning,
    vertex_predict,
    web_state,
    windsurf,
    you_web,
)
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.dialects.kinds import kind_of
from sekimori.wire.target import Target

__all__ = ["BATCH", "DIALECTS", "Dialect", "Route", "by_body", "by_both", "by_target", "kind_of"]

BATCH = "[]"
"""The only member of the object that stands for a body that is an array."""

DIALECTS: tuple[Dialect, ...] = (
    openai_chat.DIALECT,
    openai_responses.DIALECT,
    anthropic_messages.DIALECT,
    gemini.DIALECT,
    ollama.DIALECT,
    openai_embeddings.DIALECT,
    openai_completions.DIALECT,
    a2a.DIALECT,
    amazon_q.DIALECT,
    chatgpt_web.DIALECT,
    claude_web.DIALECT,
    code_assist.DIALECT,
    cody.DIALECT,
    copilot_threads.DIALECT,
    cursor.DIALECT,
    deepseek_web.DIALECT,
    duck_web.DIALECT,
    gemini_web.DIALECT,
    grok_web.DIALECT,
    huggingchat_web.DIALECT,
    jetbrains.DIALECT,
    kimi_web.DIALECT,
    lechat_web.DIALECT,
    mcp.DIALECT,
    meta_web.DIALECT,
    perplexity_web.DIALECT,
    pi_web.DIALECT,
    poe_web.DIALECT,
    qwen_web.DIALECT,
    windsurf.DIALECT,
    you_web.DIALECT,
    web_state.DIALECT,
    mistral_conversations.DIALECT,
    bedrock_converse.DIALECT,
    bedrock_invoke.DIALECT,
    bedrock_agent.DIALECT,
    sagemaker.DIALECT,
    vertex_predict.DIALECT,
    cohere_v2.DIALECT,
    cohere_v1.DIALECT,
    anthropic_complete.DIALECT,
    images.DIALECT,
    speech.DIALECT,
    transcription.DIALECT,
    realtime_sessions.DIALECT,
    embeddings.DIALECT,
    rerank.DIALECT,
    moderations.DIALECT,
    ocr.DIALECT,
    tokens.DIALECT,
    batches.DIALECT,
    openai_assistants.DIALECT,
    gemini_state.DIALECT,
    files.DIALECT,
    tuning.DIALECT,
    openai_stored.DIALECT,
    replicate.DIALECT,
    listings.DIALECT,
    huggingface.DIALECT,
    aleph_alpha.DIALECT,
)


def by_target(method: str, target: Target) -> tuple[Dialect, Route] | None:
    """Find the dialect that claims a request target."""
    for dialect in DIALECTS:
        route = dialect.route(method, target)
        if route is not None:
            return dialect, route
    return None


def by_body(body: dict[str, object]) -> tuple[Dialect, Route] | None:
    """Find the dialect that a body is written in, where the target told nothing."""
    for dialect in DIALECTS:
        if dialect.fits(body):
            return dialect, Route("generate")
    return None


_CLAIMERS = tuple(dialect for dialect in DIALECTS if dialect.claims is not None)


def by_both(
    method: str, target: Target, body: dict[str, object], *, packed: bool = False
) -> tuple[Dialect, Route] | None:
    """Find the dialect that path and body together show; of what is no plain JSON, if it reads such."""
    for dialect in _CLAIMERS:
        if dialect.claims is None or (packed and not dialect.forms):
            continue
        route = dialect.claims(method, target, body)
        if route is not None:
            return dialect, route
    return None
