"""``[identity]`` and ``[gate.tls]``: who is asking, and the listener that can see who is at the other end.

A source that is named needs its section, and a section that no source reads is a mistake, not a wish.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sekimori.cli.config_section import Duration, MisfitError, Section, matching

SourceName = Literal["basic", "ldap", "header", "mtls", "apikey"]

_PARENT = r"^(sha256:[0-9a-f]{64}|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)$"
_PARENT_WANTED = "the DNS name in its certificate, or sha256: and the 64 digits of its fingerprint"
_ATTRIBUTE = r"^[A-Za-z][A-Za-z0-9-]*$"


def named_devices(names: dict[str, str]) -> dict[str, str]:
    """Check ``[devices]``: networks or addresses, and what is there."""
    from sekimori.policy.devices import Devices

    Devices(names)
    return names


class GateTls(Section):
    """``[gate.tls]``: the certificate of the proxy itself; empty: the listener speaks plain HTTP.

    ``name`` is what clients are told to connect to: a name in the certificate.
    """

    certificate_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""
    client_crl_file: str = ""
    name: Annotated[
        str, matching(r"([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)?", "a host name, as proxy.example.jp")
    ] = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.certificate_file) != bool(self.key_file):
            raise MisfitError(
                "certificate_file" if self.certificate_file else "key_file",
                "certificate_file and key_file belong together; set both",
            )
        if not self.certificate_file and (self.client_ca_file or self.client_crl_file or self.name):
            raise ValueError("certificate_file and key_file are missing; without them there is no TLS")
        if self.client_crl_file and not self.client_ca_file:
            raise MisfitError("client_crl_file", "this needs client_ca_file: set that too")
        return self


class Ldap(Section):
    """``[identity.ldap]``: the directory. The password lies in a file; beyond loopback there is TLS, verified."""

    urls: tuple[str, ...] = ()
    start_tls: bool = False
    ca_file: str = ""
    bind_dn: str = ""
    bind_password_file: str = ""
    user_base: str = ""
    user_filter: str = "(uid={name})"
    name_attribute: Annotated[str, matching(_ATTRIBUTE, "the name of an attribute, as uid")] = "uid"
    group_base: str = ""
    group_filter: str = "(|(member={dn})(uniqueMember={dn})(memberUid={name}))"
    group_attribute: Annotated[str, matching(_ATTRIBUTE, "the name of an attribute, as uid")] = "cn"
    nesting: Literal["none", "walk", "chain"] = "walk"
    timeout: Annotated[Duration, Field(gt=0, le=30)] = 3.0

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        from sekimori.gate.directory.filters import check
        from sekimori.gate.directory.settings import Server

        for server in map(Server.read, self.urls):
            if not (server.tls or self.start_tls or server.loopback):
                raise MisfitError(
                    "urls", f"{server.host} is beyond loopback: use ldaps:// or start_tls = true"
                )
        if bool(self.bind_dn) != bool(self.bind_password_file):
            raise MisfitError(
                "bind_dn" if self.bind_dn else "bind_password_file",
                "bind_dn and bind_password_file belong together; set both",
            )
        check(self.user_filter, needs=("name",))
        check(self.group_filter, needs=("dn",))
        if self.nesting == "chain" and not re.search(r"\w=\{dn\}", self.group_filter):
            raise MisfitError(
                "nesting", '"chain" needs a group_filter with an equality, such as "(member={dn})"'
            )
        return self


class Header(Section):
    """``[identity.header]``: what listed parent proxies, known by their certificates, say of their clients."""

    name: str = "X-Authenticated-User"
    parents: tuple[Annotated[str, matching(_PARENT, _PARENT_WANTED)], ...] = ()
    strip_realm: bool = False
    realm: Annotated[
        str, matching(r"([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)?", "a realm, as EXAMPLE.JP")
    ] = ""

    @model_validator(mode="after")
    def _cuts_one_realm(self) -> Self:
        # A parent that trusts two realms knows two people of one name.
        if self.strip_realm and not self.realm:
            raise MisfitError("realm", "strip_realm needs it: name the one realm that may be cut off")
        return self

    @model_validator(mode="after")
    def _never_leaves(self) -> Self:
        from sekimori.addons.headers import private

        if not private(self.name.lower().encode("ascii", "replace")):
            raise MisfitError(
                "name",
                f"{self.name} would travel on to services; "
                "use X-Authenticated-User, or a name that begins with X-Forwarded- or X-Sekimori-",
            )
        return self


class Mtls(Section):
    """``[identity.mtls]``: which name of a client's certificate is the person."""

    name: Literal["cn", "uid", "email", "upn"] = "cn"


class Identity(Section):
    """``[identity]``: who is asking."""

    sources: Annotated[tuple[SourceName, ...], Field(min_length=1)] = ("basic", "apikey")
    required: Literal["all", "ai"] = "all"
    ldap: Ldap = Ldap()
    header: Header = Header()
    mtls: Mtls = Mtls()

    @model_validator(mode="after")
    def _each_with_its_section(self) -> Self:
        if len(set(self.sources)) < len(self.sources):
            raise MisfitError("sources", "a source is named twice; name each once")
        if "ldap" in self.sources and not (self.ldap.urls and self.ldap.user_base):
            raise MisfitError("sources", '"ldap" needs a section [identity.ldap] with urls and user_base')
        if "header" in self.sources and not self.header.parents:
            raise MisfitError("sources", '"header" needs a section [identity.header] with parents')
        for name in ("ldap", "header", "mtls"):
            section: Section = getattr(self, name)
            if name not in self.sources and section != type(section)():
                raise MisfitError(
                    name, f'nobody reads this section; name "{name}" in identity.sources, or remove it'
                )
        return self

    def check_listener(self, tls: GateTls) -> None:
        """Raise ValueError where a source needs certificates that the listener does not ask for."""
        for name in ("header", "mtls"):
            if name in self.sources and not tls.client_ca_file:
                raise MisfitError(
                    "identity.sources", f'"{name}" needs certificates: set gate.tls.client_ca_file'
                )
