"""The demo's world: services that stand in for the real ones, a real ``sekimori up``, three people."""

from __future__ import annotations

import contextlib
import re
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from string import Template

import httpx2

from support.installation import Installation
from support.standin.certificates import make
from support.threads import StandinThread

APPROVED = ("api.openai.com", "api.anthropic.com")
REFUSED = ("chatgpt.com", "api.deepseek.com")
SITE = "www.example.jp"
PEOPLE = ("yamada", "suzuki", "ito")

_JST = timezone(timedelta(hours=9))
_IN_FORCE_SECONDS = 10.0


@dataclass(slots=True)
class Scene:
    """What the steps play with; ``services`` may be reached, ``trap`` must never be."""

    installation: Installation
    services: StandinThread
    trap: StandinThread
    site: StandinThread
    root: Path
    site_root: Path

    def context(self) -> ssl.SSLContext:
        """Return what a client trusts that was told about the gate's CA."""
        return ssl.create_default_context(cafile=str(self.root))

    def http(self, user: str) -> httpx2.Client:
        """Return an HTTP client as an SDK takes it: a proxy with a password, and the CA."""
        proxy = self.installation.proxy(user)
        return httpx2.Client(proxy=proxy, verify=self.context(), timeout=30, trust_env=False)

    def curl(self, user: str, *arguments: str) -> subprocess.CompletedProcess[str] | None:
        """Run curl through the gate; nothing where there is no curl."""
        program = shutil.which("curl")
        if program is None:
            return None
        options = ["--silent", "--show-error", "--max-time", "20", "--suppress-connect-headers"]
        options += ["--cacert", str(self.root), "--proxy", self.installation.proxy(user)]
        return subprocess.run(
            [program, *options, *arguments],
            capture_output=True,
            text=True,
            env=self.installation.environment(),
            check=False,
            timeout=30,
        )


@contextlib.contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """Start everything in ``folder``, and end it again."""
    ca, certificate = make(folder / "tls", [*APPROVED, *REFUSED, SITE])
    with contextlib.ExitStack() as ends:
        services, trap, site = (_standin(ends, certificate, http2=http2) for http2 in (True, True, False))
        resolve = dict.fromkeys(APPROVED, services.address) | dict.fromkeys(REFUSED, trap.address)
        installation = Installation(
            folder / "sekimori",
            upstream_ca=ca,
            resolve=resolve | {SITE: site.address},
        )
        ends.callback(installation.stop)
        installation.start()
        yield Scene(installation, services, trap, site, installation.root(), ca)


def _standin(ends: contextlib.ExitStack, certificate: Path, *, http2: bool) -> StandinThread:
    standin = StandinThread(certificate, http2=http2)
    ends.callback(standin.stop)
    return standin


def policy() -> str:
    """Return the demo's policy with days around today: a grant that runs, and one that ended."""
    today = datetime.now(UTC).astimezone(_JST).date()
    days = {"since": -30, "until": 365, "decided": -40, "long_ago": -400, "ended": -35}
    text = Template((Path(__file__).parent / "policy.yaml").read_text("utf-8"))
    return text.substitute(
        {name: (today + timedelta(days=offset)).isoformat() for name, offset in days.items()}
    )


def apply(installation: Installation) -> str:
    """Apply the policy, wait until the gate has taken it over, and return what ``apply`` said."""
    said = installation.apply(policy()).stdout.strip()
    (version,) = re.findall(r"policy ([0-9a-f]{12})", said)
    deadline = time.monotonic() + _IN_FORCE_SECONDS
    while f"policy {version} in force" not in installation.log.read_text("utf-8", "replace"):
        if time.monotonic() > deadline:
            raise AssertionError(f"the gate did not take over policy {version}")
        time.sleep(0.1)
    return said
