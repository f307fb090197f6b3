"""``[oidc]``: whose bearer tokens the API believes."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from sekimori.cli.config_section import Section


class Oidc(Section):
    """``[oidc]``: an OpenID Connect issuer; empty means that none is believed.

    Its keys are read from a file, or fetched over HTTPS. ``claim`` is where a token names the person.
    """

    issuer: Annotated[str, Field(pattern=r"^(https://[^\s]+)?$")] = ""
    audience: str = ""
    jwks_file: str = ""
    jwks_url: Annotated[str, Field(pattern=r"^(https://[^\s@]+)?$")] = ""
    ca_file: str = ""
    claim: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/-]{1,64}$")] = "preferred_username"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.issuer and not self.audience:
            raise ValueError("issuer needs audience: a token for another service is not for this one")
        if self.issuer and bool(self.jwks_file) == bool(self.jwks_url):
            raise ValueError("issuer needs its keys: either jwks_file or jwks_url")
        return self
