"""Reading one entry of an apply file: typed fields, each fault with its line.

An ``Entry`` collects faults instead of stopping, so that whoever wrote the file sees all of them at
once. Its readers return a harmless value where there was a fault; ``Entry.sound`` tells afterwards.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import date

from sekimori.errors import Fault
from sekimori.policy.checks import near
from sekimori.policy.period import parse_date
from sekimori.policy.tree import Fields, Items, Node, Scalar

MISSING = "is missing; add a line {}: …"
"""What is said of a field that must be there."""

_MAX_TEXT = 500
_MAX_ITEMS = 20_000
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_YES = frozenset({"true", "yes", "はい"})
_NO = frozenset({"false", "no", "いいえ"})
_NEVER = date(1970, 1, 1)


@dataclass(slots=True)
class Faults:
    """The faults of one file, in the order in which they are found."""

    file: str
    found: list[Fault] = field(default_factory=list)

    def add(self, line: int, where: str, message: str) -> None:
        """Note one fault."""
        self.found.append(Fault(self.file, line, where, message))


class Entry:
    """One mapping of the file with the keys that it may have."""

    def __init__(
        self, node: Node, path: str, known: Collection[str], faults: Faults, parent: Entry | None = None
    ) -> None:
        self.path = path
        self.line = node.line
        self.lines: dict[str, int] = {}
        self.sound = True
        self.faults = faults
        self.parent = parent
        self._values: dict[str, Node] = {}
        if not isinstance(node, Fields):
            self.fault("", "must be keys with values; write a line key: value for each")
            return
        for key, value in node.pairs:
            self._take(key, value, known)

    def _take(self, key: Scalar, value: Node, known: Collection[str]) -> None:
        name = key.text
        if name not in known:
            self._note(key.line, name[:64], f"is not known here{near(name[:64], known)}")
        elif name in self.lines:
            self._note(key.line, name, f"stands here twice, first in line {self.lines[name]}")
        else:
            self.lines[name] = key.line
            if not (isinstance(value, Scalar) and value.absent):
                self._values[name] = value

    def _where(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path and name else self.path or name

    def fault(self, name: str, message: str) -> None:
        """Note a fault of field ``name``, at its line."""
        self._note(self.lines.get(name, self.line), name, message)

    def _note(self, line: int, name: str, message: str) -> None:
        self.faults.add(line, self._where(name), message)
        entry: Entry | None = self
        while entry is not None:
            entry.sound = False
            entry = entry.parent

    def has(self, name: str) -> bool:
        """Tell whether the field has a value."""
        return name in self._values

    def node(self, name: str) -> Node | None:
        """Give a field unread."""
        return self._values.get(name)

    def entry(self, name: str, known: Collection[str]) -> Entry | None:
        """Open a nested mapping."""
        node = self._values.get(name)
        return None if node is None else Entry(node, self._where(name), known, self.faults, self)

    def nested(self, name: str, known: Sequence[str]) -> Entry | None:
        """Open a field that may be written short: its value stands for the first of ``known``."""
        node = self._values.get(name)
        if node is None:
            return None
        short = Fields(node.line, [(Scalar(node.line, known[0], plain=True), node)])
        return Entry(short, self._where(name), known, self.faults, self)

    def entries(self, name: str, known: Collection[str]) -> list[Entry]:
        """Open a list of mappings."""
        return [
            Entry(node, f"{self._where(name)}[{number}]", known, self.faults, self)
            for number, node in enumerate(self._items(name))
        ]

    def text(self, name: str, *, required: bool = False) -> str:
        """Read a line of text."""
        node = self._values.get(name)
        if node is None:
            if required:
                self.fault(name, MISSING.format(name))
            return ""
        return self._clean(name, node)

    def texts(self, name: str) -> tuple[str, ...]:
        """Read a list of texts, each once."""
        return tuple(dict.fromkeys(self._clean(name, node) for node in self._items(name)))

    def identifier(self, name: str = "id") -> str:
        """Read an id: letters, digits, ``. _ -``."""
        text = self.text(name, required=True)
        if text and not _ID.fullmatch(text):
            self.fault(name, f"{text[:64]!r} is not an id: 1 to 64 of A-Z a-z 0-9 . _ -")
        return text

    def number(self, name: str, allowed: Collection[int], default: int) -> int:
        """Read one of a few whole numbers."""
        text = unicodedata.normalize("NFKC", self.text(name))
        if not self.has(name):
            return default
        if text in {str(number) for number in allowed}:
            return int(text)
        self.fault(name, f"must be {_either(tuple(str(number) for number in allowed))}")
        return default

    def choice[T: str](self, name: str, allowed: Sequence[T], default: T) -> T:
        """Read one of a few words."""
        text = self.text(name)
        if not self.has(name):
            return default
        for word in allowed:
            if word == text:
                return word
        self.fault(name, f"must be {_either(allowed)}{near(text[:64], allowed)}")
        return default

    def choices(self, name: str, allowed: Collection[str], default: tuple[str, ...]) -> tuple[str, ...]:
        """Read a list of words out of a few."""
        if not self.has(name):
            return default
        words = self.texts(name)
        for word in words:
            if word not in allowed:
                self.fault(name, f"{word[:64]!r} is not known here{near(word[:64], allowed)}")
        return words

    def flag(self, name: str) -> bool:
        """Read yes or no (true, yes, はい)."""
        text = self.text(name).casefold()
        if text and text not in _YES and text not in _NO:
            self.fault(name, "must be true or false (はい or いいえ)")
        return text in _YES

    def day(self, name: str) -> date | None:
        """Read a date, western or 和暦."""
        text = self.text(name)
        if not text:
            return None
        try:
            return parse_date(text)
        except ValueError as error:
            self.fault(name, str(error))
            return None

    def required_day(self, name: str) -> date:
        """Read a date that must be there."""
        if not self.has(name):
            self.fault(name, MISSING.format(name))
        return self.day(name) or _NEVER

    def each(self, name: str, read: Callable[[str], str]) -> tuple[str, ...]:
        """Read a list of texts through ``read``, whose ``ValueError`` is a fault."""
        values = []
        for text in self.texts(name):
            try:
                values.append(read(text))
            except ValueError as error:
                self.fault(name, str(error))
        return tuple(dict.fromkeys(values))

    def _items(self, name: str) -> list[Node]:
        node = self._values.get(name)
        if node is None:
            return []
        if not isinstance(node, Items):
            self.fault(name, "must be a list; write it in brackets, as [a, b]")
            return []
        if len(node.items) > _MAX_ITEMS:
            self.fault(name, f"has more than {_MAX_ITEMS} items; use a group, or several entries")
            return []
        return node.items

    def _clean(self, name: str, node: Node) -> str:
        if not isinstance(node, Scalar):
            self._note(node.line, name, "must be a single value, neither a list nor a mapping")
            return ""
        text = node.text.strip()
        if not text:
            self._note(node.line, name, "is empty; write what belongs here, or leave the line out")
        elif len(text) > _MAX_TEXT:
            self._note(node.line, name, f"is longer than {_MAX_TEXT} characters; shorten it")
        elif any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in text):
            self._note(node.line, name, "holds a control or invisible character; type it anew")
        else:
            return text
        return ""


def _either(words: Sequence[str]) -> str:
    return " or ".join(words)
