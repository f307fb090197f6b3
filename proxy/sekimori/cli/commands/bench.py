"""``sekimori bench``: how fast the gate is on this machine, beside a bare mitmdump.

The benchmarks live in the source repository (``bench/``), not in the package: they need the stand-in that
tests use, and no organisation's egress does.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from sekimori.cli.options import Json
from sekimori.errors import UsageError

_REPOSITORY = Path(__file__).parents[4]


def bench(
    name: Annotated[str, typer.Argument(help="keepalive_rps, p50_c1, ...; all for every one.")],
    json: Json = False,
    quick: Annotated[bool, typer.Option("--quick", help="A smoke test; the figures mean nothing.")] = False,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Measure in this folder, and so on its disk.")
    ] = None,
) -> None:
    """Measure, alternating with a bare mitmdump of the same version, and print one line each.

    \b
    Example:
      sekimori bench keepalive_rps --json
    """
    script = _REPOSITORY / "bench" / "run.py"
    if not script.is_file():
        raise UsageError(
            "The benchmarks are not part of the installed package.",
            hint="Clone the source repository and run: make bench",
        )
    if folder is not None and not folder.is_dir():
        raise UsageError(
            f"--folder {folder} is no folder.", hint="Make it first, on the disk to be measured."
        )
    options = [*(["--json"] if json else []), *(["--quick"] if quick else [])]
    options += ["--folder", str(folder)] if folder is not None else []
    done = subprocess.run([sys.executable, str(script), name, *options], check=False)
    if done.returncode:
        raise typer.Exit(done.returncode)
