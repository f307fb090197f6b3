"""Credentials cut from what will be stored: bodies, header fields, targets.

Spans refer to the ORIGINAL bytes; a keyed fingerprint, made by the caller, tells two credentials apart and
reveals neither. A replacement keeps JSON valid and is itself no credential, so that redacting twice changes
nothing. Linear in the size of the input; a clean body costs a few searches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from sekimori.wire.certain import unicode_of
from sekimori.wire.credentials import (
    ANCHOR,
    FIELD_NAME,
    KEY_BEGIN,
    KEY_END,
    MARK,
    MEMBER,
    NAME_END,
    NESTED,
    SAFE_HEADER,
    SCHEME,
    SECRET_HEADER,
    SUBPROTOCOL,
    TOKENS,
)
from sekimori.wire.model import Headers
from sekimori.wire.target import media_type

Fingerprint = Callable[[bytes], str]
_VAGUE = frozenset({"member", "bearer", "query-key"})
_FORM = "application/x-www-form-urlencoded"
# Most fields come again with the next request: what held no credential then holds none now. None that did.
_CLEAN: dict[tuple[str, str], None] = {}
_CLEAN_FIELDS, _CLEAN_VALUE = 4096, 200


@dataclass(frozen=True, slots=True)
class Span:
    """A credential that was cut: where it stood in the original, and in which part of the message."""

    start: int
    length: int
    kind: str
    fingerprint: str
    place: str = "body"


@dataclass(frozen=True, slots=True)
class Redacted:
    """A body that may be stored, and what was cut from it."""

    body: bytes
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class RedactedHeaders:
    """Header fields that may be stored; spans count within the value of the field that ``place`` names."""

    headers: Headers
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class RedactedTarget:
    """A request target that may be stored; spans count within the target, in UTF-8."""

    target: str
    spans: tuple[Span, ...] = ()


_Hit = tuple[int, int, str, bool]  # start, end, kind, and whether quotes must be written around it


def redact_body(body: bytes, content_type: str, fingerprint: Fingerprint) -> Redacted:
    """Cut credentials from a body that has no content coding any more."""
    if b"\0" in body[:4] or body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _redact_wide(body, fingerprint)
    hits = list(_hits(body))
    if media_type(content_type) == _FORM:
        hits += _pairs(body, 0)
    return _cut(body, hits, fingerprint)


def redact_headers(headers: Headers, fingerprint: Fingerprint) -> RedactedHeaders:
    """Cut credentials from header fields; an authentication scheme stays, what follows it goes."""
    kept: list[tuple[str, str]] = []
    spans: list[Span] = []
    for name, value in headers:
        if (name, value) in _CLEAN:
            kept.append((name, value))
            continue
        raw = value.encode("utf-8", "surrogateescape")
        hits = _field_hits(name.lower(), value, raw)
        cut = _cut(raw, hits, fingerprint, f"header:{name.lower()}")
        kept.append((name, cut.body.decode("utf-8", "surrogateescape") if cut.spans else value))
        spans += cut.spans
        if not hits:
            _remember_clean(name, value)
    return RedactedHeaders(tuple(kept), tuple(spans))


def _remember_clean(name: str, value: str) -> None:
    if len(value) > _CLEAN_VALUE:
        return
    if len(_CLEAN) >= _CLEAN_FIELDS:
        _CLEAN.clear()
    _CLEAN[name, value] = None


def redact_target(path_with_query: str, fingerprint: Fingerprint) -> RedactedTarget:
    """Cut credentials from a request target: by the names of its query keys, and by what values look like."""
    raw = path_with_query.encode("utf-8", "surrogateescape")
    cut = _cut(raw, _target_hits(raw), fingerprint, "query")
    if not cut.spans:
        return RedactedTarget(path_with_query)
    named = tuple(_named(span, raw) for span in cut.spans)
    return RedactedTarget(cut.body.decode("utf-8", "surrogateescape"), named)


def _named(span: Span, raw: bytes) -> Span:
    before = raw[: span.start]
    if b"?" not in before:
        return Span(span.start, span.length, span.kind, span.fingerprint, "path")
    pair = before[max(before.rfind(b"?"), before.rfind(b"&")) + 1 :]
    name = unquote(pair.partition(b"=")[0].decode("utf-8", "replace"))[:64]
    return Span(span.start, span.length, span.kind, span.fingerprint, f"query:{name}")


def _field_hits(name: str, value: str, raw: bytes) -> list[_Hit]:
    if name == "sec-websocket-protocol":
        return [_text_hit(value, *match.span(2), "subprotocol") for match in SUBPROTOCOL.finditer(value)]
    if _is_secret(name):
        match = SCHEME.fullmatch(value)
        start, end = match.span(2) if match else (0, len(value))
        return [_text_hit(value, start, end, name)] if end > start else []
    return list(_target_hits(raw)) if b"?" in raw else list(_hits(raw))


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return bool(SECRET_HEADER.fullmatch(name)) and not SAFE_HEADER.fullmatch(name)


def _text_hit(text: str, start: int, end: int, kind: str) -> _Hit:
    before = len(text[:start].encode("utf-8", "surrogateescape"))
    return before, before + len(text[start:end].encode("utf-8", "surrogateescape")), kind, False


def _target_hits(raw: bytes) -> list[_Hit]:
    hits = list(_hits(raw))
    mark = raw.find(b"?")
    return hits + _pairs(raw, mark + 1) if mark >= 0 else hits


def _pairs(raw: bytes, at: int) -> list[_Hit]:
    """Find the credentials among NAME=VALUE pairs that begin at an offset."""
    hits: list[_Hit] = []
    for pair in raw[at:].split(b"&"):
        name, eq, value = pair.partition(b"=")
        plain = unquote(name.decode("latin-1")).encode() if b"%" in name else name
        if value and eq and FIELD_NAME.fullmatch(plain):
            start = at + len(name) + 1
            hits.append((start, start + len(value), "query-key", False))
        at += len(pair) + 1
    return hits


def _hits(body: bytes) -> Iterator[_Hit]:
    done = 0  # what lies inside a hit is not read again: that would cost the square of its length
    bearer = 0
    for anchor in ANCHOR.finditer(body):
        at = anchor.start()
        if at < done:
            continue
        for token in TOKENS[body[at]]:
            vague = token.kind in _VAGUE
            match = token.pattern.match(body, at - token.offset) if not vague or at >= bearer else None
            if match is not None:
                done, bearer = (done, match.end()) if vague else (match.end(), bearer)
                yield (*match.span(token.group), token.kind, False)
                break
    if b"PRIVATE KEY" in body:
        yield from _private_keys(body)
    if NAME_END.search(body):
        yield from _members(body)


def _members(body: bytes) -> Iterator[_Hit]:
    for match in MEMBER.finditer(body):
        group = 1 if match[1] is not None else 2
        yield (*match.span(group), "member", group == 2)
    if b'\\"' in body:
        for match in NESTED.finditer(body):
            yield (*match.span(1), "member", False)


def _private_keys(body: bytes) -> Iterator[_Hit]:
    """Find PEM blocks; one that never ends is cut to the end, so that no search is ever repeated."""
    at = 0
    while (begin := KEY_BEGIN.search(body, at)) is not None:
        end = KEY_END.search(body, begin.end())
        at = end.end() if end else _end_of_key(body, begin.end())
        yield begin.start(), at, "private-key", False
        if end is None:
            return


def _end_of_key(body: bytes, at: int) -> int:
    """Where a key without an end mark stops at the latest: at the quote that closes its string."""
    quote = body.find(b'"', at)
    return quote if quote >= 0 else len(body)


def _cut(body: bytes, hits: list[_Hit], fingerprint: Fingerprint, place: str = "body") -> Redacted:
    if not hits:
        return Redacted(body)
    hits.sort()
    pieces: list[bytes] = []
    spans: list[Span] = []
    done = 0
    for start, end, kind, quoted in _merged(hits):
        secret = body[start:end]
        if secret.startswith(MARK) or start >= end:
            continue
        mark = MARK + kind.encode("ascii", "replace") + b"]"
        pieces += (body[done:start], b'"' + mark + b'"' if quoted else mark)
        spans.append(Span(start, end - start, kind, fingerprint(secret), place))
        done = end
    pieces.append(body[done:])
    return Redacted(b"".join(pieces), tuple(spans))


def _merged(hits: list[_Hit]) -> Iterator[_Hit]:
    """Let the first of two overlapping hits grow over the other."""
    current = hits[0]
    for hit in hits[1:]:
        if hit[0] < current[1]:
            kind = hit[2] if current[2] in _VAGUE else current[2]
            current = (current[0], max(current[1], hit[1]), kind, current[3])
        else:
            yield current
            current = hit
    yield current


def _redact_wide(body: bytes, fingerprint: Fingerprint) -> Redacted:
    """Redact a body in UTF-16 or UTF-32: as UTF-8, and the spans counted back."""
    encoding = unicode_of(body)
    text = body.decode(encoding, "replace")
    narrow = text.encode("utf-8", "replace")
    cut = redact_body(narrow, "", fingerprint)
    if not cut.spans:
        return Redacted(body)

    def there(at: int) -> int:
        return len(narrow[:at].decode("utf-8", "replace").encode(encoding, "replace"))

    spans = []
    for span in cut.spans:
        start, end = there(span.start), there(span.start + span.length)
        spans.append(Span(start, end - start, span.kind, span.fingerprint, span.place))
    return Redacted(cut.body.decode("utf-8", "replace").encode(encoding), tuple(spans))
