"""Request targets and header fields: the parts of a head that tell which dialect is spoken.

A target is ``odd`` where two servers might route it differently; the caller then trusts no route.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from sekimori.wire.model import Head, Headers

# Servers that honour these would run another method than the one that is decided.
_OVERRIDES = frozenset(
    {"x-http-method-override", "x-http-method", "x-method-override", "_method", "$httpmethod"}
)
# Path parameters, encoded slashes, double encoding, controls: servers differ in what they make of them.
_ODD = re.compile(r"[\x00-\x20\x7f/\\%;#]|^\.{1,2}$")
# The one name that needs a slash within a segment: AWS calls profiles and models so in its paths.
_ARN = re.compile(
    r"arn:aws[a-z-]{0,10}:(?:bedrock|sagemaker):[a-z0-9-]{0,32}:[0-9]{0,12}:[a-z-]{1,40}"
    r"/[A-Za-z0-9][A-Za-z0-9._:-]{0,128}"
)
_MAX_QUERY = 1 << 16


@dataclass(frozen=True, slots=True)
class Target:
    """A request target, its segments percent-decoded once."""

    segments: tuple[str, ...]
    query: tuple[tuple[str, str], ...]
    odd: bool

    def ends(self, *tail: str) -> bool:
        """Tell whether the path ends in these segments."""
        return self.segments[-len(tail) :] == tail

    def asked(self, name: str) -> list[str]:
        """List every value of a query parameter."""
        return [value for key, value in self.query if key.lower() == name]


def read_target(head: Head) -> Target:
    """Split the target of a request."""
    path, _, query = head.path.partition("?")
    segments = tuple([_decoded(part) for part in path.split("/") if part])
    odd = any(_ODD.search(part) and not _ARN.fullmatch(part) for part in segments) or "�" in path
    pairs = tuple(parse_qsl(query, keep_blank_values=True)) if 0 < len(query) < _MAX_QUERY else ()
    odd = odd or len(query) >= _MAX_QUERY or any(key.lower() in _OVERRIDES for key, _ in pairs)
    return Target(segments, pairs, odd or any(name.lower() in _OVERRIDES for name, _ in head.headers))


def _decoded(part: str) -> str:
    return unquote(part) if "%" in part else part


def header(headers: Headers, name: str) -> str:
    """Join every value of a header field as HTTP does; empty where absent."""
    found = [value for key, value in headers if key.lower() == name]
    return found[0] if len(found) == 1 else ", ".join(found)


def media_type(content_type: str) -> str:
    """Cut the media type out of a Content-Type field, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def charset(content_type: str) -> str:
    """Cut the charset out of a Content-Type field, in lower case; empty where absent."""
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"').lower()
    return ""
