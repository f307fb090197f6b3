"""An answer in the making: what dialects add from a whole body or from each event of a stream."""

from __future__ import annotations

from typing import Any

from sekimori.wire.draft import MAX_SKIPPED, as_dict, as_text
from sekimori.wire.model import Attachment, Parse, ResponseReading, ToolCall, Usage

MAX_TEXT = 16 << 20
_MAX_CALLS = 4096
_MAX_ATTACHMENTS = 1024


class _Call:
    __slots__ = ("arguments", "id", "name")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []


class Answer:
    """What is known so far of an answer; beyond ``MAX_TEXT`` characters text is skipped."""

    __slots__ = (
        "_calls", "_room", "attachments", "error", "finish_reason", "model", "output", "reasoning", "refusal",
        "response_id", "scratch", "skipped", "understood", "usage",
    )  # fmt: skip

    def __init__(self) -> None:
        self.output: list[str] = []
        self.reasoning: list[str] = []
        self.refusal: list[str] = []
        self.usage: dict[str, int] = {}
        self.skipped: list[str] = []
        self.finish_reason = ""
        self.model: str | None = None
        self.error = ""
        self.response_id = ""
        self.understood = False
        self.scratch: dict[Any, Any] = {}
        self.attachments: list[Attachment] = []
        self._calls: dict[Any, _Call] = {}
        self._room = MAX_TEXT

    def say(self, text: Any) -> None:
        """Add answer text."""
        self._add(self.output, text)

    def so_far(self, text: Any) -> None:
        """Take answer text that repeats all that came before it."""
        if isinstance(text, str):
            self._room += sum(map(len, self.output))
            self.output = []
            self._add(self.output, text)

    def think(self, text: Any) -> None:
        """Add reasoning text."""
        self._add(self.reasoning, text)

    def refuse(self, text: Any) -> None:
        """Add the text of a refusal by the model."""
        self._add(self.refusal, text)

    def _add(self, into: list[str], text: Any) -> None:
        if isinstance(text, str) and text:
            self._room -= len(text)
            if self._room >= 0:
                into.append(text)
            else:
                self.skip("text beyond the limit")

    def call(self, key: Any, *, id: Any = "", name: Any = "", arguments: Any = "") -> None:  # noqa: A002
        """Add to the tool call known under ``key``; pieces of arguments are joined."""
        call = self._calls.get(key)
        if call is None:
            if len(self._calls) >= _MAX_CALLS:
                self.skip("tool calls beyond the limit")
                return
            call = self._calls[key] = _Call()
        call.id = as_text(id) or call.id
        call.name = as_text(name) or call.name
        self._add(call.arguments, arguments)

    def set_arguments(self, key: Any, arguments: str) -> None:
        """Replace the arguments of a call by the whole that a service repeats at its end."""
        if key in self._calls:
            self._calls[key].arguments = [arguments]

    def count(self, numbers: Any, names: dict[str, str]) -> None:
        """Take token counts: ``names`` maps the service's names to those of ``Usage``."""
        if not isinstance(numbers, dict):
            return
        for theirs, ours in names.items():
            value = numbers.get(theirs)
            if type(value) is int:
                self.usage[ours] = value

    def attach(self, attachment: Attachment) -> None:
        """Note a picture, a sound or a file that the service made."""
        if len(self.attachments) < _MAX_ATTACHMENTS:
            self.attachments.append(attachment)

    def skip(self, what: str) -> None:
        """Name something that bears text and was not understood."""
        if len(self.skipped) < MAX_SKIPPED and what not in self.skipped:
            self.skipped.append(what[:120])

    def restart(self) -> None:
        """Forget the texts and calls: the service repeats the whole answer."""
        self.output, self.reasoning, self.refusal = [], [], []
        self._calls, self._room = {}, MAX_TEXT

    def fail(self, holder: Any) -> bool:
        """Take the error out of an object, if it holds one; tell whether it did."""
        error = error_text(holder)
        self.error = self.error or error
        self.understood = self.understood or bool(error)
        return bool(error)

    def reading(self) -> ResponseReading:
        """Make the answer a value."""
        parse: Parse = "unparsed"
        if self.understood:
            parse = "partial" if self.skipped else "parsed"
        return ResponseReading(
            output="".join(self.output),
            reasoning="".join(self.reasoning),
            tool_calls=tuple(ToolCall(c.id, c.name, "".join(c.arguments)) for c in self._calls.values()),
            usage=Usage(**self.usage) if self.usage else None,
            finish_reason=self.finish_reason,
            model=self.model,
            parse=parse,
            skipped=tuple(self.skipped),
            error=self.error,
            refusal="".join(self.refusal),
            response_id=self.response_id,
            attachments=tuple(self.attachments),
        )


def error_text(holder: Any) -> str:
    """Find the sentence of an error object in any of the usual shapes; empty where there is none."""
    if isinstance(holder, list):
        holder = holder[0] if holder else None
    if not isinstance(holder, dict):
        return ""
    error = holder.get("error")
    if isinstance(error, dict):
        told = error.get("message") or error.get("metadata") or error.get("type") or error.get("code")
        return told if isinstance(told, str) else "error"
    if isinstance(error, list) and error and isinstance(error[0], str):
        return error[0]
    if isinstance(error, str) and error:
        return as_text(holder.get("error_description")) or error
    return ""


def problem_text(holder: Any) -> str:
    """Find the sentence of an error body that has no ``error`` member."""
    found = as_dict(holder)
    for key in ("message", "detail", "Message", "title", "errors"):
        if isinstance(found.get(key), str):
            return as_text(found[key])
        if found.get(key):
            return str(found[key])[:1000]
    return ""
