"""Links that the gate hands out and the web pages honour: whose, about what, until when.

Sealed under a key that both hold, so that a link can be neither made nor changed by whoever gets it, and
tells nothing of the person whom it names. That an answer is given once is for the register to see, by the
link's own hash.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Literal

import msgspec

from sekimori.errors import SekimoriError
from sekimori.vault.published import PolicySeal

_KIND = "ticket"
_LONGEST = 1024
Kind = Literal["list", "notice", "feedback"]


class Ticket(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a link lets its holder do: see what somebody owes, read a notice, answer on a conversation."""

    kind: Kind
    subject: str
    about: str = ""
    expires_us: int


def issue(seal: PolicySeal, ticket: Ticket) -> str:
    """Write a ticket as it stands in a link."""
    sealed = seal.seal(msgspec.msgpack.encode(ticket), _KIND, "")
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")


def honour(seal: PolicySeal, text: str, now_us: int) -> Ticket | None:
    """Read a ticket back, None if it is not ours or too old."""
    if len(text) > _LONGEST:
        return None
    try:
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        ticket = msgspec.msgpack.decode(seal.open(sealed, _KIND, ""), type=Ticket)
    except (binascii.Error, ValueError, SekimoriError, msgspec.DecodeError):
        return None
    return ticket if now_us < ticket.expires_us else None


def ticket_hash(text: str) -> str:
    """Give the id under which the register keeps that a link was used; the same for each way to write it."""
    sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return hashlib.sha256(b"ticket\0" + sealed).hexdigest()
