"""The Japanese font of a PDF: one that is put into the file, or the one that every reader brings along.

A TrueType font given by the operator (IPAexゴシック, BIZ UDゴシック) is embedded, only the characters used. Without
one the PDF names HeiseiKakuGo-W5, which readers replace with a Japanese font of their own: small and legible,
but it looks different elsewhere and is no PDF/A.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from functools import lru_cache

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFError, TTFont

from sekimori.documents.faults import UnprintableError
from sekimori.errors import ConfigError

_NAMED = "HeiseiKakuGo-W5"
# What fonts of Adobe-Japan1 show of the characters that reach us, near enough.
_JAPANESE = ("cp932", "euc_jis_2004", "latin-1")
_LAST_OF_BMP = 0xFFFF


class Face:
    """A font that reportlab knows under ``name``, and which characters it can show."""

    def __init__(self, name: str, glyphs: frozenset[int] | None) -> None:
        self.name = name
        self._glyphs = glyphs

    def must_show(self, texts: Iterable[str]) -> None:
        """Raise ``UnprintableError`` that names each character which would be left out or look like another."""
        missing = sorted(
            {char for text in texts for char in text if char not in "\t\n" and not self._shows(char)}
        )
        if missing:
            told = "、".join(f"{char}（U+{ord(char):04X}）" for char in missing[:20])
            raise UnprintableError(
                f"PDFのフォントで表示できない文字があります：{told}",
                hint="この文字を含むフォントを設定するか、XLSX、DOCX又はJSONで出力してください。",
            )

    def _shows(self, char: str) -> bool:
        if self._glyphs is not None:
            return ord(char) in self._glyphs
        return ord(char) <= _LAST_OF_BMP and any(_encodes(char, name) for name in _JAPANESE)


def _encodes(char: str, encoding: str) -> bool:
    try:
        char.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


@lru_cache(maxsize=4)
def face(font: bytes | None = None, number: int = 0) -> Face:
    """Make a font known: the bytes of a TrueType file (``number``: of a .ttc), or the one readers bring."""
    if font is None:
        pdfmetrics.registerFont(UnicodeCIDFont(_NAMED))
        return Face(_NAMED, None)
    name = f"Sekimori{hashlib.sha256(font).hexdigest()[:12]}n{number}"
    try:
        made = TTFont(name, io.BytesIO(font), subfontIndex=number)
    except TTFError as fault:
        raise ConfigError(
            "The font for documents cannot be embedded.",
            hint="Name a TrueType font (.ttf, .ttc), not an OpenType CFF one.",
        ) from fault
    pdfmetrics.registerFont(made)
    return Face(name, frozenset(made.face.charToGlyph))
