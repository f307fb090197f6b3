"""What is known of people, grants and services between two snapshots: asked before the snapshot is.

Small, and published within seconds: what was suspended or revoked, who was disabled, which notices have to
be read and who has, who owes feedback, how a service is limited. It only ever narrows what the snapshot
admits; without it nothing is admitted that the snapshot refuses. Subjects are canonical names, grants the
ids of the register: ``grant/scope`` of the snapshot is a part of ``grant``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from sekimori.policy.admission import Finding
from sekimori.policy.codes import Reason
from sekimori.policy.people import canonical_name

FORMAT = 1
ALL, TOS = "", "*terms_of_service"


class _Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A part of the standing; an unknown field makes it unreadable, not half-read."""


class NoticeToShow(_Value, frozen=True):
    """A notice in force: ``service`` is a service's id, ``ALL`` or ``TOS``; ``sha256`` is its text's."""

    id: str
    version: int
    sha256: str
    service: str = ALL
    title_ja: str = ""
    title_en: str = ""
    text_ja: str = ""
    text_en: str = ""
    daily: bool = False

    def concerns(self, service: str, *, terms_of_service: bool) -> bool:
        """Tell whether the users of ``service`` have to read it; what no register knows is 約款型."""
        return self.service in (ALL, service) or (self.service == TOS and terms_of_service)

    def mark(self, day: str) -> str:
        """Give what stands in ``acknowledged`` for a reader of it; ``day`` is a date in Japan."""
        return f"{self.id}/{self.version}/{day}" if self.daily else f"{self.id}/{self.version}"


class Hours(_Value, frozen=True):
    """Minutes of the day in Japan, the end not included; Monday is 0."""

    start: int
    end: int
    days: tuple[int, ...] = (0, 1, 2, 3, 4)
    holidays: bool = False


class ServiceLimits(_Value, frozen=True):
    """What a service may be used for at most; ``governance.standing.limits_of`` gives the rules of them."""

    max_bytes: int | None = None
    user_per_minute: int | None = None
    user_per_day: int | None = None
    service_per_minute: int | None = None
    models: tuple[str, ...] = ()
    uploads: bool = True
    windows: tuple[Hours, ...] = ()
    mask_personal: bool = False
    warn: bool = False


class Owed(_Value, frozen=True):
    """Feedback that is overdue on a service: so many exchanges, since when, in which conversations."""

    service: str
    unanswered: int
    since_us: int
    conversations: tuple[str, ...] = ()
    of: Literal["self", "owner"] = "self"


class Standing(_Value, frozen=True):
    """How everything stands at one instant; ``version`` only grows."""

    format: int = FORMAT
    version: int = 0
    at_us: int = 0
    suspended_grants: frozenset[str] = frozenset()
    suspended_services: frozenset[str] = frozenset()
    disabled_users: frozenset[str] = frozenset()
    notices: tuple[NoticeToShow, ...] = ()
    acknowledged: Mapping[str, frozenset[str]] = {}
    overdue: Mapping[str, tuple[Owed, ...]] = {}
    limits: Mapping[str, ServiceLimits] = {}
    trials: frozenset[str] = frozenset()
    trial_texts: tuple[NoticeToShow, ...] = ()
    consented: Mapping[str, frozenset[str]] = {}

    def stops_grant(self, grant: str) -> bool:
        """Tell whether a grant of the snapshot, or the register's that it is a part of, is suspended."""
        return grant in self.suspended_grants or grant.partition("/")[0] in self.suspended_grants

    def disables(self, user: str) -> bool:
        """Tell whether an account was disabled."""
        return canonical_name(user) in self.disabled_users

    def findings(self, user: str, service: str) -> tuple[Finding, ...]:
        """Say what stands against any request of ``user`` to ``service``, whatever the snapshot says."""
        found = []
        if user and self.disables(user):
            found.append(Finding(Reason.USER_OUT_OF_SCOPE, canonical_name(user)))
        if service in self.suspended_services:
            found.append(Finding(Reason.SUSPENDED, service))
        return tuple(found)

    def due(self, user: str, service: str, day: str, *, terms_of_service: bool) -> tuple[NoticeToShow, ...]:
        """List the notices that ``user`` has to read on ``day`` before using ``service``."""
        read = self.acknowledged.get(canonical_name(user), frozenset())
        concerned = (n for n in self.notices if n.concerns(service, terms_of_service=terms_of_service))
        return tuple(notice for notice in concerned if notice.mark(day) not in read)

    def owes(self, user: str, service: str) -> tuple[Owed, ...]:
        """List the feedback on ``service`` that is overdue for ``user``."""
        return tuple(one for one in self.overdue.get(canonical_name(user), ()) if one.service == service)


EMPTY = Standing()


def same_standing(one: Standing, other: Standing) -> bool:
    """Tell whether two standings say the same, whenever they were made."""
    return msgspec.structs.replace(one, version=0, at_us=0) == msgspec.structs.replace(
        other, version=0, at_us=0
    )
