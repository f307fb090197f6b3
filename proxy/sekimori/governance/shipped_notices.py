"""The notices that come with the product: what the agreement wants staff to know [MOU-1-9, MOU-1-10]."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources

from sekimori.governance.notices import NoticeText, WriteNotice


def shipped_notices(names: Mapping[str, str] | None = None) -> tuple[WriteNotice, ...]:
    """Give the drafts; ``names`` says under which id the register has a service that a notice is about."""
    data = resources.files("sekimori.governance") / "data" / "notices.toml"
    known = names or {}
    return tuple(
        WriteNotice(
            entry["id"],
            known.get(entry["service"], entry["service"]),
            NoticeText(entry["title"], entry["ja"], entry["en"], entry["frequency"]),
        )
        for entry in tomllib.loads(data.read_text("utf-8"))["notice"]
    )
