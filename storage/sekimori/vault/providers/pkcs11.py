"""Key-encryption keys inside a PKCS#11 token: generated there, never extractable, destroyed there.

Needs the optional package ``python-pkcs11`` and the vendor's module. The secret is wrapped with
CKM_AES_GCM and a nonce drawn here; a token that insists on drawing its own nonce is not supported.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pkcs11
from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, ObjectClass

from sekimori.errors import IntegrityError, KeyAccessError
from sekimori.vault.aead import NONCE_BYTES, OVERHEAD, TAG_BYTES, VERSION, Random
from sekimori.vault.kek import MAX_EPOCH, place_of

_LABEL = re.compile(r"sekimori-kek-(\d{6})")
_KEY_BITS = 256


class Pkcs11Kek:
    """One AES-256 key object an epoch, in the token of that label."""

    name = "pkcs11"

    def __init__(
        self, module: Path, token: str, pin: Callable[[], str], *, random: Random = os.urandom
    ) -> None:
        self._module = module
        self._token = token
        self._pin = pin
        self._random = random

    def epochs(self) -> list[int]:
        """Return the epochs whose key is alive."""
        with self._session() as session:
            keys = list(session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY}))
            labels = [str(key[Attribute.LABEL]) for key in keys]
        return sorted(int(found[1]) for found in map(_LABEL.fullmatch, labels) if found)

    def create(self, epoch: int) -> None:
        """Let the token draw the key of an epoch."""
        with self._session() as session:
            if self._find(session, epoch):
                raise KeyAccessError(f"Token {self._token} already holds the key of epoch {epoch}.")
            session.generate_key(
                KeyType.AES,
                _KEY_BITS,
                label=_label(epoch),
                store=True,
                template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
            )

    def wrap(self, epoch: int, secret: bytes) -> bytes:
        """Return the secret, sealed by the token."""
        nonce = self._random(NONCE_BYTES)
        with self._session() as session:
            sealed = self._key(session, epoch).encrypt(
                secret, mechanism=Mechanism.AES_GCM, mechanism_param=_parameters(nonce, epoch)
            )
        return bytes([VERSION]) + nonce + bytes(sealed)

    def unwrap(self, epoch: int, wrapped: bytes) -> bytes:
        """Return the secret that the token sealed."""
        if len(wrapped) < OVERHEAD or wrapped[0] != VERSION:
            raise IntegrityError(f"The secret of key epoch {epoch} is not sealed by a PKCS#11 token.")
        nonce, sealed = wrapped[1 : 1 + NONCE_BYTES], wrapped[1 + NONCE_BYTES :]
        with self._session() as session:
            key = self._key(session, epoch)
            try:
                opened = key.decrypt(
                    sealed, mechanism=Mechanism.AES_GCM, mechanism_param=_parameters(nonce, epoch)
                )
            except pkcs11.PKCS11Error as error:
                # Tokens don't agree on the code for a wrong tag: SoftHSM says CKR_GENERAL_ERROR.
                raise IntegrityError(
                    f"Token {self._token} can't open the secret of epoch {epoch}: {type(error).__name__}."
                ) from error
        return bytes(opened)

    def destroy(self, epoch: int) -> None:
        """Let the token destroy the key of an epoch."""
        with self._session() as session:
            for key in self._find(session, epoch):
                key.destroy()

    def _key(self, session: pkcs11.Session, epoch: int) -> Any:
        found = self._find(session, epoch)
        if len(found) != 1:
            raise KeyAccessError(
                f"Token {self._token} holds {len(found)} keys of epoch {epoch}, expected one.",
                hint="Was the database restored from before an erasure? See docs/formats/keys.md.",
            )
        return found[0]

    def _find(self, session: pkcs11.Session, epoch: int) -> list[Any]:
        wanted = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: _label(epoch)}
        return list(session.get_objects(wanted))

    @contextmanager
    def _session(self) -> Iterator[pkcs11.Session]:
        try:
            token = pkcs11.lib(str(self._module)).get_token(token_label=self._token)
            with token.open(rw=True, user_pin=self._pin()) as session:
                yield session
        except pkcs11.PinIncorrect as error:
            raise KeyAccessError(f"Token {self._token} refuses the PIN.") from error
        except pkcs11.PKCS11Error as error:
            what = str(error) or type(error).__name__
            raise KeyAccessError(f"Token {self._token} can't be used: {what}.") from error


def _label(epoch: int) -> str:
    if not 1 <= epoch <= MAX_EPOCH:
        raise KeyAccessError(f"There is no key epoch {epoch}.")
    return f"sekimori-kek-{epoch:06}"


def _parameters(nonce: bytes, epoch: int) -> GCMParams:
    return GCMParams(nonce, place_of(epoch), TAG_BYTES * 8)
