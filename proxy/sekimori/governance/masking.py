"""What a reader sees before anybody allowed more: the text with what names people and opens doors hidden.

A mask is no proof that nothing personal is left: names in running text stay. It is what keeps a glance at a
record from being a reading of its numbers, addresses and secrets.
"""

from __future__ import annotations

import re
from typing import Any

MASK = "●●●"
# Each pattern is one bounded run of one class of characters: linear in the text.
_PERSONAL = re.compile(
    r"[\w.+%-]{1,64}@[\w.-]{1,255}"  # mail addresses
    r"|(?:sk|pk|ghp|xox[a-z]|AKIA|eyJ)[\w.-]{12,512}"  # keys and tokens by their first letters
    r"|[A-Za-z0-9+/_=-]{32,4096}"  # any other long run without a space
    r"|[0-9０-９][0-9０-９()（）/.・ーー－-]{2,40}[0-9０-９]"  # telephone, account and personal numbers, dates
)


def masked(text: str) -> str:
    """Give the text with addresses, numbers of four digits and more, and secrets hidden."""
    return _PERSONAL.sub(MASK, text)


def masked_all(value: Any) -> Any:
    """Mask every text in a JSON value; the names of fields stay."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {key: masked_all(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [masked_all(held) for held in value]
    return value
