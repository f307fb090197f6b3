"""Debian's unmodified ``sigsum-verify``, run as an auditor would."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sekimori.ledger.tlog.keys import ssh_line
from sekimori.ledger.tlog.trust import Trust

_AT_ONCE = 4


class SigsumVerify:
    """One key file and one policy file, and as many proofs as wanted."""

    def __init__(self, folder: Path, writers: Sequence[bytes], trust: Trust) -> None:
        program = shutil.which("sigsum-verify")
        if program is None:
            pytest.skip("sigsum-verify is not installed; make test installs it")
        self._program = program
        self._folder = folder
        self.keys = folder / "proxy.pub"
        self.policy = folder / "policy"
        self.keys.write_text("".join(map(ssh_line, writers)))
        self.policy.write_bytes(trust.pack())

    def accepts(self, proof: bytes, envelope: bytes, name: str = "rec") -> bool:
        """Tell whether the program exits with 0."""
        path = self._folder / f"{name}.proof"
        path.write_bytes(proof)
        ran = subprocess.run(
            [self._program, "-k", self.keys, "-p", self.policy, path],
            input=envelope,
            capture_output=True,
            close_fds=False,  # then it is spawned, not forked
            check=False,
        )
        assert (ran.returncode == 0) == (not ran.stderr), ran.stderr
        return ran.returncode == 0

    def accepted(self, cases: Iterable[tuple[bytes, bytes]]) -> list[bool]:
        """Ask for many, some at a time."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            asked = [
                pool.submit(self.accepts, proof, envelope, f"rec{n}")
                for n, (proof, envelope) in enumerate(cases)
            ]
            return [one.result() for one in asked]
