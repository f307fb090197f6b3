"""A document on its way out: written in the format of its name, recorded, and only then put on disk."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sekimori.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from sekimori.cli.config import Config
    from sekimori.governance.issued import Format
    from sekimori.governance.paper import Paper

FORMATS = ("xlsx", "docx", "pdf", "json")
# Where Debian's fonts-ipaexfont-gothic lies: the Makefile and the image install it.
JAPANESE_FONT = Path("/usr/share/fonts/opentype/ipaexfont-gothic/ipaexg.ttf")
_MOST = 64 << 20


def format_of(out: Path) -> Format:
    """Tell a format from a file's name, and that the file can be made."""
    found = out.suffix.removeprefix(".").lower()
    if found not in FORMATS:
        raise UsageError(f"{out} has no format.", hint=f"End its name in .{', .'.join(FORMATS)}")
    if out.exists():
        raise UsageError(f"{out} is there already.", hint="Name another file; none is overwritten.")
    if not out.parent.is_dir():
        raise UsageError(f"{out.parent} is no folder.")
    return cast("Format", found)


def written(paper: Paper, format_: Format, at_us: int, config: Config) -> bytes:
    """Write a paper in a format; the same paper at the same instant gives the same bytes."""
    if format_ == "xlsx":
        from sekimori.documents.xlsx_writing import write_xlsx

        return write_xlsx(paper, at_us)
    if format_ == "docx":
        from sekimori.documents.docx_writing import write_docx

        return write_docx(paper, at_us)
    if format_ == "json":
        from sekimori.documents.json_writing import write_json

        return write_json(paper, at_us)
    from sekimori.documents.pdf_writing import write_pdf

    return write_pdf(paper, at_us, font(config))


def font(config: Config) -> bytes:
    """Read the Japanese font that is put into a PDF; many readers show one without it as empty boxes."""
    path = Path(config.documents.font) if config.documents.font else JAPANESE_FONT
    try:
        with path.open("rb") as file:
            found = file.read(_MOST + 1)
    except OSError as fault:
        named = "documents.font names" if config.documents.font else "Debian's package brings"
        raise ConfigError(
            f"A PDF needs a Japanese font, and the one that {named} cannot be read: {path} ({fault.strerror}).",
            hint="Install it (apt-get install fonts-ipaexfont-gothic), or name a TrueType font: "
            "[documents] font. XLSX, DOCX and JSON need none.",
        ) from fault
    if len(found) > _MOST:
        raise ConfigError(f"{path} is too large for a font.")
    return found


def digest(document: bytes) -> str:
    """Hash a document."""
    return hashlib.sha256(document).hexdigest()


def put(out: Path, document: bytes) -> None:
    """Put a document on disk, for its owner alone; nothing is overwritten."""
    try:
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(document)
    except OSError as fault:
        raise UsageError(f"{out} cannot be written: {fault.strerror}.") from fault


def taken(path: Path, most: int = _MOST) -> bytes:
    """Read a file that somebody hands in."""
    try:
        with path.open("rb") as file:
            found = file.read(most + 1)
    except OSError as fault:
        raise UsageError(f"{path} cannot be read: {fault.strerror}.") from fault
    if len(found) > most:
        raise UsageError(f"{path} is longer than {most >> 20} MiB.")
    return found
