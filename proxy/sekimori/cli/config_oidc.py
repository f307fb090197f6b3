"""``[oidc]``: whose bearer tokens the API believes."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import model_validator

from sekimori.cli.config_section import MisfitError, Section, matching


class Oidc(Section):
    """``[oidc]``: an OpenID Connect issuer; empty means that none is believed.

    Its keys are read from a file, or fetched over HTTPS. ``claim`` is where a token names the person.
    """

    issuer: Annotated[str, matching(r"(https://[^\s]+)?", "https:// and the issuer's address")] = ""
    audience: str = ""
    jwks_file: str = ""
    jwks_url: Annotated[
        str, matching(r"(https://[^\s@]+)?", "https:// and an address, without a password")
    ] = ""
    ca_file: str = ""
    claim: Annotated[
        str, matching(r"[A-Za-z0-9_.:/-]{1,64}", "the name of a claim, as preferred_username")
    ] = "preferred_username"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.issuer and not self.audience:
            raise MisfitError(
                "issuer", "this needs audience: a token for another service is not for this one"
            )
        if self.issuer and bool(self.jwks_file) == bool(self.jwks_url):
            raise MisfitError("issuer", "this needs its keys: set either jwks_file or jwks_url")
        return self
