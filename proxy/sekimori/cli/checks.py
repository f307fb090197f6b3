"""What must hold before anything starts; each fault is one sentence with what to do next.

Looks and refuses; makes nothing but the folders themselves and the lock.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from sekimori.cli.config import Config
from sekimori.cli.places import Places
from sekimori.cli.units import Address
from sekimori.errors import IntegrityError, KeyAccessError, StateError
from sekimori.ledger.files import open_plain, read_plain

FORMAT = 1
_MOST_FORMAT = 4096
_BACKLOG = 1024
_TRIES = 5
_BETWEEN_TRIES = 0.05
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
# What a first start may leave behind before it has made anything that counts.
_HARMLESS = frozenset({"up.lock", "clock", "lost+found", "metrics"})


def check_apart(places: Places) -> None:
    """Refuse keys inside the data folder: a backup of the data would hold what decrypts it."""
    data, keys = places.data.resolve(), places.keys.resolve()
    if keys.is_relative_to(data) or data.is_relative_to(keys):
        raise StateError(
            f"The keys folder {places.keys} and the data folder {places.data} lie one inside the other, "
            "so a backup of one would hold both.",
            hint="Name a folder beside it with --keys.",
        )


def check_outside(config: Config) -> None:
    """Refuse to start without the outside memory that the profile demands, or with one that can't be used."""
    from sekimori.ledger.outside.http import trusting
    from sekimori.ledger.outside.timestamps import read_roots

    if config.profile == "gov" and not config.ledger.witnesses:
        raise StateError(
            'The profile "gov" needs a witness: without one nobody outside remembers the record.',
            hint="Name one in the configuration under [[ledger.witnesses]].",
        )
    for witness in config.ledger.witnesses:
        trusting(witness.ca_file)
    for authority in config.ledger.timestamps:
        read_roots(Path(authority.ca_file))


def check_folder(folder: Path, option: str, *, write: bool = True) -> None:
    """Make the folder if it isn't there, and make sure that it can be read and, for ``write``, written."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(
            f"The folder {folder} cannot be made ({error.strerror}).", hint=f"Name another with {option}."
        ) from error
    if not os.access(folder, os.X_OK | (os.R_OK | os.W_OK if write else 0)):
        raise StateError(
            f"The folder {folder} cannot be read and written by this user.",
            hint=f"Correct its owner and mode, or name another with {option}.",
        )


def is_first_start(places: Places) -> bool:
    """Tell a first start from a later one; refuse a folder that is neither."""
    try:
        found = read_plain(places.format, _MOST_FORMAT).decode("ascii").strip()
    except FileNotFoundError:
        return _nothing_yet(places)
    except (IntegrityError, OSError, UnicodeDecodeError) as error:
        raise StateError(f"{places.format} cannot be read.", hint="Restore it from a backup.") from error
    if not found.isdecimal() or int(found) > FORMAT:
        raise StateError(
            f"The data folder {places.data} has format {found[:20]!r}; this version reads format {FORMAT}.",
            hint="Start the newer version of Sekimori that wrote it.",
        )
    return False


def _nothing_yet(places: Places) -> bool:
    left = sorted(entry.name for entry in places.data.iterdir() if entry.name not in _HARMLESS)
    if left:
        raise StateError(
            f"The data folder {places.data} is half made: it holds {', '.join(left[:3])} but no file named "
            "format, so its first start did not finish or it belongs to another program.",
            hint="Move it away, or name another with --data.",
        )
    return True


def check_keys(places: Places, *, first: bool, folders: Collection[str] = ()) -> None:
    """Refuse missing keys of a folder that has data, and keys that others can read.

    ``folders`` are those of the role that is run alone; others may belong to other users.
    """
    roots = [places.keys / name for name in folders] or [places.keys]
    if not first and not any(any(root.glob("*" if folders else "*/*")) for root in roots):
        raise KeyAccessError(
            f"The keys folder {places.keys} is empty, but {places.data} was written with keys.",
            hint="Name the right folder with --keys, or restore it; new keys would not open old records.",
        )
    for root in roots:
        if not os.access(root, os.R_OK | os.X_OK):
            raise KeyAccessError(
                f"The keys folder {root} can't be entered by this user.",
                hint="Correct its owner, or restore it.",
            )
    for path in (path for root in roots for path in (root, *sorted(root.rglob("*")))):
        # A group may pass through the folder above all roles, to the one folder that opens for each user.
        others = _OTHERS & ~stat.S_IXGRP if path == places.keys else _OTHERS
        if _mode(path) & others:
            what = "chmod 700" if path.is_dir() else "chmod 600"
            raise KeyAccessError(f"{path} can be reached by other users.", hint=f"Run: {what} {path}")


def _mode(path: Path) -> int:
    """Return the mode of a key; a link has none of its own, and a draft may be gone by now."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return 0
    return 0 if stat.S_ISLNK(status.st_mode) else status.st_mode


def check_ledger(places: Places, config: Config) -> None:
    """Refuse to start where a memory outside says something else than the logs that are here."""
    from sekimori.cli.outside import Outside
    from sekimori.cli.trees import check_start

    outside = Outside(config.ledger, places) if config.ledger.witnesses else None
    try:
        sentences = check_start(places, outside.remembered if outside else None)
    finally:
        if outside:
            outside.close()
    if sentences:
        raise StateError("\n".join(sentences))


@contextmanager
def only_one(places: Places, roles: tuple[str, ...] = ()) -> Iterator[None]:
    """Hold the data folder, or the ``roles`` of it that are served; refuse while another holds it."""
    if roles and running(places):
        raise StateError(
            f"`sekimori up` already runs on {places.data} and serves {' and '.join(roles)}.",
            hint="Stop it first, or name another folder with --data.",
        )
    descriptor = _open_lock(places.lock(roles))
    try:
        if not _taken(descriptor):
            raise StateError(
                f"Sekimori already runs on {places.data} as process {_holder(descriptor)}.",
                hint="Stop that one first, or name another folder with --data.",
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        yield
    finally:
        os.close(descriptor)


def _open_lock(path: Path) -> int:
    # It is written to: a link would lead to any file of ours, the keys among them.
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags, 0o640)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
    except OSError as error:
        raise StateError(f"{path} cannot be opened: {error.strerror}.") from error
    raise StateError(f"{path} is not a plain file.", hint="Remove it; it holds nothing but a lock.")


def _taken(descriptor: int) -> bool:
    """Take the lock; a command that looks whether we run (``running``) holds it for an instant."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_BETWEEN_TRIES)
        else:
            return True
    return False


def _holder(descriptor: int) -> str:
    pid = os.pread(descriptor, 20, 0).strip()
    return pid.decode("ascii") if pid.isdigit() else "unknown"


def running(places: Places, roles: tuple[str, ...] = ()) -> bool:
    """Tell whether an ``up``, or whoever serves ``roles``, is at work on this data folder now."""
    try:
        descriptor = open_plain(places.lock(roles))
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def listen(address: Address, *, who: str, option: str) -> socket.socket:
    """Bind and listen; a port that is taken is a sentence.

    No SO_REUSEPORT: with it a second program on the same port would start without a word.
    """
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StateError(
            f"{address} is no address of this machine ({error.strerror}).",
            hint=f"Name another with {option}.",
        ) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(target)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise StateError(
            f"{_why(error, address)}, so the {who} cannot listen.", hint=_remedy(error, option)
        ) from error
    return listener


def _why(error: OSError, address: Address) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {address.port} on {address.host} is taken by another program"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"This user may not open port {address.port}"
    return f"{address} cannot be opened ({error.strerror})"


def _remedy(error: OSError, option: str) -> str:
    first = "Stop it, or choose" if error.errno == errno.EADDRINUSE else "Choose"
    return f"{first} another address with {option}."


def bound(listener: socket.socket) -> Address:
    """Say where a listener really listens, for a port that the system chose."""
    host, port = listener.getsockname()[:2]
    return Address(host, port)
