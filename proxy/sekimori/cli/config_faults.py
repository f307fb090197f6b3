"""What is wrong with a value of the configuration, and what to write instead, in plain sentences.

Knows every kind of error that the sections of ``config`` can raise; a test derives that list from them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from typing import get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sekimori.cli.config_section import MisfitError, Section

type Place = tuple[str, ...]

_LONGEST = 60
_OTHERWISE = "can't be used as it is; its row in docs/operating.md says what it may be"


def faults_of(
    error: ValidationError, root: type[Section], origins: Mapping[Place, str], file: str
) -> list[str]:
    """Give one line a fault: where it stands, which key, what is wrong and what to do."""
    return [_line(fault, root, origins, file) for fault in error.errors()]


def meant(name: str, known: Mapping[str, object], prefix: str = "") -> str:
    """Ask whether a known name was meant, where one is close."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {prefix}{close[0]}?" if close else ""


def where(place: Place, origins: Mapping[Place, str]) -> str:
    """Say where a key stands, or the section or list that holds it."""
    return next((origins[place[:end]] for end in range(len(place), 0, -1) if place[:end] in origins), "")


def _line(fault: ErrorDetails, root: type[Section], origins: Mapping[Place, str], file: str) -> str:
    raised = fault.get("ctx", {}).get("error")
    place = tuple(map(str, fault["loc"])) + (
        tuple(raised.key.split(".")) if isinstance(raised, MisfitError) else ()
    )
    at = where(place, origins) or file
    say = SENTENCES.get(fault["type"])
    said = say(fault) if say else _OTHERWISE
    if fault["type"] == "extra_forbidden":
        said += meant(place[-1], _section(root, place[:-1]).model_fields)
    return ": ".join(part for part in (at, ".".join(place), said) if part)


def _section(section: type[Section], place: Place) -> type[Section]:
    """Follow a place to the section that stands there, through lists of tables."""
    for name in place:
        if not name.isdigit():
            annotation = section.model_fields[name].annotation
            section = next(each for each in (*get_args(annotation), annotation) if isinstance(each, type))
    return section


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, (dict, Section)):
        return "a table"
    text = str(value)
    text = f"{text[:_LONGEST]}…" if len(text) > _LONGEST else text
    return f'"{text}"' if isinstance(value, str) else text


def _value(sentence: str) -> Callable[[ErrorDetails], str]:
    return lambda fault: f"{_shown(fault['input'])} {sentence}"


def _words(fault: ErrorDetails) -> str:
    allowed = re.findall(r"'([^']*)'", fault["ctx"]["expected"])
    close = meant(str(fault["input"]), dict.fromkeys(allowed))
    return f"{_shown(fault['input'])} is not known here; write {_either(allowed)}{close}"


def _either(words: list[str]) -> str:
    quoted = [f'"{word}"' for word in words]
    return " or ".join(filter(None, (", ".join(quoted[:-1]), quoted[-1])))


def _bound(name: str, sentence: str) -> Callable[[ErrorDetails], str]:
    def say(fault: ErrorDetails) -> str:
        given, limit = fault["input"], fault["ctx"][name]
        if isinstance(given, str) and given[-1:].isalpha():  # a duration, which is compared in seconds
            limit = f'"{limit:g}s"'
        return f"{_shown(given)} {sentence.format(limit)}"

    return say


def _section_wanted(fault: ErrorDetails) -> str:
    names = [str(name) for name in fault["loc"]]
    header = f"[[{'.'.join(names[:-1])}]]" if names[-1].isdigit() else f"[{'.'.join(names)}]"
    return f"{_shown(fault['input'])} is no section; write {header} on a line of its own, its keys below it"


def _table_wanted(fault: ErrorDetails) -> str:
    header = ".".join(map(str, fault["loc"]))
    return f"{_shown(fault['input'])} is no table; write [{header}] and below it a line name = value for each"


def _missing(fault: ErrorDetails) -> str:
    return f"is missing; add a line {fault['loc'][-1]} = … below the header"


_NO_NUMBER = _value("is no whole number; write one without quotes, as 2")
_NO_SWITCH = _value("is neither true nor false; write one of the two, without quotes")

SENTENCES: Mapping[str, Callable[[ErrorDetails], str]] = {
    "value_error": lambda fault: str(fault["ctx"]["error"]),
    "string_type": _value("is no text; write text, in double quotes"),
    "string_too_short": lambda _: "is empty; it must name something",
    "too_short": lambda _: "the list is empty; name at least one",
    "int_type": _NO_NUMBER,
    "int_parsing": _NO_NUMBER,
    "int_parsing_size": _NO_NUMBER,
    "int_from_float": _NO_NUMBER,
    "finite_number": _NO_NUMBER,
    "bool_type": _NO_SWITCH,
    "bool_parsing": _NO_SWITCH,
    "literal_error": _words,
    "tuple_type": _value("is no list; write one in square brackets, texts in it in double quotes"),
    "dict_type": _table_wanted,
    "model_type": _section_wanted,
    "missing": _missing,
    "extra_forbidden": lambda _: "there is no such key",
    "greater_than_equal": _bound("ge", "is too small; the least is {}"),
    "greater_than": _bound("gt", "is too small; it must be more than {}"),
    "less_than_equal": _bound("le", "is too large; the most is {}"),
}
"""Every type of pydantic's errors that a section can raise, and what is said instead of pydantic's words."""
