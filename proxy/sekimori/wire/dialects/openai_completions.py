"""OpenAI completions, the form before chat: one prompt, one text."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects import openai_chat
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.dialects.openai_chat import deployment
from sekimori.wire.draft import Draft, as_dict, as_text, words
from sekimori.wire.target import Target

_KNOWN = words(
    "best_of echo frequency_penalty logit_bias logprobs max_tokens min_tokens model models n",
    "presence_penalty prompt repetition_penalty response_format seed stop stream stream_options",
    "suffix temperature top_k top_p user",
)
_USAGE = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "total_tokens": "total_tokens",
}


def _route(method: str, target: Target) -> Route | None:
    # chat/completions was claimed before, and other servers put other things before the word.
    if method != "POST" or not target.ends("completions") or target.ends("chat", "completions"):
        return None
    return Route("generate", deployment(target))


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.stream = body.get("stream") is True
    draft.unknown(body, _KNOWN)
    prompt = body.get("prompt")
    for item in prompt if isinstance(prompt, list) else [prompt]:
        if isinstance(item, str):
            draft.say("user", item)
        elif item is not None:
            draft.skip("prompt: tokens")  # numbers that stand for text, in the model's own vocabulary


def _whole(answer: Answer, body: Any) -> None:
    _event(answer, as_dict(body))


def _event(answer: Answer, body: dict[str, Any]) -> None:
    choices = body.get("choices")
    if not isinstance(choices, list):
        answer.fail(body)
        return
    answer.understood = True
    answer.model = as_text(body.get("model")) or answer.model
    answer.response_id = as_text(body.get("id")) or answer.response_id
    answer.count(body.get("usage"), _USAGE)
    for choice in map(as_dict, choices):
        if "message" in choice or "delta" in choice:
            # What fills a gap in code is asked for with a prompt and answered like a chat.
            openai_chat.DIALECT.event(answer, body)
            return
        if choice.get("index") in (0, None):
            answer.say(choice.get("text"))
            answer.finish_reason = as_text(choice.get("finish_reason")) or answer.finish_reason


DIALECT = Dialect("openai-completions", _route, _read, _whole, _event)
