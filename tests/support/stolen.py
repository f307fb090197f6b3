"""What a thief has: every file of a folder and every cell of a database, searched for words in any usual form."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import NullPool, create_engine, inspect, text


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file of a folder; its name as well, since that too may name somebody."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            yield name, name.encode() + b"\n" + path.read_bytes()


def cells(url: str) -> Iterator[tuple[str, bytes]]:
    """Yield every cell of every table, as a dump holds it: whole, however pages divide it."""
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            for table in sorted(inspect(connection).get_table_names()):
                for row in connection.execute(text(f'SELECT * FROM "{table}"')):
                    for column, value in row._mapping.items():
                        yield f"{table}.{column}", _bytes(value)
    finally:
        engine.dispose()


def leaks(places: Iterable[tuple[str, bytes]], words: Iterable[str]) -> set[tuple[str, str]]:
    """Return which word lies readable where."""
    wanted = {word: forms(word) for word in words}
    return {
        (place, word)
        for place, data in places
        for word, written in wanted.items()
        if any(form in data for form in written)
    }


def forms(word: str) -> set[bytes]:
    """Return the ways in which programs write a word: UTF-8, UTF-16, escaped, hex and Base64."""
    plain = word.encode()
    shifted = (base64.b64encode(b"\0" * shift + plain)[4 * bool(shift) : -4] for shift in range(3))
    return {
        plain,
        word.encode("utf-16-le"),
        json.dumps(word)[1:-1].encode(),
        quote(word).encode(),
        plain.hex().encode(),
        *(form for form in shifted if len(form) >= 8),
    }


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes | memoryview):
        return bytes(value)
    return str(value).encode()
