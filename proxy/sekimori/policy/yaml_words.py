"""What is no YAML, in plain sentences: where it stands, and what whoever wrote the file has to change."""

from __future__ import annotations

import re

from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

_TAB = "a tab stands here; indent with spaces"
_OPEN = "a bracket that is opened here is not closed, or a comma is missing; write [a, b] or {a: b}"
_QUOTE = "a text that is quoted here is not closed; add the quote that is missing"

# (what the parser says, what is said instead, whether the place is where the thing began)
_SENTENCES: tuple[tuple[str, str, bool], ...] = (
    (r"found character '\\t'", _TAB, False),
    ("found character", "a text that begins with this sign needs quotes; write it as '…'", False),
    ("expected ',' or", _OPEN, True),
    (
        "expected the node content|expected '<document start>'|did not find",
        "a bracket too many stands here",
        False,
    ),
    ("found unexpected end of stream", _QUOTE, True),
    ("found unexpected document separator", _QUOTE, True),
    (
        r"expected <block end>, but found '<scalar>'",
        "something follows a quoted text; quote all of it",
        False,
    ),
    (
        "expected <block end>",
        "this line is indented otherwise than those it belongs to; give all keys of an entry the same indent",
        False,
    ),
    (
        "mapping values are not allowed",
        "a colon too many; a line is key: value, and a text with a colon is quoted",
        False,
    ),
    (
        "sequence entries are not allowed",
        "an entry of a list begins a line; write '- …' below the key, indented",
        False,
    ),
    ("could not find expected|found unexpected ':", "a key is followed by a colon and a space", True),
    ("mapping keys are not allowed", "a key is followed by a colon and a space", False),
    (
        "found unknown escape|expected escape sequence",
        r"a backslash in double quotes stands twice, as \\",
        False,
    ),
    (
        "expected (a comment|chomping|indentation)",
        "nothing follows | or > on its line; write the text below it",
        False,
    ),
    (
        ".*directive|.*YAML document|.*tag handle|expected|found non-comment",
        "lines that begin with % and tags are not used here; remove them",
        False,
    ),
)
_OTHERWISE = "this is not YAML; a line is key: value, an entry of a list begins with '- '"


def plain(problem: str) -> str:
    """Say what the parser complains of in words for whoever wrote the file."""
    return _found(problem)[0]


def place_and_words(error: MarkedYAMLError) -> tuple[int, str]:
    """Give the line that has to be changed, and what is wrong there."""
    sentence, at_beginning = _found(error.problem or "")
    marks = (
        (error.context_mark, error.problem_mark) if at_beginning else (error.problem_mark, error.context_mark)
    )
    mark = marks[0] or marks[1]
    return (mark.line + 1 if mark else 1), sentence


def unreadable(error: ReaderError, text: str) -> tuple[int, str]:
    """Give the line of a character that YAML does not allow, and what to do about it."""
    return text.count("\n", 0, error.position) + 1, "a control character stands here; remove it"


def _found(problem: str) -> tuple[str, bool]:
    fitting = ((words, begun) for pattern, words, begun in _SENTENCES if re.match(pattern, problem))
    return next(fitting, (_OTHERWISE, False))
