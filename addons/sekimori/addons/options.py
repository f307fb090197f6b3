"""The limits and choices of the administrator that the addons obey; ``gate.settings`` provides them."""

from __future__ import annotations

from typing import Protocol


class GateOptions(Protocol):
    """What the addons read of a worker's settings. Sizes are bytes, times are seconds."""

    @property
    def uncatalogued(self) -> str:
        """``tunnel``, ``refuse`` or ``inspect``: what happens to hosts that no list knows."""

    @property
    def connect_ports(self) -> tuple[int, ...]:
        """Ports that a CONNECT may name."""

    @property
    def http_ports(self) -> tuple[int, ...]:
        """Ports that a plain http:// request may name."""

    @property
    def mismatch(self) -> str:
        """``close`` or ``tunnel``: CONNECT and SNI differ and neither is AI."""

    @property
    def decrypt_mixed(self) -> tuple[str, ...]:
        """Hosts that serve AI beside other work and that a person has decided to decrypt."""

    @property
    def inspect_hosts(self) -> tuple[str, ...]:
        """Uncatalogued hosts to decrypt when ``uncatalogued`` is ``inspect``."""

    @property
    def max_upload(self) -> int:
        """The largest request body; never bounds an answer."""

    @property
    def max_capture(self) -> int:
        """How much of one answer is kept; the hash covers all of it."""

    @property
    def decision_timeout(self) -> float:
        """How long reading and deciding one request may take."""

    @property
    def identity_required(self) -> str:
        """``all``: 407 for every site; ``ai``: only for AI services."""

    @property
    def public_url(self) -> str:
        """Where people reach the web server: the base of the links on refusals."""

    @property
    def upstream_resolve(self) -> dict[str, str]:
        """Hosts pinned to an address; they alone may be private."""
