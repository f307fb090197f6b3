"""Bearer tokens of an OpenID Connect issuer: signature, issuer, audience and time, and nothing is guessed.

Only asymmetric algorithms are taken, whatever a token's header says: a public key is never tried as the secret
of an HMAC, and ``none`` is no algorithm here. Keys are fetched again for an unknown ``kid``, but only so often;
without an answer of the issuer they hold for an hour.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_LONGEST = 16 * 1024
_LEEWAY_S = 30
_FRESH_US = 600_000_000
_AGAIN_US = 60_000_000
_STALE_US = 3_600_000_000


class BadToken(Exception):  # noqa: N818 - a verdict about a token
    """A bearer token says nothing that may be believed."""


class Issuer:
    """Believes the tokens of one issuer for one audience; ``claim`` is where it names the person."""

    def __init__(
        self, issuer: str, audience: str, keys: Callable[[], Mapping[str, Any]], *, claim: str = "sub"
    ) -> None:
        self._issuer, self._audience, self._claim = issuer, audience, claim
        self._fetch = keys
        self._keys: KeySet | None = None
        self._fetched_us = self._told_us = 0
        self._lock = threading.Lock()

    def name(self, token: str, now_us: int) -> str:
        """Give whom the token is about, or raise ``BadToken``."""
        if len(token) > _LONGEST:
            raise BadToken
        claims = self._claims(token, now_us)
        named = claims.get(self._claim)
        if not isinstance(named, str) or not named.strip():
            raise BadToken
        return named

    def _claims(self, token: str, now_us: int) -> dict[str, Any]:
        registry = JWTClaimsRegistry(
            now=now_us // 1_000_000,
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        for fresh in (False, True):
            try:
                decoded = jwt.decode(token, self._key_set(now_us, fresh=fresh), algorithms=list(ALGORITHMS))
                registry.validate(decoded.claims)
            except (JoseError, ValueError) as error:
                if fresh or not self._may_fetch(now_us):
                    raise BadToken from error
                continue
            return dict(decoded.claims)
        raise BadToken

    def _may_fetch(self, now_us: int) -> bool:
        return now_us >= self._fetched_us + _AGAIN_US

    def _key_set(self, now_us: int, *, fresh: bool) -> KeySet:
        with self._lock:
            old = now_us >= self._fetched_us + _FRESH_US
            if self._keys is None or old or (fresh and self._may_fetch(now_us)):
                self._fetched_us = now_us
                try:
                    self._keys, self._told_us = _asymmetric(self._fetch()), now_us
                except OSError as error:
                    # Whoever cuts the line to the issuer must not keep a key alive that it took back.
                    if self._keys is None or now_us >= self._told_us + _STALE_US:
                        raise BadToken from error
            elif now_us >= self._told_us + _STALE_US:
                raise BadToken
            return self._keys


def _asymmetric(found: Mapping[str, Any]) -> KeySet:
    """Keep the public keys that verify signatures; one that this version does not know is no fault."""
    keys = [
        key
        for key in found.get("keys", ())
        if key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"
    ]
    return KeySet.import_key_set({"keys": keys})
