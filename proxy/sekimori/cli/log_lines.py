"""The record on a terminal: a list that fits its width, and one record as a sheet. Pure: width is an argument.

Widths are those of a terminal, where Japanese takes two columns a character. What came over the wire is
escaped here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from rich.cells import cell_len, chop_cells, set_cell_size

from sekimori.cli.terminal import cell, escape_lines, json_line
from sekimori.cli.times import JST
from sekimori.policy.codes import Reason
from sekimori.policy.reasons import explain

HEADER = ("time (JST)", "user", "service", "model", "decision", "class", "id")
_GAP = "  "
_LABEL = 18
_SHORTEST_ID = 10
_ROOM_FOR_YEARS = 90
# What gives way on a narrow terminal, to how few columns, the first one first.
_GIVES_WAY = (("model", 8), ("service", 10), ("user", 8), ("model", 0), ("service", 6), ("user", 6))
_SHEET: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("", ("id", "time", "ended")),
    ("Decision", ("decision", "reasons", "details", "rule", "grant", "purpose", "class", "policy")),
    ("Who", ("user", "client", "device")),
    ("Request", ("service", "provider", "model", "request", "operation", "prompt_bytes", "attachments")),
    ("Answer", ("state", "status", "error", "parse", "output_bytes", "usage", "finish_reason", "feedback")),
)
_SAID_ELSEWHERE = frozenset(
    {"user_source", "class_source", "method", "host", "port", "path", "unsigned_policy"}
)
_BODIES = ("prompt", "output", "reasoning")


def listing(records: Sequence[Mapping[str, Any]], width: int) -> Iterator[str]:
    """Lay records out in columns that fit ``width``, headings first."""
    short = _shortest(record["id"] for record in records)
    year = 0 if width >= _ROOM_FOR_YEARS else len("2026-")
    rows = [HEADER, *(_row(record, short, year) for record in records)]
    widths = _fitted([max(cell_len(row[at]) for row in rows) for at in range(len(HEADER))], width)
    for row in rows:
        cells = (_cut(text, wide) for text, wide in zip(row, widths, strict=True) if wide)
        yield _GAP.join(cells).rstrip()


def sheet(record: Mapping[str, Any], width: int) -> Iterator[str]:
    """Tell one record by topics; what is not known is left out."""
    told = _told(record)
    for heading, names in (*_SHEET, ("Evidence and the rest", tuple(told))):
        lines = [line for name in names for line in _field(name, told.pop(name, ""), width)]
        if lines and heading:
            yield from ("", heading)
        yield from lines
    for name in _BODIES:
        if record.get(name):
            yield from ("", f"{name}:", *escape_lines(str(record[name])).split("\n"))


def moment(text: str) -> str:
    """Write an instant of a record as a clock in Japan shows it."""
    return datetime.fromisoformat(text).astimezone(JST).strftime("%Y-%m-%d %H:%M:%S")


def _row(record: Mapping[str, Any], short: int, year: int) -> tuple[str, ...]:
    return (
        moment(record["time"])[year:],
        cell(record["user"]) or "-",
        cell(record["service"]) or "-",
        cell(record["model"]) or "-",
        _decision(record),
        cell(record["class"]),
        cell(record["id"])[:short],
    )


def _decision(record: Mapping[str, Any]) -> str:
    reasons = list(record["reasons"])
    if record["decision"] == "allow":
        return "allow" if record["state"] == "complete" else f"allow, {cell(record['state'])}"
    said = f"{cell(reasons[0])}{f' +{len(reasons) - 1}' if reasons[1:] else ''}" if reasons else ""
    return " ".join(filter(None, ("" if said.startswith("DENY_") else cell(record["decision"]), said)))


def _shortest(ids: Iterator[str]) -> int:
    """Return how many characters tell the ids of a list apart; they begin with the time."""
    ordered = sorted(ids)
    shared = (_common(one, other) for one, other in pairwise(ordered))
    return max(_SHORTEST_ID, 1 + max(shared, default=0))


def _common(one: str, other: str) -> int:
    return next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), len(one))


def _fitted(widths: list[int], width: int) -> list[int]:
    for name, least in _GIVES_WAY:
        at = HEADER.index(name)
        over = sum(widths) + len(_GAP) * (sum(map(bool, widths)) - 1) - width
        if over > 0 and widths[at] > least:
            left = widths[at] - over
            widths[at] = max(least, left)
    return widths


def _cut(text: str, width: int) -> str:
    return set_cell_size(text, width) if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"


def _told(record: Mapping[str, Any]) -> dict[str, str]:
    """Put what belongs together into one line, and everything into words for a reader."""
    plain = {
        name: _shown(value) for name, value in record.items() if name not in (*_SAID_ELSEWHERE, *_BODIES)
    }
    plain["time"] = _both(record["time"])
    plain["ended"] = _both(record.get("ended"))
    plain["reasons"] = "\n".join(_sentence(str(reason)) for reason in record["reasons"])
    plain["user"] = _with(record, "user", "user_source")
    plain["class"] = _with(record, "class", "class_source")
    plain["policy"] += " (unsigned)" if plain["policy"] and record.get("unsigned_policy") else ""
    port = "" if record.get("port") in (None, 443) else f":{record['port']}"
    address = f"{record.get('host') or ''}{port}{record.get('path') or ''}"
    plain["request"] = cell(" ".join(filter(None, (record.get("method"), address))))
    return plain


def _shown(value: object) -> str:
    if isinstance(value, Mapping) and not any(value.values()):
        return ""
    if value is None or value is False or value in ([], ()):
        return ""
    if isinstance(value, (list, tuple)) and all(isinstance(item, (str, int)) for item in value):
        return cell(value)
    return json_line(value) if isinstance(value, (dict, list, tuple)) else cell(value)


def _both(time: str | None) -> str:
    return f"{moment(time)} JST ({time})" if time else ""


def _with(record: Mapping[str, Any], name: str, source: str) -> str:
    said = cell(record.get(name))
    return f"{said} ({cell(record[source])})" if said and record.get(source) else said


def _sentence(reason: str) -> str:
    try:
        text = explain(Reason(reason))
    except ValueError:  # of another release
        return cell(reason)
    return f"{reason}: {text.ja} {text.en}"


def _field(name: str, said: str, width: int) -> Iterator[str]:
    room = max(20, width - _LABEL)
    label = f"{name}:"
    for line in said.split("\n") if said else ():
        for part in _folded(line, room):
            yield f"{label:{_LABEL}}{part}"
            label = ""


def _folded(line: str, room: int) -> Iterator[str]:
    """Break a line between words, and Japanese anywhere."""
    held = ""  # what of the line is full is given out; the rest waits for the next word
    for word in re.findall(r"[ -~]+?(?: +|(?=[^ -~])|$)|[^ -~]", line):
        if held and cell_len(held) + cell_len(word.rstrip()) > room:
            yield held.rstrip()
            held, word = "", word.lstrip()
        *full, held = chop_cells(held + word, room) or [""]
        yield from (each.strip() for each in full)
        held = held if not full else held.lstrip()
    if held.strip():
        yield held.rstrip()
