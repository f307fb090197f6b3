"""Recorded interactions, one JSON object each, read from a file.

The record: ``{id, kind, request{method,url,headers,body_b64}, response{status,headers,body_b64},
frames[{direction,opcode,payload_b64}]}``. Fields that are not needed here are left alone.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from sekimori.errors import UsageError


class Request(msgspec.Struct, frozen=True):
    """What a client sent."""

    method: str = "GET"
    url: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body_b64: bytes | None = None


class Response(msgspec.Struct, frozen=True):
    """What a service answered."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body_b64: bytes | None = None


class Frame(msgspec.Struct, frozen=True):
    """One WebSocket message."""

    direction: str = ""
    opcode: str | int = ""
    payload_b64: bytes = b""


class Recording(msgspec.Struct, frozen=True):
    """One interaction."""

    request: Request
    id: str | int = ""
    kind: str = "http"
    response: Response | None = None
    frames: tuple[Frame, ...] | None = None


def read_recordings(file: Path) -> Iterator[Recording]:
    """Yield the interactions of a ``.json`` or ``.jsonl`` file, each also ``.gz``."""
    name = file.name.removesuffix(".gz")
    if not name.endswith((".json", ".jsonl")):
        raise UsageError(
            f"{file} is no recording.", hint="Name a file that ends in .json, .jsonl or either with .gz."
        )
    try:
        with _opened(file) as lines:
            if name.endswith(".jsonl"):
                yield from (_one(line, file, number) for number, line in enumerate(lines, 1) if line.strip())
            else:
                yield from _document(lines.read(), file)
    except (OSError, EOFError) as error:
        raise UsageError(
            f"{file} cannot be read: {error}.", hint="Name a file that is there and whole."
        ) from error


def _opened(file: Path) -> IO[bytes]:
    return gzip.open(file, "rb") if file.name.endswith(".gz") else file.open("rb")  # type: ignore[return-value]


def _one(line: bytes, file: Path, number: int) -> Recording:
    try:
        return msgspec.json.decode(line, type=Recording)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{file}:{number}: {error}.", hint="Each line is one recorded interaction."
        ) from error


def _document(text: bytes, file: Path) -> list[Recording]:
    try:
        return (
            msgspec.json.decode(text, type=list[Recording])
            if text.lstrip().startswith(b"[")
            else [msgspec.json.decode(text, type=Recording)]
        )
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{file}: {error}.", hint="It holds one recorded interaction, or a list of them."
        ) from error
