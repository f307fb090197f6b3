"""Patterns over model names: ``*`` and ``?``, nothing else, compared without regard to case.

No regular expressions: a pattern from a file must not be able to make a decision slow.
"""

from __future__ import annotations

from functools import lru_cache

_REMEMBERED, _SHORT = 4096, 100


def glob_matches(pattern: str, name: str) -> bool:
    """Tell whether ``name`` matches ``pattern``; at most len(pattern) × len(name) steps."""
    # The same few models come again and again; what is long is not worth its memory.
    return _remembered(pattern, name) if len(name) <= _SHORT else _matches(pattern, name)


def _matches(pattern: str, name: str) -> bool:
    pattern, name = pattern.casefold(), name.casefold()
    at, star, resume, index = 0, -1, 0, 0
    while index < len(name):
        if at < len(pattern) and pattern[at] == "*":
            star, resume = at, index
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", name[index]):
            at += 1
            index += 1
        elif star >= 0:
            resume += 1
            at, index = star + 1, resume
        else:
            return False
    return all(char == "*" for char in pattern[at:])


_remembered = lru_cache(maxsize=_REMEMBERED)(_matches)


def matches_any(patterns: tuple[str, ...], name: str) -> bool:
    """Tell whether ``name`` matches one of ``patterns``."""
    return any(glob_matches(pattern, name) for pattern in patterns)


def globs_overlap(one: str, other: str) -> bool:
    """Tell whether some name matches both patterns."""
    one, other = one.casefold(), other.casefold()
    reached = _closure({(0, 0)}, one, other)
    seen = set(reached)
    while reached:
        if (len(one), len(other)) in reached:
            return True
        reached = _closure({after for state in reached for after in _steps(state, one, other)}, one, other)
        reached -= seen
        seen |= reached
    return False


def _steps(state: tuple[int, int], one: str, other: str) -> list[tuple[int, int]]:
    left, right = state
    if left == len(one) or right == len(other):
        return []
    a, b = one[left], other[right]
    if a not in "*?" and b not in "*?" and a != b:
        return []
    return [(left + (a != "*"), right + (b != "*"))]


def _closure(states: set[tuple[int, int]], one: str, other: str) -> set[tuple[int, int]]:
    todo, done = list(states), set(states)
    while todo:
        left, right = todo.pop()
        skips = []
        if left < len(one) and one[left] == "*":
            skips.append((left + 1, right))
        if right < len(other) and other[right] == "*":
            skips.append((left, right + 1))
        for state in skips:
            if state not in done:
                done.add(state)
                todo.append(state)
    return done
