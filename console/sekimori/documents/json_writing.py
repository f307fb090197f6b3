"""A paper as JSON: its content as data, and its tables as they are printed."""

from __future__ import annotations

import json

import msgspec

from sekimori.documents.package import stamp
from sekimori.governance.paper import Grid, Paper


def write_json(paper: Paper, at_us: int) -> bytes:
    """Write a paper as JSON, readable by people too."""
    document = {
        "format": paper.kind,
        "made_at": stamp(at_us),
        "title": paper.title,
        "lines": paper.lines,
        "content": msgspec.to_builtins(paper.content),
        "tables": [_table(grid) for grid in paper.grids],
    }
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()


def _table(grid: Grid) -> dict[str, object]:
    return {"name": grid.name, "heads": grid.heads, "rows": [line.cells for line in grid.lines]}
