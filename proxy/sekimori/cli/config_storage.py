"""``[storage]``, ``[keys]``, ``[retention]`` and ``[spool]``: where the record lies, under which keys, how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from sekimori.cli.config_section import MisfitError, Section, Size, Whole, matching

if TYPE_CHECKING:
    from sekimori.store.retention import Periods

_MIB = 2**20
_GIB = 2**30


class Storage(Section):
    """``[storage]``: the database; empty means the embedded one."""

    url: Annotated[
        str,
        matching(r"((sqlite|postgresql)(\+[a-z0-9]+)?://.*)?", "postgresql://USER@HOST/DATABASE, or nothing"),
    ] = ""


class Keys(Section):
    """``[keys]``: what keeps the key-encryption keys. Secrets are read from files, never from here."""

    provider: Literal["file", "passphrase", "pkcs11", "transit"] = "file"
    folder: str = ""
    passphrase_file: str = ""
    pkcs11_module: str = ""
    pkcs11_token: str = ""
    pkcs11_pin_file: str = ""
    transit_url: Annotated[str, matching(r"(https?://[^\s@]+)?", "https://HOST:PORT, without a password")] = (
        ""
    )
    transit_mount: str = "transit"
    transit_namespace: str = ""
    transit_token_file: str = ""
    transit_ca_file: str = ""

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        needed = {"pkcs11": ("pkcs11_module", "pkcs11_token"), "transit": ("transit_url",)}
        missing = [name for name in needed.get(self.provider, ()) if not getattr(self, name)]
        if missing:
            raise MisfitError("provider", f'"{self.provider}" needs {" and ".join(missing)}: set that too')
        return self


Months = Annotated[Whole, Field(ge=0, le=1200)]


class Retention(Section):
    """``[retention]``: how many months what is kept of each class; 0 keeps it for ever.

    ``content`` is what was asked and answered, ``metadata`` that it was, by whom and of which service.
    """

    automatic: bool = False
    content: dict[str, Months] = Field(default_factory=dict)
    metadata: dict[str, Months] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _of_known_classes(self) -> Self:
        if self.content or self.metadata:
            self.periods()
        return self

    def periods(self) -> Periods:
        """Return the periods of every class: the configured ones, else the recommended."""
        from sekimori.store.retention import DEFAULTS, Period

        unknown = sorted({*self.content, *self.metadata} - set(DEFAULTS))
        if unknown:
            raise ValueError(f"no class is called {', '.join(unknown)}; there are {', '.join(DEFAULTS)}")
        periods = {}
        for klass, default in DEFAULTS.items():
            content = self.content.get(klass, default.content)
            try:
                periods[klass] = Period(content, self.metadata.get(klass, default.metadata))
            except ValueError as error:
                raise ValueError(f"{klass}: {error}") from error
        return periods


class Spool(Section):
    """``[spool]``: what a worker may keep on local disk until the archivist has it."""

    high_water: Size = 4 * _GIB
    min_free: Size = 256 * _MIB
    segment: Size = 64 * _MIB
