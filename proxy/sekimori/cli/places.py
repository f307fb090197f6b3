"""Where everything of one installation lies: the data folder, the keys folder and what they hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from sekimori.cli.config import Config
    from sekimori.cli.config_storage import Keys


@dataclass(frozen=True, slots=True)
class Places:
    """The two folders of an installation; no key lies under ``data``. ``url`` names another database.

    ``keeping`` says what keeps the key-encryption keys, where that is not the keys folder; ``locks`` where the
    memory of what was signed lies, where that is elsewhere.
    """

    data: Path
    keys: Path
    url: str = ""
    keeping: Keys | None = None
    locks: str = ""

    @classmethod
    def of(cls, data: Path, keys: Path, config: Config) -> Self:
        """Name the places of an installation that is configured like this."""
        return cls(data, keys, config.storage.url, config.keys, config.ledger.lock_store)

    @property
    def format(self) -> Path:
        """The file that says the first start was finished, and in which format."""
        return self.data / "format"

    def lock(self, roles: tuple[str, ...] = ()) -> Path:
        """Name what is held by the ``up`` that serves this folder, or by whoever serves ``roles`` of it."""
        return self.data / f"{'-'.join(roles) or 'up'}.lock"

    def clock(self, roles: tuple[str, ...] = ()) -> Path:
        """Name what remembers the latest time that a running ``up``, or whoever serves ``roles``, saw."""
        return self.data / "-".join(("clock", *roles))

    @property
    def database(self) -> Path:
        """The embedded database."""
        return self.data / "sekimori.db"

    @property
    def spool(self) -> Path:
        """One folder for each lane."""
        return self.data / "spool"

    @property
    def ledger(self) -> Path:
        """The trees that grow on this machine, and the super-log over them."""
        return self.data / "ledger"

    @property
    def lock_store(self) -> Path:
        """What remembers how far each log was signed: on other storage than the logs."""
        return Path(self.locks) if self.locks else self.keys / "archive" / "lock.db"

    @property
    def log_keys(self) -> Path:
        """The keys of the logs; the archivist makes one for each new tree."""
        return self.keys / "archive" / "logs"

    @property
    def policy(self) -> Path:
        """What the publisher writes for the workers."""
        return self.data / "policy"

    def metrics(self, roles: tuple[str, ...] = ()) -> Path:
        """Keep the figures of all children of one tree, living and dead."""
        return self.data / "-".join(("metrics", *roles))

    @property
    def governing_socket(self) -> Path:
        """Where the governing process answers a web server that has no keys of the archive."""
        return self.data / "govern" / "api.sock"

    @property
    def node(self) -> Path:
        """What this machine is called among those that share a database."""
        return self.data / "node"

    @property
    def store(self) -> Path | str:
        """The configured database, or the embedded one."""
        return self.url or self.database
