"""Requests and answers read from the bytes of the wire, still content-encoded; nothing here raises.

Whether ``model`` is certain is decided here for all dialects: it is not where a body, a path or a header could
make another server see another model. A reader's own mistake makes an exchange ``unparsed``, never unread: the
fault is named in ``skipped``, and the grant decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from sekimori.errors import WireError
from sekimori.wire.certain import Certain, read_certain
from sekimori.wire.dialects import Dialect, Route, by_body, by_target, kind_of
from sekimori.wire.draft import Draft
from sekimori.wire.encoding import DEFAULT_LIMIT, decode
from sekimori.wire.form import FORM_TYPES, read_form
from sekimori.wire.media import inline
from sekimori.wire.model import Head, Headers, Kind, Parse, RequestReading, ResponseReading
from sekimori.wire.reader import ResponseReader
from sekimori.wire.target import Target, charset, header, media_type, read_target
from sekimori.wire.texts import texts_of

__all__ = ["ResponseReader", "read_request", "read_response"]

_MODELLESS: frozenset[Kind] = frozenset({"model-list", "file", "batch", "state", "train", "not-ai"})
# Members by which compatible servers and routers take another model than the one that ``model`` names.
_RIVALS = (
    "models",
    "fallbacks",
    "fallback_models",
    "context_window_fallbacks",
    "deployment_id",
    "deployment",
    "engine",
)
_RIVAL_HEADERS = frozenset(
    {"azureml-model-deployment", "x-ms-model-mesh-model-name", "x-model", "x-model-id"}
)
_NAME = re.compile(r"[^\x00-\x20\x7f\ufffd]{1,512}")


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
    reader.feed(body)
    return reader.finish()


class _Request:
    """One request being read."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._target = read_target(head)
        self._draft = Draft()

    def read(self, body: bytes, limit: int) -> RequestReading:
        """Choose how to read the body, and read it."""
        _target_texts(self._target, self._draft)
        claimed = None if self._target.odd else by_target(self._head.method, self._target)
        try:
            plain = decode(body, header(self._head.headers, "content-encoding"), limit=limit)
        except WireError as fault:
            return self._unread(claimed, body, str(fault))
        if not plain.body:
            return self._bodiless(claimed)
        content_type = header(self._head.headers, "content-type")
        if media_type(content_type) in FORM_TYPES:
            return self._form(plain.body, content_type, sure=plain.sure)
        try:
            read = read_certain(plain.body, charset(content_type))
        except WireError as fault:
            return self._unread(claimed, plain.body, str(fault))
        return self._json(claimed, read, sure=plain.sure)

    def _json(self, claimed: tuple[Dialect, Route] | None, read: Certain, *, sure: bool) -> RequestReading:
        draft, body = self._draft, read.value
        draft.texts += read.texts
        if (
            isinstance(body, dict)
            and claimed is None
            and self._head.method == "POST"
            and not self._target.odd
        ):
            claimed = by_body(body) if kind_of("POST", self._target) == "other-ai" else None
        if not isinstance(body, dict) or claimed is None:
            model = body.get("model") if isinstance(body, dict) else None
            return self._reading(self._kind(body=True), "", "unparsed", model, sure=False)
        dialect, route = claimed
        dialect.read(draft, body)
        for key in dict.fromkeys(read.twice):
            draft.skip(f"given twice: {key}")
        model, only = _model(dialect, route, body, self._target, self._head.headers)
        certain = sure and read.sure and only and "model" not in read.twice
        draft.stream = draft.stream if route.stream is None else route.stream
        parse: Parse = "partial" if draft.skipped else "parsed"
        return self._reading(route.kind, dialect.name, parse, model, sure=certain)

    def _form(self, body: bytes, content_type: str, *, sure: bool) -> RequestReading:
        form = read_form(body, content_type)
        self._draft.texts += form.texts
        self._draft.attachments += form.attachments
        texts_of(list(form.fields.values()), self._draft.texts)
        model = form.fields.get("model")
        certain = sure and form.sure and _is_name(model)
        if form.sure and form.fields.get("prompt"):
            self._draft.say("user", form.fields["prompt"])
        self._draft.skip("form")
        return self._reading(self._kind(body=True), "", "unparsed", model, sure=certain)

    def _bodiless(self, claimed: tuple[Dialect, Route] | None) -> RequestReading:
        """A request without a body says nothing but its target."""
        if claimed is not None:
            return self._reading(claimed[1].kind, claimed[0].name, "unparsed", claimed[1].model, sure=False)
        kind = self._kind(body=False)
        named = self._target.asked("model") if kind == "realtime" else []
        model = named[0] if len(named) == 1 and _is_name(named[0]) else None
        parse: Parse = "unparsed" if kind == "other-ai" or self._draft.texts else "parsed"
        return self._reading(
            kind, "", parse, model, sure=kind in _MODELLESS or (kind == "realtime" and bool(model))
        )

    def _unread(self, claimed: tuple[Dialect, Route] | None, body: bytes, why: str) -> RequestReading:
        """A body that is no text for any reader is an attachment: unread, and counted as such."""
        self._draft.skip(f"body: {why}")
        kind = claimed[1].kind if claimed else self._kind(body=True)
        name = claimed[0].name if claimed else ""
        self._draft.attachments.append(inline(body, declared=header(self._head.headers, "content-type")))
        return self._reading(kind, name, "unparsed", claimed[1].model if claimed else None, sure=False)

    def _kind(self, *, body: bool) -> Kind:
        if self._target.odd:
            return "other-ai"
        if header(self._head.headers, "upgrade").lower() == "websocket":
            return "realtime" if kind_of("GET", self._target) == "realtime" else "other-ai"
        kind = kind_of(self._head.method, self._target)
        # A list that takes a body is no list: what is in the body was not asked for.
        return "other-ai" if body and kind == "model-list" else kind

    def _reading(self, kind: Kind, dialect: str, parse: Parse, model: Any, *, sure: bool) -> RequestReading:
        draft = self._draft
        return RequestReading(
            kind=kind,
            dialect=dialect,
            parse=parse,
            model=model if isinstance(model, str) and model else None,
            model_certain=sure,
            stream=draft.stream,
            messages=tuple(draft.messages),
            prompt=draft.prompt(),
            attachments=tuple(draft.attachments),
            tools=tuple(draft.tools),
            texts=tuple(draft.texts),
            conversation=draft.conversation,
            skipped=tuple(draft.skipped),
        )


def _target_texts(target: Target, draft: Draft) -> None:
    """Some services take the prompt in the URL: whatever reads like words there is a text."""
    for _, value in target.query:
        if " " in value or not value.isascii():
            draft.texts.append(value)
    draft.texts += [part for part in target.segments if " " in part or not part.isascii()]


def _model(
    dialect: Dialect, route: Route, body: dict[str, Any], target: Target, headers: Headers
) -> tuple[Any, bool]:
    """The model that is asked for, and whether everybody would say so."""
    in_body = (
        dialect.models(body)
        if dialect.models
        else [body[key] for key in ("model",) if body.get(key) is not None]
    )
    model = route.model if route.model is not None else next(iter(in_body), None)
    rivals = [*in_body, *_rivals(body), *target.asked("model"), *target.asked("deployment")]
    rivals += [value for name, value in headers if name.lower() in _RIVAL_HEADERS]
    # Go's decoder takes a member in any letter case for the one it looks for.
    disguised = any(len(key) < 32 and key != "model" and _plain(key) == "model" for key in body)
    return model, _is_name(model) and not disguised and all(rival == model for rival in rivals)


def _plain(key: str) -> str:
    return key.strip("\0\t\n\r \ufeff").casefold()


def _rivals(body: dict[str, Any]) -> Iterable[Any]:
    for key in _RIVALS:
        named = body.get(key)
        if isinstance(named, list):
            yield from named
        elif named is not None:
            yield named


def _is_name(model: Any) -> bool:
    return isinstance(model, str) and _NAME.fullmatch(model) is not None
