"""The words that the wire readers look for, taken from their own source: what a fuzzer should know how to say."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import sekimori.wire

_WIRE = Path(next(iter(sekimori.wire.__path__)))
_LONGEST = 40


@cache
def vocabulary() -> tuple[str, ...]:
    """List every word in a string of the readers' source, docstrings left out."""
    found: set[str] = set()
    for path in sorted(_WIRE.rglob("*.py")):
        module = ast.parse(path.read_text("utf-8"), str(path))
        told = {id(text) for node in ast.walk(module) if (text := _docstring(node)) is not None}
        for node in ast.walk(module):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
                found.update(word for word in node.value.split() if len(word) <= _LONGEST)
    return tuple(sorted(found))


def _docstring(node: ast.AST) -> ast.Constant | None:
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) or not node.body:
        return None
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return first.value
    return None
