"""Values of another kind than their column, which only somebody outside the store can have put there.

SQLite keeps a text in a column of numbers if it is told to, and whoever owns a database can change a table.
Such rows are named before anything is read: nobody here expects a number to be a text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    LargeBinary,
    Table,
    Text,
    and_,
    func,
    inspect,
    or_,
    select,
)

from sekimori.store.verifying.faults import Fault

_MOST = 1000
"""So many rows of a table are named; one is enough to know."""


def misshapen(connection: Connection, tables: Iterable[Table]) -> Iterator[Fault]:
    """Name rows that hold a value of another kind, or nothing where something must be."""
    found = _by_value if connection.dialect.name == "sqlite" else _by_column
    for table in tables:
        yield from found(connection, table)


def _by_value(connection: Connection, table: Table) -> Iterator[Fault]:
    wrong = [_is_wrong(column) for column in table.columns]
    # As texts: a value of the wrong kind may be none that could be read, nor a text in UTF-8.
    query = select(*map(_written, table.primary_key)).where(or_(*wrong)).limit(_MOST)
    for row in connection.execute(query):
        yield _fault(table, row, "it holds a value of another kind than its column")


def _written(column: Column[Any]) -> ColumnElement[Any]:
    return func.hex(column) if isinstance(column.type, LargeBinary) else func.quote(column)


def _is_wrong(column: Column[Any]) -> ColumnElement[bool]:
    kind = "integer"
    if isinstance(column.type, Text):
        kind = "text"
    elif isinstance(column.type, LargeBinary):
        kind = "blob"
    # Compared with one word, which takes half as long as looking for it among several.
    differs = func.typeof(column) != kind
    return and_(differs, column.is_not(None)) if column.nullable else differs


def _by_column(connection: Connection, table: Table) -> Iterator[Fault]:
    there = {column["name"]: column for column in inspect(connection).get_columns(table.name)}
    for column in table.columns:
        reflected = there.get(column.name)
        if reflected is None or reflected["type"].python_type is not column.type.python_type:
            yield Fault(str(table.name), str(column.name), "altered", "the column is of another kind")
        elif reflected["nullable"] and not column.nullable:
            query = select(*table.primary_key).where(column.is_(None)).limit(_MOST)
            for row in connection.execute(query):
                yield _fault(table, row, f"it has no {column.name}")


def _fault(table: Table, row: Iterable[Any], detail: str) -> Fault:
    return Fault(str(table.name), "/".join(str(part).strip("'") for part in row), "altered", detail)
