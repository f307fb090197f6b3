"""Many rows at once, the fastest way that each database has, and rows that may be there already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import BigInteger, Boolean, Connection, Dialect, Integer, LargeBinary, Table, Text
from sqlalchemy import exc as sql

Row = dict[str, Any]

_TYPES: dict[type, str] = {
    BigInteger: "int8",
    Integer: "int4",
    Text: "text",
    LargeBinary: "bytea",
    Boolean: "bool",
}


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert all rows, or raise ``sqlalchemy.exc.IntegrityError`` when one of them is there already."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        _copy(connection, table, rows)
        return
    statement, names = _statement(table)
    # Below SQLAlchemy's own insert, which costs as much again as the database does.
    connection.exec_driver_sql(statement, list(map(_taken(names), rows)))


def insert_absent(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert those rows whose key is not there yet."""
    if rows:
        mark = "%s" if connection.dialect.name == "postgresql" else "?"
        statement, names = _statement(table, mark)
        rest = " ON CONFLICT DO NOTHING"
        connection.exec_driver_sql(statement + rest, list(map(_taken(names), rows)))


def _copy(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    import psycopg

    statement, names, types = _copying(table)
    cursor: psycopg.Cursor[Any] = connection.connection.cursor()  # type: ignore[assignment]
    try:
        with cursor, cursor.copy(statement) as copy:
            copy.set_types(types)
            for row in map(_taken(names), rows):
                copy.write_row(row)
    except psycopg.Error as fault:
        raise _wrapped(fault, psycopg.Error, statement, connection.dialect) from fault


def _wrapped(fault: Exception, base: type[Exception], statement: str, dialect: Dialect) -> sql.DBAPIError:
    made = sql.DBAPIError.instance(statement, None, fault, base, dialect=dialect)
    if not isinstance(made, sql.DBAPIError):
        raise fault
    return made


def _taken(names: tuple[str, ...]) -> Callable[[Row], tuple[Any, ...]]:
    """Return what takes these fields out of a row, in their order."""
    return itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)


@cache
def _statement(table: Table, mark: str = "?") -> tuple[str, tuple[str, ...]]:
    names = tuple(column.name for column in table.columns)
    values = ", ".join([mark] * len(names))
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({values})", names  # noqa: S608 (our own names)


@cache
def _copying(table: Table) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    names = tuple(column.name for column in table.columns)
    types = tuple(_TYPES[type(column.type)] for column in table.columns)
    return f"COPY {table.name} ({', '.join(names)}) FROM STDIN (FORMAT BINARY)", names, types
