"""What an organisation asks for: the defaults of its profile, its own choices, and the documents.

A key that the profile locks cannot be chosen otherwise: ``gov`` cannot do without advice and consent.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from sekimori.governance.refusals import refuse
from sekimori.governance.rulebook import Rulebook, rulebook
from sekimori.policy import model


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a command is held to beside the state; ``policy_version`` goes into each decision.

    ``caution_locations`` adds to the countries that the policy itself caps at class 1.
    """

    profile: model.Profile
    book: Rulebook
    policy_version: str = ""
    consent_required: bool
    advice_required: bool
    it_procurement_check: bool
    signatures_needed: int
    caution_locations: frozenset[str] = frozenset()
    terms_grace_days: int = 30
    terms_copy_days: int = 90
    assessment_days: int = 365
    review_months: int = 12
    self_test_hours: int = 24
    warning_days: tuple[int, ...] = (30, 14, 7, 1)
    warning_hour: int = 9

    @property
    def for_policy(self) -> model.Rules:
        """Give the part that the gate's policy knows."""
        return model.Rules(
            profile=self.profile, advice_required=self.advice_required, consent_required=self.consent_required
        )


@cache
def profiles() -> dict[str, dict[str, Any]]:
    """Give the table of profiles."""
    return tomllib.loads(
        (resources.files("sekimori.governance") / "data" / "profiles.toml").read_text("utf-8")
    )


def rules_for(profile: model.Profile, at_us: int, *, policy_version: str = "", **chosen: Any) -> Rules:
    """Give the rules of ``profile`` at an instant, with what the organisation chose otherwise."""
    defaults = dict(profiles()[profile])
    locked = [key for key in defaults.pop("locked") if chosen.get(key, defaults[key]) != defaults[key]]
    if locked:
        raise refuse("profile-locked", keys=", ".join(locked))
    fields = {**defaults, **chosen, "profile": profile, "policy_version": policy_version}
    return msgspec.convert({**fields, "book": rulebook(at_us)}, Rules)
