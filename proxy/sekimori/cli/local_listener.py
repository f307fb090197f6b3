"""A listener that only programs of this machine reach: a Unix socket that opens for the group of its folder."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sekimori.errors import StateError

_BACKLOG = 128
_FOLDER, _SOCKET = 0o750, 0o660


@contextmanager
def local_listener(path: Path) -> Iterator[socket.socket]:
    """Listen at ``path`` for a while; whoever calls holds the lock that says that nobody else does.

    The socket's group is the folder's where that folder hands its group on (setgid), and else our own.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        try:
            path.parent.mkdir(mode=_FOLDER, exist_ok=True)
            path.unlink(missing_ok=True)  # a predecessor that was killed left it behind
            listener.bind(str(path))
            path.chmod(_SOCKET)
            listener.listen(_BACKLOG)
        except OSError as error:
            raise StateError(
                f"{path} can't be listened on: {error.strerror or error}.",
                hint="Correct the folder's owner and mode; a socket's whole path has at most 107 bytes.",
            ) from error
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)
