"""``sekimori gate``, ``archive``, ``console``, ``govern serve``: one role each, where several share the work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sekimori.cli.commands.up import Console, Listen, Metrics, Workers, settings_of
from sekimori.cli.options import DEFAULT_DATA, DEFAULT_KEYS, ConfigFile, Data, Keys
from sekimori.cli.places import Places

if TYPE_CHECKING:
    from sekimori.cli.config import Config


def gate(
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
    listen: Listen = None,
    metrics: Metrics = None,
    workers: Workers = None,
) -> None:
    """Run the gate workers alone; `sekimori archive` must publish the policy beside them.

    \b
    Example:
      sekimori gate --config sekimori.toml --metrics 127.0.0.1:8082
    """
    _run(data, keys, settings_of(config, listen, None, metrics, workers), "gate")


def archive(
    data: Data = DEFAULT_DATA, keys: Keys = DEFAULT_KEYS, config: ConfigFile = None, metrics: Metrics = None
) -> None:
    """Run the archivist and the publisher of the policy alone.

    \b
    Example:
      sekimori archive --config sekimori.toml --metrics 127.0.0.1:8083
    """
    _run(data, keys, settings_of(config, None, None, metrics), "archive")


def console(
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
    console: Console = None,
    metrics: Metrics = None,
) -> None:
    """Run the web pages alone.

    \b
    Example:
      sekimori console --config sekimori.toml --metrics 127.0.0.1:8084
    """
    _run(data, keys, settings_of(config, None, console, metrics), "console")


def govern(
    data: Data = DEFAULT_DATA, keys: Keys = DEFAULT_KEYS, config: ConfigFile = None, metrics: Metrics = None
) -> None:
    """Run the governing process alone: the HTTP API, for a web server that may not read the archive's keys.

    It listens on a Unix socket below the data folder, and on no network. `sekimori up` does not need it.

    \b
    Example:
      sekimori govern serve --config sekimori.toml --metrics 127.0.0.1:8086
    """
    _run(data, keys, settings_of(config, None, None, metrics), "govern")


def _run(data: Path, keys: Path, settings: Config, role: str) -> None:
    from sekimori.cli.first_start import first_start
    from sekimori.cli.serve import Installation, run

    run(Installation(settings, Places.of(data, keys, settings), (role,)), first_start)
