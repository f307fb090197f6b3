"""Guess from its name alone whether a host that no catalogue knows serves generative AI.

A guess refuses people, so each rule asks for two signs, or for one that means nothing else. What ordinary
words cannot say (``claude`` is a given name, ``llm`` a law degree, ``.ai`` an island) is never enough. What
a guess misses still passes as uncatalogued, and is counted as such.

======================  ================================================================================
rule                    hits when
======================  ================================================================================
``service-name``        a token is the name of an AI vendor or product that is no ordinary word
                        (``chatgpt``, ``openai``, ``deepseek``, …), or begins or ends with ``gpt``
``ambiguous-name``      a product name that is also a word (``claude``, ``gemini``, ``copilot``, …) stands
                        in one label with a word of use (``chat``, ``api``, ``ai``, …)
``ai-word``             ``ai``, ``genai`` or ``llm`` stands in one label with a word of use, hyphenated or
                        run together (``ai-chat``, ``imageai``)
``ai-label``            a label ``ai``, ``genai`` or ``llm`` has a neighbour ``api``, ``chat``, ``gateway``,
                        ``inference``, …
``ai-domain``           under ``.ai``: the first label is a service's (``api``, ``chat``, ``llm``, …), or the
                        registered label begins or ends with a word such as ``chat`` or ``image``
``model-host``          a label left of the registered one is ``inference``; the first label is ``llm``,
                        except at universities, whose law schools teach one
======================  ================================================================================

Tokens are the parts of a label between hyphens and underscores. Labels of more than three tokens are
resource names that a customer of some cloud made up (``gen-qa-openai-fast-90c5d9e``): they are not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NAMES = _words("""
    anthropic aoai characterai chatglm chatgpt deepseek midjourney ollama openai openrouter qwen
    stablediffusion vllm
""")
_AMBIGUOUS = _words("bard claude copilot gemini grok jasper kimi llama mistral perplexity sora whisper")
_AI = _words("ai genai generativeai gpt llm")
_USES = _words("""
    agent agents api art assistant avatar bot chat chatbot code coder companion copilot gateway gen
    generator girlfriend gpt hentai image images inference model models music nude paint photo porn prompt
    prompts proxy router summarizer text translate tts undress video voice waifu write writer writing
""")
# Short words begin and end too many others: "art" is in "artist", "gen" in "oxygen".
_LONG_USES = tuple(use for use in sorted(_USES) if len(use) > 3)
_SERVICE_LABELS = _words("api assistant bot chat copilot gateway gpt inference llm models playground router")
_NEIGHBOURS = _words("api chat gateway inference llm proxy router")
# Fewer than the words of use: "barcode.ai" and "context.ai" sell something else.
_DOMAIN_WORDS = tuple(
    """
    assistant chat chatbot companion copilot gateway generator girlfriend gpt hentai image images
    inference llm music nude porn prompt prompts router summarizer undress video voice waifu writer writing
    """.split()  # noqa: SIM905 - thirty quoted words read worse
)
_ACADEMIC = _words("ac edu")

_SPLIT = re.compile(r"[-_]")
_GPT = re.compile(r"(?:gpts?\d*[a-z]?|[a-z]{2,14}gpts?\d?|gpt[a-z]{3,14})")
_MOST_TOKENS = 3


def looks_like_ai(name: str) -> str | None:
    """Return the rule by which the canonical host ``name`` looks like an AI service, or None.

    To be asked only where the catalogue knows nothing. The rules stand in this module's docstring.
    """
    labels = name.split(".")
    for rule, hits in _RULES:
        if hits(labels):
            return rule
    return None


def _tokens(labels: list[str]) -> Iterator[list[str]]:
    """Yield the tokens of each label that can carry meaning; the top level cannot."""
    for label in labels[:-1]:
        tokens = [token for token in _SPLIT.split(label) if token]
        if len(tokens) <= _MOST_TOKENS and not label.startswith("xn--"):
            yield tokens


def _service_name(labels: list[str]) -> bool:
    return any(
        token in _NAMES or _GPT.fullmatch(token) is not None for tokens in _tokens(labels) for token in tokens
    )


def _ambiguous_name(labels: list[str]) -> bool:
    return any(
        not _AMBIGUOUS.isdisjoint(tokens) and not (_AI | _USES).isdisjoint(set(tokens) - _AMBIGUOUS)
        for tokens in _tokens(labels)
    )


def _ai_word(labels: list[str]) -> bool:
    return any(
        (not _AI.isdisjoint(tokens) and not _USES.isdisjoint(set(tokens) - _AI)) or any(map(_glued, tokens))
        for tokens in _tokens(labels)
    )


def _glued(token: str) -> bool:
    """Whether ``token`` is "ai" run together with a word of use; a short one only behind it, and alone."""
    if token.startswith("ai") and (token[2:] in _USES or token[2:].startswith(_LONG_USES)):
        return True
    return token.endswith("ai") and token[:-2].endswith(_LONG_USES)


def _ai_label(labels: list[str]) -> bool:
    return any(
        (left in _AI and right in _NEIGHBOURS) or (right in _AI and left in _NEIGHBOURS)
        for left, right in pairwise(labels[:-1])
    )


def _ai_domain(labels: list[str]) -> bool:
    if labels[-1] != "ai" or len(labels) < 2:
        return False
    if len(labels) > 2 and labels[0] in _SERVICE_LABELS:
        return True
    registered = _SPLIT.split(labels[-2])
    return any(token.startswith(_DOMAIN_WORDS) or token.endswith(_DOMAIN_WORDS) for token in registered)


def _model_host(labels: list[str]) -> bool:
    if "inference" in labels[:-2]:
        return True
    return labels[0] == "llm" and len(labels) > 2 and _ACADEMIC.isdisjoint(labels)


_RULES: tuple[tuple[str, Callable[[list[str]], bool]], ...] = (
    ("service-name", _service_name),
    ("ambiguous-name", _ambiguous_name),
    ("ai-word", _ai_word),
    ("ai-label", _ai_label),
    ("ai-domain", _ai_domain),
    ("model-host", _model_host),
)
