"""How the gate came to know who is asking, as one text that records keep.

========================  =============================================  ===========
``user_source``           who says so                                    strength
========================  =============================================  ===========
``none``                  nobody                                         none
``basic``                 a proxy password kept here                     password
``ldap``                  a password that the directory verified         password
``mtls``                  a client certificate                           certificate
``header/mtls``           a listed parent proxy, known by certificate    asserted
``key/ID/GRANT``          an agent's key; the subject is its owner       secret
========================  =============================================  ===========

Texts that an unknown release wrote are of strength ``none``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from sekimori.policy.people import Person

BASIC, LDAP, MTLS, HEADER, KEY, NONE = "basic", "ldap", "mtls", "header", "key", "none"
API_KEY = "apikey"
"""What the configuration calls the source of keys."""
_STRENGTH: Final = {
    BASIC: "password",
    LDAP: "password",
    MTLS: "certificate",
    HEADER: "asserted",
    KEY: "secret",
}


@dataclass(frozen=True, slots=True)
class Source:
    """A ``user_source``, read: its kind, what it was shown by (a key's id), and the one grant it may use."""

    kind: str
    detail: str = ""
    grant: str = ""

    @classmethod
    def read(cls, text: str) -> Self:
        """Read any text; total."""
        kind, _, rest = text.partition("/")
        detail, _, grant = rest.partition("/")
        return cls(kind, detail, grant)

    def __str__(self) -> str:
        """Write it as records keep it."""
        return "/".join(part for part in (self.kind, self.detail, self.grant) if part)

    @property
    def strength(self) -> str:
        """How it was shown: ``certificate``, ``password``, ``secret``, ``asserted`` or ``none``."""
        return _STRENGTH.get(self.kind, "none")

    @property
    def agent(self) -> bool:
        """Whether a program asks with a key of its own, and not the person."""
        return self.kind == KEY


def may_act(person: Person | None, user_source: str) -> bool:
    """Tell whether who was identified like this is still good: the account open, the key not revoked."""
    if person is None or person.disabled:
        return False
    source = Source.read(user_source)
    if not source.agent:
        return True
    return any(
        key.id == source.detail and key.grant == source.grant and not key.revoked_us for key in person.keys
    )
