"""OpenAI chat completions, as spoken by OpenAI, Azure and the many servers that call themselves compatible.

The extra fields of the compatible servers (reasoning, image parts, references) are read where they are known.
"""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.model import ToolCall
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_KNOWN = words(
    "audio cache_prompt chat_template_kwargs citation_options context_window_fallbacks debug",
    "deployment deployment_id disable_search documents echo enable_search enable_thinking engine",
    "extra_body extra_headers fallback_models fallbacks frequency_penalty function_call functions",
    "grammar guided_choice guided_grammar guided_json guided_regex include_reasoning intent",
    "keep_alive logit_bias logprobs max_completion_tokens max_tokens messages metadata min_p",
    "min_tokens modalities model models moderation n options parallel_tool_calls plugins prediction",
    "presence_penalty preset prompt_cache_key prompt_cache_retention provider random_seed reasoning",
    "reasoning_effort reasoning_format repetition_penalty response_format return_images",
    "return_related_questions route safe_prompt safety_identifier search_domain_filter",
    "search_parameters search_recency_filter seed service_tier session_id stop store stream",
    "stream_options temperature thinking tool_choice tool_resources tool_stream tools top_a top_k",
    "top_logprobs top_p transforms user user_id verbosity web_search_options",
)
_MESSAGE_KNOWN = words(
    "annotations audio cache_control content copilot_cache_control function_call id name prefix",
    "reasoning reasoning_content reasoning_details reasoning_opaque reasoning_text refusal role",
    "thinking tool_call_id tool_calls tool_name type",
)
_USAGE = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "total_tokens": "total_tokens",
}
_FRAME_FREE = frozenset({"error", "x_groq"})  # members that a chunk of nothing but text has not
_ENVELOPES = ("data", "result", "response", "body")
_ASIDE = ("reasoning_content", "reasoning", "reasoning_text", "thinking")


def _route(method: str, target: Target) -> Route | None:
    if method != "POST" or not (target.ends("chat", "completions") or target.ends("agents", "completions")):
        return None
    return Route("generate", deployment(target))


def deployment(target: Target) -> str | None:
    """Find the deployment that an Azure path names, or the engine of an old OpenAI path."""
    parts = target.segments
    for word in ("deployments", "engines"):
        if word in parts[:-1]:
            return parts[parts.index(word) + 1]
    return None


def _fits(body: dict[str, Any]) -> bool:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not isinstance(body.get("model"), str):
        return False
    return all(isinstance(m, dict) and isinstance(m.get("role"), str) and "content" in m for m in messages)


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.stream = body.get("stream") is True
    draft.unknown(body, _KNOWN)
    if not isinstance(body.get("messages"), list):
        draft.skip("messages")
    for at, message in enumerate(as_list(body.get("messages"))):
        if type(message) is dict and len(message) == 2:
            role, text = message.get("role"), message.get("content")
            if type(role) is str and type(text) is str:
                draft.say(role, text)  # nearly every message, at a third of the cost
                continue
        _message(draft, as_dict(message), at)
    tools = [as_dict(tool) for tool in as_list(body.get("tools"))]
    draft.name_tools(as_dict(tool.get("function")).get("name") or tool.get("type") for tool in tools)
    draft.name_tools(as_dict(function).get("name") for function in as_list(body.get("functions")))


def _message(draft: Draft, message: dict[str, Any], at: int) -> None:
    turn = Turn(as_text(message.get("role")) or "user")
    turn.tool_call_id = as_text(message.get("tool_call_id"))
    draft.unknown(message, _MESSAGE_KNOWN, f"messages[{at}].")
    read_content(draft, turn, message.get("content"), f"messages[{at}].content")
    for field in _ASIDE:
        if isinstance(message.get(field), str):
            turn.reasoning.append(message[field])
            break
    if not turn.text and isinstance(message.get("refusal"), str):
        turn.text.append(message["refusal"])
    turn.calls += [_tool_call(as_dict(call)) for call in as_list(message.get("tool_calls"))]
    if isinstance(message.get("function_call"), dict):
        turn.calls.append(_tool_call({"function": message["function_call"]}))
    draft.add(turn)


def _tool_call(call: dict[str, Any]) -> ToolCall:
    function = as_dict(call.get("function")) or as_dict(call.get("custom"))
    arguments = as_text(function.get("arguments")) or as_text(function.get("input"))
    return ToolCall(as_text(call.get("id")), as_text(function.get("name")), arguments)


def read_content(draft: Draft, turn: Turn, content: Any, where: str) -> None:
    """Read the content of a message: a string, or an array of parts."""
    if isinstance(content, str):
        turn.text.append(content)
    elif isinstance(content, list):
        for at, part in enumerate(content):
            if isinstance(part, str):
                turn.text.append(part)
            else:
                _part(draft, turn, as_dict(part), f"{where}[{at}]")
    elif content is not None and bears_text(content):
        draft.skip(where)


def _part(draft: Draft, turn: Turn, part: dict[str, Any], where: str) -> None:
    kind = part.get("type")
    if kind in ("text", None) and isinstance(part.get("text"), str):
        turn.text.append(part["text"])
    elif kind == "refusal":
        turn.text.append(as_text(part.get("refusal")))
    elif kind == "thinking":
        turn.reasoning += [as_text(as_dict(piece).get("text")) for piece in as_list(part.get("thinking"))]
    elif kind in ("image_url", "video_url", "audio_url", "document_url"):
        held = part.get(kind)
        url = held if isinstance(held, str) else as_text(as_dict(held).get("url"))
        draft.attach_url(turn, url, name=as_text(part.get("document_name")))
    elif kind == "input_audio":
        audio = part.get("input_audio")
        data = audio if isinstance(audio, str) else as_text(as_dict(audio).get("data"))
        draft.attach_base64(turn, data, declared=f"audio/{as_text(as_dict(audio).get('format')) or 'wav'}")
    elif kind == "file":
        _file(draft, turn, as_dict(part.get("file")) or part)
    elif bears_text(part):
        draft.skip(f"{where}.type={as_text(kind)}")


def _file(draft: Draft, turn: Turn, held: dict[str, Any]) -> None:
    name, data = as_text(held.get("filename")), as_text(held.get("file_data"))
    if data:
        if data.startswith(("data:", "http:", "https:")):
            draft.attach_url(turn, data, name=name)
        else:
            draft.attach_base64(turn, data, name=name)
    else:
        draft.attach_id(turn, as_text(held.get("file_id")) or as_text(held.get("file_url")), name=name)


def _whole(answer: Answer, body: Any) -> None:
    body = _unwrapped(as_dict(body))
    choices = body.get("choices")
    if not isinstance(choices, list):
        answer.fail(body)
        return
    answer.understood = True
    _frame(answer, body)
    for choice in choices:
        if as_dict(choice).get("index") in (0, None):
            _choice(answer, as_dict(choice), as_dict(as_dict(choice).get("message")))
            break


def _unwrapped(body: dict[str, Any]) -> dict[str, Any]:
    """Take an answer out of the envelopes that gateways put around it."""
    for _ in range(3):
        inner = next((body[name] for name in _ENVELOPES if isinstance(body.get(name), dict)), None)
        if "choices" in body or inner is None:
            break
        body = inner
    return body


def _says(answer: Answer, chunk: dict[str, Any]) -> bool:
    """Read a chunk that brings nothing but text: nearly every one, at a third of the cost."""
    choices = chunk.get("choices")
    if type(choices) is not list or len(choices) != 1 or type(choices[0]) is not dict:
        return False
    choice = choices[0]
    delta = choice.get("delta")
    if type(delta) is not dict or choice.get("index") or choice.get("finish_reason") is not None:
        return False
    content = delta.get("content")
    if type(content) is not str or len(delta) > 1 + ("role" in delta):
        return False
    if chunk.get("usage") is not None or not _FRAME_FREE.isdisjoint(chunk):
        return False
    if chunk.get("model") != answer.model or chunk.get("id") != answer.response_id:
        return False
    answer.say(content)
    return True


def _event(answer: Answer, chunk: dict[str, Any]) -> None:
    if answer.understood and _says(answer, chunk):
        return
    choices = chunk.get("choices")
    if not isinstance(choices, list):
        if not answer.fail(chunk):
            _frame(answer, chunk)
        return
    answer.understood = True
    _frame(answer, chunk)
    for choice in choices:
        choice = as_dict(choice)
        if choice.get("index") in (0, None):
            _choice(answer, choice, as_dict(choice.get("delta")) or as_dict(choice.get("message")))


def _frame(answer: Answer, body: dict[str, Any]) -> None:
    answer.model = as_text(body.get("model")) or answer.model
    answer.response_id = as_text(body.get("id")) or answer.response_id
    if isinstance(body.get("error"), dict):
        answer.fail(body)
    usage = body.get("usage") or as_dict(body.get("x_groq")).get("usage")
    if isinstance(usage, dict):
        answer.count(usage, _USAGE)
        answer.count(usage.get("prompt_tokens_details"), {"cached_tokens": "cached_tokens"})
        answer.count(usage.get("completion_tokens_details"), {"reasoning_tokens": "reasoning_tokens"})


def _choice(answer: Answer, choice: dict[str, Any], message: dict[str, Any]) -> None:
    answer.finish_reason = as_text(choice.get("finish_reason")) or answer.finish_reason
    content = message.get("content")
    if isinstance(content, str):
        answer.say(content)
    else:
        for part in as_list(content):
            _answer_part(answer, as_dict(part))
    for field in _ASIDE:
        if isinstance(message.get(field), str):
            answer.think(message[field])
            break
    answer.refuse(message.get("refusal"))
    for at, call in enumerate(as_list(message.get("tool_calls"))):
        _answer_call(answer, as_dict(call), at)
    if isinstance(message.get("function_call"), dict):
        _answer_call(answer, {"function": message["function_call"]}, 0)
    if not content:
        # A spoken answer brings its words beside the sound.
        answer.say(as_dict(message.get("audio")).get("transcript"))


def _answer_part(answer: Answer, part: dict[str, Any]) -> None:
    kind = part.get("type")
    if kind == "text":
        answer.say(part.get("text"))
    elif kind == "thinking":
        for piece in as_list(part.get("thinking")):
            answer.think(as_dict(piece).get("text"))
    elif kind == "refusal":
        answer.refuse(part.get("refusal"))
    elif kind != "reference" and bears_text(part):
        answer.skip(f"content.type={as_text(kind)}")


def _answer_call(answer: Answer, call: dict[str, Any], at: int) -> None:
    function = as_dict(call.get("function")) or as_dict(call.get("custom"))
    index = call.get("index")
    key = index if isinstance(index, int) else at
    arguments = function.get("arguments")
    if arguments is None:
        arguments = function.get("input")
    answer.call(key, id=call.get("id"), name=function.get("name"), arguments=arguments)


DIALECT = Dialect("openai-chat", _route, _read, _whole, _event, _fits)
