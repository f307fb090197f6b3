"""What an organisation asks of the use of a service: the rules of ``rules``, and its numbers for using.

The defaults are data (``data/use.toml``); the installation's configuration may choose otherwise.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal

import msgspec

from sekimori.governance.rules import Rules, rules_for
from sekimori.policy import model

Positive = Annotated[int, msgspec.Meta(ge=1)]
Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]
Severity = Literal["LOW", "MEDIUM", "HIGH"]
AnswerKind = Literal["USEFUL", "WRONG", "HARMFUL", "CONFIDENTIAL_CONCERN", "COPYRIGHT_CONCERN"]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A section of the configuration."""


class NoticeRules(_Part, frozen=True):
    """How notices are shown."""

    page_minutes: Positive


class FeedbackRules(_Part, frozen=True):
    """When feedback is overdue, and what follows from an answer."""

    exchanges: Positive
    days: Positive
    token_days: Positive
    text_limit: Positive
    covered_limit: Positive
    sample_per_mille: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    severity: Mapping[AnswerKind, Severity]
    business_days: Mapping[Severity, Positive]


class ReviewRules(_Part, frozen=True):
    """When review sheets are due, and what counts as an anomaly."""

    sign_days: Positive
    reminder_days: Positive
    escalation_days: Positive
    spike_factor: Positive
    spike_floor: Positive
    off_hours_percent: Percent
    history: Positive


class UseRules(Rules, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules of an organisation with those for using a service."""

    notices: NoticeRules
    feedback: FeedbackRules
    reviews: ReviewRules


def of_use(rules: Rules) -> UseRules:
    """Give the rules of using that a guard is held to; without them no command about using is carried out."""
    if not isinstance(rules, UseRules):
        raise TypeError("the rules say nothing about using a service")
    return rules


@cache
def defaults() -> dict[str, dict[str, Any]]:
    """Give what holds where nothing else is chosen."""
    return tomllib.loads((resources.files("sekimori.governance") / "data" / "use.toml").read_text("utf-8"))


def use_rules_for(
    profile: model.Profile, at_us: int, *, use: Mapping[str, Mapping[str, Any]] | None = None, **chosen: Any
) -> UseRules:
    """Give the rules of ``profile``, with ``use`` in place of the defaults of its sections.

    Its section ``rules`` is what the organisation chose otherwise than its profile.
    """
    given = dict(use or {})
    chosen = {**given.pop("rules", {}), **chosen}
    base = msgspec.structs.asdict(rules_for(profile, at_us, **chosen))
    parts: dict[str, Any] = {name: {**part, **given.get(name, {})} for name, part in defaults().items()}
    unknown = {name: dict(part) for name, part in given.items() if name not in parts}
    return msgspec.convert({**base, **parts, **unknown}, UseRules)
