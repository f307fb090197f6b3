"""Run benchmarks by name and print one JSON object a line; ``sekimori bench`` calls this.

python bench/run.py keepalive_rps --json
python bench/run.py all --json --folder /srv/disk-to-measure
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

# The stand-in and the installation that tests start are used here too.
sys.path.append(str(Path(__file__).parent.parent / "tests"))

import core
import durable
import latency
import memory
import shelf
import standing
import throughput
import verifying
from figures import Figure

import wire

BENCHMARKS: dict[str, Callable[..., Figure]] = {
    "keepalive_rps": throughput.keepalive_rps,
    "p50_c1": latency.p50_c1,
    "first_chunk": latency.first_chunk,
    "chunk_delay": latency.chunk_delay,
    "new_connections": throughput.new_connections,
    "passthrough": throughput.passthrough,
    "rss_500_streams": memory.rss_500_streams,
    "rss_growth": memory.rss_growth,
    "spool_rps": durable.spool_rps,
    "store_rps": shelf.store_rps,
    "bytes_per_turn": shelf.bytes_per_turn,
    "verify_rps": verifying.verify_rps,
    "decide": core.decide,
    "compile": core.compile_policy,
    "standing": standing.standing,
    "wire_request": wire.read_chat,
    "wire_stream": wire.read_stream,
}


def main() -> int:
    """Run what was asked for; 2 for a name that is none."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("names", nargs="*", default=["all"])
    options.add_argument("--json", action="store_true")
    options.add_argument("--quick", action="store_true", help="a smoke test: the figures mean nothing")
    options.add_argument("--folder", type=Path, help="measure in this folder, and so on its disk")
    asked = options.parse_args()
    names = list(BENCHMARKS) if asked.names == ["all"] else asked.names
    if unknown := [name for name in names if name not in BENCHMARKS]:
        print(
            f"There is no benchmark {unknown[0]!r}. Choose from: all {' '.join(BENCHMARKS)}.", file=sys.stderr
        )
        return 2
    with tempfile.TemporaryDirectory(prefix="sekimori-bench-", dir=asked.folder) as folder:
        for name in names:
            if sys.stderr.isatty():
                print(f"{name} ...", file=sys.stderr)
            (own := Path(folder) / name).mkdir()
            found = BENCHMARKS[name](own, quick=asked.quick)
            print(found.line() if asked.json else found.sentence(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
