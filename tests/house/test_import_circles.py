"""No module imports itself by way of others, not even inside a function: each can be read without the next."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = {
    ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): file
    for root in (ROOT / name for name in ("proxy", "addons", "storage", "console"))
    for file in root.rglob("*.py")
}


def imported(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            within = {f"{node.module}.{alias.name}" for alias in node.names} & FILES.keys()
            found |= within or {node.module or ""}
    return found & FILES.keys()


def test_no_module_imports_itself_by_way_of_others():
    graph = {name: imported(file) - {name} for name, file in FILES.items()}
    circle = []
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        circle = error.args[1]
    assert circle == []


def test_what_the_program_consists_of_is_found():
    assert imported(FILES["sekimori.cli.opened"]) >= {"sekimori.cli.keeper", "sekimori.cli.places"}
