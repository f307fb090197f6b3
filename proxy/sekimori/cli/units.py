"""Sizes, durations and addresses as people write them: ``64MiB``, ``15min``, ``127.0.0.1:8080``.

Knows the spelling only; which option takes which is said in ``config``.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

_NUMBER_AND_UNIT = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([A-Za-z]+)", re.ASCII)
_SIZES = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_DURATIONS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})", re.ASCII)
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """Where something listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it; an unknown name is taken to be reachable."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(text: str) -> Address:
    """Read ``HOST:PORT`` or ``[IPV6]:PORT``; raise ``ValueError`` with the sentence to show."""
    match = _ADDRESS.fullmatch(text.strip())
    if match is None or int(match[3]) > _LAST_PORT:
        raise ValueError(f'"{text}" is not an address; write HOST:PORT, as 127.0.0.1:8080')
    return Address(match[1] or match[2], int(match[3]))


def parse_size(text: str) -> int:
    """Read ``64MiB`` as bytes; raise ``ValueError`` with the sentence to show."""
    match = _NUMBER_AND_UNIT.fullmatch(text.strip())
    if match is None or match[2] not in _SIZES:
        raise ValueError(f'"{text}" is not a size; write a number and one of {" ".join(_SIZES)}, as 64MiB')
    return int(float(match[1]) * _SIZES[match[2]]) if "." in match[1] else int(match[1]) * _SIZES[match[2]]


def parse_duration(text: str) -> float:
    """Read ``15min`` as seconds; raise ``ValueError`` with the sentence to show."""
    match = _NUMBER_AND_UNIT.fullmatch(text.strip())
    if match is None or match[2] not in _DURATIONS:
        known = " ".join(_DURATIONS)
        raise ValueError(f'"{text}" is not a duration; write a number and one of {known}, as 15min')
    return float(match[1]) * _DURATIONS[match[2]]
