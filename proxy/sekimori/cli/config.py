"""Every configuration key, its type and its default: the TOML file of ``--config`` as data.

Knows what is valid; where values come from (file, environment, options) is said in ``config_file``.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from sekimori.cli.units import Address, parse_address, parse_duration, parse_size

_MIB = 2**20
_GIB = 2**30


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


class _Listening(Section):
    allow_plain_listener: bool = False

    @model_validator(mode="after")
    def _beyond_loopback(self) -> Self:
        listen: Address = getattr(self, "listen")  # noqa: B009 (declared by each section with its own default)
        if not listen.loopback and not self.allow_plain_listener:
            raise ValueError(
                f"listen = {listen} is beyond loopback, where passwords would cross the network unencrypted; "
                "put TLS in front, or set allow_plain_listener = true"
            )
        return self


class Gate(_Listening):
    """``[gate]``: the proxy that clients talk to."""

    listen: Listen = Address("127.0.0.1", 8080)
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    uncatalogued: Literal["tunnel", "refuse", "inspect"] = "tunnel"
    connect_ports: tuple[Port, ...] = (443,)
    http_ports: tuple[Port, ...] = (80,)
    mismatch: Literal["close", "tunnel"] = "close"
    decrypt_mixed: tuple[str, ...] = ()
    inspect_hosts: tuple[str, ...] = ()
    max_upload: Size = 64 * _MIB
    upload_budget: Size = 512 * _MIB
    max_capture: Size = 8 * _MIB
    capture_budget: Size = 256 * _MIB
    snapshot_max_age: Duration = 900.0
    drain: Duration = 30.0
    decision_timeout: Duration = 5.0
    record_timeout: Duration = 2.0

    @model_validator(mode="after")
    def _inspect_names_hosts(self) -> Self:
        if self.uncatalogued == "inspect" and not self.inspect_hosts:
            raise ValueError('uncatalogued = "inspect" needs inspect_hosts: the hosts that may be decrypted')
        return self


class Upstream(Section):
    """``[upstream]``: how services are reached."""

    ca_file: str = ""
    proxy: Annotated[str, Field(pattern=r"^(https?://[^\s/@]+:\d+/?)?$")] = ""
    resolve: dict[str, Listen] = {}


class Identity(Section):
    """``[identity]``: who is asking."""

    sources: Annotated[tuple[Literal["basic"], ...], Field(min_length=1)] = ("basic",)
    required: Literal["all", "ai"] = "all"


class Feedback(Section):
    """``[feedback]``: when people are asked how an answer served them."""

    after_exchanges: Annotated[int, Field(ge=0)] = 20
    after_days: Annotated[int, Field(ge=0)] = 7


class Notices(Section):
    """``[notices]``: what people must have read before they use a service."""

    required: bool = True


class Storage(Section):
    """``[storage]``: the database; empty means the embedded one."""

    url: Annotated[str, Field(pattern=r"^((sqlite|postgresql)(\+[a-z0-9]+)?://.*)?$")] = ""


class Spool(Section):
    """``[spool]``: what a worker may keep on local disk until the archivist has it."""

    high_water: Size = 4 * _GIB
    min_free: Size = 256 * _MIB
    segment: Size = 64 * _MIB


class Console(_Listening):
    """``[console]``: the web pages people meet."""

    listen: Listen = Address("127.0.0.1", 8081)
    public_url: Annotated[str, Field(pattern=r"^(https?://[^\s]+)?$")] = ""
    contact: str = ""


class Metrics(Section):
    """``[metrics]``: what Prometheus scrapes; it carries no user, host or prompt."""

    listen: Listen = Address("127.0.0.1", 8082)


class Config(Section):
    """The whole file."""

    profile: Literal["gov", "local_gov", "enterprise"] = "enterprise"
    gate: Gate = Gate()
    upstream: Upstream = Upstream()
    identity: Identity = Identity()
    feedback: Feedback = Feedback()
    notices: Notices = Notices()
    storage: Storage = Storage()
    spool: Spool = Spool()
    console: Console = Console()
    metrics: Metrics = Metrics()

    @property
    def public_url(self) -> str:
        """The address that pages and refusals name."""
        return self.console.public_url.rstrip("/") or f"http://{self.console.listen}"
