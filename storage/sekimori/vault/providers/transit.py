"""Key-encryption keys in a transit service (the HTTP interface of Vault and OpenBao).

Five calls of ``/v1/MOUNT``: list and create keys, encrypt, decrypt, delete. One key an epoch, never
exportable. The token is read anew for each call, so that an agent may renew it in its file.
"""

from __future__ import annotations

import binascii
import http.client
import json
import re
import ssl
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from sekimori.errors import ConfigError, IntegrityError, KeyAccessError
from sekimori.vault.kek import MAX_EPOCH, SECRET_BYTES, place_of

MAX_ANSWER_BYTES = 1 << 20

_KEY_NAME = re.compile(r"sekimori-kek-(\d{6})")
_NOT_FOUND = 404
_REFUSED = 400


@dataclass(frozen=True, slots=True)
class TransitSettings:
    """Where the service is; ``tls`` may bring an own CA or a client certificate."""

    url: str
    mount: str = "transit"
    namespace: str = ""
    timeout_seconds: float = 10.0
    tls: ssl.SSLContext | None = None


class TransitKek:
    """One named key an epoch, held by the service."""

    name = "transit"

    def __init__(self, settings: TransitSettings, token: Callable[[], str]) -> None:
        address = urlsplit(settings.url)
        # In clear only to this host, where an agent may listen: the token and the secret cross this line.
        local = address.hostname in ("127.0.0.1", "::1", "localhost")
        if not address.hostname or (address.scheme != "https" and not (address.scheme == "http" and local)):
            raise ConfigError("The transit service needs an https address.")
        self._settings = settings
        self._address = address
        self._token = token

    def epochs(self) -> list[int]:
        """Return the epochs whose key is alive."""
        answer = self._call("LIST", "keys", missing={"keys": []})
        names = answer.get("keys", [])
        if not isinstance(names, list):
            raise KeyAccessError("The transit service lists its keys in an unknown way.")
        return sorted(int(found[1]) for found in map(_KEY_NAME.fullmatch, map(str, names)) if found)

    def create(self, epoch: int) -> None:
        """Let the service draw the key of an epoch."""
        if epoch in self.epochs():
            raise KeyAccessError(f"The transit service already holds the key of epoch {epoch}.")
        self._call("POST", f"keys/{_key_name(epoch)}", {"type": "aes256-gcm96", "exportable": False})

    def wrap(self, epoch: int, secret: bytes) -> bytes:
        """Return the secret as the service sealed it."""
        asked = {"plaintext": _base64(secret), "associated_data": _base64(place_of(epoch))}
        sealed = self._call("POST", f"encrypt/{_key_name(epoch)}", asked).get("ciphertext")
        if not isinstance(sealed, str) or not sealed:
            raise KeyAccessError("The transit service sealed nothing.")
        return sealed.encode()

    def unwrap(self, epoch: int, wrapped: bytes) -> bytes:
        """Return the secret that the service sealed."""
        if epoch not in self.epochs():
            raise KeyAccessError(
                f"The transit service doesn't hold the key of epoch {epoch}.",
                hint="Was the database restored from before an erasure? See docs/formats/keys.md.",
            )
        sealed = wrapped.decode("ascii", "replace")
        asked = {"ciphertext": sealed, "associated_data": _base64(place_of(epoch))}
        secret = self._call("POST", f"decrypt/{_key_name(epoch)}", asked, altered=True).get("plaintext")
        try:
            opened = b64decode(str(secret), validate=True)
        except binascii.Error as error:
            raise KeyAccessError("The transit service answers in an unknown way.") from error
        if len(opened) != SECRET_BYTES:
            raise IntegrityError(f"The secret of key epoch {epoch} has {len(opened)} bytes.")
        return opened

    def destroy(self, epoch: int) -> None:
        """Let the service delete the key of an epoch."""
        if epoch not in self.epochs():
            return
        name = _key_name(epoch)
        self._call("POST", f"keys/{name}/config", {"deletion_allowed": True})
        self._call("DELETE", f"keys/{name}")

    def _call(
        self,
        method: str,
        path: str,
        asked: dict[str, Any] | None = None,
        *,
        missing: dict[str, Any] | None = None,
        altered: bool = False,
    ) -> dict[str, Any]:
        """Return the answer's ``data``; ``missing`` stands for a 404, a 400 may mean ``altered``."""
        status, body = self._exchange(method, path, asked)
        if status == _NOT_FOUND and missing is not None:
            return missing
        if status == _REFUSED and altered:
            raise IntegrityError("The transit service can't open a key epoch's secret: it was altered.")
        if not 200 <= status < 300:
            raise KeyAccessError(f"The transit service answers {status} to {method} {path}.")
        if not body:
            return {}
        try:
            data = json.loads(body).get("data")
        except (ValueError, AttributeError, RecursionError) as error:
            raise KeyAccessError("The transit service answers in an unknown way.") from error
        return data if isinstance(data, dict) else {}

    def _exchange(self, method: str, path: str, asked: dict[str, Any] | None) -> tuple[int, bytes]:
        headers = {"X-Vault-Token": self._token(), "X-Vault-Request": "true"}
        if self._settings.namespace:
            headers["X-Vault-Namespace"] = self._settings.namespace
        body = json.dumps(asked).encode() if asked is not None else None
        target = f"{self._address.path.rstrip('/')}/v1/{quote(self._settings.mount)}/{path}"
        connection = self._connect()
        try:
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            read = answer.read(MAX_ANSWER_BYTES + 1)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise KeyAccessError(f"The transit service can't be reached: {error}.") from error
        finally:
            connection.close()
        if len(read) > MAX_ANSWER_BYTES:
            raise KeyAccessError("The transit service answers more than it may.")
        return answer.status, read

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._address.hostname or "", self._address.port
        timeout = self._settings.timeout_seconds
        if self._address.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=timeout)
        tls = self._settings.tls or ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=tls)


def _key_name(epoch: int) -> str:
    if not 1 <= epoch <= MAX_EPOCH:
        raise KeyAccessError(f"There is no key epoch {epoch}.")
    return f"sekimori-kek-{epoch:06}"


def _base64(data: bytes) -> str:
    return b64encode(data).decode()
