"""What the pages of duties ask of governance: what a link is about, and what its holder says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast

from sekimori.cli.opened import now_us, policy_files
from sekimori.console.ports import FeedbackDuty, NoticeDuty, Opened, Owed
from sekimori.governance.acknowledgement import Acknowledge, Acknowledgement, acknowledgement_id
from sekimori.governance.acknowledgement import Standing as Stands
from sekimori.governance.acknowledgement import standing as stands
from sekimori.governance.acting import actor_of
from sekimori.governance.actors import same
from sekimori.governance.conversation import Conversation, unanswered
from sekimori.governance.counting import answer_once
from sekimori.governance.feedback import FeedbackToken
from sekimori.governance.notices import Notice
from sekimori.governance.refusals import Forbidden
from sekimori.governance.state import State
from sekimori.governance.trial import GiveTrialConsent, TrialConsent, consent_id, in_trial
from sekimori.governance.use_rules import AnswerKind
from sekimori.vault.tickets import Kind, Ticket, honour, issue, ticket_hash

if TYPE_CHECKING:
    from sekimori.cli.governed import Governed
    from sekimori.cli.places import Places
    from sekimori.store.governing import Governing
    from sekimori.vault.published import PolicySeal

_COVERED = 100
_SHOWN = ("PUBLISHED", "REVISING")


class GovernedDuties:
    """Answers for the holder of a link, who is whom the gate issued it for."""

    def __init__(
        self,
        governing: Governing,
        seal: PolicySeal,
        *,
        clock: Callable[[], int],
        service_name: Callable[[str], str | None],
    ) -> None:
        self._governing = governing
        self._seal = seal
        self._clock = clock
        self._service_name = service_name

    def open(self, ticket: str) -> Opened | None:
        """Say what a link is about."""
        held = self._held(ticket)
        if held is None:
            return None
        more = self._issue(held, "list", "")
        with self._governing.state() as state:
            if held.kind == "notice":
                notice = state.find(Notice, held.about)
                duty = None if notice is None else self._notice(state, notice, held.subject)
                return None if duty is None else Opened(held.subject, more, notice=duty)
            if held.kind == "feedback":
                talk = state.find(Conversation, held.about)
                used = state.find(FeedbackToken, ticket_hash(ticket)) is not None
                if talk is None:
                    return None
                return Opened(held.subject, more, feedback=self._feedback(state, talk, used=used))
            return Opened(held.subject, more, owed=tuple(self._owed(state, held)))

    def read(self, ticket: str, number: int, sha256: str) -> bool:
        """Keep that the holder has read this version."""
        held = self._held(ticket)
        if held is None:
            return False
        with self._governing.state() as state:
            actor = actor_of(state, held.subject, "", self._clock())
            trial = state.get(Notice, held.about).audience == "TRIAL"
        command: Acknowledge | GiveTrialConsent = Acknowledge(held.about, number, sha256, "page")
        if trial:
            command = GiveTrialConsent(held.about, number, sha256)
        try:
            self._governing.perform(command, actor)
        except Forbidden:
            return False
        return True

    def answer(self, ticket: str, answer: str, text: str) -> bool:
        """Keep the holder's answer, once a link."""
        held = self._held(ticket)
        if held is None:
            return False
        token = ticket_hash(ticket)
        kind = cast("AnswerKind", answer)
        try:
            self._governing.carry_out(
                lambda state, at_us, rules: answer_once(
                    state,
                    token,
                    held.subject,
                    held.about,
                    _covered(state, held),
                    kind,
                    text,
                    at_us,
                    rules,
                )
            )
        except Forbidden:
            return False
        return True

    # --- what there is -------------------------------------------------------------------------

    def _held(self, ticket: str) -> Ticket | None:
        return honour(self._seal, ticket, self._clock())

    def _issue(self, held: Ticket, kind: Kind, about: str) -> str:
        ticket = Ticket(kind=kind, subject=held.subject, about=about, expires_us=held.expires_us)
        return issue(self._seal, ticket)

    def _owed(self, state: State, held: Ticket) -> Iterator[Owed]:
        for notice in sorted(state.all(Notice), key=lambda each: each.id):
            duty = self._notice(state, notice, held.subject)
            if duty is not None and not duty.read:
                yield Owed(self._issue(held, "notice", notice.id), notice=duty)
        mine = state.matching(Conversation, subject=held.subject)
        services = {talk.service for talk in mine if talk.unanswered}
        for service in sorted(services):
            for talk in tuple(unanswered(state, held.subject, service))[:1]:
                duty_of = self._feedback(state, talk, used=False)
                yield Owed(self._issue(held, "feedback", talk.id), feedback=duty_of)
        for talk in state.matching(Conversation, owner=held.subject):
            # What an agent did, of which its owner answers a sample.
            if talk.sampled_us:
                duty_of = self._feedback(state, talk, used=False)
                yield Owed(self._issue(held, "feedback", talk.id), feedback=duty_of)

    def _notice(self, state: State, notice: Notice, subject: str) -> NoticeDuty | None:
        text = notice.current
        if text is None or notice.status not in _SHOWN:
            return None
        trial = notice.audience == "TRIAL"
        if trial and not in_trial(state, notice.service):
            return None
        if trial:
            given = state.find(TrialConsent, consent_id(notice.id, subject))
            read = given is not None and given.status == "GIVEN"
            read = read and given is not None and (given.number, given.sha256) == (notice.number, text.sha256)
        else:
            said = state.find(Acknowledgement, acknowledgement_id(notice.id, subject))
            read = stands(notice, said, self._clock()) is Stands.HELD
        return NoticeDuty(notice.id, notice.number, text.sha256, text.title, text.ja, text.en, trial, read)

    def _feedback(self, state: State, talk: Conversation, *, used: bool) -> FeedbackDuty:
        if talk.sampled_us:
            name = self._service_name(talk.service) or talk.service
            return FeedbackDuty(name, talk.exchanges, talk.first_us, 0, open=not used)
        others = [each for each in unanswered(state, talk.subject, talk.service) if each.id != talk.id]
        exchanges = talk.unanswered + sum(each.unanswered for each in others)
        return FeedbackDuty(
            self._service_name(talk.service) or talk.service,
            exchanges,
            talk.since_us or talk.last_us,
            len(others),
            open=bool(talk.unanswered) and not used,
        )


def duties_desk(
    places: Places, governed: Governed, service_name: Callable[[str], str | None]
) -> GovernedDuties:
    """Put the desk of an installation together."""
    return GovernedDuties(governed.governing, policy_files(places), clock=now_us, service_name=service_name)


def _covered(state: State, held: Ticket) -> tuple[str, ...]:
    talk = state.get(Conversation, held.about)
    if not same(talk.subject, held.subject):
        return ()
    found = (each.id for each in unanswered(state, held.subject, talk.service) if each.id != held.about)
    return tuple(found)[:_COVERED]
