"""YAML as a tree of text with line numbers, bounded in size and depth.

Scalars stay text: what one means depends on the field it stands in, so that ``no`` in a list of
countries is Norway and ``2026-04-01`` becomes a date where a date is asked for. Anchors, aliases, tags
and several documents in a file are refused, which also bounds what a file can expand to.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from sekimori.policy.yaml_words import place_and_words, plain, unreadable

MAX_CHARS = 4 << 20
MAX_DEPTH = 8


class TreeError(Exception):
    """The text is no YAML that a policy file may be; never leaves this room."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


@dataclass(slots=True)
class Scalar:
    """A single value, as it was written."""

    line: int
    text: str
    plain: bool

    @property
    def absent(self) -> bool:
        """Whether it is YAML's null."""
        return self.plain and self.text in ("", "~", "null", "Null", "NULL")


@dataclass(slots=True)
class Items:
    """A list."""

    line: int
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Fields:
    """A mapping, in the order of the file, keys possibly repeated."""

    line: int
    pairs: list[tuple[Scalar, Node]] = field(default_factory=list)
    key: Scalar | None = None


type Node = Scalar | Items | Fields


def read_tree(text: str) -> Node | None:
    """Parse one YAML document; ``None`` if there is nothing in it. Raises ``TreeError``."""
    if len(text) > MAX_CHARS:
        raise TreeError(1, f"the file is longer than {MAX_CHARS} characters; split it")
    try:
        return _build(text)
    except TreeError:
        raise
    except MarkedYAMLError as error:
        raise TreeError(*place_and_words(error)) from error
    except ReaderError as error:
        raise TreeError(*unreadable(error, text)) from error
    except Exception as error:  # whatever the parser stumbles over is a fault of the file
        raise TreeError(1, plain("")) from error


def _build(text: str) -> Node | None:
    root: Node | None = None
    open_nodes: list[Items | Fields] = []
    documents = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        if isinstance(event, DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise TreeError(_line(event), "a second document begins here; write one a file, without ---")
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            open_nodes.pop()
        elif isinstance(event, NodeEvent):
            node = _node(event)
            if open_nodes:
                _attach(open_nodes[-1], node)
            else:
                root = node
            if not isinstance(node, Scalar):
                open_nodes.append(node)
                if len(open_nodes) > MAX_DEPTH:
                    raise TreeError(
                        node.line, f"this is nested deeper than {MAX_DEPTH} levels; nothing here needs that"
                    )
    return None if isinstance(root, Scalar) and root.absent else root


def _line(event: Event) -> int:
    return int(event.start_mark.line) + 1


def _node(event: NodeEvent) -> Node:
    line = _line(event)
    if isinstance(event, AliasEvent) or event.anchor is not None:
        raise TreeError(line, "anchors and aliases are not used here; write the value out")
    if getattr(event, "tag", None) is not None:
        raise TreeError(line, "tags (!…) are not used here; write the plain value")
    if isinstance(event, ScalarEvent):
        return Scalar(line, event.value, plain=event.style in (None, ""))
    return Items(line) if isinstance(event, SequenceStartEvent) else Fields(line)


def _attach(parent: Items | Fields, node: Node) -> None:
    if isinstance(parent, Items):
        parent.items.append(node)
    elif parent.key is not None:
        parent.pairs.append((parent.key, node))
        parent.key = None
    elif isinstance(node, Scalar):
        parent.key = node
    else:
        raise TreeError(node.line, "a key is a single word; write key: value")
