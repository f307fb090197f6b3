"""Who is signed in with a browser: opaque ids in memory, which end by themselves and when the server does.

Kept is the hash of an id, so that a dump of this process signs nobody in. Bounded: beyond ``most`` the session
that was silent the longest ends.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

COOKIE = "__Host-sekimori"
_HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in: whose, the token that its writes carry, when it began and was last used.

    ``stamp`` is that of the password it began with: it ends with that.
    """

    name: str
    csrf: str
    since_us: int
    seen_us: int
    expires_us: int
    stamp: str = ""


class Sessions:
    """The sessions of this server."""

    def __init__(
        self,
        random: Callable[[int], bytes],
        *,
        life_us: int = 8 * _HOUR_US,
        idle_us: int = _HOUR_US // 2,
        most: int = 10_000,
    ) -> None:
        self._random = random
        self._life_us, self._idle_us, self._most = life_us, idle_us, most
        self._held: OrderedDict[bytes, Session] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, name: str, now_us: int, stamp: str = "") -> tuple[str, Session]:
        """Sign somebody in; give the cookie's value and the session."""
        id_, csrf = _text(self._random(32)), _text(self._random(32))
        session = Session(name, csrf, now_us, now_us, now_us + self._life_us, stamp)
        with self._lock:
            self._held[_hash(id_)] = session
            while len(self._held) > self._most:
                self._held.popitem(last=False)
        return id_, session

    def find(self, id_: str, now_us: int) -> Session | None:
        """Give the session, which counts as used; None when it is over or never was."""
        key = _hash(id_)
        with self._lock:
            session = self._held.get(key)
            if session is None:
                return None
            if now_us >= session.expires_us or now_us >= session.seen_us + self._idle_us:
                del self._held[key]
                return None
            self._held[key] = session = replace(session, seen_us=max(now_us, session.seen_us))
            self._held.move_to_end(key)
            return session

    def end(self, id_: str) -> None:
        """Sign out."""
        with self._lock:
            self._held.pop(_hash(id_), None)


def right_csrf(session: Session, given: str) -> bool:
    """Compare the token of a write with the session's, in time that tells nothing."""
    return hmac.compare_digest(session.csrf.encode(), given.encode("utf-8", "surrogatepass"))


def _hash(id_: str) -> bytes:
    return hashlib.sha256(id_.encode("utf-8", "surrogatepass")).digest()


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
