"""How a request is framed: its head as the readers see it, what of it is refused unread, and how it is sent on.

Two programs that read one request differently are how a request passes that nobody decided.
"""

from __future__ import annotations

from mitmproxy import http

from sekimori.addons.exchange import Tunnel
from sekimori.addons.headers import strip, unsafe_fields
from sekimori.catalogue.hosts import HostError, canonical_host
from sekimori.policy.reasons import Reason
from sekimori.wire.model import Head

Fields = dict[str, list[str]]


class Refused(Exception):  # noqa: N818 - control flow of one hook, never leaves it
    """The request is refused before anybody could read what it says."""

    def __init__(self, reason: Reason, detail: str = "", *, retryable: bool = False) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.detail = detail
        self.retryable = retryable


def read_head(request: http.Request, host: str) -> Head:
    """Return the head as the wire readers take it: names in lower case, bytes that are no UTF-8 written out."""
    headers = tuple(
        (name.lower().decode("utf-8", "backslashreplace"), value.decode("utf-8", "backslashreplace"))
        for name, value in request.headers.fields
    )
    return Head(method=request.method, host=host, path=request.path, headers=headers)


def send_as_decided(request: http.Request, size: int) -> None:
    """Take away what is the gate's, and frame the body as it was read.

    A body over HTTP/2 may come without a length; sent on to an HTTP/1.1 service like that, it would be read
    as the next request.
    """
    strip(request.headers)
    request.trailers = None  # nobody read them
    # Compression inside a WebSocket would hide what is said, and can be made to explode.
    request.headers.pop("sec-websocket-extensions", None)
    if "transfer-encoding" not in request.headers and (size or "content-length" in request.headers):
        request.headers["content-length"] = str(size)


def header(head: Head, name: str) -> str:
    """Join every value of a header field; ``name`` in lower case, empty where absent."""
    return ", ".join(value for key, value in head.headers if key == name)


def _split_port(authority: str) -> tuple[str, str]:
    if authority.startswith("["):
        return authority, ""
    host, _, port = authority.partition(":")
    return host, port


def fields_of(head: Head) -> Fields:
    """Group the values of a head's fields by name."""
    fields: Fields = {}
    for name, value in head.headers:
        fields.setdefault(name, []).append(value)
    return fields


def one(fields: Fields, name: str) -> str | None:
    """Join every value of a field, None where absent."""
    values = fields.get(name)
    return ", ".join(values) if values else None


def check_target(request: http.Request, fields: Fields, tunnel: Tunnel) -> None:
    """Refuse a request that names another host than its tunnel, or is framed or upgraded in another way."""
    if unsafe_fields(request.headers):
        raise Refused(Reason.MALFORMED, "a line break or NUL in a header")
    # HTTP/1.0 ends an answer by closing: then it would be complete before its outcome is durable.
    if request.http_version != ("HTTP/2.0" if tunnel.alpn == b"h2" else "HTTP/1.1"):
        raise Refused(Reason.MALFORMED, "only HTTP/1.1 and HTTP/2 are spoken here")
    if request.scheme != "https" or not (request.path.startswith("/") or request.path == "*"):
        raise Refused(Reason.MISDIRECTED, "the target is not a path of this host")
    named = fields.get("host", [])
    if request.authority:
        named = [*named, request.authority]
    if not named:
        raise Refused(Reason.MALFORMED, "no host")
    for value in named:
        if value != tunnel.host and not _same_host(value, tunnel):
            raise Refused(Reason.MISDIRECTED, "Host and CONNECT name different hosts")
    if request.authority and tunnel.alpn != b"h2":
        request.authority = ""
    codings = fields.get("transfer-encoding", [])
    if codings and [coding.strip().lower() for coding in codings] != ["chunked"]:
        raise Refused(Reason.MALFORMED, "transfer coding other than chunked")
    if [value for value in fields.get("upgrade", []) if value.strip().lower() != "websocket"]:
        raise Refused(Reason.MALFORMED, "upgrade to something other than websocket")


def _same_host(value: str, tunnel: Tunnel) -> bool:
    host, port = _split_port(value)
    try:
        return canonical_host(host).name == tunnel.host and port in {"", str(tunnel.port)}
    except HostError:
        return False
