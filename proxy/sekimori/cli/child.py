"""One child of the tree: ``python -I -m sekimori.cli.child ROLE``, told the rest on standard input.

Not a command for people. Watches its lifeline from the first moment, so that a supervisor that dies
while a child is still importing leaves nothing behind.
"""

from __future__ import annotations

import logging
import select
import signal
import sys
from collections.abc import Callable

import msgspec

from sekimori.cli.orders import Orders
from sekimori.cli.terminal import say
from sekimori.errors import SekimoriError, where

_FAULTY = 1
_UNABLE = 2
_ORPHANED = 75


def main() -> int:
    """Take the orders and fill the role."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    orders = msgspec.json.decode(sys.stdin.buffer.read(), type=Orders)
    role = _ROLES[sys.argv[1]]
    if _is_orphan(orders.lifeline_fd):
        return _ORPHANED
    try:
        return role(orders)
    except SekimoriError as error:
        say(f"{sys.argv[1]}: {error}")
        return _UNABLE
    except Exception as error:  # noqa: BLE001 (the last resort of a process)
        # Whatever it is: its message, and a traceback with it, could quote a prompt or a name in the journal.
        say(f"{sys.argv[1]}: stopped by a fault of its own: {where(error)}")
        return _FAULTY


def _is_orphan(lifeline_fd: int) -> bool:
    """Tell whether the lifeline ended before anything was started."""
    return bool(select.select([lifeline_fd], [], [], 0)[0])


def _gate(orders: Orders) -> int:
    from sekimori.cli.orders import worker_settings
    from sekimori.gate import worker

    return worker.run(worker_settings(orders))


def _archive(orders: Orders) -> int:
    _log("archivist")
    from sekimori.cli.archiving import run

    return run(orders)


def _publisher(orders: Orders) -> int:
    _log("publisher")
    from sekimori.cli.publishing import run

    return run(orders)


def _web(orders: Orders) -> int:
    _log("console")
    from sekimori.cli.web import run

    return run(orders)


def _govern(orders: Orders) -> int:
    _log("governor")
    from sekimori.cli.governor import run

    return run(orders)


def _log(role: str) -> None:
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {role} %(levelname)s %(name)s %(message)s")


_ROLES: dict[str, Callable[[Orders], int]] = {
    "gate": _gate,
    "archive": _archive,
    "publisher": _publisher,
    "web": _web,
    "govern": _govern,
}

if __name__ == "__main__":
    sys.exit(main())
