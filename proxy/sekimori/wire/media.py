"""Attachments: what travels inline beside the text, named by its content and not by what the sender says.

Nothing is opened here except plain text; how images and documents are read is for the content guard.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from urllib.parse import unquote_to_bytes

from sekimori.wire.model import Attachment

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"{\\rtf", "application/rtf"),
    (b"\x1f\x8b", "application/gzip"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
)
_OFFICE: tuple[tuple[bytes, str], ...] = (
    (b"word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
)
_DATA_URL = re.compile(r"data:([^,;]{0,127})((?:;[^,;]{0,127}){0,8}),", re.IGNORECASE)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_SNIFFED = 4096
_NAMED = ("text/", "application/", "image/svg")
_TEXTUAL = frozenset(
    {
        "application/json",
        "application/jsonl",
        "application/x-jsonlines",
        "application/x-ndjson",
        "application/x-sh",
        "application/x-yaml",
        "application/xml",
        "application/yaml",
        "application/javascript",
        "application/sql",
    }
)


def is_textual(media_type: str) -> bool:
    """Tell a media type whose content is text to read: of marks, of records, or of nothing but words."""
    return media_type.startswith("text/") or media_type in _TEXTUAL or media_type.endswith(("+json", "+xml"))


def sniff(data: bytes, declared: str = "") -> str:
    """Tell the media type of some content; the declared one only where the content says nothing."""
    for magic, found in _MAGIC:
        if data.startswith(magic):
            return _zip(data) if found == "application/zip" else found
    if data[:4] == b"RIFF":
        return _RIFF.get(data[8:12], "application/octet-stream")
    if data[4:8] == b"ftyp":
        return _brand(data[8:12])
    declared = declared.partition(";")[0].strip().lower()
    if _is_text(data):
        named = declared != "application/octet-stream" and declared.startswith(_NAMED)
        return declared if named else "text/plain"
    # Binary that is declared as text would count as read by whoever trusts the name.
    return declared if declared and not declared.startswith("text/") else "application/octet-stream"


def _zip(data: bytes) -> str:
    head = data[:_SNIFFED]
    return next((found for mark, found in _OFFICE if mark in head), "application/zip")


def _brand(brand: bytes) -> str:
    if brand in (b"heic", b"heix", b"mif1"):
        return "image/heic"
    if brand == b"avif":
        return "image/avif"
    return "audio/mp4" if brand == b"M4A " else "video/mp4"


def _is_text(data: bytes) -> bool:
    head = data[:_SNIFFED]
    if b"\0" in head:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as fault:
        return len(head) == _SNIFFED and fault.start > _SNIFFED - 4
    return True


def inline(data: bytes, *, declared: str = "", name: str = "", read: bool = False) -> Attachment:
    """Describe content that travels in the request itself."""
    return Attachment(name, sniff(data, declared), len(data), hashlib.sha256(data).hexdigest(), read)


def elsewhere(reference: str, *, declared: str = "", name: str = "") -> Attachment:
    """Describe content that the request only points at: a file id, or an address to fetch from."""
    return Attachment(name, declared.partition(";")[0].strip().lower(), reference=reference)


def from_base64(text: str, *, declared: str = "", name: str = "") -> tuple[Attachment, str]:
    """Describe inline base64 and return its text where it is plain text, else an empty string."""
    return describe(_bytes(text), declared=declared, name=name)


def from_url(url: str, *, declared: str = "", name: str = "") -> tuple[Attachment, str]:
    """Describe what a URL stands for: inline data, or something elsewhere."""
    match = _DATA_URL.match(url)
    if match is None:
        if url[:5].lower() == "data:":
            return describe(url.encode("utf-8", "replace"), name=name)
        return elsewhere(url, declared=declared, name=name), ""
    kind, parameters = match[1], match[2].lower()
    rest = url[match.end() :]
    data = _bytes(rest) if ";base64" in parameters else unquote_to_bytes(rest)
    return describe(data, declared=kind or declared, name=name)


def describe(data: bytes, *, declared: str = "", name: str = "") -> tuple[Attachment, str]:
    """Describe content and return its text where it is plain text, else an empty string."""
    kind = sniff(data, declared)
    if not is_textual(kind):
        return inline(data, declared=declared, name=name), ""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return inline(data, declared=declared, name=name), ""
    return inline(data, declared=declared, name=name, read=True), text


def _bytes(text: str) -> bytes:
    """Decode base64 or base64url; what is neither counts as the bytes that it is."""
    raw = text.encode("utf-8", "replace")
    try:
        if b"-" in raw or b"_" in raw:
            raw = raw.translate(bytes.maketrans(b"-_", b"+/"))
        return binascii.a2b_base64(raw + b"=" * (-len(raw) % 4))
    except binascii.Error:
        return text.encode("utf-8", "replace")
