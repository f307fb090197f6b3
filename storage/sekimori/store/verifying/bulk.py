"""Rows by the thousand, as plain tuples: what the database's driver gives, past everything that names columns."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, text

_AMONG = {"sqlite": "{} IN (SELECT value FROM json_each(:among))", "postgresql": "{} = ANY(:among)"}


def rows_of(connection: Connection, query: Select[Any]) -> list[tuple[Any, ...]]:
    """Return all rows of a query."""
    result = connection.execute(query)
    cursor: Any = result.cursor
    rows: list[tuple[Any, ...]] = list(cursor.fetchall())
    result.close()
    return rows


def each_of(connection: Connection, query: Select[Any]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query one by one, for those that may be large."""
    cursor: Any = connection.execute(query).cursor
    return iter(cursor)


def among(connection: Connection, column: Column[str], values: Collection[str]) -> ColumnElement[bool]:
    """Say that a column of texts holds one of these, however many: one parameter, and always the same words."""
    dialect = connection.dialect.name
    condition = text(_AMONG[dialect].format(f"{column.table.name}.{column.name}"))
    given = json.dumps(list(values)) if dialect == "sqlite" else list(values)
    return condition.bindparams(among=given)  # type: ignore[return-value]
