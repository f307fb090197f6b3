"""What the publisher takes from the register: grants as policy, and how people and services stand.

Each has a mirror of the nouns that it reads, so that what happens to others costs it nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from sqlalchemy import Connection
from sqlmodel import Session

from sekimori.governance.acknowledgement import Acknowledgement
from sekimori.governance.admitted import Withheld, compiled
from sekimori.governance.advice import AdviceRecord
from sekimori.governance.assessment import RiskAssessment
from sekimori.governance.consent import ExternalConsent
from sekimori.governance.conversation import Conversation
from sekimori.governance.grant import Grant
from sekimori.governance.limiting import ServiceLimits
from sekimori.governance.notices import Notice
from sekimori.governance.service import RegisteredService
from sekimori.governance.standing import standing_of
from sekimori.governance.terms import TermsChange
from sekimori.governance.trial import TrialConsent
from sekimori.governance.use_rules import UseRules
from sekimori.policy.applied import Document
from sekimori.policy.standing import Standing
from sekimori.store.mirror import Changes, Mirror
from sekimori.store.people import PersonRepo
from sekimori.vault.names import NameSeal

logger = logging.getLogger(__name__)

OF_POLICY = tuple(
    kind.noun
    for kind in (RegisteredService, TermsChange, Grant, AdviceRecord, ExternalConsent, RiskAssessment)
)
"""What grants hang on."""
OF_STANDING = tuple(
    kind.noun
    for kind in (
        *(RegisteredService, TermsChange, Grant, ServiceLimits, Notice, Acknowledgement),
        *(Conversation, TrialConsent),
    )
)
"""What standing hangs on."""

_MINUTE_US = 60_000_000
_NAMED = 10
RulesAt = Callable[[int], UseRules]


class GrantRegister:
    """The grants of the register, as the compiler of the snapshot takes them."""

    def __init__(
        self,
        changes: Changes,
        rules: RulesAt,
        *,
        catalogue_flags: Callable[[str], Collection[str]],
        flagged_models: Collection[str] = (),
    ) -> None:
        self._mirror = Mirror(OF_POLICY, changes)
        self._rules = rules
        self._catalogue_flags = catalogue_flags
        self._flagged_models = flagged_models
        self.withheld: tuple[Withheld, ...] = ()

    def stamp(self, connection: Connection) -> str:
        """Give the number of the last change to anything that a grant hangs on."""
        self._mirror.follow(connection)
        return str(self._mirror.number)

    def granted(self, connection: Connection, now_us: int) -> Document:
        """Give services and grants; what may not become policy stays in ``withheld`` and is logged by id."""
        self._mirror.follow(connection)
        document, self.withheld = compiled(
            self._mirror.state, now_us, self._rules(now_us), self._catalogue_flags, self._flagged_models
        )
        if self.withheld:
            named = ", ".join(f"{each.kind} {each.id}" for each in self.withheld[:_NAMED])
            logger.warning("%d entries of the register may not become policy: %s", len(self.withheld), named)
        return document


class StandingRegister:
    """How everything stands, by the register and the accounts; looked at again each minute for the clock."""

    def __init__(
        self, changes: Changes, rules: RulesAt, people: NameSeal, *, notices_required: bool = True
    ) -> None:
        self._mirror = Mirror(OF_STANDING, changes)
        self._rules = rules
        self._people = people
        self._notices_required = notices_required
        self._disabled: tuple[str, frozenset[str]] = ("", frozenset())

    def stamp(self, connection: Connection, now_us: int) -> str:
        """Give a text that changes with the register, the accounts and the minute."""
        self._mirror.follow(connection)
        with Session(connection) as opened:
            accounts = PersonRepo(opened, self._people).stamp()
        return f"{self._mirror.number}/{accounts}/{now_us // _MINUTE_US}"

    def standing(self, connection: Connection, now_us: int) -> Standing:
        """Give the standing of an instant."""
        self._mirror.follow(connection)
        return standing_of(
            self._mirror.state,
            now_us,
            self._rules(now_us),
            disabled=self._disabled_accounts(connection),
            notices_required=self._notices_required,
        )

    def _disabled_accounts(self, connection: Connection) -> frozenset[str]:
        with Session(connection) as opened:
            repo = PersonRepo(opened, self._people)
            stamp = str(repo.stamp())
            if stamp != self._disabled[0]:
                gone = (person.name for person in repo.for_gate() if person.disabled)
                self._disabled = (stamp, frozenset(gone))
        return self._disabled[1]
