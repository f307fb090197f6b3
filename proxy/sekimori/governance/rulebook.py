"""What the documents say at an instant: names of bodies, editions, the wording of the form.

Bodies have a part (``cyber_advice_body``) that outlives their name: the advice of 内閣サイバーセキュリティ
センター and of 国家サイバー統括室 is the advice of one body under two names.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from sekimori.governance.calendar import jst_date


class Rulebook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The documents as they stand on a day; ``since`` is the day of the latest of them."""

    since: date
    mou: str
    mou_title: str
    consent_body: str
    advice_bodies: Mapping[str, str]
    form_title: str
    form: Mapping[str, str]


@cache
def editions() -> tuple[Rulebook, ...]:
    """Give every edition, the oldest first."""
    text = (resources.files("sekimori.governance") / "data" / "rulebook.toml").read_text("utf-8")
    found: list[Rulebook] = []
    merged: dict[str, Any] = {}
    for edition in sorted(tomllib.loads(text)["edition"], key=lambda entry: entry["from"]):
        merged = {**merged, **edition, "since": edition["from"]}
        fields = {key: value for key, value in merged.items() if key != "from"}
        found.append(msgspec.convert(fields, Rulebook))
    return tuple(found)


def rulebook(at_us: int) -> Rulebook:
    """Give the edition that holds at an instant; before the first one, the first."""
    day = jst_date(at_us)
    held = [edition for edition in editions() if edition.since <= day]
    return held[-1] if held else editions()[0]
