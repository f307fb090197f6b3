"""Who may use which route: a table, read once. What is not in it is allowed to nobody.

A row names the roles that may with ``any`` thing, and those that may with their ``own``. What governance asks
beyond that (four eyes, the state of a thing) it asks itself; nothing here replaces it.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources

import msgspec

from sekimori.governance.actors import ROLES

AGENT = "agent"


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Roles by what they may ask about."""

    any: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()

    def roles(self) -> tuple[str, ...]:
        """List who is in the row at all."""
        return tuple(role for role in (*ROLES, AGENT) if role in self.any | self.own)


@cache
def table() -> dict[str, Row]:
    """Give the table by route; ValueError if it names a role that nobody can have."""
    text = (resources.files("sekimori.console.api") / "permissions.toml").read_text("utf-8")
    rows = msgspec.convert(tomllib.loads(text), dict[str, Row])
    unknown = {role for row in rows.values() for role in row.any | row.own} - {*ROLES, AGENT}
    if unknown:
        raise ValueError(f"permissions.toml: nobody is {', '.join(sorted(unknown))}")
    return rows
