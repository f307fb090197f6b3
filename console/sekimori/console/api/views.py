"""How things are shown: the thing itself, and the hashes that a decision about it has to name."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from sekimori.governance.application import Application
from sekimori.governance.change import Event
from sekimori.governance.limiting import ServiceLimits
from sekimori.governance.notices import Notice
from sekimori.governance.service import RegisteredService
from sekimori.governance.state import Aggregate, digest


class Page(msgspec.Struct, frozen=True):
    """A page; ``next`` is the cursor of the one after it, None at the end."""

    items: list[Any]
    next: str | None


class Told(msgspec.Struct, frozen=True):
    """One event as it is shown."""

    kind: str
    at_us: int
    by: str
    noun: str
    id: str
    version: int
    digest: str
    changed: dict[str, Any]
    facts: dict[str, Any]


class History(msgspec.Struct, frozen=True):
    """What happened to one thing, the oldest first."""

    items: list[Told]
    next: str | None


class Done(msgspec.Struct, frozen=True):
    """What a command did, where it did it to several things."""

    changed: list[dict[str, Any]]


@cache
def view_of(kind: type[Aggregate]) -> type[Any]:
    """Give the type of how a kind of thing is shown."""
    made = msgspec.defstruct(
        f"{kind.__name__}View", [("data", kind), ("hashes", dict[str, str])], frozen=True
    )
    made.__doc__ = f"{kind.__name__} and the hashes that decisions about it name."
    return made


@cache
def page_of(view: type[object]) -> type[Any]:
    """Give the type of a page of views."""
    return msgspec.defstruct(
        view.__name__.replace("View", "Page"),
        [("items", list[view]), ("next", str | None)],  # type: ignore[valid-type]
        frozen=True,
    )


def hashes(value: Aggregate) -> dict[str, str]:
    """Give what a command about ``value`` has to name, to prove what was read."""
    if isinstance(value, Application):
        return {"plan_hash": value.plan_hash}
    if isinstance(value, RegisteredService) and value.proposal is not None:
        return {"proposal": digest(value.proposal)}
    if isinstance(value, ServiceLimits) and value.proposed is not None:
        return {"proposed": digest(value.proposed)}
    if isinstance(value, Notice):
        texts = {"current": value.current, "draft": value.draft}
        return {name: text.sha256 for name, text in texts.items() if text is not None}
    return {}


def shown(value: Aggregate) -> dict[str, Any]:
    """Show a thing."""
    return {"data": value, "hashes": hashes(value)}


def etag(value: Aggregate) -> dict[str, str]:
    """Name the version of a thing."""
    return {"etag": f'"{value.version}"'}


def told(event: Event) -> dict[str, Any]:
    """Show an event; the tenant is the installation's own."""
    return {name: getattr(event, name) for name in Told.__struct_fields__}
