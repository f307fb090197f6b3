"""WebSockets: each client message decided and durable before it goes on, one record a user turn.

The handshake is an exchange of its own and its reference is the session of all turns. Hashes are over
the payloads of a turn, each prefixed by its length in 8 bytes. The server's last message of a turn
waits for the turn's outcome. In an unknown dialect every message is its own turn.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import msgspec
from mitmproxy import http
from mitmproxy.websocket import WebSocketMessage

from sekimori import metrics
from sekimori.addons.bodies import frame, stored_messages
from sekimori.addons.capture import CaptureAnswer
from sekimori.addons.desk import Desk
from sekimori.addons.exchange import KEY, Capture, Exchange
from sekimori.addons.judge import Judge, MessageCase, MessageJudgement
from sekimori.addons.reply import close_code
from sekimori.errors import RecordError
from sekimori.ledger.record import Body, Intent, Outcome, Part
from sekimori.policy.classify import mask
from sekimori.policy.reasons import Reason
from sekimori.wire.model import Head
from sekimori.wire.turns import TurnReader

logger = logging.getLogger(__name__)

_AUDIT_CLOSE = 1011


@dataclass(slots=True)
class Turn:
    """One user turn that is under way."""

    rid: str
    key: bytes = field(repr=False)
    policy: str
    model: str
    parse: str
    prompt: Capture
    output: Capture
    parts: int = 0


@dataclass(slots=True)
class Session:
    """One open WebSocket: its handshake exchange, its reader and the turn under way."""

    exchange: Exchange
    reader: TurnReader
    base: Intent
    closed: bool = False
    turn: Turn | None = None


class WebSocketTurns:
    """Decide, record and release the messages of WebSocket sessions with AI services."""

    name = "sekimori_websocket"

    def __init__(
        self,
        desk: Desk,
        judge: Judge,
        capture: CaptureAnswer,
        *,
        close: Callable[[http.HTTPFlow, int, bytes], None],
    ) -> None:
        self._desk = desk
        self._judge = judge
        self._capture = capture
        self._close = close

    async def websocket_start(self, flow: http.HTTPFlow) -> None:
        """Open the session."""
        exchange: Exchange | None = flow.metadata.get(KEY)
        if exchange is None:
            return
        base = exchange.intent
        reader = TurnReader(Head(base.method, base.host, base.path), base.dialect)
        exchange.websocket = Session(exchange, reader, base)
        self._desk.live.add(exchange)

    async def websocket_message(self, flow: http.HTTPFlow) -> None:
        """Hold a message until it is decided and recorded; drop it if it may not go on."""
        if flow.websocket is None or not flow.websocket.messages:
            return
        message = flow.websocket.messages[-1]
        # mitmproxy keeps every message until the socket closes (its issue 6620).
        del flow.websocket.messages[:-1]
        exchange: Exchange | None = flow.metadata.get(KEY)
        message.drop()
        if exchange is None or not isinstance(exchange.websocket, Session):
            return
        session = exchange.websocket
        if session.closed or exchange.cut is not None:
            return
        try:
            passes = await (
                self._from_client(flow, session, message)
                if message.from_client
                else self._from_server(session, message)
            )
        except RecordError as error:
            logger.warning("session %s closed: %s", exchange.rid, error)
            self._end(flow, session, Reason.AUDIT_UNAVAILABLE, _AUDIT_CLOSE)
            return
        except Exception:
            self._end(flow, session, Reason.GATE_ERROR, _AUDIT_CLOSE)
            raise
        if passes:
            message.dropped = False

    async def websocket_end(self, flow: http.HTTPFlow) -> None:
        """Record a turn that was interrupted and forget the session."""
        exchange: Exchange | None = flow.metadata.get(KEY)
        if exchange is None or not isinstance(exchange.websocket, Session):
            return
        session = exchange.websocket
        session.closed = True
        self._desk.live.remove(exchange)
        if session.turn is not None:
            await self._outcome(session, session.turn, "blocked" if exchange.cut else "partial")

    # --- client to service -------------------------------------------------------------------

    async def _from_client(self, flow: http.HTTPFlow, session: Session, message: WebSocketMessage) -> bool:
        size = len(message.content)
        event = await self._desk.off_loop(
            size, partial(session.reader.client, message.content, message.is_text)
        )
        if not self._desk.witnessed():
            raise RecordError("the record has had no witness for too long")
        policy = self._desk.policy()
        now = self._desk.now()
        if policy is None:
            self._end(flow, session, Reason.POLICY_UNAVAILABLE)
            return False
        case = MessageCase(session.base, event, size, now, self._desk.locate(session.base.host))
        try:
            judgement = await self._judge.judge_message(case, policy)
        except TimeoutError:
            self._end(flow, session, Reason.SCAN_UNAVAILABLE)
            return False
        if judgement.decision.verdict != "allow":
            self._refuse(flow, session, message, judgement)
            return False
        session.exchange.valid_until_us = judgement.decision.valid_until_us
        if session.turn is not None and event.part != "starts_turn":
            await self._add(session.turn, message.content)
        else:
            await self._begin(session, message.content, judgement, alone=event.part == "control")
        return True

    async def _begin(
        self, session: Session, payload: bytes, judgement: MessageJudgement, *, alone: bool
    ) -> None:
        if session.turn is not None:
            await self._outcome(session, session.turn, "partial")
        now = self._desk.now()
        turn = self._turn(judgement)
        turn.prompt.add(frame(payload), now)
        body = await self._stored(frame(payload))
        intent = self._intent(session, turn.rid, turn.key, now, judgement, body)
        await self._desk.record.append(intent)
        metrics.DECISIONS.labels("allow", "", session.base.service).inc()
        session.turn = turn
        if alone or not session.reader.dialect:
            await self._outcome(session, turn, "complete")

    async def _add(self, turn: Turn, payload: bytes) -> None:
        now = self._desk.now()
        turn.parts += 1
        turn.prompt.add(frame(payload), now)
        body = await self._stored(frame(payload))
        part = Part(rid=turn.rid, key=turn.key, time_us=now, number=turn.parts, policy=turn.policy, body=body)
        await self._desk.record.append(part)

    # --- service to client -------------------------------------------------------------------

    async def _from_server(self, session: Session, message: WebSocketMessage) -> bool:
        ends = await self._desk.off_loop(
            len(message.content), partial(session.reader.server, message.content, message.is_text)
        )
        turn = session.turn
        if turn is None:
            await self._unasked(session, message.content)
            return True
        turn.output.add(frame(message.content), self._desk.now())
        if ends:
            await self._outcome(session, turn, "complete")
        return True

    async def _unasked(self, session: Session, payload: bytes) -> None:
        """Record what the service says outside any turn: a record a message."""
        now = self._desk.now()
        rid, key = self._desk.reference(), self._desk.record_key()
        base = session.base
        intent = _of_session(base, rid=rid, key=key, time_us=now, parse="unparsed")
        outcome = Outcome(
            rid=rid,
            key=key,
            time_us=now,
            state="complete",
            policy=intent.policy,
            body=await self._stored(frame(payload)),
        )
        self._desk.record.offer(intent)
        await self._desk.record.append(outcome)
        metrics.EXCHANGES.labels(
            base.service, metrics.dialect_label(session.reader.name), "unparsed", "complete"
        ).inc()

    # --- records -----------------------------------------------------------------------------

    def _turn(self, judgement: MessageJudgement) -> Turn:
        options = self._desk.options
        return Turn(
            rid=self._desk.reference(),
            key=self._desk.record_key(),
            policy=judgement.policy,
            model=judgement.model,
            parse=judgement.parse,
            prompt=Capture(0, self._desk.budget),
            output=Capture(options.max_capture, self._desk.budget),
        )

    def _intent(
        self, session: Session, rid: str, key: bytes, now: int, judgement: MessageJudgement, body: Body
    ) -> Intent:
        decision = judgement.decision
        return _of_session(
            session.base,
            rid=rid,
            key=key,
            time_us=now,
            model=judgement.model,
            klass=decision.klass,
            class_source=decision.class_source,
            detected=judgement.classified.detected_by,
            decision=decision.verdict,
            reasons=tuple(finding.code.value for finding in decision.reasons),
            details=tuple(finding.detail for finding in decision.reasons),
            rule=decision.rule,
            grant=decision.grant or "",
            policy=judgement.policy,
            parse=judgement.parse,
            body=body,
        )

    def _refuse(
        self, flow: http.HTTPFlow, session: Session, message: WebSocketMessage, judgement: MessageJudgement
    ) -> None:
        deciding = judgement.decision.reasons[0].code
        framed = frame(message.content)
        body = Body(sha256=hashlib.sha256(framed).hexdigest(), size=len(framed))
        rid = self._desk.reference()
        intent = self._intent(session, rid, self._desk.record_key(), self._desk.now(), judgement, body)
        self._desk.note(_replaced(intent, masked=mask("".join(judgement.texts))))
        metrics.DECISIONS.labels("deny", deciding.value, session.base.service).inc()
        self._end(flow, session, deciding, reference=rid)

    async def _outcome(self, session: Session, turn: Turn, state: str) -> None:
        session.turn = None
        kept = turn.output.take()
        body = await self._desk.off_loop(
            len(kept),
            partial(
                stored_messages,
                kept,
                turn.output.hash.hexdigest(),
                fingerprint=self._desk.fingerprint,
                size=turn.output.size,
                cut=turn.output.cut,
            ),
        )
        outcome = Outcome(
            rid=turn.rid,
            key=turn.key,
            time_us=self._desk.now(),
            policy=turn.policy,
            state="partial" if turn.output.cut and state == "complete" else state,
            first_byte_us=turn.output.first_byte_us,
            body=body,
            prompt=Body(sha256=turn.prompt.hash.hexdigest(), size=turn.prompt.size),
        )
        metrics.EXCHANGES.labels(
            session.base.service, metrics.dialect_label(session.reader.name), turn.parse, outcome.state
        ).inc()
        await self._desk.record.append(outcome)

    async def _stored(self, framed: bytes) -> Body:
        def describe() -> Body:
            digest = hashlib.sha256(framed).hexdigest()
            return stored_messages(framed, digest, fingerprint=self._desk.fingerprint)

        return await self._desk.off_loop(len(framed), describe)

    def _end(
        self,
        flow: http.HTTPFlow,
        session: Session,
        reason: Reason,
        code: int | None = None,
        *,
        reference: str = "",
    ) -> None:
        session.closed = True
        refusal = self._desk.refusal(
            reason,
            reference=reference or session.exchange.rid,
            destination=self._desk.locate(session.base.host),
            user=session.base.user,
        )
        policy_code, text = close_code(refusal)
        self._close(flow, code or policy_code, text)


def _of_session(base: Intent, *, key: bytes, **changes: object) -> Intent:
    fixed: dict[str, object] = {
        "key": key,  # a turn is a record of its own
        "mode": "turn",
        "session": base.rid,
        "kind": "realtime",
        "reasons": (),
        "details": (),
        "detected": (),
        "headers": (),
        "redacted": (),
        "masked": "",
        "target": "",
        "body": Body(),
    }
    return _replaced(base, **(fixed | changes))


def _replaced(intent: Intent, **changes: object) -> Intent:
    return msgspec.structs.replace(intent, **changes)
