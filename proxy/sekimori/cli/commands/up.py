"""``sekimori up`` and ``sekimori init``: start an installation, or only make one."""

from __future__ import annotations

import os
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sekimori.cli.options import DEFAULT_DATA, DEFAULT_KEYS, ConfigFile, Data, Keys

if TYPE_CHECKING:
    from sekimori.cli.config import Config
    from sekimori.cli.greeting import Caller

Listen = Annotated[str | None, typer.Option("--listen", metavar="HOST:PORT", help="Where the proxy listens.")]
Console = Annotated[
    str | None, typer.Option("--console", metavar="HOST:PORT", help="Where the web pages are.")
]
Metrics = Annotated[
    str | None, typer.Option("--metrics", metavar="HOST:PORT", help="Where Prometheus scrapes.")
]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="How many gate processes; one a core.")]


def up(
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
    listen: Listen = None,
    console: Console = None,
    metrics: Metrics = None,
    workers: Workers = None,
) -> None:
    """Run the gate, the archivist, the web pages and the metrics in one supervised tree.

    The first start makes keys, CA, database and administrator, and prints what to do next. Nothing is
    admitted until something is approved. SIGTERM and Ctrl-C drain; a second one no longer waits.

    \b
    Example:
      sekimori up --listen 127.0.0.1:8080
    """
    from sekimori.cli.first_start import first_start
    from sekimori.cli.places import Places
    from sekimori.cli.serve import Installation, run

    settings = settings_of(config, listen, console, metrics, workers)
    greet = partial(first_start, caller=caller(data, keys, config))
    run(Installation(settings, Places.of(data, keys, settings)), greet)


def init(data: Data = DEFAULT_DATA, keys: Keys = DEFAULT_KEYS, config: ConfigFile = None) -> None:
    """Make keys, CA, database and administrator as the first `up` would, and start nothing.

    For installations whose processes run under users of their own: see deploy/.

    \b
    Example:
      sekimori init --data /var/lib/sekimori --keys /var/lib/sekimori-keys
    """
    from sekimori.cli.first_start import first_start
    from sekimori.cli.places import Places
    from sekimori.cli.serve import Installation, make_only

    settings = settings_of(config)
    greet = partial(first_start, caller=caller(data, keys, config))
    make_only(Installation(settings, Places.of(data, keys, settings)), greet)


def caller(data: Path, keys: Path, config: Path | None) -> Caller:
    """Say how this program was called, with the options that its other commands need as well."""
    from sekimori.cli.greeting import Caller

    given: dict[str, tuple[Path | None, Path | None]] = {
        "--data": (data, DEFAULT_DATA),
        "--keys": (keys, DEFAULT_KEYS),
        "--config": (config, None),
    }
    options = {
        name: value if value != default and f"SEKIMORI_{name[2:].upper()}" not in os.environ else None
        for name, (value, default) in given.items()
    }
    return Caller.of(sys.argv[0], shutil.which("sekimori"), options)


def settings_of(
    config: Path | None,
    listen: str | None = None,
    console: str | None = None,
    metrics: str | None = None,
    workers: int | None = None,
) -> Config:
    """Compose the configuration from file, environment and these options."""
    from sekimori.cli.config_file import load

    given: dict[tuple[str, ...], object] = {
        ("gate", "listen"): listen,
        ("console", "listen"): console,
        ("metrics", "listen"): metrics,
        ("gate", "workers"): workers,
    }
    return load(config, os.environ, {place: value for place, value in given.items() if value is not None})
