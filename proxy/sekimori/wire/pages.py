"""Requests without a body that web pages make: what they load, and the state that they ask for.

They carry no prompt: a target that does, or that might, is left to be ``other-ai``. A grant for a web chat
lists ``state`` and ``not-ai`` beside ``generate``.
"""

from __future__ import annotations

from sekimori.wire.model import Head, Kind
from sekimori.wire.target import Target, header

_ASSETS = frozenset(
    {
        "avif", "css", "eot", "gif", "ico", "jpeg", "jpg", "js", "map", "mjs", "mp3", "mp4", "otf", "png",
        "svg", "ttf", "wasm", "wav", "webm", "webmanifest", "webp", "woff", "woff2",
    }
)  # fmt: skip
# What a browser says that it wants to do with the answer (Fetch Metadata).
_LOADED = frozenset(
    {
        "audio", "document", "font", "frame", "iframe", "image", "manifest", "script", "serviceworker",
        "sharedworker", "style", "track", "video", "worker", "xslt",
    }
)  # fmt: skip
# Parameters under which services take what a person typed.
_TYPED = frozenset({"q", "query", "prompt", "message", "text", "input", "question", "search"})
_MAX_VALUE = 512


def kind_of_page(head: Head, target: Target) -> Kind:
    """Tell what a request without a body is for; ``other-ai`` where it may say something to a model."""
    if header(head.headers, "upgrade") or _says_something(target):
        return "other-ai"
    if head.method == "OPTIONS":
        return "not-ai" if header(head.headers, "access-control-request-method") else "other-ai"
    if head.method not in ("GET", "HEAD"):
        return "other-ai"
    last = target.segments[-1] if target.segments else ""
    if last.rpartition(".")[2].lower() in _ASSETS and "." in last:
        return "not-ai"
    if header(head.headers, "sec-fetch-dest") in _LOADED:
        return "not-ai"
    return "state" if header(head.headers, "sec-fetch-mode") in ("cors", "same-origin") else "other-ai"


def _says_something(target: Target) -> bool:
    values = [value for _, value in target.query]
    return (
        any(len(text) > _MAX_VALUE for text in (*values, *target.segments))
        or any(" " in text or not text.isascii() for text in (*values, *target.segments))
        or any(value and name.lower() in _TYPED for name, value in target.query)
    )
