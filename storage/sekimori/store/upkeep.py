"""What a migration left undone because it takes keys, or no transaction: done by the archivist, by and by.

``rekey`` moves what lies under the one data key of an older release (``rekeying``); while ``search`` stands
beside it, not every record has its tokens yet. ``scrub`` then rewrites the database, so that no free page
holds what was dropped. Each piece commits with how far it is; nodes that share a database never do the same
piece twice.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Engine, delete, select

from sekimori.errors import SekimoriError
from sekimori.store.engine import cut_log, missing_room, reading, rewrite, writing
from sekimori.store.holding import StoreKeys
from sekimori.store.rekeying import Rekeying
from sekimori.store.rotating import settle
from sekimori.store.tables import UPKEEP
from sekimori.store.works import REKEY_WORK, SCRUB_WORK, is_pending

_LOOK_AGAIN = 64
"""Calls after which it is looked anew whether there is work: an erasure asks for scrubbing."""


class Upkeep:
    """Does what is left, a piece at a time; once nothing is, asking again costs nothing."""

    def __init__(self, engine: Engine, keys: StoreKeys, *, alarm: Callable[[str], None]) -> None:
        self._engine = engine
        self._keys = keys
        self._rekeying = Rekeying(engine, keys, alarm)
        self._done = False
        self._calls = 0
        self._rewritten = self._settled = ""
        self._alarm = alarm
        self._told = ""

    def step(self) -> bool:
        """Do one piece; say whether there was any."""
        self._calls += 1
        if self._done and self._calls % _LOOK_AGAIN:
            return False
        if self._rekeying.step():
            return True
        with reading(self._engine) as connection:
            rekey, scrubbing = (is_pending(connection, name) for name in (REKEY_WORK, SCRUB_WORK))
        if scrubbing:
            return self._scrub()
        self._done = not rekey
        return False

    def _scrub(self) -> bool:
        asked = (UPKEEP.c.name == SCRUB_WORK,)
        with reading(self._engine) as connection:
            position = connection.execute(select(UPKEEP.c.position).where(*asked)).scalar()
        if self._settled != f"={position}" and not self._settle():
            return False
        self._settled = f"={position}"
        if self._rewritten != f"={position}":
            if not self._has_room():
                return False
            rewrite(self._engine)
            self._rewritten = f"={position}"
        if not cut_log(self._engine):
            return False  # somebody reads from the log; asked again in the next round
        with writing(self._engine) as connection:
            # Only what was asked for before the files were written anew is done.
            connection.execute(delete(UPKEEP).where(*asked, UPKEEP.c.position == position))
        self._rewritten = self._told = ""
        return True

    def _settle(self) -> bool:
        """Finish the erasure that asked for it, should it have died before the old key was destroyed."""
        try:
            settle(self._engine, self._keys)
        except SekimoriError as fault:
            return self._not_yet(f"The key of an epoch that is over is not destroyed: {fault}")
        return True

    def _has_room(self) -> bool:
        """Tell whether the files can be rewritten without taking the spool its disk."""
        missing = missing_room(self._engine)
        if missing <= 0:
            return True
        return self._not_yet(
            f"What was deleted is not scrubbed from the database yet: {missing >> 20} MiB more must be free."
        )

    def _not_yet(self, sentence: str) -> bool:
        if self._told == "":
            self._alarm(sentence)
        self._told = sentence
        return False
