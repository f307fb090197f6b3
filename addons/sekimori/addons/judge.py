"""From a complete request to a decision: read it, look for markings, gather the facts, decide.

Small bodies are read at once; larger ones in a pool, so that one long prompt does not stall the
others. The time limit covers both.
"""

from __future__ import annotations

import asyncio
import unicodedata
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from urllib.parse import unquote

from sekimori.addons.desk import INLINE_LIMIT
from sekimori.addons.destination import Destination
from sekimori.addons.duties import Asked, Duties
from sekimori.addons.view import Policy
from sekimori.governance.acknowledgement import Acknowledge
from sekimori.governance.said import subject_of
from sekimori.ledger.record import Intent
from sekimori.policy.classify import Classified, classify
from sekimori.policy.decide import Decision
from sekimori.policy.facts import Facts
from sekimori.policy.memo import Memo
from sekimori.policy.model import MODELLESS
from sekimori.policy.standing import NoticeToShow, Owed
from sekimori.policy.subject import may_act
from sekimori.wire.model import Head, RequestReading
from sekimori.wire.read import read_request
from sekimori.wire.shape import error_shape
from sekimori.wire.turns import ClientEvent

_DECODED_LIMIT = 16 * 1024 * 1024
_CLASSES = {"1": 1, "2": 2, "3": 3}


class Malformed(ValueError):  # noqa: N818 - about the request, not about us
    """A declaration of the client can't be read."""


@dataclass(frozen=True, slots=True)
class Case:
    """One request as it came: where to, from whom, what it says; ``unread`` if that changes nothing.

    ``signs`` tells why traffic to a host that no catalogue knows was taken for AI; ``said`` is what its
    header acknowledges.
    """

    head: Head
    body: bytes
    destination: Destination
    unread: bool
    user: str
    groups: frozenset[str]
    user_source: str
    time_us: int
    declared_class: int | None
    purpose: str | None
    information_type: str | None
    signs: tuple[str, ...] = ()
    said: tuple[Acknowledge, ...] = ()

    @property
    def shape(self) -> str:
        """The error that the client of this request expects; asked for only when it is refused."""
        return error_shape(self.head, self.destination.api_style)


@dataclass(frozen=True, slots=True)
class MessageCase:
    """One client message of a WebSocket session whose handshake was decided as ``base``."""

    base: Intent
    event: ClientEvent
    size: int
    time_us: int
    destination: Destination


@dataclass(frozen=True, slots=True)
class MessageJudgement:
    """A decision about one message with what led to it."""

    decision: Decision
    classified: Classified
    texts: tuple[str, ...]
    model: str
    parse: str
    policy: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """A decision with everything that led to it."""

    decision: Decision
    reading: RequestReading
    classified: Classified
    service: str
    to_read: tuple[NoticeToShow, ...] = ()
    to_answer: tuple[Owed, ...] = ()
    read: tuple[NoticeToShow, ...] = ()


class Judge:
    """Decide cases; ``flagged_models`` are the globs of models that need advice wherever they run.

    ``duties`` is asked about what the policy admits, each time anew: what people owe is never remembered.
    """

    def __init__(
        self,
        *,
        pool: Executor,
        timeout: float,
        flagged_models: tuple[str, ...],
        duties: Duties | None = None,
    ) -> None:
        self._pool = pool
        self._timeout = timeout
        self._flagged = tuple(pattern.lower() for pattern in flagged_models)
        self._memo = Memo()
        self._duties = duties

    async def judge(self, case: Case, policy: Policy) -> Judgement:
        """Return the decision; raises ``TimeoutError`` when it takes too long."""
        # A few encoded bytes may stand for very many.
        encoded = any(name == "content-encoding" for name, _ in case.head.headers)
        if case.unread or (len(case.body) <= INLINE_LIMIT and not encoded):
            return self._with_duties(case, self.weigh(case, policy), policy)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._timeout):
            judgement = await loop.run_in_executor(self._pool, self.weigh, case, policy)
        return self._with_duties(case, judgement, policy)

    def _with_duties(self, case: Case, judgement: Judgement, policy: Policy) -> Judgement:
        if self._duties is None or judgement.decision.verdict != "allow":
            return judgement
        reading = judgement.reading
        asked = Asked(
            user=subject_of(case.user, case.user_source),
            service=judgement.service,
            time_us=case.time_us,
            terms_of_service=_on_terms(policy, judgement.service),
            size=len(case.body),
            model=reading.model,
            operation=reading.kind,
            attachments=len(reading.attachments),
            said=case.said,
            counts=reading.kind not in MODELLESS,
        )
        weighed = self._duties.weigh(judgement.decision, asked, policy)
        if weighed.decision is judgement.decision and not weighed.read:
            return judgement
        return replace(
            judgement,
            decision=weighed.decision,
            to_read=weighed.to_read,
            to_answer=weighed.to_answer,
            read=weighed.read,
        )

    def weigh(self, case: Case, policy: Policy) -> Judgement:
        """Read, classify and decide; pure."""
        head = Head(case.head.method, case.head.host, case.head.path) if case.unread else case.head
        reading = read_request(head, b"" if case.unread else case.body, limit=_DECODED_LIMIT)
        classified = classify(reading.texts, tuple(a.name for a in reading.attachments if a.name))
        service = policy.snapshot.service_of(case.destination.host, reading.model)
        facts = Facts(
            time_us=case.time_us,
            user=case.user or None,
            groups=case.groups,
            user_source=case.user_source,
            host=case.destination.host,
            service=service.id if service is not None else case.destination.service or None,
            flagged=case.destination.flagged,
            operation=reading.kind,
            model=reading.model,
            model_certain=reading.model_certain,
            declared_class=case.declared_class,
            detected_class=classified.klass,
            detected_by=classified.detected_by,
            my_number=classified.my_number,
            purpose=case.purpose,
            information_type=case.information_type,
            parse=reading.parse,
            unread_attachments=sum(not attachment.read for attachment in reading.attachments),
            flagged_model=self._flagged_model(reading.model),
        )
        decision = self._memo.decide(facts, policy.snapshot, policy.standing)
        return Judgement(decision, reading, classified, facts.service or "")

    async def judge_message(self, case: MessageCase, policy: Policy) -> MessageJudgement:
        """Return the decision about a message; raises ``TimeoutError`` when it takes too long."""
        if case.size <= INLINE_LIMIT:
            return self._message_with_duties(case, self.weigh_message(case, policy), policy)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._timeout):
            judgement = await loop.run_in_executor(self._pool, self.weigh_message, case, policy)
        return self._message_with_duties(case, judgement, policy)

    def _message_with_duties(
        self, case: MessageCase, judgement: MessageJudgement, policy: Policy
    ) -> MessageJudgement:
        if self._duties is None or judgement.decision.verdict != "allow":
            return judgement
        service = judgement.decision.service or case.base.service
        asked = Asked(
            user=subject_of(case.base.user, case.base.user_source),
            service=service,
            time_us=case.time_us,
            terms_of_service=_on_terms(policy, service),
            size=case.size,
            model=judgement.model or None,
            operation="realtime",
            attachments=len(case.event.attachments),
            counts=case.event.part == "starts_turn",
        )
        decision = self._duties.weigh(judgement.decision, asked, policy).decision
        return judgement if decision is judgement.decision else replace(judgement, decision=decision)

    def weigh_message(self, case: MessageCase, policy: Policy) -> MessageJudgement:
        """Classify and decide a message; pure."""
        base, event = case.base, case.event
        classified = classify(event.texts)
        person = policy.people.get(base.user)
        alive = may_act(person, base.user_source)

        def facts(model: str | None) -> Facts:
            service = policy.snapshot.service_of(base.host, model)
            return Facts(
                time_us=case.time_us,
                user=base.user if alive else None,
                groups=frozenset(person.groups) if alive and person else frozenset(),
                user_source=base.user_source,
                host=base.host,
                service=service.id if service is not None else base.service or None,
                flagged=case.destination.flagged,
                operation="realtime",
                model=model,
                model_certain=event.model_certain or not event.named,
                declared_class=base.klass,
                detected_class=classified.klass,
                detected_by=classified.detected_by,
                my_number=classified.my_number,
                purpose=base.purpose or None,
                parse=event.parse,
                unread_attachments=sum(not attachment.read for attachment in event.attachments),
                flagged_model=self._flagged_model(model),
            )

        # A session may name one model for the answer and another for the transcript: each has to be granted.
        models = event.named or (event.model or base.model or None,)
        decisions = [self._memo.decide(facts(model), policy.snapshot, policy.standing) for model in models]
        decision = next((each for each in decisions if each.verdict != "allow"), decisions[0])
        return MessageJudgement(
            decision,
            classified,
            tuple(event.texts),
            event.model or base.model,
            event.parse,
            policy.snapshot.hash,
        )

    def _flagged_model(self, model: str | None) -> str | None:
        if not model:
            return None
        name = model.lower()
        return next((pattern for pattern in self._flagged if fnmatchcase(name, pattern)), None)


def _on_terms(policy: Policy, service: str) -> bool:
    """Tell whether a service is 約款型; what nobody registered counts as that."""
    known = policy.snapshot.services.get(service)
    return known is None or known.contract == "terms_of_service"


def declared_class(value: str | None) -> int | None:
    """Read ``X-Sekimori-Class``; raises ``Malformed`` for anything but 1, 2 or 3."""
    if value is None:
        return None
    klass = _CLASSES.get(unicodedata.normalize("NFKC", value).strip())
    if klass is None:
        raise Malformed("X-Sekimori-Class must be 1, 2 or 3")
    return klass


def declared_text(value: str | None) -> str | None:
    """Read a declaration of the client: UTF-8, or percent-encoded UTF-8 where a client only sends ASCII."""
    if value is None:
        return None
    text = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return unicodedata.normalize("NFKC", unquote(text)).strip() or None
