"""How what is governed is sealed: ids and what things are found by as keyed tokens, all else as ciphertext.

An aggregate is sealed as its canonical JSON, whose SHA-256 is the ``digest`` of the event that led to it: both
can be held against one another by whoever knows no field of either, in every later release.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import msgspec

from sekimori.errors import IntegrityError
from sekimori.governance.change import Event
from sekimori.governance.commands import NOUNS as OF_GRANTS
from sekimori.governance.state import Aggregate, values_found_by
from sekimori.governance.using import NOUNS as OF_USING
from sekimori.ledger.envelope import commit
from sekimori.ledger.mac import KEY_BYTES
from sekimori.vault.names import NameSeal

NOUNS: dict[str, type[Aggregate]] = {**OF_GRANTS, **OF_USING}
COMMITMENT = "governed"

_ENCODER = msgspec.json.Encoder(order="sorted")
_EVENTS = msgspec.json.Decoder(Event)


class Key(NamedTuple):
    """Whose, of which kind, and which one."""

    tenant: str
    noun: str
    token: bytes


class Told(NamedTuple):
    """An event as it was sealed: its text, and the salt of its commitment."""

    text: bytes
    salt: bytes

    @property
    def commitment(self) -> bytes:
        """Give what a leaf says of it."""
        return commit(self.salt, COMMITMENT, self.text)

    @property
    def event(self) -> Event:
        """Read it."""
        try:
            return _EVENTS.decode(self.text)
        except msgspec.DecodeError as fault:
            raise IntegrityError(f"A governed event can't be read: {fault}.") from fault


class GovernedSeal:
    """Seals and opens the rows of what is governed under the store key."""

    def __init__(self, names: NameSeal) -> None:
        self._names = names

    def key(self, tenant: str, noun: str, id_: str) -> Key:
        """Give where an aggregate is found."""
        return Key(tenant, noun, self._names.token("governed", f"{tenant}\0{noun}\0{id_}"))

    def once(self, tenant: str, once: str) -> bytes:
        """Give where a request that may come twice is found."""
        return self._names.token("governed_once", f"{tenant}\0{once}")

    def values(self, aggregate: Aggregate) -> dict[str, bytes]:
        """Give the tokens that an aggregate is found by, each with the name of its fields."""
        found = values_found_by(aggregate)
        return {
            field: self.value(aggregate.tenant, aggregate.noun, field, said) for field, said in found.items()
        }

    def value(self, tenant: str, noun: str, field: str, said: str) -> bytes:
        """Give the token of a value of some fields."""
        return self._names.token("governed_key", f"{tenant}\0{noun}\0{field}\0{said}")

    def seal(self, key: Key, value: Aggregate, version: int, made: int, changed: int) -> bytes:
        """Seal an aggregate for its row."""
        return self._names.seal(_ENCODER.encode(value), "governed", *key, version, made, changed)

    def plain(self, row: Any) -> bytes:
        """Open a row and give the canonical JSON in it."""
        place = (row.tenant, row.noun, row.token, row.version, row.made, row.changed)
        return self._names.open(row.sealed, "governed", *place)

    def open(self, row: Any) -> Aggregate:
        """Open a row and read it; raises IntegrityError when it is not what was sealed there."""
        return read_aggregate(row.noun, self.plain(row))

    def seal_event(self, key: Key, n: int, event_id: str, time_us: int, told: Told) -> bytes:
        """Seal an event for its row."""
        return self._names.seal(told.salt + told.text, "governed_event", n, *key, event_id, time_us)

    def open_event(self, row: Any) -> Told:
        """Open the row of an event; raises IntegrityError when it is not what was sealed there."""
        place = (row.n, row.tenant, row.noun, row.token, row.event, row.time_us)
        plain = self._names.open(row.sealed, "governed_event", *place)
        return Told(plain[KEY_BYTES:], plain[:KEY_BYTES])

    def seal_once(self, tenant: str, token: bytes, time_us: int, plain: bytes) -> bytes:
        """Seal what a request led to."""
        return self._names.seal(plain, "governed_once", tenant, token, time_us)

    def open_once(self, row: Any) -> bytes:
        """Open what a request led to."""
        return self._names.open(row.sealed, "governed_once", row.tenant, row.token, row.time_us)


def told_of(event: Event, salt: bytes) -> Told:
    """Give an event as it is sealed."""
    return Told(_ENCODER.encode(event), salt)


def packed(value: Aggregate) -> bytes:
    """Give the canonical JSON of an aggregate."""
    return _ENCODER.encode(value)


def digest_of(plain: bytes) -> str:
    """Give the hash that the newest event names."""
    return hashlib.sha256(plain).hexdigest()


def read_aggregate(noun: str, plain: bytes) -> Aggregate:
    """Read the JSON of an aggregate."""
    kind = NOUNS.get(noun)
    if kind is None:
        raise IntegrityError(
            f"The database holds a {noun}, which this release doesn't know.",
            hint="Read it with the release that wrote it.",
        )
    try:
        return msgspec.json.decode(plain, type=kind)
    except msgspec.DecodeError as fault:
        raise IntegrityError(f"A stored {noun} can't be read: {fault}.") from fault
