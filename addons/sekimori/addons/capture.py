"""Every answer: passed on at once, hashed to its last byte, and not ended before its outcome is durable.

mitmproxy sends the end of a message (the last chunk, END_STREAM, a buffered body) after the
asynchronous ``response`` hook, so waiting there holds it back without blocking anyone. A streamed
answer with Content-Length would be complete at its last byte, before that hook: the header is
dropped towards the client.
"""

from __future__ import annotations

import logging
import time
import typing
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from mitmproxy import http
from prometheus_client import Counter

from sekimori import metrics
from sekimori.addons.bodies import redactions, storable, stored_body
from sekimori.addons.desk import Desk
from sekimori.addons.exchange import KEY, Capture, Exchange, Tunnel
from sekimori.addons.headers import unsafe_fields
from sekimori.addons.reply import stream_event
from sekimori.errors import RecordError
from sekimori.governance.label import HEADER, label
from sekimori.ledger.record import Body, Outcome, Redaction
from sekimori.policy.model import MODELLESS
from sekimori.policy.reasons import Reason
from sekimori.wire.model import Kind
from sekimori.wire.redact import redact_headers

if TYPE_CHECKING:
    from mitmproxy.connection import Client

logger = logging.getLogger(__name__)

_BUFFERED_LIMIT = 256 * 1024
_SWITCHING = 101
_OUTCOME_WAIT = metrics.DURABLE_SECONDS.labels("outcome")
_NO_BODY = frozenset({204, 304})
_LABEL = HEADER.encode("ascii")
_DROPPED = frozenset({b"alt-svc", b"x-sekimori-reference", _LABEL.lower()})
_LABELLED = frozenset(typing.get_args(Kind)) - MODELLESS - {"embed", "moderate", "rerank", "count-tokens"}
"""Operations whose answers a model wrote; others carry no label, since nothing was generated."""


class Tee:
    """Pass chunks on and into the capture; never raises, because mitmproxy would hang the client."""

    def __init__(self, desk: Desk, exchange: Exchange, *, encoded: bool) -> None:
        self._desk = desk
        self._exchange: Exchange | None = exchange
        self._encoded = encoded

    def __call__(self, data: bytes) -> bytes | list[bytes]:
        """Return what goes to the client: the chunk, or once the exchange was cut an event and no more."""
        exchange = self._exchange
        if exchange is None:
            return []
        if not data:
            self._exchange = None  # breaks the cycle flow → callable → flow
            return b""
        if exchange.cut is not None:
            return self._announce(exchange, exchange.cut)
        exchange.capture.add(data, self._desk.now())
        return data

    def _announce(self, exchange: Exchange, reason: Reason) -> list[bytes]:
        # Plain text inside a compressed stream would only garble it.
        if exchange.cut_announced or self._encoded:
            return []
        exchange.cut_announced = True
        refusal = self._desk.refusal(
            reason,
            reference=exchange.rid,
            destination=self._desk.locate(exchange.intent.host),
            user=exchange.intent.user,
        )
        return [stream_event(refusal, exchange.shape)]


class CaptureAnswer:
    """Stream or buffer answers, and finish each exchange exactly once."""

    name = "sekimori_capture"

    def __init__(self, desk: Desk, tunnels: Mapping[Client, Tunnel]) -> None:
        self._desk = desk
        self._tunnels = tunnels

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Choose between buffering a small answer whole and streaming everything else."""
        response = flow.response
        if response is None:
            return
        exchange: Exchange | None = flow.metadata.get(KEY)
        if exchange is None:
            tunnel = self._tunnels.get(flow.client_conn)
            if tunnel is not None:  # the answer of a plain site is the guard's to stream
                response.stream = tunnel.kind == "inspect" and flow.server_conn.connected
            return
        # An alternative service over QUIC would lead the client around the gate.
        kept = tuple(field for field in response.headers.fields if field[0].lower() not in _DROPPED)
        response.headers.fields = (
            *kept,
            (b"X-Sekimori-Reference", exchange.rid.encode("ascii")),
            *_label(exchange),
        )
        if unsafe_fields(response.headers):
            flow.kill()
            return
        response.headers.pop("sec-websocket-extensions", None)
        if response.status_code == _SWITCHING or _fits(response):
            return
        exchange.streaming = True
        if flow.request.method != "HEAD" and response.status_code not in _NO_BODY:
            _frame_without_length(flow.request, response)
        response.stream = Tee(self._desk, exchange, encoded="content-encoding" in response.headers)

    async def response(self, flow: http.HTTPFlow) -> None:
        """Hold the end of the answer until its outcome is durable."""
        exchange: Exchange | None = flow.metadata.get(KEY)
        response = flow.response
        if exchange is None or response is None or exchange.websocket is not None:
            return
        if not exchange.streaming and response.raw_content:
            exchange.capture.add(response.raw_content, self._desk.now())
        state = "blocked" if exchange.cut else "partial" if exchange.capture.cut else "complete"
        switching = response.status_code == _SWITCHING
        try:
            await self.finish(exchange, state, response, keep=switching and flow.websocket is not None)
        except RecordError:
            self._unrecorded(flow, exchange)
        except Exception:
            self._unrecorded(flow, exchange)
            raise

    async def error(self, flow: http.HTTPFlow) -> None:
        """Record an exchange that was interrupted or failed."""
        exchange: Exchange | None = flow.metadata.get(KEY)
        if exchange is None or exchange.finished:
            return
        begun = exchange.capture.size or (flow.response is not None and flow.server_conn.connected)
        state = "blocked" if exchange.cut else "partial" if begun else "failed"
        message = flow.error.msg if flow.error else ""
        try:
            await self.finish(exchange, state, flow.response if begun else None, error=message)
        except RecordError as error:
            logger.warning("outcome of %s not recorded: %s", exchange.rid, error)

    async def finish(
        self,
        exchange: Exchange,
        state: str,
        response: http.Response | None,
        *,
        error: str = "",
        keep: bool = False,
    ) -> None:
        """Make the outcome durable, once; raises ``RecordError``. ``keep`` leaves the exchange live."""
        if exchange.finished:
            return
        exchange.finished = True
        if not keep:
            self._desk.live.remove(exchange)
        intent = exchange.intent
        _ended(exchange.service, intent.dialect, intent.parse, state).inc()
        _output_bytes(exchange.service).inc(exchange.capture.size)
        capture = exchange.capture
        kept = capture.take()
        body = await self._desk.off_loop(len(kept), partial(self._body, kept, capture, response, state))
        started = time.perf_counter()
        await self._desk.record.append(self._outcome(exchange, state, response, error, body))
        _OUTCOME_WAIT.observe(time.perf_counter() - started)

    def _outcome(
        self, exchange: Exchange, state: str, response: http.Response | None, error: str, body: Body
    ) -> Outcome:
        headers: tuple[tuple[str, str], ...] = ()
        spans: tuple[Redaction, ...] = ()
        if response is not None:
            cut = redact_headers(_pairs(response.headers), self._desk.fingerprint)
            headers, spans = cut.headers, tuple(redactions(*cut.spans))
        return Outcome(
            rid=exchange.rid,
            key=exchange.intent.key,
            time_us=self._desk.now(),
            state=state,
            policy=exchange.intent.policy,
            status=response.status_code if response is not None else 0,
            reasons=(exchange.cut.value,) if exchange.cut else (),
            error=storable(error)[:500],
            headers=headers,
            redacted=spans,
            first_byte_us=exchange.capture.first_byte_us,
            body=body,
        )

    def _body(self, kept: bytes, capture: Capture, response: http.Response | None, state: str) -> Body:
        headers = response.headers if response is not None else http.Headers()
        return stored_body(
            kept,
            capture.hash.hexdigest(),
            content_type=headers.get("content-type", ""),
            encoding=headers.get("content-encoding", ""),
            fingerprint=self._desk.fingerprint,
            size=capture.size,
            cut=capture.cut or state in {"partial", "blocked"},
        )

    def _unrecorded(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        """Leave an answer incomplete towards the client, because its outcome can't be made durable."""
        if exchange.streaming or (flow.response is not None and flow.response.status_code == _SWITCHING):
            flow.kill()
            return
        flow.response = self._desk.refuse(
            Reason.AUDIT_UNAVAILABLE,
            reference=exchange.rid,
            destination=self._desk.locate(exchange.intent.host),
            user=exchange.intent.user,
            request=flow.request,
            shape=exchange.shape,
        )


def _label(exchange: Exchange) -> tuple[tuple[bytes, bytes], ...]:
    """Say in a header that a model wrote the answer; its body is never changed."""
    intent = exchange.intent
    if intent.kind not in _LABELLED:
        return ()
    return ((_LABEL, label(intent.service, intent.model or None).encode("ascii")),)


@lru_cache(maxsize=4096)
def _ended(service: str, dialect: str, parse: str, state: str) -> Counter:
    return metrics.EXCHANGES.labels(service, metrics.dialect_label(dialect), parse, state)


@lru_cache(maxsize=4096)
def _output_bytes(service: str) -> Counter:
    return metrics.BYTES.labels(service, "output")


def _pairs(headers: http.Headers) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name.decode("utf-8", "backslashreplace"), value.decode("utf-8", "backslashreplace"))
        for name, value in headers.fields
    )


def _fits(response: http.Response) -> bool:
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        return False
    length = response.headers.get("content-length", "")
    return length.isdecimal() and int(length) <= _BUFFERED_LIMIT


def _frame_without_length(request: http.Request, response: http.Response) -> None:
    response.headers.pop("content-length", None)
    if request.is_http2:
        response.headers.pop("transfer-encoding", None)
    elif request.http_version == "HTTP/1.1":
        response.headers["transfer-encoding"] = "chunked"
