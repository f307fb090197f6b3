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
from functools import partial
from typing import TYPE_CHECKING

from mitmproxy import http

from sekimori import metrics
from sekimori.addons.bodies import attached, redactions, stored_body
from sekimori.addons.desk import Desk, client_address
from sekimori.addons.destination import Destination
from sekimori.addons.exchange import KEY, Capture, Exchange, Tunnel
from sekimori.addons.failing import fail_closed
from sekimori.addons.headers import strip
from sekimori.addons.judge import Case, Judge, Judgement, Malformed, declared_class, declared_text
from sekimori.addons.view import Policy
from sekimori.catalogue.hosts import HostError, canonical_host
from sekimori.errors import RecordError
from sekimori.ledger.record import Body, Intent
from sekimori.policy.classify import mask
from sekimori.policy.reasons import Reason
from sekimori.wire.model import Head
from sekimori.wire.redact import redact_headers, redact_target
from sekimori.wire.shape import error_shape
from sekimori.wire.unknown import evidence

if TYPE_CHECKING:
    from mitmproxy.connection import Client

_MAX_PATH = 4096


class Refused(Exception):  # noqa: N818 - control flow of one hook, never leaves it
    """The request is refused before anybody could read what it says."""

    def __init__(self, reason: Reason, detail: str = "", *, retryable: bool = False) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.detail = detail
        self.retryable = retryable


class Admit:
    """Decide requests to AI services and record what is let through, before it is."""

    name = "sekimori_admit"

    def __init__(self, desk: Desk, judge: Judge, tunnels: Mapping[Client, Tunnel]) -> None:
        self._desk = desk
        self._judge = judge
        self._tunnels = tunnels

    @fail_closed
    async def request(self, flow: http.HTTPFlow) -> None:
        """Answer a refused request here; let the others pass once their intent is durable."""
        tunnel = self._tunnels.get(flow.client_conn)
        if tunnel is None:
            return  # a plain request: Guard has decided it before its first body byte
        reference = self._desk.reference()
        flow.response = http.Response.make(
            503, b"", {"X-Sekimori-Reason": "DENY_GATE_ERROR", "X-Sekimori-Reference": reference}
        )
        destination = self._desk.locate(tunnel.host)
        head = _head(flow.request, tunnel.host)
        shape = error_shape(head, destination.api_style)
        user = tunnel.user.name if tunnel.user else ""
        try:
            policy = self._ready(tunnel)
            self._check_target(flow.request, tunnel)
            case = self._case(flow, head, destination, tunnel, policy)
            judgement = await self._decide(case, policy)
        except Refused as refused:
            flow.response = self._desk.refuse(
                refused.reason,
                reference=reference,
                destination=destination,
                user=user,
                details=(refused.detail,) if refused.detail else (),
                request=flow.request,
                shape=shape,
                retryable=refused.retryable,
            )
            self._desk.note(self._unread(flow, destination, tunnel, reference, refused))
            return
        if tunnel.kind == "inspect":
            case = replace(case, signs=await self._signs(case, judgement))
            if not case.signs:
                self._pass_unrecorded(flow)
                return
        await self._act(flow, case, judgement, policy, reference, shape)

    # --- before reading ----------------------------------------------------------------------

    def _ready(self, tunnel: Tunnel) -> Policy:
        if not self._desk.clock_ok():
            raise Refused(Reason.CLOCK, retryable=True)
        if tunnel.refusal is not None:
            raise Refused(tunnel.refusal, tunnel.detail)
        policy = self._desk.policy()
        if policy is None:
            raise Refused(Reason.POLICY_UNAVAILABLE, retryable=True)
        return policy

    @staticmethod
    def _check_target(request: http.Request, tunnel: Tunnel) -> None:
        named = request.headers.get_all("host")
        if request.authority:
            named.append(request.authority)
        if not named:
            raise Refused(Reason.MALFORMED, "no host")
        for value in named:
            host, port = _split_port(value)
            try:
                same = canonical_host(host).name == tunnel.host
            except HostError:
                same = False
            if not same or port not in {"", str(tunnel.port)}:
                raise Refused(Reason.MISDIRECTED, "Host and CONNECT name different hosts")
        if not request.is_http2:
            request.authority = ""
        encoding = request.headers.get("transfer-encoding", "chunked").strip().lower()
        if encoding != "chunked" or len(request.headers.get_all("transfer-encoding")) > 1:
            raise Refused(Reason.MALFORMED, "transfer coding other than chunked")
        upgrade = request.headers.get("upgrade")
        if upgrade and upgrade.lower() != "websocket":
            raise Refused(Reason.MALFORMED, "upgrade to something other than websocket")

    def _case(
        self, flow: http.HTTPFlow, head: Head, destination: Destination, tunnel: Tunnel, policy: Policy
    ) -> Case:
        person = policy.people.get(tunnel.user.name) if tunnel.user else None
        alive = person is not None and not person.disabled
        headers = flow.request.headers
        try:
            klass = declared_class(headers.get("x-sekimori-class"))
        except Malformed as error:
            raise Refused(Reason.MALFORMED, str(error)) from error
        return Case(
            head=head,
            body=flow.request.raw_content or b"",
            destination=destination,
            user=person.name if alive and person else "",
            groups=frozenset(person.groups) if alive and person else frozenset(),
            user_source=tunnel.user_source if alive else "none",
            time_us=self._desk.now(),
            declared_class=klass,
            purpose=declared_text(headers.get("x-sekimori-purpose")),
            information_type=declared_text(headers.get("x-sekimori-information-type")),
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
        self,
        flow: http.HTTPFlow,
        case: Case,
        judgement: Judgement,
        policy: Policy,
        reference: str,
        shape: str,
    ) -> None:
        decision = judgement.decision
        allowed = decision.verdict == "allow"
        body = await self._desk.off_loop(len(case.body), partial(self._body, case, stored=allowed))
        intent = self._intent(flow, case, judgement, policy, reference, body)
        if decision.verdict != "allow":
            deciding = decision.reasons[0]
            flow.response = self._desk.refuse(
                deciding.code,
                reference=reference,
                destination=case.destination,
                user=case.user,
                details=tuple(finding.detail for finding in decision.reasons if finding.detail),
                others=tuple(finding.code for finding in decision.reasons[1:]),
                request=flow.request,
                shape=shape,
                retryable=decision.retryable,
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
                shape=shape,
            )
            return
        metrics.DURABLE_SECONDS.labels("intent").observe(time.perf_counter() - started)
        self._release(flow, case, judgement, intent, shape)

    def _release(
        self, flow: http.HTTPFlow, case: Case, judgement: Judgement, intent: Intent, shape: str
    ) -> None:
        metrics.DECISIONS.labels("allow", "", intent.service).inc()
        metrics.BYTES.labels(intent.service, "prompt").inc(len(case.body))
        exchange = Exchange(
            intent=intent,
            shape=shape,
            service=intent.service,
            known=True,
            client=flow.client_conn,
            capture=Capture(self._desk.options.max_capture, self._desk.budget),
            valid_until_us=judgement.decision.valid_until_us,
            flow=weakref.ref(flow),
        )
        flow.metadata[KEY] = exchange
        self._desk.live.add(exchange)
        metrics.STREAMS.set(len(self._desk.live))
        strip(flow.request.headers)
        flow.response = None

    @staticmethod
    def _pass_unrecorded(flow: http.HTTPFlow) -> None:
        metrics.TUNNELS.labels("uncatalogued").inc()
        strip(flow.request.headers)
        flow.response = None

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
            path=target.target.partition("?")[0][:_MAX_PATH],
            target=target.target if allowed else "",
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
        content_type = _header(case.head, "content-type")
        if not stored or not case.body:
            return Body(sha256=digest, size=len(case.body), content_type=content_type)
        return stored_body(
            case.body,
            digest,
            content_type=content_type,
            encoding=_header(case.head, "content-encoding"),
            fingerprint=self._desk.fingerprint,
        )

    def _unread(
        self, flow: http.HTTPFlow, destination: Destination, tunnel: Tunnel, reference: str, refused: Refused
    ) -> Intent:
        body = flow.request.raw_content or b""
        return Intent(
            rid=reference,
            time_us=self._desk.now(),
            user=tunnel.user.name if tunnel.user else "",
            user_source=tunnel.user_source,
            client=client_address(flow.client_conn),
            service=destination.service,
            provider=destination.provider,
            host=destination.host,
            port=flow.request.port,
            method=flow.request.method[:32],
            path=flow.request.path.partition("?")[0][:_MAX_PATH],
            decision="deny",
            reasons=(refused.reason.value,),
            details=(refused.detail,) if refused.detail else (),
            rule="gate",
            body=Body(sha256=hashlib.sha256(body).hexdigest(), size=len(body)),
        )


def _head(request: http.Request, host: str) -> Head:
    return Head(
        method=request.method,
        host=host,
        path=request.path,
        headers=tuple((name.lower(), value) for name, value in request.headers.items(multi=True)),
    )


def _header(head: Head, name: str) -> str:
    return ", ".join(value for key, value in head.headers if key == name)


def _split_port(authority: str) -> tuple[str, str]:
    if authority.startswith("["):
        return authority, ""
    host, _, port = authority.partition(":")
    return host, port
