"""Why a request was refused: the codes, and what a person reads about each."""

from __future__ import annotations

from sekimori.policy.codes import Reason, ReasonText, stage
from sekimori.policy.texts import TEXTS

__all__ = ["Reason", "ReasonText", "explain", "stage"]


def explain(reason: Reason) -> ReasonText:
    """Give the sentences, the rule and the HTTP status of ``reason``."""
    return TEXTS[reason]
