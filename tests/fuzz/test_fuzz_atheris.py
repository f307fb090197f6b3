"""A bounded run of the coverage-guided fuzzer; ``make fuzz`` runs it for as long as one likes."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.target import check

SECONDS = 30


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed here")
def test_half_a_minute_of_fuzzing_finds_no_fault(tmp_path: Path) -> None:
    harness = Path(__file__).with_name("harness.py")
    bounds = (f"-max_total_time={SECONDS}", "-max_len=8192", "-timeout=10", "-rss_limit_mb=1536")
    run = subprocess.run(
        [sys.executable, str(harness), *bounds, f"-artifact_prefix={tmp_path}/"],
        capture_output=True,
        text=True,
        timeout=SECONDS * 4,
        check=False,
    )
    found = [(path.name, path.read_bytes()) for path in tmp_path.iterdir()]
    assert (run.returncode, found) == (0, []), run.stderr[-4000:]


# What the fuzzer found once, in the order of finding.
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            b"\n\n|" + b"\n" * 41 + b'{"v0RIFF' + b"\n" * 15 + b"\1\0\0\0" + b"\n" * 15,
            id="JSON behind white space, brotli claimed",
        ),
    ],
)
def test_what_the_fuzzer_found_is_read(data: bytes) -> None:
    check(data)
