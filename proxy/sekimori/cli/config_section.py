"""What all sections of the configuration are made of: sizes, durations and addresses with their units."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from sekimori.cli.units import Address, parse_address, parse_duration, parse_size


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} has no unit; write {what} in quotes")  # noqa: TRY004 (pydantic's protocol)
    return value


def _address(value: object) -> Address:
    return value if isinstance(value, Address) else parse_address(_text(value, '"127.0.0.1:8080"'))


Size = Annotated[
    int,
    BeforeValidator(lambda value: parse_size(_text(value, '"64MiB"'))),
    PlainSerializer(lambda value: f"{value}B"),
]
Duration = Annotated[
    float,
    BeforeValidator(lambda value: parse_duration(_text(value, '"15min"'))),
    PlainSerializer(lambda value: f"{value:f}s"),
]
Listen = Annotated[Address, BeforeValidator(_address), PlainSerializer(str)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Section(BaseModel):
    """What all sections share: fixed once read, and no key that nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
