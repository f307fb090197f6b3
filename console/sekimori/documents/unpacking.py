"""Takes the parts out of an office package that somebody sent: bounded, and only those that are text.

A package that holds something which acts, reaches outside or hides another file (macros, links, queries,
embedded objects) is refused as a whole, as is one that is larger than a form can be or says two things at once.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib

from sekimori.documents.faults import unreadable

MOST_BYTES = 4 << 20
MOST_UNPACKED = 16 << 20
MOST_PARTS = 200
MOST_RATIO = 200
# A part as small as this may be as repetitive as it likes.
_SMALL = 64 << 10

DAMAGED = (
    "ファイルが壊れています。Excelで開いて保存し直してください。",
    "is damaged; open it in Excel and save it again",
)
TOO_LARGE = ("ファイルが大きすぎます。様式以外の内容を削除してください。", "is larger than a form can be")


_MACROS = (
    "マクロを含むファイルは読み込めません。「Excelブック（.xlsx）」で保存してください。",
    "has macros; save it as .xlsx",
)
LINKS = (
    "外部へのリンクや接続を含むファイルは読み込めません。リンクを解除してください。",
    "has links to elsewhere; break them",
)
_OBJECTS = (
    "埋め込みオブジェクトを含むファイルは読み込めません。削除してください。",
    "has embedded objects; remove them",
)
# Parts that act, reach outside or hide another file.
_FORBIDDEN_PARTS = (
    (re.compile(r"vbaProject|/macrosheets/|\.bin$|/customUI", re.IGNORECASE), _MACROS),
    (re.compile(r"/externalLinks/|/connections\.xml|/queryTables/|/webextensions/", re.IGNORECASE), LINKS),
    (re.compile(r"/embeddings/|/activeX/|/ctrlProps/", re.IGNORECASE), _OBJECTS),
)
# Printer settings are binary, harmless and in nearly every file that Excel saves.
_PRINTER = re.compile(r"xl/printerSettings/printerSettings[0-9]+\.bin")


def unpacked(data: bytes) -> dict[str, bytes]:
    """Give the parts by name; those that are not XML are empty, as nobody looks at them."""
    if len(data) > MOST_BYTES:
        raise unreadable(*TOO_LARGE)
    if data.startswith(b"\xd0\xcf\x11\xe0"):  # OLE: .xls, or a workbook behind a password
        raise unreadable(
            "旧形式（.xls）又はパスワード付きのファイルは読み込めません。パスワードなしの.xlsxで保存してください。",
            "is an .xls file or has a password; save it as .xlsx without one",
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            return _texts(package)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,  # zipfile: a compression, or a version of the format, that it does not know
        RuntimeError,
        ValueError,
        OSError,
    ) as fault:
        raise unreadable(*DAMAGED) from fault


def _texts(package: zipfile.ZipFile) -> dict[str, bytes]:
    entries = package.infolist()
    if len(entries) > MOST_PARTS:
        raise unreadable(*TOO_LARGE)
    parts: dict[str, bytes] = {}
    left = MOST_UNPACKED
    for entry in entries:
        name = entry.filename
        _refuse_part(name)
        if (
            name in parts
            or entry.flag_bits & 1
            or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        ):
            raise unreadable(*DAMAGED)
        if not name.endswith((".xml", ".rels")):
            parts[name] = b""  # a picture, a printer's settings: never looked at
            continue
        parts[name] = _content(package, entry, left)
        left -= len(parts[name])
    return parts


def _content(package: zipfile.ZipFile, entry: zipfile.ZipInfo, left: int) -> bytes:
    """Unpack a part, stopping at what is left of the bound whatever its header says."""
    with package.open(entry) as stream:
        content = stream.read(left + 1)
    ratio = len(content) / max(1, entry.compress_size)
    if len(content) > left or (len(content) > _SMALL and ratio > MOST_RATIO):
        raise unreadable(*TOO_LARGE)
    return content


def _refuse_part(name: str) -> None:
    if _PRINTER.fullmatch(name):
        return
    for pattern, why in _FORBIDDEN_PARTS:
        if pattern.search(f"/{name}"):
            raise unreadable(*why)
