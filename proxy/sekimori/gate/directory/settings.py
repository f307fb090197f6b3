"""What a gate worker is told of the directory. Plain data; the password lies in a file, never in here."""

from __future__ import annotations

from typing import Literal

import msgspec

Nesting = Literal["none", "walk", "chain"]


class DirectorySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the directory is and how people and groups are found in it; times are seconds.

    ``{name}`` in ``user_filter`` is who signs in, ``{dn}`` and ``{name}`` in ``group_filter`` the member
    that was found. ``nesting``: ``walk`` asks for the groups of the groups, ``chain`` has Active Directory
    follow them by itself.
    """

    urls: tuple[str, ...] = ()
    start_tls: bool = False
    ca_file: str = ""
    bind_dn: str = ""
    bind_password_file: str = ""
    user_base: str = ""
    user_filter: str = "(uid={name})"
    name_attribute: str = "uid"
    group_base: str = ""
    group_filter: str = "(|(member={dn})(uniqueMember={dn})(memberUid={name}))"
    group_attribute: str = "cn"
    nesting: Nesting = "walk"
    timeout: float = 3.0


class Server(msgspec.Struct, frozen=True):
    """One server of the directory."""

    host: str
    port: int
    tls: bool

    @classmethod
    def read(cls, url: str) -> Server:
        """Read ``ldap://host[:port]`` or ``ldaps://host[:port]``; raise ValueError otherwise."""
        scheme, separator, rest = url.partition("://")
        rest = rest.removesuffix("/")
        host, colon, port = rest.rpartition(":") if not rest.endswith("]") else (rest, "", "")
        if not colon:
            host, port = rest, ""
        if (
            scheme not in {"ldap", "ldaps"}
            or not separator
            or not host
            or any(sign in rest for sign in "/?@ ")
        ):
            raise ValueError(f"{url!r} is neither ldap://HOST[:PORT] nor ldaps://HOST[:PORT]")
        if port and not (port.isdecimal() and 0 < int(port) < 65536):
            raise ValueError(f"{url!r} names no port")
        tls = scheme == "ldaps"
        return cls(host.strip("[]"), int(port) if port else (636 if tls else 389), tls)

    @property
    def loopback(self) -> bool:
        """Whether it runs on this very machine, so that nothing crosses a network."""
        return self.host in {"localhost", "::1"} or self.host.startswith("127.")
