"""Every configuration key, its type and its default: the TOML file of ``--config`` as data.

Knows what is valid; where values come from (file, environment, options) is said in ``config_file``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from sekimori.cli.config_identity import GateTls, Identity, named_devices
from sekimori.cli.config_ledger import Ledger
from sekimori.cli.config_oidc import Oidc
from sekimori.cli.config_section import Duration, Listen, MisfitError, Port, Section, Size, Whole, matching
from sekimori.cli.config_storage import Keys, Retention, Spool, Storage
from sekimori.cli.units import Address

_MIB = 2**20


class _Listening(Section):
    allow_plain_listener: bool = False

    @property
    def encrypted(self) -> bool:
        """Whether the listener itself speaks TLS."""
        return False

    @model_validator(mode="after")
    def _beyond_loopback(self) -> Self:
        listen: Address = getattr(self, "listen")  # noqa: B009 (declared by each section with its own default)
        if not listen.loopback and not self.allow_plain_listener and not self.encrypted:
            raise MisfitError(
                "listen",
                f"{listen} is beyond loopback, where passwords would cross the network unencrypted; "
                "put TLS in front, or set allow_plain_listener = true",
            )
        return self


class Gate(_Listening):
    """``[gate]``: the proxy that clients talk to."""

    listen: Listen = Address("127.0.0.1", 8080)
    workers: Annotated[Whole, Field(ge=1, le=256)] = 1
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
    tls: GateTls = GateTls()

    @property
    def encrypted(self) -> bool:
        """Whether clients speak TLS to the proxy itself."""
        return bool(self.tls.certificate_file)

    @model_validator(mode="after")
    def _inspect_names_hosts(self) -> Self:
        if self.uncatalogued == "inspect" and not self.inspect_hosts:
            raise MisfitError(
                "uncatalogued", '"inspect" needs inspect_hosts: name there the hosts to decrypt'
            )
        return self


class Upstream(Section):
    """``[upstream]``: how services are reached."""

    ca_file: str = ""
    proxy: Annotated[str, matching(r"(https?://[^\s/@]+:\d+/?)?", "http://HOST:PORT, without a password")] = (
        ""
    )
    resolve: dict[str, Listen] = Field(default_factory=dict)


class Feedback(Section):
    """``[feedback]``: when people are asked how an answer served them."""

    after_exchanges: Annotated[Whole, Field(ge=0)] = 20
    after_days: Annotated[Whole, Field(ge=0)] = 7


class Notices(Section):
    """``[notices]``: what people must have read before they use a service."""

    required: bool = True


class Policy(Section):
    """``[policy]``: what a grant needs from bodies outside; with the profile ``gov`` neither can be switched off."""

    advice_required: bool = True
    consent_required: bool = True

    def chosen(self) -> dict[str, Any]:
        """Give both, as the rules of governance name them."""
        return self.model_dump()


class Console(_Listening):
    """``[console]``: the web pages people meet."""

    listen: Listen = Address("127.0.0.1", 8081)
    public_url: Annotated[str, matching(r"(https?://[^\s]+)?", "https://NAME:PORT")] = ""
    contact: str = ""


class Documents(Section):
    """``[documents]``: what stands on documents, and the Japanese font that is put into a PDF."""

    organisation: str = ""
    font: str = ""


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
    keys: Keys = Keys()
    spool: Spool = Spool()
    retention: Retention = Retention()
    ledger: Ledger = Ledger()
    console: Console = Console()
    oidc: Oidc = Oidc()
    documents: Documents = Documents()
    policy: Policy = Policy()
    metrics: Metrics = Metrics()

    devices: Annotated[dict[str, str], AfterValidator(named_devices)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _sees_certificates(self) -> Self:
        self.identity.check_listener(self.gate.tls)
        return self

    @property
    def public_url(self) -> str:
        """The address that pages and refusals name."""
        return self.console.public_url.rstrip("/") or f"http://{self.console.listen}"
