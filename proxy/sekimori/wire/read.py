"""Requests and answers read from the bytes of the wire, still content-encoded; nothing here raises.

A reader's own mistake makes an exchange ``unparsed`` and its model uncertain: the fault is named in
``skipped``, and the grant decides.
"""

from __future__ import annotations

from typing import Any

from sekimori.errors import WireError
from sekimori.wire.certain import Certain, read_certain
from sekimori.wire.dialects import BATCH, Dialect, Route, by_body, by_both, by_target, kind_of
from sekimori.wire.draft import Draft, as_dict
from sekimori.wire.encoding import DEFAULT_LIMIT, Decoded, dechunked, decode
from sekimori.wire.media import describe
from sekimori.wire.model import Head, Headers, Kind, Parse, RequestReading, ResponseReading
from sekimori.wire.naming import Named, is_name, models_of, name_model
from sekimori.wire.pages import kind_of_page
from sekimori.wire.reader import ResponseReader
from sekimori.wire.sockets import SocketDialect, socket_at
from sekimori.wire.target import charset, header, media_type, read_target
from sekimori.wire.unpack import FRAMES, Unpacked, unpack

__all__ = ["ResponseReader", "read_request", "read_response"]

# Operations that name no model; of the others, and of what is not known, none is certain without one.
_MODELLESS: frozenset[Kind] = frozenset({"model-list", "file", "batch", "state", "train", "not-ai"})
_NOBODY = Named(None, certain=False)


def read_request(head: Head, body: bytes, *, limit: int = DEFAULT_LIMIT) -> RequestReading:
    """Read a request; a body that decodes to more than ``limit`` bytes is ``unparsed``."""
    try:
        return _Request(head).read(body, limit)
    except WireError as fault:
        return RequestReading(skipped=(f"request: {fault}",))
    except Exception as fault:  # noqa: BLE001 - a reader's own mistake must not open the gate, nor stop it
        return RequestReading(skipped=(f"reader: {type(fault).__name__}",))


def read_response(
    head: Head,
    request: RequestReading,
    status: int,
    headers: Headers,
    body: bytes,
    *,
    limit: int = DEFAULT_LIMIT,
) -> ResponseReading:
    """Read a whole answer to a request that was read before."""
    reader = ResponseReader(head, request, status, headers, limit=limit)
    reader.feed(dechunked(body))
    return reader.finish()


class _Request:
    """One request being read."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._target = read_target(head)
        self._draft = Draft()
        self._dialect: Dialect | None = None
        self._route: Route | None = None
        if not self._target.odd:
            self._claim(by_target(head.method, self._target))

    def _claim(self, found: tuple[Dialect, Route] | None) -> None:
        if found is not None:
            self._dialect, self._route = found

    def read(self, body: bytes, limit: int) -> RequestReading:
        """Choose how to read the body, and read it."""
        self._read_target()
        content_type = header(self._head.headers, "content-type")
        plain: Decoded | None = None
        try:
            plain = decode(body, header(self._head.headers, "content-encoding"), limit=limit)
            if not plain.body:
                return self._bodiless()
            body = plain.body
            unpacked = unpack(body, content_type)
            if unpacked is not None:
                return self._unpacked(unpacked, body, content_type, sure=plain.sure)
            read = read_certain(body, charset(content_type))
        except WireError as fault:
            if plain is not None and self._dialect is not None and self._dialect.raw is not None:
                return self._raw(plain.body, content_type, sure=plain.sure)
            return self._unread(body, content_type, str(fault))
        return self._json(read, sure=plain.sure and "," not in content_type)

    def _read_target(self) -> None:
        """Take what reads like words in the target: some services take the prompt there."""
        values = [value for _, value in self._target.query]
        self._draft.texts += [
            text for text in (*values, *self._target.segments) if " " in text or not text.isascii()
        ]

    def _json(self, read: Certain, *, sure: bool) -> RequestReading:
        self._draft.texts += read.texts
        for name in dict.fromkeys(read.twice):
            self._draft.skip(f"given twice: {name}")
        # Where a service takes several messages at once, they are an array: the object's only member.
        body: dict[str, Any] = {BATCH: read.value} if isinstance(read.value, list) else as_dict(read.value)
        found = None if self._target.odd else by_both(self._head.method, self._target, body)
        self._claim(found)
        if self._kind(body=True) == "other-ai" and self._head.method == "POST" and not self._target.odd:
            self._claim(by_body(body))
        named = self._named(body)
        sure = sure and read.sure and "model" not in read.twice
        if self._dialect is None or (body is not read.value and found is None):
            return self._reading("unparsed", Named(named.model, sure and self._sure(named, body)), body=True)
        self._dialect.read(self._draft, body)
        if self._route is not None and self._route.stream is not None:
            self._draft.stream = self._route.stream
        return self._reading(self._parsed(), Named(named.model, sure and self._sure(named, body)), body=True)

    def _named(self, body: dict[str, Any]) -> Named:
        in_path = self._route.model if self._route else None
        return name_model(in_path, self._models(body), body, self._target, self._head.headers)

    def _models(self, body: dict[str, Any]) -> list[Any]:
        return self._dialect.models(body) if self._dialect and self._dialect.models else models_of(body)

    def _sure(self, named: Named, body: dict[str, Any]) -> bool:
        kind = self._kind(body=True)
        if kind in _MODELLESS and named.model is None and not self._models(body):
            return True
        return named.certain and kind != "other-ai"

    def _unpacked(self, unpacked: Unpacked, body: bytes, content_type: str, *, sure: bool) -> RequestReading:
        """Read a form, envelopes or a protobuf message, where a dialect knows how."""
        draft, value = self._draft, unpacked.value
        draft.texts += unpacked.texts
        draft.attachments += unpacked.attachments
        if not self._target.odd:
            self._claim(by_both(self._head.method, self._target, value, packed=True))
        sure = sure and unpacked.sure
        if self._dialect is None or not self._dialect.forms:
            return self._packed(value, body, content_type, sure=sure)
        for name in dict.fromkeys(unpacked.twice):
            draft.skip(f"given twice: {name}")
        named = self._named(value)
        self._dialect.read(draft, value)
        if self._route is not None and self._route.stream is not None:
            draft.stream = self._route.stream
        certain = sure and self._sure(named, value) and "model" not in unpacked.twice
        return self._reading(self._parsed(), Named(named.model, certain), body=True)

    def _packed(self, value: dict[str, Any], body: bytes, content_type: str, *, sure: bool) -> RequestReading:
        """Take what no dialect reads: the fields of a form are told, envelopes are an attachment."""
        if FRAMES in value:
            self._draft.skip("frames")
            self._draft.attachments.append(describe(body, declared=content_type)[0])
            return self._reading("unparsed", _NOBODY, body=True)
        self._draft.skip("form")
        model = value.get("model")
        modelless = model is None and self._kind(body=True) in _MODELLESS
        certain = sure and (modelless or is_name(model))
        return self._reading("unparsed", Named(model or None, certain), body=True)

    def _raw(self, body: bytes, content_type: str, *, sure: bool) -> RequestReading:
        """Read a body of other bytes in a dialect that takes such bodies."""
        assert self._dialect is not None and self._dialect.raw is not None  # noqa: S101, PT018 - for mypy
        self._dialect.raw(self._draft, body, media_type(content_type))
        named = self._named({})
        return self._reading(self._parsed(), Named(named.model, sure and self._sure(named, {})), body=True)

    def _parsed(self) -> Parse:
        return "partial" if self._draft.skipped else "parsed"

    def _bodiless(self) -> RequestReading:
        """Read a request that says nothing but its target."""
        if self._dialect is not None and self._dialect.spoken is not None and not self._target.odd:
            return self._spoken()
        kind = self._kind(body=False)
        parse: Parse = "unparsed" if kind not in _MODELLESS or self._draft.texts else "parsed"
        if kind == "realtime" and self._head.method == "GET":
            asked = self._target.asked("model") or self._target.asked("deployment")
            model = asked[0] if asked else None
            parse = "partial" if self._draft.texts else "parsed"
            return self._reading(parse, Named(model, len(asked) == 1 and is_name(model)), body=False)
        return self._reading(parse, Named(None, kind in _MODELLESS), body=False)

    def _spoken(self) -> RequestReading:
        """Read a prompt that stands in the target."""
        assert self._dialect is not None and self._dialect.spoken is not None  # noqa: S101, PT018 - for mypy
        named = self._named({})
        read = self._dialect.spoken(self._draft, self._target)
        parse: Parse = "unparsed" if not read else "partial" if self._draft.skipped else "parsed"
        if self._route is not None and self._route.stream is not None:
            self._draft.stream = self._route.stream
        return self._reading(parse, Named(named.model, self._sure(named, {})), body=False)

    def _unread(self, body: bytes, content_type: str, why: str) -> RequestReading:
        """Take a body that no reader understands for an attachment: unread, and counted as such."""
        self._draft.skip(f"body: {why}")
        attachment, text = describe(body, declared=content_type)
        self._draft.attachments.append(attachment)
        self._draft.texts += [text] if text else []
        return self._reading("unparsed", _NOBODY, body=True)

    def _socket(self) -> SocketDialect | None:
        """Find the WebSocket dialect whose handshake this is."""
        return socket_at(self._target) if self._head.method == "GET" and not self._target.odd else None

    def _kind(self, *, body: bool) -> Kind:
        if self._target.odd:
            return "other-ai"
        if self._route is not None:
            return self._route.kind
        if not body and self._socket() is not None:
            return "realtime"
        kind = kind_of(self._head.method, self._target)
        if kind == "other-ai" and not body:
            kind = kind_of_page(self._head, self._target)
        if header(self._head.headers, "upgrade").lower() == "websocket" and kind != "realtime":
            return "other-ai"
        # A list that takes a body is no list: what is in the body was not asked for.
        return "other-ai" if body and kind == "model-list" else kind

    def _reading(self, parse: Parse, named: Named, *, body: bool) -> RequestReading:
        draft, spoken = self._draft, self._dialect or (None if body else self._socket())
        return RequestReading(
            kind=self._kind(body=body),
            dialect=spoken.name if spoken else "",
            parse=parse,
            model=named.model,
            model_certain=named.certain,
            stream=draft.stream,
            messages=tuple(draft.messages),
            prompt=draft.prompt(),
            attachments=tuple(draft.attachments),
            tools=tuple(draft.tools),
            texts=tuple(draft.texts),
            conversation=draft.conversation,
            skipped=tuple(draft.skipped),
        )
