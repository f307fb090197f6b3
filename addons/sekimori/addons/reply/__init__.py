"""Refusals in the client's own protocol: a page for people, the provider's error for programs.

Pure: a ``Refusal`` goes in, bytes come out. When to refuse, and what the host program does with the
answer, is the business of the addons.
"""

from __future__ import annotations

from sekimori.addons.reply.answer import Answer, answer
from sekimori.addons.reply.navigation import is_navigation
from sekimori.addons.reply.quotes import Quote, quotes
from sekimori.addons.reply.refusal import Refusal, apply_link
from sekimori.addons.reply.streams import close_code, stream_event

__all__ = [
    "Answer",
    "Quote",
    "Refusal",
    "answer",
    "apply_link",
    "close_code",
    "is_navigation",
    "quotes",
    "stream_event",
]
