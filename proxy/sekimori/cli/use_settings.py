"""The rules of using services as the configuration chooses them, in the words of ``use_rules_for``."""

from __future__ import annotations

from typing import Any

from sekimori.cli.config import Config

_NEVER_BY_NUMBER = 10**12
_NEVER_BY_DAYS = 36_500


def use_of(config: Config) -> dict[str, dict[str, Any]]:
    """Give the sections that differ from the defaults; 0 says never by that number."""
    feedback = config.feedback
    return {
        "rules": config.policy.chosen(),
        "feedback": {
            "exchanges": feedback.after_exchanges or _NEVER_BY_NUMBER,
            "days": feedback.after_days or _NEVER_BY_DAYS,
        },
    }
