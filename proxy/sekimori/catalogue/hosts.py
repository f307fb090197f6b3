"""One spelling for every host name, before anything is compared with it.

A client may write ``ChatGPT.com.``, ``ｃｈａｔｇｐｔ.com`` or ``chatgpt。com`` and reach the same
machine, so all of them become ``chatgpt.com`` here (UTS #46, then A-labels). An address in any notation
that a resolver would accept is told apart from a name; everything else is malformed. Ports,
paths and user names are cut off by the caller: whoever leaves them on gets ``malformed``.

A homograph is not repaired: ``сhatgpt.com`` with a Cyrillic letter is simply another host.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal

import idna

from sekimori.errors import WireError

type HostFault = Literal["malformed", "ip-literal"]

# Longer than any spelling of a 253-byte name that a client has reason to send; bounds the cost of mapping.
_LONGEST_INPUT = 1024
_LONGEST_NAME = 253

# Underscores are no host name by RFC 952, but resolvers accept them and real hosts have them.
_NAME = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_IPV4_PART = re.compile(r"0x[0-9a-f]*|[0-9]+")
_IP_FUTURE = re.compile(r"v[0-9a-f]+\.[a-z0-9._~!$&'()*+,;=:-]+", re.IGNORECASE)


class HostError(WireError):
    """The text does not name a host: it is an address, or nothing that can be resolved."""

    def __init__(self, reason: HostFault) -> None:
        super().__init__(
            "the host is an IP address" if reason == "ip-literal" else "the host name is malformed"
        )
        self.reason: HostFault = reason


@dataclass(frozen=True, slots=True)
class Host:
    """A host name in its one canonical spelling: lower-case A-labels, no dot at the end."""

    name: str

    def __str__(self) -> str:
        return self.name


def canonical_host(raw: str | bytes) -> Host:
    """Return the one spelling of ``raw``, or raise HostError saying what else it is."""
    text = _text(raw)
    if text.startswith("[") or ":" in text:
        raise HostError(_literal(text))
    name = (text.lower() if text.isascii() else _ascii(text)).removesuffix(".")
    if len(name) > _LONGEST_NAME or _NAME.fullmatch(name) is None:
        raise HostError("malformed")
    _refuse_ipv4(name)
    return Host(name)


def _text(raw: str | bytes) -> str:
    if len(raw) > _LONGEST_INPUT:
        raise HostError("malformed")
    if isinstance(raw, str):
        return raw
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise HostError("malformed") from None


def _literal(text: str) -> HostFault:
    """Tell an IPv6 address, with or without brackets and zone, from a name with a colon in it."""
    inner = text.removesuffix(".")
    if inner.startswith("["):
        if not inner.endswith("]"):
            return "malformed"
        inner = inner[1:-1]
        if _IP_FUTURE.fullmatch(inner):
            return "ip-literal"
    try:
        ipaddress.IPv6Address(inner)
    except ValueError:
        return "malformed"
    return "ip-literal"


def _ascii(text: str) -> str:
    """Map ``text`` by UTS #46 and turn each label into its A-label."""
    try:
        mapped = idna.uts46_remap(text, std3_rules=False, transitional=False)
        return ".".join(_a_label(label) for label in mapped.split("."))
    except UnicodeError:  # idna.IDNAError is one
        raise HostError("malformed") from None


def _a_label(label: str) -> str:
    # An ASCII label stays what it is: idna would refuse underscores and 3rd-and-4th-place hyphens,
    # which real host names have.
    return label if label.isascii() else idna.alabel(label).decode("ascii")


def _refuse_ipv4(name: str) -> None:
    """Raise where a resolver would take ``name`` for an IPv4 address, or fail trying to.

    As in the URL standard a name whose last label is a number is an address or nothing, so that
    ``127.1``, ``0x7f000001``, ``017700000001`` and ``2130706433`` are all seen as what they are.
    """
    parts = name.split(".")
    if _IPV4_PART.fullmatch(parts[-1]) is None:
        return
    raise HostError("ip-literal" if _is_ipv4(parts) else "malformed")


def _is_ipv4(parts: list[str]) -> bool:
    if len(parts) > 4 or not all(_IPV4_PART.fullmatch(part) for part in parts):
        return False
    try:
        numbers = [_ipv4_number(part) for part in parts]
    except ValueError:  # an 8 or 9 in an octal number
        return False
    *leading, last = numbers
    return all(number < 256 for number in leading) and last < 256 ** (5 - len(parts))


def _ipv4_number(part: str) -> int:
    if part.startswith("0x"):
        return int(part[2:] or "0", 16)
    return int(part, 8) if len(part) > 1 and part.startswith("0") else int(part)
