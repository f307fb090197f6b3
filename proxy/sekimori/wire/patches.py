"""JSON values that are built up by patches, as web chats stream them (JSON Patch, RFC 6902, and its kin).

Text that is appended to is kept in pieces, so that a long answer costs what it holds. What patches may
build and what they may cost is bounded: beyond that ``fault`` is set and nothing more is applied. A patch
whose place is not there is left out, and ``missed`` tells so.
"""

from __future__ import annotations

from typing import Any

from sekimori.errors import WireError

MAX_SIZE = 16 << 20  # characters and members that a value may come to
MAX_WORK = 128 << 20  # characters and members that may be moved on the way there
MAX_DEPTH = 100
_MAX_PATH = 32
_MEMBER = 16  # what a member counts beside its text
_ALIASES = {"set": "replace", "batch": "patch", "": "replace"}
_MISSING: Any = object()


class Text:
    """A string that grows at its end."""

    __slots__ = ("_pieces", "length")

    def __init__(self, start: str) -> None:
        self._pieces = [start]
        self.length = len(start)

    def __str__(self) -> str:
        return "".join(self._pieces)

    def append(self, text: str) -> None:
        """Add text at the end."""
        self._pieces.append(text)
        self.length += len(text)

    def truncate(self, length: int) -> int:
        """Cut to a length; tell how many characters had to be moved for it."""
        while self._pieces and self.length - len(self._pieces[-1]) >= length:
            self.length -= len(self._pieces.pop())
        if self.length <= length:
            return 0
        kept = len(self._pieces[-1]) - (self.length - length)
        self._pieces[-1] = self._pieces[-1][:kept]
        self.length = length
        return kept


def split_path(pointer: Any) -> tuple[str, ...] | None:
    """Split a JSON Pointer, with or without its first slash; ``None`` where it is none, or too long."""
    if not isinstance(pointer, str) or pointer.count("/") > _MAX_PATH:
        return None
    bare = pointer.removeprefix("/")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in bare.split("/")) if bare else ()


class Patched:
    """A value that patches build up."""

    __slots__ = ("_room", "_tail", "_work", "fault", "missed", "root")

    def __init__(self, *, size: int = MAX_SIZE, work: int = MAX_WORK) -> None:
        self.root: Any = None
        self.fault = ""
        self.missed = False
        self._room = size
        self._work = work
        self._tail: Text | None = None  # the text that the last patch appended to

    def apply(self, operation: str, path: tuple[str, ...] | None, value: Any) -> None:
        """Apply one patch; ``patch`` holds further ones, each with ``p``, ``o`` and ``v``."""
        if self.fault:
            return
        self._tail = None
        try:
            self._apply(operation, path, value)
        except WireError as fault:
            self.fault = str(fault)

    def again(self, value: Any) -> bool:
        """Append to the text that the last patch appended to, as most patches do; tell whether it did."""
        if self._tail is None or type(value) is not str or len(value) + _MEMBER > self._room:
            return False
        self._room -= len(value) + _MEMBER
        self._tail.append(value)
        return True

    def plain(self) -> Any:
        """Give the value as plain JSON values."""
        return _plain(self.root)

    def _apply(self, operation: str, path: tuple[str, ...] | None, value: Any) -> None:
        operation = operation.lower()
        operation = _ALIASES.get(operation, operation)
        if path is None or len(path) > _MAX_PATH:
            self.missed = True
        elif operation == "patch":
            self._each(path, value)
            self._tail = None
        elif not path:
            self._at_root(operation, value)
        else:
            holder = self._holder(path)
            self._at(holder, path[-1], operation, value)

    def _each(self, path: tuple[str, ...], patches: Any) -> None:
        for patch in patches if isinstance(patches, list) else ():
            inner = split_path(patch.get("p", "")) if isinstance(patch, dict) else None
            name = patch.get("o", "replace") if isinstance(patch, dict) else None
            if inner is None or not isinstance(name, str):
                self.missed = True
            else:
                self._spend(_MEMBER)
                self._apply(name, path + inner, patch.get("v"))

    def _at_root(self, operation: str, value: Any) -> None:
        if operation == "remove":
            self.root = None
        elif operation == "append":
            self.root = self._grown(self.root, value)
        else:
            self._weigh(value, MAX_DEPTH)
            self.root = value

    def _holder(self, path: tuple[str, ...]) -> Any:
        holder = self.root
        for part in path[:-1]:
            holder = _get(holder, part)
        return holder

    def _at(self, holder: Any, name: str, operation: str, value: Any) -> None:
        if operation == "append":
            held = _get(holder, name)
            grown = self._grown(None if held is _MISSING else held, value)
            self._put(holder, name, grown, weighed=True)
        elif operation == "truncate":
            held = _get(holder, name)
            if isinstance(held, str):
                held = Text(held)
                self._put(holder, name, held, weighed=True)
            if isinstance(held, Text) and type(value) is int and value >= 0:
                self._spend(held.truncate(value))
        elif operation == "remove":
            self._remove(holder, name)
        elif operation in ("add", "replace"):
            self._put(holder, name, value, insert=operation == "add")
        else:
            self.missed = True

    def _grown(self, held: Any, value: Any) -> Any:
        """Append to a text, an array or an object; what is not there yet becomes the value."""
        self._weigh(value, MAX_DEPTH)
        if isinstance(value, str):
            if isinstance(held, str):
                self._spend(len(held))
                held = Text(held)
            if isinstance(held, Text):
                held.append(value)
                self._tail = held
                return held
        if isinstance(held, list):
            held.extend(value if isinstance(value, list) else [value])
            return held
        if isinstance(held, dict) and isinstance(value, dict):
            held.update(value)
            return held
        return value

    def _put(
        self, holder: Any, name: str, value: Any, *, insert: bool = False, weighed: bool = False
    ) -> None:
        if not weighed:
            self._weigh(value, MAX_DEPTH - _MAX_PATH)
        if isinstance(holder, dict):
            holder[name] = value
        elif isinstance(holder, list):
            self._put_at(holder, name, value, insert=insert)
        else:
            self.missed = True

    def _put_at(self, holder: list[Any], name: str, value: Any, *, insert: bool) -> None:
        at = len(holder) if name == "-" else _index(name, len(holder))
        if at is None or at > len(holder):
            self.missed = True
        elif insert or at == len(holder):
            self._spend(len(holder) - at)
            holder.insert(at, value)
        else:
            holder[at] = value

    def _remove(self, holder: Any, name: str) -> None:
        if isinstance(holder, dict):
            holder.pop(name, None)
        elif isinstance(holder, list):
            at = _index(name, len(holder))
            if at is not None and at < len(holder):
                self._spend(len(holder) - at)
                del holder[at]

    def _spend(self, work: int) -> None:
        self._work -= work
        if self._work < 0:
            raise WireError("the patches cost too much")

    def _weigh(self, value: Any, depth: int) -> None:
        """Count what a value adds; raises WireError where that is too much, or nested too deeply."""
        if isinstance(value, str):
            self._room -= len(value)
        elif isinstance(value, (list, dict)):
            if depth <= 0:
                raise WireError("the patches nest too deeply")
            for item in value.values() if isinstance(value, dict) else value:
                self._weigh(item, depth - 1)
        self._room -= _MEMBER
        if self._room < 0:
            raise WireError("the patches build too much")


def _index(name: str, length: int) -> int | None:
    if not name.removeprefix("-").isdecimal() or len(name) > 9:
        return None
    at = int(name)
    return at if at >= 0 else length + at if length + at >= 0 else None


def _get(holder: Any, name: str) -> Any:
    if isinstance(holder, dict):
        return holder.get(name, _MISSING)
    if isinstance(holder, list):
        at = _index(name, len(holder))
        return holder[at] if at is not None and at < len(holder) else _MISSING
    return _MISSING


def _plain(value: Any) -> Any:
    if isinstance(value, Text):
        return str(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


class CarryOver:
    """Patches of a stream in which place, operation and channel are as before where they are left out."""

    __slots__ = ("channel", "operation", "path")

    def __init__(self, operation: str = "replace") -> None:
        self.operation = operation
        self.path: tuple[str, ...] | None = ()
        self.channel = 0

    def take(self, delta: dict[str, Any]) -> None:
        """Take over what a delta names."""
        if "p" in delta:
            self.path = split_path(delta["p"])
        if isinstance(delta.get("o"), str):
            self.operation = delta["o"]
        if type(delta.get("c")) is int:
            self.channel = delta["c"]
