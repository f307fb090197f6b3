"""What all sections of the configuration are made of: sizes, durations and addresses with their units."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from sekimori.cli.units import Address, parse_address, parse_duration, parse_size


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} has no unit; write {what} in quotes")  # noqa: TRY004 (pydantic's protocol)
    return value


def _whole(value: object) -> object:
    if isinstance(value, bool):  # pydantic would take true for 1
        raise ValueError(f"{str(value).lower()} is no whole number; write one without quotes, as 2")  # noqa: TRY004
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
Whole = Annotated[int, BeforeValidator(_whole)]
Port = Annotated[Whole, Field(ge=1, le=65535)]


def matching(pattern: str, wanted: str) -> AfterValidator:
    """Accept text of a certain shape; ``wanted`` says what to write.

    The text itself is not repeated: an address may hold a password.
    """
    shape = re.compile(pattern)

    def check(text: str) -> str:
        if not shape.fullmatch(text):
            raise ValueError(f"this is not what belongs here; write {wanted}")
        return text

    return AfterValidator(check)


class MisfitError(ValueError):
    """A key that doesn't go with the others of its section; ``key`` is the one to change, dots between sections."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class Section(BaseModel):
    """What all sections share: fixed once read, and no key that nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
