"""One connection to a directory server, used by one thread; every call ends within its time.

The protocol is ``sansldap``'s; sockets, TLS and deadlines are here. Nothing goes through the gate's event
loop, which would refuse an internal address and must not wait.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import sansldap
from sansldap import LDAPClient, LDAPFilter, LDAPMessage, LDAPResultCode, SearchScope

from sekimori.errors import SekimoriError
from sekimori.gate.directory.settings import Server

_CHUNK = 65536
_LARGEST_ANSWER = 16 * 1024 * 1024
_REFUSED = frozenset(
    {
        LDAPResultCode.INVALID_CREDENTIALS,
        LDAPResultCode.INAPPROPRIATE_AUTHENTICATION,
        LDAPResultCode.CONSTRAINT_VIOLATION,  # OpenLDAP's and 389's word for a locked account
        LDAPResultCode.UNWILLING_TO_PERFORM,
        LDAPResultCode.NO_SUCH_OBJECT,
    }
)


class DirectoryError(SekimoriError):
    """The directory did not answer, or not with what was asked: nobody can be identified by it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a search found."""

    dn: str
    values: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Found:
    """The entries of one search; ``more`` says that there were more than were asked for."""

    entries: tuple[Entry, ...]
    more: bool = False


class Connection:
    """A connected, for now anonymous client; ``timeout`` bounds each call in seconds."""

    def __init__(
        self, server: Server, *, trust: ssl.SSLContext | None, start_tls: bool, timeout: float
    ) -> None:
        self._timeout = timeout
        self._client = LDAPClient()
        self._deadline = time.monotonic() + timeout
        try:
            self._socket = socket.create_connection((server.host, server.port), timeout)
        except OSError as error:
            raise DirectoryError(f"The directory cannot be reached ({_cause(error)}).") from error
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if start_tls and not server.tls:
                self._start_tls()
            if trust is not None:
                self._socket = trust.wrap_socket(self._socket, server_hostname=server.host)
        except (OSError, ValueError) as error:
            self.close()
            raise DirectoryError(f"TLS with the directory failed ({_cause(error)}).") from error
        except DirectoryError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()

    def alive(self) -> bool:
        """Tell whether the server still holds the connection, as far as can be seen without asking."""
        try:
            self._socket.settimeout(0)
            # TLS records may wait without being an end; a server that says something unasked is leaving too.
            return not select.select([self._socket], [], [], 0)[0]
        except (OSError, ValueError):
            return False

    def bind(self, dn: str, password: str) -> bool:
        """Tell whether ``password`` is that of ``dn``; an empty one is nobody's."""
        if not dn or not password:  # RFC 4513, 5.1.2: a server answers success, and means anonymous
            return False
        self._deadline = time.monotonic() + self._timeout
        (answer,) = self._ask(lambda: self._client.bind_simple(dn, password), sansldap.BindResponse)
        code = answer.result.result_code
        if code == LDAPResultCode.SUCCESS:
            return True
        if code in _REFUSED:
            return False
        raise DirectoryError(f"The directory answered a sign-in with {_name(code)}.")

    def search(self, base: str, wanted: LDAPFilter, attributes: list[str], *, limit: int) -> Found:
        """Return what the subtree of ``base`` holds of ``wanted``, at most ``limit`` entries."""
        self._deadline = time.monotonic() + self._timeout
        answers = self._ask(
            lambda: self._client.search_request(
                base_object=base,
                scope=SearchScope.SUBTREE,
                size_limit=limit,
                time_limit=max(1, int(self._timeout)),
                filter=wanted,
                attributes=attributes,
            ),
            sansldap.SearchResultDone,
        )
        code = answers[-1].result.result_code
        if code == LDAPResultCode.NO_SUCH_OBJECT:
            return Found(())
        if code not in {LDAPResultCode.SUCCESS, LDAPResultCode.SIZE_LIMIT_EXCEEDED}:
            raise DirectoryError(f"The directory answered a search with {_name(code)}.")
        entries = [_entry(each) for each in answers if isinstance(each, sansldap.SearchResultEntry)]
        return Found(tuple(entries), more=code == LDAPResultCode.SIZE_LIMIT_EXCEEDED)

    def _start_tls(self) -> None:
        name = sansldap.ExtendedOperations.LDAP_START_TLS.value
        (answer,) = self._ask(lambda: self._client.extended_request(name), sansldap.ExtendedResponse)
        if answer.result.result_code != LDAPResultCode.SUCCESS:
            raise DirectoryError("The directory does not speak StartTLS.")

    def _ask[T: LDAPMessage](self, request: Callable[[], int], last: type[T]) -> list[T]:
        """Send a request and collect its answers up to the ``last`` one."""
        try:
            number = request()
            self._send()
            return self._answers(number, last)
        except DirectoryError:
            raise
        except Exception as error:  # whatever a reader stumbles over, nobody was identified
            raise DirectoryError(f"The connection to the directory failed ({_cause(error)}).") from error

    def _send(self) -> None:
        self._socket.settimeout(self._left())
        self._socket.sendall(self._client.data_to_send())

    def _answers[T: LDAPMessage](self, number: int, last: type[T]) -> list[T]:
        found: list[T] = []
        size = 0
        while True:
            self._socket.settimeout(self._left())
            data = self._socket.recv(_CHUNK)
            if not data:
                raise DirectoryError("The directory closed the connection.")
            size += len(data)
            if size > _LARGEST_ANSWER:
                raise DirectoryError("The directory's answer is too large.")
            for message in self._client.receive(data):
                if message.message_id == number:
                    found.append(message)  # type: ignore[arg-type]
                    if isinstance(message, last):
                        return found

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("it took too long")
        return left


def _entry(found: sansldap.SearchResultEntry) -> Entry:
    values = {
        attribute.name.lower(): tuple(value.decode("utf-8", "replace") for value in attribute.values)
        for attribute in found.attributes
    }
    return Entry(found.object_name, values)


def _cause(error: BaseException) -> str:
    # What a server says may hold names; of our own errors the kind is enough for the log.
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else type(error).__name__


def _name(code: object) -> str:
    return getattr(code, "name", str(code))
