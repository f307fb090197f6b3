"""A real Prometheus (the system's package) on loopback, and its promtool."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.installation import free_ports

_START_SECONDS = 30.0


def needs(program: str) -> str:
    """Return the path of a system program, or skip the test."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed; make test installs it")
    return found


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A server that scrapes and evaluates every second."""

    port: int

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Ask now; an expression that Prometheus refuses raises with its reason."""
        data = urllib.parse.urlencode({"query": expression}).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{self.port}/api/v1/query", data, timeout=10) as answer:
                result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
                return result
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.SERVICE_UNAVAILABLE:  # it is still starting
                raise
            with error:
                raise AssertionError(f"{expression}: {error.read().decode()}") from error

    def wait_for(self, expression: str, seconds: float = _START_SECONDS) -> list[dict[str, Any]]:
        """Ask until there is an answer."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with suppress(OSError):
                if found := self.query(expression):
                    return found
            time.sleep(0.2)
        raise AssertionError(f"no answer to {expression} within {seconds} s")


@contextmanager
def prometheus(folder: Path, targets: Sequence[str], rules: Path) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes ``targets``."""
    program = needs("prometheus")
    (port,) = free_ports(1)
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [{"job_name": "sekimori", "static_configs": [{"targets": list(targets)}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), "utf-8")
    process = subprocess.Popen(
        [
            program,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ],
        cwd=folder,
    )
    try:
        yield Prometheus(port)
    finally:
        process.terminate()
        process.wait(20)
