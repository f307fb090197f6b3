"""Passwords of the proxy and the console: argon2id, slow enough for a stolen table.

The parameters are the first of the OWASP password storage cheat sheet (19 MiB, two passes, one
lane): about 20 ms on one core. Callers keep that off the event loop and cache the outcome.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError

MAX_PASSWORD_BYTES = 1024

_SALT_BYTES = 16
_MAX_MEMORY_KIB = 256 * 1024
_MAX_TIME = 16
_HASHER = PasswordHasher(
    time_cost=2, memory_cost=19456, parallelism=1, hash_len=32, salt_len=_SALT_BYTES, type=Type.ID
)

NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$c2VraW1vcmktbm9ib2R5IQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
"""A hash that no password has: verify against it for an unknown user, so that both take as long."""


def hash_password(password: str, *, random: Callable[[int], bytes] = os.urandom) -> str:
    """Return the PHC string to store; raises ValueError for an empty or an endless password."""
    secret = _prepared(password)
    if not secret or len(secret) > MAX_PASSWORD_BYTES:
        raise ValueError(f"A password has 1 to {MAX_PASSWORD_BYTES} bytes.")
    return _HASHER.hash(secret, salt=random(_SALT_BYTES))


def verify_password(stored: str, password: str) -> bool:
    """Tell whether the password is the stored one; False for any hash that can't be used."""
    secret = _prepared(password)
    if len(secret) > MAX_PASSWORD_BYTES or not is_usable_hash(stored):
        return False
    try:
        return _HASHER.verify(stored, secret)
    except (Argon2Error, InvalidHashError):
        return False


def needs_rehash(stored: str) -> bool:
    """Tell whether a hash was made with other parameters than today's."""
    return not is_usable_hash(stored) or _HASHER.check_needs_rehash(stored)


def is_usable_hash(stored: str) -> bool:
    """Tell whether a PHC string is an argon2id hash whose cost a login may bear.

    Hashes are imported from files, and one that asks for gigabytes would stop the gate.
    """
    try:
        parameters = extract_parameters(stored)
    except (InvalidHashError, ValueError):
        return False
    return (
        parameters.type is Type.ID
        and parameters.memory_cost <= _MAX_MEMORY_KIB
        and parameters.time_cost <= _MAX_TIME
    )


def _prepared(password: str) -> bytes:
    # RFC 8265 (OpaqueString): the same password typed on two keyboards is the same bytes in NFC.
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
