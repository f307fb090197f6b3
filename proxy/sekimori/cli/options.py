"""Options that many commands share, spelt and explained once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sekimori.cli.places import Places
from sekimori.errors import StateError

if TYPE_CHECKING:
    from sekimori.cli.config import Config

DEFAULT_DATA = Path("./sekimori-data")
DEFAULT_KEYS = Path("./sekimori-keys")

Data = Annotated[Path, typer.Option("--data", envvar="SEKIMORI_DATA", help="The data folder.")]
Keys = Annotated[
    Path,
    typer.Option(
        "--keys",
        envvar="SEKIMORI_KEYS",
        help="The keys folder, never inside the data folder.",
        readable=False,  # a role may pass through it to its own, and not look around
    ),
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", envvar="SEKIMORI_CONFIG", help="The configuration file (TOML).")
]
By = Annotated[str, typer.Option("--by", help="Who carries it out; otherwise the operating system's user.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it. Without this, only say what would happen.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


def installation(data: Path, keys: Path, config: Path | None = None) -> Places:
    """Name the folders of an installation that was started before; refuse anything else."""
    places = Places.of(data, keys, configured(config))
    if not places.format.is_file():
        raise StateError(
            f"There is no Sekimori installation in {data}.",
            hint="Start one with: sekimori up, or name its folder with --data.",
        )
    return places


def configured(config: Path | None) -> Config:
    """Read the configuration for a command."""
    from sekimori.cli.config_file import load

    return load(config, os.environ)
