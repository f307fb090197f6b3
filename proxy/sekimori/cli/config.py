"""Every configuration key, its type and its default: the TOML file of ``--config`` as data.

Knows what is valid; where values come from (file, environment, options) is said in ``config_file``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from sekimori.cli.config_identity import GateTls, Identity, named_devices
from sekimori.cli.config_oidc import Oidc
from sekimori.cli.config_section import Duration, Listen, Port, Section, Size
from sekimori.cli.units import Address

if TYPE_CHECKING:
    from sekimori.store.retention import Periods

_MIB = 2**20
_GIB = 2**30


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
    tls: GateTls = GateTls()

    @property
    def encrypted(self) -> bool:
        """Whether clients speak TLS to the proxy itself."""
        return bool(self.tls.certificate_file)

    @model_validator(mode="after")
    def _inspect_names_hosts(self) -> Self:
        if self.uncatalogued == "inspect" and not self.inspect_hosts:
            raise ValueError('uncatalogued = "inspect" needs inspect_hosts: the hosts that may be decrypted')
        return self


class Upstream(Section):
    """``[upstream]``: how services are reached."""

    ca_file: str = ""
    proxy: Annotated[str, Field(pattern=r"^(https?://[^\s/@]+:\d+/?)?$")] = ""
    resolve: dict[str, Listen] = Field(default_factory=dict)


class Feedback(Section):
    """``[feedback]``: when people are asked how an answer served them."""

    after_exchanges: Annotated[int, Field(ge=0)] = 20
    after_days: Annotated[int, Field(ge=0)] = 7


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


class Storage(Section):
    """``[storage]``: the database; empty means the embedded one."""

    url: Annotated[str, Field(pattern=r"^((sqlite|postgresql)(\+[a-z0-9]+)?://.*)?$")] = ""


class Keys(Section):
    """``[keys]``: what keeps the key-encryption keys. Secrets are read from files, never from here."""

    provider: Literal["file", "passphrase", "pkcs11", "transit"] = "file"
    folder: str = ""
    passphrase_file: str = ""
    pkcs11_module: str = ""
    pkcs11_token: str = ""
    pkcs11_pin_file: str = ""
    transit_url: Annotated[str, Field(pattern=r"^(https?://[^\s@]+)?$")] = ""
    transit_mount: str = "transit"
    transit_namespace: str = ""
    transit_token_file: str = ""
    transit_ca_file: str = ""

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        needed = {"pkcs11": ("pkcs11_module", "pkcs11_token"), "transit": ("transit_url",)}
        missing = [name for name in needed.get(self.provider, ()) if not getattr(self, name)]
        if missing:
            raise ValueError(f'provider = "{self.provider}" needs {" and ".join(missing)}')
        return self


Months = Annotated[int, Field(ge=0, le=1200)]


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


_NAME = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"
_WEB = r"^https?://[^\s/@?#]+(/[^\s?#]*)?$"


class Witness(Section):
    """``[[ledger.witnesses]]``: who remembers elsewhere how far the record got."""

    name: Annotated[str, Field(pattern=_NAME)]
    url: Annotated[str, Field(pattern=_WEB)]
    vkey: str
    ca_file: str = ""

    @model_validator(mode="after")
    def _is_a_witness(self) -> Self:
        from sekimori.errors import IntegrityError
        from sekimori.ledger.tlog.note import COSIGNATURE, parse_vkey

        try:
            kind = parse_vkey(self.vkey).kind
        except IntegrityError as error:
            raise ValueError(f"vkey: {error.message}") from error
        if kind != COSIGNATURE:
            raise ValueError("vkey is the key of a log; a witness prints its own: sekimori witness key")
        return self


class TimeStamps(Section):
    """``[[ledger.timestamps]]``: a time-stamping authority (RFC 3161), and how often it is asked."""

    name: Annotated[str, Field(pattern=_NAME)]
    url: Annotated[str, Field(pattern=_WEB)]
    ca_file: Annotated[str, Field(min_length=1)]
    every: Annotated[Duration, Field(ge=60)] = 3600.0


class Ledger(Section):
    """``[ledger]``: who else remembers the record, so that nobody can take anything back."""

    witnesses: tuple[Witness, ...] = ()
    quorum: Annotated[int, Field(ge=1)] | Literal["all", "any"] = "all"
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
                raise ValueError(f"two {what}")
        if self.needed > len(self.witnesses):
            raise ValueError(f"quorum = {self.quorum}, but {len(self.witnesses)} witnesses are named")
        return self


class Console(_Listening):
    """``[console]``: the web pages people meet."""

    listen: Listen = Address("127.0.0.1", 8081)
    public_url: Annotated[str, Field(pattern=r"^(https?://[^\s]+)?$")] = ""
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
