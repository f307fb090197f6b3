"""``[ledger]``: witnesses, time-stamps and what else outside remembers the record."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from sekimori.cli.config_section import Duration, MisfitError, Section, matching

_Name = Annotated[
    str, matching(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", "small letters, digits, dots and hyphens, as w1.example")
]
_Web = Annotated[
    str, matching(r"https?://[^\s/@?#]+(/[^\s?#]*)?", "https://HOST[:PORT]/PATH, without a password")
]


class Witness(Section):
    """``[[ledger.witnesses]]``: who remembers elsewhere how far the record got."""

    name: _Name
    url: _Web
    vkey: str
    ca_file: str = ""

    @model_validator(mode="after")
    def _is_a_witness(self) -> Self:
        from sekimori.errors import IntegrityError
        from sekimori.ledger.tlog.note import COSIGNATURE, parse_vkey

        try:
            kind = parse_vkey(self.vkey).kind
        except IntegrityError as error:
            raise MisfitError(
                "vkey", f"{error.message}; copy what `sekimori witness key` prints there"
            ) from error
        if kind != COSIGNATURE:
            raise MisfitError(
                "vkey", "this is the key of a log; a witness prints its own: sekimori witness key"
            )
        return self


class TimeStamps(Section):
    """``[[ledger.timestamps]]``: a time-stamping authority (RFC 3161), and how often it is asked."""

    name: _Name
    url: _Web
    ca_file: Annotated[str, Field(min_length=1)]
    every: Annotated[Duration, Field(ge=60)] = 3600.0


def _quorum(value: object) -> object:
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if number in ("all", "any") or (isinstance(number, int) and not isinstance(number, bool) and number >= 1):
        return number
    raise ValueError('write "all", "any" or how many witnesses must answer, at least 1')


class Ledger(Section):
    """``[ledger]``: who else remembers the record, so that nobody can take anything back."""

    witnesses: tuple[Witness, ...] = ()
    quorum: Annotated[int | Literal["all", "any"], BeforeValidator(_quorum)] = "all"
    timestamps: tuple[TimeStamps, ...] = ()
    worm: str = ""
    unwitnessed_limit: Annotated[Duration, Field(ge=60)] = 86400.0
    lock_store: str = ""

    @property
    def needed(self) -> int:
        """How many witnesses a checkpoint needs."""
        many = len(self.witnesses)
        return many if self.quorum == "all" else min(many, 1) if self.quorum == "any" else self.quorum

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for what, values in (
            ("witnesses have the same name", [one.name for one in self.witnesses]),
            ("witnesses have the same key", [one.vkey.rpartition("+")[2] for one in self.witnesses]),
            ("timestamps have the same name", [one.name for one in self.timestamps]),
        ):
            if len(set(values)) < len(values):
                raise MisfitError(what.partition(" ")[0], f"two {what}; each must be another's")
        if self.needed > len(self.witnesses):
            raise MisfitError(
                "quorum", f"{self.quorum} witnesses are to answer, but {len(self.witnesses)} are named"
            )
        return self
