"""Run the stand-in as a process of its own: prints one JSON line with its port, then serves."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path

from support.standin.server import Seen, Standin, digest


def main() -> None:
    """Serve until standard input closes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--certificate", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--log", type=Path, help="append the hash of each request body, durable before the answer"
    )
    parser.add_argument("--no-http2", action="store_true")
    asyncio.run(_run(parser.parse_args()))


async def _run(arguments: argparse.Namespace) -> None:
    log = os.open(arguments.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if arguments.log else None

    def note(seen: Seen) -> None:
        if log is not None and seen.body:
            os.write(log, f"{digest(seen.body)}\n".encode())

    server = Standin(arguments.certificate, on_request=note, remember=False, http2=not arguments.no_http2)
    port = await server.start(port=arguments.port)
    print(json.dumps({"port": port, "pid": os.getpid()}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.stop()


if __name__ == "__main__":
    main()
