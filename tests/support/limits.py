"""Traps in a folder where others write, and a limit for what must never wait: a pipe holds its reader for ever."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class WaitedError(BaseException):
    """Not caught by what takes an OSError, as a TimeoutError would be."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Break off what takes longer, on the main thread."""

    def over(_signal: int, _frame: object) -> None:
        raise WaitedError(f"still waiting after {seconds} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def put(kind: str, path: Path, *, at: Path | None = None) -> None:
    """Put something in the place of a file: a pipe, a folder, or a link to ``at``."""
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
        (path / "in it").touch()
    else:
        path.symlink_to(at or Path(os.devnull))
