"""Rows by the thousand, as plain tuples: what the database's driver gives, past everything that names columns."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, bindparam, text
from sqlalchemy import exc as sql
from sqlalchemy.sql.compiler import SQLCompiler

_FEW = 32
_NUMBERS = itertools.count(1)

Rows = list[tuple[Any, ...]]

_AMONG = {"sqlite": "{} IN (SELECT value FROM json_each(:among))", "postgresql": "{} = ANY(:among)"}


def rows_of(connection: Connection, query: Select[Any]) -> Rows:
    """Return all rows of a query."""
    result = connection.execute(query)
    with _translated(connection):
        rows: Rows = list(result.cursor.fetchall())
    result.close()
    return rows


class Stream:
    """The rows of one query, some at a time: they may be large, and more than the memory holds."""

    def __init__(self, connection: Connection, query: Select[Any]) -> None:
        self._connection = connection
        compiled = _compiled(connection, query)
        given: Any = compiled.construct_params()
        if compiled.positiontup is not None:
            given = [given[name] for name in compiled.positiontup]
        driver: Any = connection.connection
        # PostgreSQL hands out all rows at once, unless it is asked for a cursor by a name.
        named = connection.dialect.name == "postgresql"
        with _translated(connection):
            self._cursor = driver.cursor(f"stream_{next(_NUMBERS)}") if named else driver.cursor()
            self._cursor.execute(compiled.string, given)

    def take(self, count: int) -> Rows:
        """Return the next rows, none at the end."""
        with _translated(self._connection):
            rows: Rows = self._cursor.fetchmany(count)
        return rows

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        while rows := self.take(_FEW):
            yield from rows

    def close(self) -> None:
        """Let go of what was not taken."""
        self._cursor.close()


class Among:
    """A query for the rows of many keys that is asked again and again: compiled once, for one connection."""

    def __init__(self, connection: Connection, query: Select[Any], column: Column[str]) -> None:
        self._connection = connection
        self._lists = connection.dialect.name == "postgresql"
        compiled = _compiled(connection, query.where(among(connection, column)))
        self._statement = compiled.string
        self._named = not compiled.positional
        self._cursor: Any = connection.connection.cursor()

    def rows(self, keys: Collection[str]) -> Rows:
        """Return the rows of these keys."""
        given: Any = list(keys) if self._lists else json.dumps(list(keys))
        with _translated(self._connection):
            self._cursor.execute(self._statement, {"among": given} if self._named else (given,))
            return list(self._cursor.fetchall())


def _compiled(connection: Connection, query: Select[Any]) -> SQLCompiler:
    compiled = query.compile(dialect=connection.dialect)
    if not isinstance(compiled, SQLCompiler):
        raise TypeError(compiled)
    return compiled


def among(
    connection: Connection, column: Column[str], values: Collection[str] | None = None
) -> ColumnElement[bool]:
    """Say that a column of texts holds one of these, however many: one parameter, and always the same words."""
    dialect = connection.dialect.name
    condition = text(_AMONG[dialect].format(f"{column.table.name}.{column.name}"))
    if values is None:
        return condition.bindparams(bindparam("among"))  # type: ignore[return-value]
    given = json.dumps(list(values)) if dialect == "sqlite" else list(values)
    return condition.bindparams(among=given)  # type: ignore[return-value]


@contextmanager
def _translated(connection: Connection) -> Iterator[None]:
    """Let an error of the driver go out as SQLAlchemy's, which callers know."""
    driver: Any = connection.dialect.dbapi
    try:
        yield
    except driver.Error as fault:
        raise sql.DBAPIError.instance(None, None, fault, driver.Error, dialect=connection.dialect) from fault
