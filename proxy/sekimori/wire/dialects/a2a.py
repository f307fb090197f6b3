"""Agent2Agent: messages of parts between agents, over JSON-RPC or plain HTTP, streamed or not.

Source: the A2A specification, versions 0.2 to 1.0.
"""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.dialects.jsonrpc import as_json, failed, is_rpc, messages, method_of
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_METHODS = words(
    "CancelTask CreateTaskPushNotificationConfig DeleteTaskPushNotificationConfig",
    "GetExtendedAgentCard GetTask GetTaskPushNotificationConfig ListTaskPushNotificationConfigs",
    "ListTasks SendMessage SendStreamingMessage",
    "SubscribeToTask agent/authenticatedExtendedCard agent/getAuthenticatedExtendedCard message/send",
    "message/stream tasks/pushNotificationConfig/delete tasks/pushNotificationConfig/get",
    "tasks/pushNotificationConfig/list tasks/pushNotificationConfig/set tasks/resubscribe tasks/send",
    "tasks/sendSubscribe",
)
_CARDS = frozenset({"agent-card.json", "agent.json"})
_VERBS = frozenset({"message:send", "message:stream"})
_PARAMS_KNOWN = words("configuration historyLength id message metadata sessionId tenant pushNotification")
_MESSAGE_KNOWN = words(
    "contextId context_id extensions kind messageId message_id metadata parts content referenceTaskIds role",
    "taskId task_id",
)
_ROLES = {"ROLE_USER": "user", "ROLE_AGENT": "assistant", "agent": "assistant"}
_MAX_ARTIFACTS = 1000


def _route(method: str, target: Target) -> Route | None:
    if method == "GET" and target.segments[-2:-1] == (".well-known",) and target.segments[-1] in _CARDS:
        return Route("agent")
    return None


def _claims(method: str, target: Target, body: dict[str, Any]) -> Route | None:
    if method != "POST":
        return None
    if target.segments and target.segments[-1] in _VERBS and isinstance(body.get("message"), dict):
        return Route("agent", stream=target.segments[-1].endswith("stream"))
    found = messages(body)
    own = bool(found) and all(map(is_rpc, found)) and any(method_of(one) in _METHODS for one in found)
    return Route("agent") if own else None


def _models(body: dict[str, Any]) -> list[Any]:  # noqa: ARG001 - an agent names none
    return []


def _spoken(draft: Draft, target: Target) -> bool:  # noqa: ARG001 - nothing is said
    return not draft.texts


def _read(draft: Draft, body: dict[str, Any]) -> None:
    for message in messages(body):
        method = method_of(message)
        draft.stream = draft.stream or method in (
            "message/stream",
            "tasks/sendSubscribe",
            "SendStreamingMessage",
        )
        params = as_dict(message.get("params")) if method else message
        draft.unknown(params, _PARAMS_KNOWN, "params.")
        if bears_text(params.get("metadata")):
            draft.skip("params.metadata")
        held = as_dict(params.get("message"))
        if held:
            _message(draft, held)


def _message(draft: Draft, message: dict[str, Any]) -> None:
    role = as_text(message.get("role"))
    turn = Turn(_ROLES.get(role, role) or "user")
    draft.conversation = as_text(message.get("contextId")) or as_text(message.get("context_id"))
    draft.unknown(message, _MESSAGE_KNOWN, "message.")
    for part in map(as_dict, as_list(message.get("parts")) or as_list(message.get("content"))):
        _part(draft, turn, part)
    draft.add(turn)


def _part(draft: Draft, turn: Turn, part: dict[str, Any]) -> None:
    held = as_dict(part.get("file")) or part
    name = as_text(held.get("name")) or as_text(held.get("filename"))
    declared = (
        as_text(held.get("mimeType")) or as_text(held.get("mediaType")) or as_text(held.get("media_type"))
    )
    data = next(
        (held[key] for key in ("bytes", "fileWithBytes", "raw") if isinstance(held.get(key), str)), None
    )
    url = next((held[key] for key in ("uri", "fileWithUri", "url") if isinstance(held.get(key), str)), None)
    if isinstance(part.get("text"), str):
        turn.text.append(part["text"])
    elif data is not None:
        draft.attach_base64(turn, data, declared=declared, name=name)
    elif url is not None:
        draft.attach_url(turn, url, declared=declared, name=name)
    elif part.get("data") is not None:
        turn.text.append(as_json(part["data"]))
    elif bears_text(part):
        draft.skip("message.parts")


def _event(answer: Answer, value: dict[str, Any]) -> None:
    for message in messages(value):
        if failed(answer, message) or answer.fail(message):
            continue
        _result(answer, as_dict(message.get("result")) if "jsonrpc" in message else message)


def _result(answer: Answer, result: dict[str, Any]) -> None:
    """Sort what an agent sends: a message, a task, or an update of either part of one."""
    inner = [result.get(key) for key in ("message", "task", "statusUpdate", "artifactUpdate", "msg")]
    result = next((held for held in inner if isinstance(held, dict)), result)
    answer.response_id = as_text(result.get("taskId")) or as_text(result.get("id")) or answer.response_id
    answer.understood = answer.understood or bool(result)
    if isinstance(result.get("parts"), list):
        _note(answer, "message", result["parts"], append=True)
    if isinstance(result.get("artifact"), dict):
        _artifact(answer, result["artifact"], append=result.get("append") is True)
    for artifact in map(as_dict, as_list(result.get("artifacts"))):
        _artifact(answer, artifact, append=False)
    status = as_dict(result.get("status"))
    answer.finish_reason = as_text(status.get("state")) or answer.finish_reason
    said = as_dict(status.get("message"))
    if said:
        answer.scratch["status"] = _text(answer, said.get("parts"))
        answer.think(answer.scratch["status"])


def _artifact(answer: Answer, artifact: dict[str, Any], *, append: bool) -> None:
    _note(answer, as_text(artifact.get("artifactId")) or "artifact", artifact.get("parts"), append=append)


def _note(answer: Answer, name: str, parts: Any, *, append: bool) -> None:
    held: dict[str, list[str]] = answer.scratch.setdefault("artifacts", {})
    if name not in held and len(held) >= _MAX_ARTIFACTS:
        answer.skip("artifacts beyond the limit")
        return
    texts = held.setdefault(name, [])
    if not append:
        texts.clear()
    texts.append(_text(answer, parts))


def _text(answer: Answer, parts: Any) -> str:
    texts: list[str] = []
    for part in map(as_dict, as_list(parts)):
        if isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif part.get("data") is not None:
            texts.append(as_json(part["data"]))
        elif "file" not in part and "raw" not in part and "url" not in part and bears_text(part):
            answer.skip("parts")
    return "".join(texts)


def _finish(answer: Answer) -> None:
    """Make the artifacts the output; a task that has none speaks by its status alone."""
    for texts in answer.scratch.get("artifacts", {}).values():
        for text in texts:
            answer.say(text)
    if not answer.output and answer.scratch.get("status"):
        answer.say(answer.scratch["status"])


def _whole(answer: Answer, body: Any) -> None:
    found = as_dict(body)
    if "skills" in found and "name" in found:
        answer.understood = True  # the card of an agent: what it can do, and no answer
    elif isinstance(body, (dict, list)):
        for message in messages(body):
            _event(answer, message)


DIALECT = Dialect(
    "a2a", _route, _read, _whole, _event, models=_models, claims=_claims, finish=_finish, spoken=_spoken
)
