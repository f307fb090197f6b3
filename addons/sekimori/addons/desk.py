"""What all hooks share: clock, references, policy, catalogue, the record, and how a refusal is made.

A refusal is always three things at once: an answer with a reason code and a sentence, a metric, and
(unless it is a 407, which every browser provokes) an entry in the record.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from mitmproxy import http

from sekimori import metrics
from sekimori.addons.destination import Destination, locate
from sekimori.addons.exchange import Budget, Live, new_reference
from sekimori.addons.options import GateOptions
from sekimori.addons.reply import Refusal, answer, is_navigation
from sekimori.addons.view import Policy, PolicyView
from sekimori.catalogue.catalogue import Catalogue
from sekimori.errors import PolicyUnavailableError, RecordError
from sekimori.ledger.record import RECORD_KEY_BYTES, Entry, Intent
from sekimori.policy.reasons import Reason, explain
from sekimori.policy.snapshot import Snapshot

if TYPE_CHECKING:
    from mitmproxy.connection import Client

logger = logging.getLogger(__name__)

INLINE_LIMIT = 48 * 1024
"""Bytes that are read, hashed and searched on the event loop; more would stall the others."""
_RETRY_AFTER = 5
_UNAVAILABLE = 503
_LOCATED = 4096


class Record(Protocol):
    """Whatever makes entries durable; the gate asks nothing else of storage."""

    async def append(self, entry: Entry) -> None:
        """Return once ``entry`` is durable; raises ``RecordError``."""

    def offer(self, entry: Entry) -> None:
        """Take ``entry`` without waiting; raises ``RecordError`` when it can't be taken."""


@dataclass(slots=True)
class Desk:
    """The shared parts, made once by the composition of the gate process."""

    options: GateOptions
    view: PolicyView
    catalogue: Catalogue
    record: Record
    now: Callable[[], int]
    random: Callable[[int], bytes]
    fingerprint: Callable[[bytes], str]
    budget: Budget
    live: Live = field(default_factory=Live)
    clock_ok: Callable[[], bool] = lambda: True
    witnessed: Callable[[], bool] = lambda: True
    _located: dict[str, Destination] = field(default_factory=dict)
    _located_by: Snapshot | None = None
    pool: Executor | None = None

    async def off_loop[T](self, size: int, work: Callable[[], T]) -> T:
        """Do ``work`` on ``size`` bytes: at once where that is quick, otherwise in the pool of readers."""
        if size <= INLINE_LIMIT or self.pool is None:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self.pool, work)

    def reference(self) -> str:
        """Make a new record id."""
        return new_reference(self.now(), self.random)

    def record_key(self) -> bytes:
        """Draw the key of a new record: the same for all its entries, and for no others."""
        return self.random(RECORD_KEY_BYTES)

    def policy(self) -> Policy | None:
        """Return the policy in force, or ``None`` when AI traffic must be refused."""
        try:
            return self.view.policy
        except PolicyUnavailableError:
            return None

    def locate(self, host: str) -> Destination:
        """Look a canonical host name up."""
        policy = self.policy()
        snapshot = policy.snapshot if policy else None
        if snapshot is not self._located_by or len(self._located) > _LOCATED:
            self._located, self._located_by = {}, snapshot
        found = self._located.get(host)
        if found is None:
            found = locate(host, snapshot=snapshot, catalogue=self.catalogue, options=self.options)
            self._located[host] = found
        return found

    def refuse(
        self,
        reason: Reason,
        *,
        reference: str,
        destination: Destination,
        user: str = "",
        details: tuple[str, ...] = (),
        others: tuple[Reason, ...] = (),
        request: http.Request | None = None,
        shape: str = "problem",
        retryable: bool = False,
        see_url: str = "",
        acknowledge: str = "",
    ) -> http.Response:
        """Make the answer to a refused request and count it."""
        self.count_refusal(reason, destination)
        refusal = self.refusal(
            reason,
            reference=reference,
            destination=destination,
            user=user,
            details=details,
            others=others,
            retryable=retryable,
            see_url=see_url,
            acknowledge=acknowledge,
        )
        navigation = False
        path = ""
        if request is not None:
            path = request.path
            navigation = is_navigation(request.method, tuple(request.headers.items(multi=True)))
        reply = answer(refusal, navigation=navigation, shape=shape, path=path)
        return http.Response.make(reply.status, reply.body, reply.headers)

    @staticmethod
    def count_refusal(reason: Reason, destination: Destination) -> None:
        """Count a refused request."""
        service = metrics.service_label(destination.service, known=bool(destination.service))
        metrics.DECISIONS.labels("deny", reason.value, service).inc()

    def refusal(
        self,
        reason: Reason,
        *,
        reference: str,
        destination: Destination,
        user: str = "",
        details: tuple[str, ...] = (),
        others: tuple[Reason, ...] = (),
        retryable: bool = False,
        see_url: str = "",
        acknowledge: str = "",
    ) -> Refusal:
        """Put together what a refusal tells; ``retryable`` makes it a 503 whatever the reason."""
        status = _UNAVAILABLE if retryable else explain(reason).status
        return Refusal(
            code=reason,
            reference=reference,
            host=destination.host,
            service_name=destination.service_name,
            user=user,
            details=details,
            all_codes=(reason, *others),
            apply_url=self.apply_url(destination, reference),
            status=status,
            retry_after=_RETRY_AFTER if status == _UNAVAILABLE else None,
            time_us=self.now(),
            see_url=see_url,
            acknowledge=acknowledge,
        )

    def apply_url(self, destination: Destination, reference: str) -> str:
        """Return where to apply for the service of ``destination``."""
        base = self.options.public_url.rstrip("/")
        return f"{base}/apply?service={quote(destination.service or destination.host)}&ref={reference}"

    def note(self, intent: Intent) -> None:
        """Record a refusal without waiting; it stands whether or not it can be recorded."""
        try:
            self.record.offer(intent)
        except RecordError as error:
            metrics.GATE_ERRORS.labels("record").inc()
            logger.warning("refusal %s not recorded: %s", intent.rid, error)


def client_address(client: Client) -> str:
    """Return the address of a client as the record shows it: a device, never a person."""
    return str(client.peername[0])
