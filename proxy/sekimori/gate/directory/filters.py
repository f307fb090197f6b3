"""Search filters with what a client said put in as a value, never as syntax (RFC 4515)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sansldap import FilterOr, LDAPFilter

from sekimori.errors import ConfigError

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


def escape(value: str) -> str:
    """Write every byte but letters and digits as ``\\xx``: nothing of it can be read as a filter."""
    data = value.encode("utf-8", "surrogatepass")
    return "".join(chr(byte) if byte in _PLAIN else f"\\{byte:02x}" for byte in data)


def render(template: str, values: Mapping[str, str]) -> LDAPFilter:
    """Put ``values`` into a template; raise ConfigError when the template is no filter."""
    text = template
    for name, value in values.items():
        text = text.replace("{" + name + "}", escape(value))
    try:
        return LDAPFilter.from_string(text)
    except ValueError as error:
        raise ConfigError(f"{template!r} is no LDAP filter ({error}).") from error


def check(template: str, *, needs: Iterable[str]) -> None:
    """Raise ValueError for a template that is no filter, or that leaves a needed value out."""
    for name in needs:
        if "{" + name + "}" not in template:
            raise ValueError(f"{template!r} does not say where {{{name}}} goes")
    try:
        render(template, {"name": "a", "dn": "a"})
    except ConfigError as error:
        raise ValueError(error.message) from error


def either(filters: Iterable[LDAPFilter]) -> LDAPFilter:
    """Match what any of ``filters`` matches."""
    listed = list(filters)
    return listed[0] if len(listed) == 1 else FilterOr(filters=listed)
