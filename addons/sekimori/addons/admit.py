"""Every request inside a decrypted tunnel: read it, decide, make its intent durable, let it go.

The first thing a request gets is a refusal; only a decision of ``allow`` whose intent is on disk
clears it.
"""

from __future__ import annotations

import hashlib
import time
import weakref
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

from mitmproxy import http
from prometheus_client import Counter

from sekimori import metrics
from sekimori.addons.bodies import attached, redactions, storable, stored_body
from sekimori.addons.clicks import ROOT
from sekimori.addons.desk import INLINE_LIMIT, Desk, client_address
from sekimori.addons.destination import Destination
from sekimori.addons.exchange import DROPPED, HOPELESS, KEY, OVERLOADED, Capture, Exchange, Tunnel
from sekimori.addons.framing import (
    Fields,
    Refused,
    check_target,
    fields_of,
    header,
    one,
    read_head,
    send_as_decided,
)
from sekimori.addons.judge import Case, Judge, Judgement, declared_class, declared_text
from sekimori.addons.own_pages import OwnPages
from sekimori.addons.view import Policy
from sekimori.errors import RecordError
from sekimori.governance.acknowledgement import HEADER, read_header
from sekimori.ledger.record import Body, Intent
from sekimori.policy.classify import mask
from sekimori.policy.reasons import Reason
from sekimori.policy.subject import may_act
from sekimori.wire.model import Head
from sekimori.wire.redact import redact_headers, redact_target
from sekimori.wire.shape import error_shape
from sekimori.wire.unknown import evidence

if TYPE_CHECKING:
    from mitmproxy.connection import Client

ACKNOWLEDGE = HEADER.lower()
_MAX_PATH = 4096
_INTENT_WAIT = metrics.DURABLE_SECONDS.labels("intent")

GATE_ERROR = http.Response.make(
    503, b"", {"X-Sekimori-Reason": "DENY_GATE_ERROR", "Retry-After": "5", "Cache-Control": "no-store"}
)
"""What stands until a decision replaces it; one for all, because each request would pay for its own."""


class Figures(NamedTuple):
    """The counters of one service, looked up once: services come from the policy, so there are few."""

    allowed: Counter
    prompt_bytes: Counter


@lru_cache(maxsize=4096)
def _figures(service: str) -> Figures:
    return Figures(metrics.DECISIONS.labels("allow", "", service), metrics.BYTES.labels(service, "prompt"))


class Admit:
    """Decide requests to AI services and record what is let through, before it is."""

    name = "sekimori_admit"

    def __init__(
        self, desk: Desk, judge: Judge, tunnels: Mapping[Client, Tunnel], pages: OwnPages | None = None
    ) -> None:
        self._desk = desk
        self._judge = judge
        self._tunnels = tunnels
        self._pages = pages

    async def request(self, flow: http.HTTPFlow) -> None:
        """Answer a refused request here; let the others pass once their intent is durable."""
        tunnel = self._tunnels.get(flow.client_conn)
        if tunnel is None:
            return  # a plain request: Guard has decided it before its first body byte
        reference = self._desk.reference()
        flow.response = GATE_ERROR
        destination = self._desk.locate(tunnel.host)
        head = read_head(flow.request, tunnel.host)
        user = tunnel.user.name if tunnel.user else ""
        try:
            policy = self._ready(tunnel)
            tunnel.alpn = flow.client_conn.alpn
            fields = fields_of(head)
            if OVERLOADED in flow.metadata:
                raise Refused(Reason.OVERLOADED, "too many large uploads at once", retryable=True)
            check_target(flow.request, fields, tunnel)
            if self._pages is not None and flow.request.path.startswith(ROOT):
                await self._own_page(flow, self._pages, tunnel, policy, reference)
                return
            case = self._case(flow, head, fields, destination, tunnel, policy)
            judgement = await self._decide(case, policy)
        except Refused as refused:
            flow.response = self._desk.refuse(
                refused.reason,
                reference=reference,
                destination=destination,
                user=user,
                details=(refused.detail,) if refused.detail else (),
                request=flow.request,
                shape=error_shape(head, destination.api_style),
                retryable=refused.retryable,
            )
            self._desk.note(self._unread(flow, destination, tunnel, reference, refused))
            return
        if destination.kind == "inspect":
            case = replace(case, signs=await self._signs(case, judgement))
            if not case.signs:
                self._pass_unrecorded(flow)
                return
        if judgement.read and not await self._keep_read(flow, case, judgement, tunnel, policy):
            return
        await self._act(flow, case, judgement, policy, reference)

    async def _own_page(
        self, flow: http.HTTPFlow, pages: OwnPages, tunnel: Tunnel, policy: Policy, reference: str
    ) -> None:
        """Answer what is the gate's own: nothing under that path ever goes to a service."""
        try:
            flow.response = await pages.clicks.serve(flow, tunnel, policy, reference)
        except RecordError as error:
            raise Refused(Reason.AUDIT_UNAVAILABLE, retryable=True) from error

    async def _keep_read(
        self, flow: http.HTTPFlow, case: Case, judgement: Judgement, tunnel: Tunnel, policy: Policy
    ) -> bool:
        """Make durable what the header acknowledged; where it can't be, the request goes no further."""
        reference = self._desk.reference()
        try:
            if self._pages is None:
                raise RecordError("Nothing here can put an acknowledgement on record.")
            await self._pages.clicks.record_read(
                flow,
                tunnel,
                policy,
                case.user,
                judgement.read,
                reference=reference,
                channel="header",
            )
        except RecordError:
            flow.response = self._desk.refuse(
                Reason.AUDIT_UNAVAILABLE,
                reference=reference,
                destination=case.destination,
                user=case.user,
                request=flow.request,
                shape=case.shape,
            )
            return False
        return True

    # --- before reading ----------------------------------------------------------------------

    def _ready(self, tunnel: Tunnel) -> Policy:
        if not self._desk.clock_ok():
            raise Refused(Reason.CLOCK, retryable=True)
        if not self._desk.witnessed():
            raise Refused(Reason.AUDIT_UNAVAILABLE, "no witness for too long", retryable=True)
        if tunnel.refusal is not None:
            raise Refused(tunnel.refusal, tunnel.detail)
        policy = self._desk.policy()
        if policy is None:
            raise Refused(Reason.POLICY_UNAVAILABLE, retryable=True)
        return policy

    def _case(
        self,
        flow: http.HTTPFlow,
        head: Head,
        fields: Fields,
        destination: Destination,
        tunnel: Tunnel,
        policy: Policy,
    ) -> Case:
        person = policy.people.get(tunnel.user.name) if tunnel.user else None
        alive = may_act(person, tunnel.user_source)
        try:
            klass = declared_class(one(fields, "x-sekimori-class"))
            acknowledged = one(fields, ACKNOWLEDGE)
            said = read_header(acknowledged) if acknowledged else ()
        except ValueError as error:
            raise Refused(Reason.MALFORMED, str(error)) from error
        return Case(
            head=head,
            body=flow.request.raw_content or b"",
            unread=_is_hopeless(flow, fields),
            destination=destination,
            user=person.name if alive and person else "",
            groups=frozenset(person.groups) if alive and person else frozenset(),
            user_source=tunnel.user_source if alive else "none",
            time_us=self._desk.now(),
            declared_class=klass,
            purpose=declared_text(one(fields, "x-sekimori-purpose")),
            information_type=declared_text(one(fields, "x-sekimori-information-type")),
            said=said,
        )

    async def _decide(self, case: Case, policy: Policy) -> Judgement:
        started = time.perf_counter()
        try:
            judgement = await self._judge.judge(case, policy)
        except TimeoutError as error:
            raise Refused(Reason.SCAN_UNAVAILABLE, "reading took too long", retryable=True) from error
        metrics.DECISION_SECONDS.observe(time.perf_counter() - started)
        return judgement

    async def _signs(self, case: Case, judgement: Judgement) -> tuple[str, ...]:
        look = partial(evidence, case.head, judgement.reading, body=case.body)
        return await self._desk.off_loop(len(case.body), look)

    # --- after the decision ------------------------------------------------------------------

    async def _act(
        self, flow: http.HTTPFlow, case: Case, judgement: Judgement, policy: Policy, reference: str
    ) -> None:
        decision = judgement.decision
        allowed = decision.verdict == "allow"
        body = await self._desk.off_loop(len(case.body), partial(self._body, case, stored=allowed))
        intent = self._intent(flow, case, judgement, policy, reference, body)
        if decision.verdict != "allow":
            deciding = decision.reasons[0]
            pages = self._pages
            flow.response = (
                pages.answer(flow, case, judgement, reference) if pages else None
            ) or self._desk.refuse(
                deciding.code,
                reference=reference,
                destination=case.destination,
                user=case.user,
                details=tuple(finding.detail for finding in decision.reasons if finding.detail),
                others=tuple(finding.code for finding in decision.reasons[1:]),
                request=flow.request,
                shape=case.shape,
                retryable=decision.retryable,
                see_url=pages.link(case, judgement) if pages else "",
                acknowledge=pages.header_value(judgement) if pages else "",
            )
            self._desk.note(intent)
            return
        started = time.perf_counter()
        try:
            await self._desk.record.append(intent)
        except RecordError:
            flow.response = self._desk.refuse(
                Reason.AUDIT_UNAVAILABLE,
                reference=reference,
                destination=case.destination,
                user=case.user,
                request=flow.request,
                shape=case.shape,
            )
            return
        _INTENT_WAIT.observe(time.perf_counter() - started)
        self._release(flow, case, judgement, intent)

    def _release(self, flow: http.HTTPFlow, case: Case, judgement: Judgement, intent: Intent) -> None:
        figures = _figures(intent.service)
        figures.allowed.inc()
        figures.prompt_bytes.inc(len(case.body))
        exchange = Exchange(
            intent=intent,
            head=case.head,
            api_style=case.destination.api_style,
            service=intent.service,
            known=True,
            client=flow.client_conn,
            capture=Capture(self._desk.options.max_capture, self._desk.budget),
            valid_until_us=judgement.decision.valid_until_us,
            flow=weakref.ref(flow),
        )
        flow.metadata[KEY] = exchange
        self._desk.live.add(exchange)
        send_as_decided(flow.request, len(case.body))
        flow.response = None

    @staticmethod
    def _pass_unrecorded(flow: http.HTTPFlow) -> None:
        metrics.TUNNELS.labels("uncatalogued").inc()
        send_as_decided(flow.request, len(flow.request.raw_content or b""))
        flow.response = None

    async def error(self, flow: http.HTTPFlow) -> None:
        """Count and record what mitmproxy itself refused: a body too large, a head that is malformed."""
        tunnel = self._tunnels.get(flow.client_conn)
        message = flow.error.msg if flow.error else ""
        if KEY in flow.metadata or tunnel is None or flow.response is not None or "connect" in message:
            return
        reason = Reason.TOO_LARGE if "body_size_limit" in message else Reason.MALFORMED
        destination = self._desk.locate(tunnel.host)
        self._desk.count_refusal(reason, destination)
        self._desk.note(self._unread(flow, destination, tunnel, self._desk.reference(), Refused(reason)))

    # --- the record --------------------------------------------------------------------------

    def _intent(
        self,
        flow: http.HTTPFlow,
        case: Case,
        judgement: Judgement,
        policy: Policy,
        reference: str,
        body: Body,
    ) -> Intent:
        decision, reading = judgement.decision, judgement.reading
        allowed = decision.verdict == "allow"
        target = redact_target(flow.request.path, self._desk.fingerprint)
        headers = redact_headers(case.head.headers, self._desk.fingerprint)
        return Intent(
            rid=reference,
            key=self._desk.record_key(),
            time_us=case.time_us,
            mode="websocket" if reading.kind == "realtime" else "http",
            user=case.user,
            user_source=case.user_source,
            client=client_address(flow.client_conn),
            service=judgement.service,
            provider=case.destination.provider,
            model=(reading.model or "")[:256],
            host=case.destination.host,
            port=flow.request.port,
            method=flow.request.method[:32],
            path=storable(target.target.partition("?")[0])[:_MAX_PATH],
            target=storable(target.target) if allowed else "",
            http_version=flow.request.http_version,
            purpose=decision.purpose or "",
            klass=decision.klass,
            class_source=decision.class_source,
            detected=judgement.classified.detected_by,
            decision=decision.verdict,
            reasons=tuple(finding.code.value for finding in decision.reasons),
            details=(*(finding.detail for finding in decision.reasons), *case.signs),
            rule=decision.rule,
            policy=policy.snapshot.hash,
            grant=decision.grant or "",
            unsigned_policy=policy.snapshot.unsigned,
            kind=reading.kind,
            dialect=reading.dialect or "",
            parse=reading.parse,
            skipped=tuple(reading.skipped)[:32],
            stream=bool(reading.stream),
            conversation=(reading.conversation or "")[:256],
            headers=headers.headers if allowed else (),
            redacted=tuple(redactions(*target.spans, *headers.spans)),
            masked="" if allowed else mask(reading.prompt or ""),
            body=body,
            attachments=attached(reading.attachments),
        )

    def _body(self, case: Case, *, stored: bool) -> Body:
        digest = hashlib.sha256(case.body).hexdigest()
        content_type = header(case.head, "content-type")
        if not stored or not case.body:
            return Body(sha256=digest, size=len(case.body), content_type=content_type)
        return stored_body(
            case.body,
            digest,
            content_type=content_type,
            encoding=header(case.head, "content-encoding"),
            fingerprint=self._desk.fingerprint,
        )

    def _unread(
        self, flow: http.HTTPFlow, destination: Destination, tunnel: Tunnel, reference: str, refused: Refused
    ) -> Intent:
        body = flow.request.raw_content or b""
        return Intent(
            rid=reference,
            key=self._desk.record_key(),
            time_us=self._desk.now(),
            user=tunnel.user.name if tunnel.user else "",
            user_source=tunnel.user_source,
            client=client_address(flow.client_conn),
            service=destination.service,
            provider=destination.provider,
            host=destination.host,
            port=flow.request.port,
            method=flow.request.method[:32],
            path=storable(flow.request.path.partition("?")[0])[:_MAX_PATH],
            decision="deny",
            reasons=(refused.reason.value,),
            details=(refused.detail,) if refused.detail else (),
            rule="gate",
            body=Body(sha256=hashlib.sha256(body).hexdigest(), size=len(body)),
        )


def _is_hopeless(flow: http.HTTPFlow, fields: Fields) -> bool:
    """Tell that a body is not worth reading: the person may not use the service, and reading it is costly."""
    costly = "content-encoding" in fields or len(flow.request.raw_content or b"") > INLINE_LIMIT
    return HOPELESS in flow.metadata and (costly or DROPPED in flow.metadata)
