"""Find a person in the directory, verify a password by binding, and list the groups, nested ones too.

Every call blocks for as long as the servers may take, so callers run it in a bounded pool of threads.
"""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

from sekimori.gate.directory.connection import Connection, DirectoryError, Entry
from sekimori.gate.directory.filters import either, render
from sekimori.gate.directory.settings import DirectorySettings, Server
from sekimori.policy.people import Person, canonical_name

logger = logging.getLogger(__name__)

_MOST_GROUPS = 2000
_AT_ONCE = 40
_DEEPEST = 16
_KEPT = 4
# Active Directory's LDAP_MATCHING_RULE_IN_CHAIN: the server follows groups of groups itself.
_IN_CHAIN = ":1.2.840.113556.1.4.1941:="


class Directory:
    """One directory behind one or more servers that say the same; may be used by several threads."""

    def __init__(self, settings: DirectorySettings) -> None:
        self._settings = settings
        self._servers = tuple(map(Server.read, settings.urls))
        self._lock = threading.Lock()
        self._searching: list[Connection] = []
        self._binding: list[Connection] = []

    def find(self, name: str) -> Person | None:
        """Return the person that ``name`` names, with all groups; None when there is no such one, or several."""

        def look(connection: Connection) -> Person | None:
            entry = self._entry(connection, name)
            return None if entry is None else self._person(connection, entry)

        return self._using(self._searching, self._serving, look)

    def verify(self, name: str, password: str) -> Person | None:
        """Return the person if ``password`` is theirs."""
        entry = self._using(self._searching, self._serving, lambda asked: self._entry(asked, name))
        # Somebody who does not exist takes as long to refuse as somebody who does.
        dn = entry.dn if entry else self._settings.user_base
        matches = self._using(self._binding, self._fresh, lambda asked: asked.bind(dn, password))
        if entry is None or not matches:
            return None
        return self._using(self._searching, self._serving, lambda asked: self._person(asked, entry))

    # --- questions ---------------------------------------------------------------------------

    def _entry(self, connection: Connection, name: str) -> Entry | None:
        settings = self._settings
        wanted = render(settings.user_filter, {"name": name})
        found = connection.search(settings.user_base, wanted, [settings.name_attribute], limit=2)
        if len(found.entries) != 1 or found.more or not self._name(found.entries[0]):
            return None
        return found.entries[0]

    def _name(self, entry: Entry) -> str:
        values = entry.values.get(self._settings.name_attribute.lower(), ())
        return canonical_name(values[0]) if len(values) == 1 else ""

    def _person(self, connection: Connection, entry: Entry) -> Person | None:
        name = self._name(entry)
        groups = self._groups(connection, entry.dn, name)
        if groups is None:
            # Part of the groups would be an identity that nobody has; it is no fault of the directory's.
            logger.error(
                "a person with more than %d groups, or deeper than %d, is refused", _MOST_GROUPS, _DEEPEST
            )
            return None
        return Person(name=name, groups=groups)

    def _groups(self, connection: Connection, dn: str, name: str) -> tuple[str, ...] | None:
        """Collect group names level by level; a group that contains itself is met once."""
        if not self._settings.group_base:
            return ()
        template, names = self._template(), set[str]()
        seen, level = {dn.casefold()}, [(dn, name)]
        for _ in range(_DEEPEST):
            holding = self._holding(connection, template, level)
            if holding is None:
                return None
            found = {entry.dn.casefold(): entry for entry in holding if entry.dn.casefold() not in seen}
            seen.update(found)
            for entry in found.values():
                names.update(
                    map(canonical_name, entry.values.get(self._settings.group_attribute.lower(), ()))
                )
            if not found or self._settings.nesting != "walk":
                return tuple(sorted(names - {""}))
            # A group's own name is no member's name: memberUid lists people only.
            level = [(entry.dn, "") for entry in found.values()]
        return None

    def _holding(
        self, connection: Connection, template: str, members: list[tuple[str, str]]
    ) -> list[Entry] | None:
        """List the groups of any of ``members``; None when there are too many."""
        base, attribute = self._settings.group_base, self._settings.group_attribute
        holding: list[Entry] = []
        for start in range(0, len(members), _AT_ONCE):
            wanted = either(
                render(template, {"dn": dn, "name": name}) for dn, name in members[start : start + _AT_ONCE]
            )
            found = connection.search(base, wanted, [attribute], limit=_MOST_GROUPS)
            holding += found.entries
            if found.more or len(holding) > _MOST_GROUPS:
                return None
        return holding

    def _template(self) -> str:
        template = self._settings.group_filter
        return (
            template.replace("={dn}", _IN_CHAIN + "{dn}") if self._settings.nesting == "chain" else template
        )

    # --- connections -------------------------------------------------------------------------

    def _using[T](
        self, idle: list[Connection], make: Callable[[], Connection], work: Callable[[Connection], T]
    ) -> T:
        """Do ``work`` on a connection; one that was kept may have ended since, and is then made anew once."""
        with self._lock:
            kept = idle.pop() if idle else None
        if kept is not None and kept.alive():
            try:
                return self._done(idle, kept, work(kept))
            except DirectoryError:
                logger.info("a connection to the directory had ended")
        if kept is not None:
            kept.close()
        fresh = make()
        try:
            return self._done(idle, fresh, work(fresh))
        except BaseException:
            fresh.close()
            raise

    def _done[T](self, idle: list[Connection], connection: Connection, answer: T) -> T:
        with self._lock:
            if len(idle) < _KEPT:
                idle.append(connection)
                return answer
        connection.close()
        return answer

    def _serving(self) -> Connection:
        """Connect, and sign in as the one who may search."""
        connection = self._fresh()
        if self._settings.bind_dn:
            try:
                if not connection.bind(self._settings.bind_dn, self._password()):
                    raise DirectoryError("The directory refuses identity.ldap.bind_dn or its password.")
            except DirectoryError:
                connection.close()
                raise
        return connection

    def _fresh(self) -> Connection:
        """Connect to the first server that answers."""
        fault = DirectoryError("No server of the directory is configured.")
        for server in self._servers:
            try:
                return Connection(
                    server,
                    trust=self._trust(server),
                    start_tls=self._settings.start_tls,
                    timeout=self._settings.timeout,
                )
            except DirectoryError as error:
                fault = error
        raise fault

    def _trust(self, server: Server) -> ssl.SSLContext | None:
        if not (server.tls or self._settings.start_tls):
            return None
        try:
            return ssl.create_default_context(cafile=self._settings.ca_file or None)
        except OSError as error:
            raise DirectoryError("identity.ldap.ca_file cannot be read.") from error

    def _password(self) -> str:
        # Read at each connection: a changed one is in force without a restart.
        try:
            return Path(self._settings.bind_password_file).read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise DirectoryError("identity.ldap.bind_password_file cannot be read.") from error

    def close(self) -> None:
        """Close what is kept open."""
        with self._lock:
            for connection in (*self._searching, *self._binding):
                connection.close()
            self._searching.clear()
            self._binding.clear()
