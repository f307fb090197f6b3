"""An installation whose roles are processes of their own, each with the folder of keys that it needs and no other."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass, field

from sekimori.cli.tree import KEYS_OF
from support.installation import SEKIMORI, START_SECONDS, Installation, free_ports

READY = "Sekimori is ready"


@dataclass
class Apart:
    """Starts, ends and kills roles by name; commands are run on ``whole``, which has all keys."""

    whole: Installation
    metrics: dict[str, int] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def make(self) -> None:
        """Do what `sekimori init` does, and lay out the keys of each role."""
        config = self.whole.write_config()
        self.whole.run("init", "--config", str(config))
        for role, folders in KEYS_OF.items():
            own = self.whole.folder / f"keys-{role}"
            own.mkdir(mode=0o700)
            for folder in folders:
                (own / folder).symlink_to(self.whole.keys / folder)
        self.metrics = dict(zip(KEYS_OF, free_ports(len(KEYS_OF)), strict=True))

    def start(self, role: str) -> None:
        """Start a role and wait until it says that it serves."""
        words = ["govern", "serve"] if role == "govern" else [role]
        where = {
            "gate": ["--listen", f"127.0.0.1:{self.whole.gate}"],
            "console": ["--console", f"127.0.0.1:{self.whole.web}"],
        }.get(role, [])
        command = [str(SEKIMORI), *words, *where, "--metrics", f"127.0.0.1:{self.metrics[role]}"]
        command += ["--data", str(self.whole.data), "--keys", str(self.whole.folder / f"keys-{role}")]
        command += ["--config", str(self.whole.folder / "sekimori.toml")]
        log = self.whole.folder / f"{role}.log"
        with log.open("wb") as written:
            self.running[role] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=written,
                env=self.whole.environment() | {"SEKIMORI_CONSOLE_PUBLIC_URL": self.base},
            )
        deadline = time.monotonic() + START_SECONDS
        while READY not in log.read_text("utf-8"):
            if self.running[role].poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{role} did not start:\n{log.read_text('utf-8')[-3000:]}")
            time.sleep(0.1)

    def kill(self, role: str) -> None:
        """Kill a role as the kernel would; its children end with their lifeline."""
        process = self.running.pop(role)
        process.kill()
        process.wait(10)

    def stop(self) -> None:
        """End every role in order."""
        for process in self.running.values():
            process.terminate()
        codes = {role: process.wait(60) for role, process in self.running.items()}
        assert set(codes.values()) <= {0}, codes

    @property
    def base(self) -> str:
        """Where the web pages are."""
        return f"http://127.0.0.1:{self.whole.web}"
