"""Which requirement rows are proven by which tests: ``make requirements``.

Reads ``rows.json`` (every row of the requirements and what is wanted of it: ``proven``, ``partial`` or
``later``) and the ``req`` marks of the tests, by their syntax alone: nothing is imported or started.
The status of a row is what is wanted if a test names it, ``none`` if none does. Exits with 1 if a row
that must be proven, wholly or in part, has no test, or a test names a row that there is not.
"""

from __future__ import annotations

import ast
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = Path(__file__).with_name("rows.json")
TARGETS = ("proven", "partial", "later")


@dataclass(frozen=True, slots=True)
class Row:
    """One requirement: its id, what it asks for in a line, and what is wanted of it now."""

    id: str
    en: str
    target: str


def read_rows(text: str) -> list[Row]:
    """Read ``rows.json``; raise ``ValueError`` for a row that is there twice or wants something unknown."""
    rows = [Row(**row) for row in json.loads(text)]
    if len({row.id for row in rows}) != len(rows):
        raise ValueError("a row is there twice")
    if wrong := [row.id for row in rows if row.target not in TARGETS]:
        raise ValueError(f"unknown target of {', '.join(wrong)}")
    return rows


def marks(tests: Path) -> dict[str, list[str]]:
    """Return, for each id that a test names, the tests that do."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted(tests.rglob("test_*.py")):
        module = ast.parse(path.read_text("utf-8"), str(path))
        for test, id_ in _marked(module):
            found[id_].append(f"{path.relative_to(tests.parent)}::{test}")
    return dict(found)


def _marked(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield each test with each id that marks it, its class, its module or one of its cases."""
    for_all = [id_ for node in module.body if isinstance(node, ast.Assign) for id_ in _ids(node)]
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            own = [id_ for decorator in node.decorator_list for id_ in _ids(decorator)]
            yield from ((node.name, id_) for id_ in dict.fromkeys(own + for_all))
        elif isinstance(node, ast.ClassDef):
            own = [id_ for decorator in node.decorator_list for id_ in _ids(decorator)]
            yield from ((node.name, id_) for id_ in own)


def _ids(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.req":
            yield from (text for argument in node.args for text in _texts(argument))


def _texts(argument: ast.expr) -> Iterator[str]:
    """Yield the ids that an argument spells out: one, or those of a list that is laid out with ``*``."""
    if isinstance(argument, ast.Starred) and isinstance(argument.value, ast.Tuple | ast.List):
        for element in argument.value.elts:
            yield from _texts(element)
    elif isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        yield argument.value


def status(row: Row, tests: Mapping[str, list[str]]) -> str:
    """Say where ``row`` stands."""
    if row.id in tests:
        return "partial" if row.target == "later" else row.target
    return "later" if row.target == "later" else "none"


def main() -> int:
    """Print every row; return 0 if all that must be proven is."""
    rows, tests = read_rows(ROWS.read_text("utf-8")), marks(ROOT / "tests")
    counts = dict.fromkeys((*TARGETS, "none"), 0)
    for row in rows:
        stands = status(row, tests)
        counts[stands] += 1
        print(f"{row.id:12} {stands:8} {row.en}")  # noqa: T201 (a command's output)
        for test in tests.get(row.id, ()):
            print(f"{'':21} {test}")  # noqa: T201
    print(" ".join(f"{name}: {count}" for name, count in counts.items()))  # noqa: T201
    unknown = sorted(set(tests) - {row.id for row in rows})
    for id_ in unknown:
        print(f"{id_} is named by {tests[id_][0]}, but it is no row", file=sys.stderr)  # noqa: T201
    return 1 if unknown or counts["none"] else 0


if __name__ == "__main__":
    sys.exit(main())
