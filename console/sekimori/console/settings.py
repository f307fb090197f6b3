"""What the console must be told: under which names it answers, what it shows, whom it asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from sekimori.console.api.ports import ApiPorts
from sekimori.console.line import Line
from sekimori.console.ports import Authority, DutyDesk, Health, PasswordHasher, Refusals, SetupDesk


@dataclass(frozen=True, slots=True)
class Contact:
    """Where staff apply and ask, in the administrator's words; empty fields are not shown."""

    name: str = ""
    mail: str = ""
    telephone: str = ""
    url: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSettings:
    """Everything that ``create_app`` needs.

    ``hosts`` are the exact Host headers that are answered, in lower case, with their port where it
    is not the scheme's own: a name that is missing here can't be rebound to this server.
    ``service_name`` turns a service id into its name, or None for one that nobody knows. Without the keys that
    ``api`` needs there is a ``line`` to the process that has them.
    """

    public_url: str
    hosts: frozenset[str]
    proxy_url: str
    health: Health
    authority: Authority
    refusals: Refusals
    setup: SetupDesk
    hasher: PasswordHasher
    service_name: Callable[[str], str | None]
    clock_us: Callable[[], int]
    contact: Contact = field(default_factory=Contact)
    duties: DutyDesk | None = None
    api: ApiPorts | None = None
    line: Line | None = None
    max_body: int = 16 * 1024
    max_api_body: int = 256 * 1024
    max_target: int = 2048
    body_timeout_s: float = 10.0
    setup_attempts: int = 10
    setup_window_s: int = 600

    @property
    def origin(self) -> str:
        """Scheme, host and port of ``public_url``, as browsers write an Origin."""
        parts = urlsplit(self.public_url)
        return f"{parts.scheme}://{parts.netloc}".lower()

    @property
    def proxy_scheme(self) -> str:
        """How clients speak to the proxy: ``http`` or ``https``."""
        return urlsplit(self.proxy_url).scheme

    @property
    def proxy_host(self) -> str:
        """The host of the proxy."""
        return urlsplit(self.proxy_url).hostname or ""

    @property
    def proxy_port(self) -> int:
        """The port of the proxy."""
        return urlsplit(self.proxy_url).port or 8080
