"""The ZIP packages of office formats: written so that the same parts are the same bytes.

Parts are stored, not deflated: versions of zlib compress differently, and then the same document would have
another hash on another machine. They stand in the order of their names, but for the one that goes first.
"""

from __future__ import annotations

import io
import re
import zipfile
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

_FIRST = "[Content_Types].xml"
_CORE = "docProps/core.xml"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000
# The oldest time that a ZIP can tell.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_PROPERTIES = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"'
    ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    "<dc:title>{title}</dc:title><dc:creator>Sekimori</dc:creator><dc:language>ja-JP</dc:language>"
    '<dcterms:created xsi:type="dcterms:W3CDTF">{time}</dcterms:created>'
    '<dcterms:modified xsi:type="dcterms:W3CDTF">{time}</dcterms:modified>'
    "</cp:coreProperties>"
)


def stamp(at_us: int) -> str:
    """Write an instant the way that the properties of a document do."""
    return (_EPOCH + timedelta(seconds=at_us // _SECOND)).strftime("%Y-%m-%dT%H:%M:%SZ")


def settled(package: bytes, *, title: str, at_us: int) -> bytes:
    """Give a package again with nothing in it of the moment at which a library wrote it."""
    with zipfile.ZipFile(io.BytesIO(package)) as written:
        parts = {name: written.read(name) for name in written.namelist()}
    parts[_CORE] = _PROPERTIES.format(title=escape(title), time=stamp(at_us)).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as package_again:
        for name in sorted(parts, key=lambda name: (name != _FIRST, name)):
            package_again.writestr(_entry(name), parts[name])
    return buffer.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _NO_TIME)
    entry.create_system = 0
    entry.external_attr = 0
    return entry


_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


def guarded(text: str) -> str:
    """Write a text that looks like an escape (``_x000D_``) so that it is read as what it is."""
    return _ESCAPED.sub(r"_x005F_x\1_", text)


def unguarded(text: str) -> str:
    """Read the escapes of a spreadsheet's texts."""
    return _ESCAPED.sub(lambda found: chr(int(found.group(1), 16)), text)
