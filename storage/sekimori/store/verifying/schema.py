"""The shape of the database, held against the one that the migrations made.

Whoever owns a database can let it lie without touching a row: a trigger undoes what a command does, a table
without its key holds a row twice, an index that lacks a row hides it, a text that is none stops whoever reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table, Text, UniqueConstraint, inspect

from sekimori.store.tables import METADATA
from sekimori.store.verifying.faults import Fault

_NAME, _DATABASE = "schema", "database"
_MOST = 100
"""So many rows of a kind are named; one is enough to know."""
_COLUMNS = """
    SELECT t.name, c.name, c.pk FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table'
"""
_INDEXES = """
    SELECT t.name, l.name, l."unique", l.partial, i.name, x.sql
    FROM sqlite_master t, pragma_index_list(t.name) l, pragma_index_info(l.name) i
    LEFT JOIN sqlite_master x ON x.type = 'index' AND x.name = l.name
    WHERE t.type = 'table' AND l.origin <> 'pk' ORDER BY l.name, i.seqno
"""
_PARTED_BY = ("time_us",)
_PARTED = """
    SELECT relname FROM pg_class WHERE relkind = 'p' AND relnamespace = current_schema()::regnamespace
"""
_UNUSED = """
    SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE NOT (i.indisvalid AND i.indisready) AND c.relnamespace = current_schema()::regnamespace
"""
_ACTING = {
    "sqlite": "SELECT name, 'a trigger on ' || tbl_name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": """
        SELECT g.tgname, 'a trigger on ' || c.relname FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
        WHERE NOT g.tgisinternal AND c.relnamespace = current_schema()::regnamespace
        UNION ALL SELECT r.rulename, 'a rule on ' || c.relname FROM pg_rewrite r
        JOIN pg_class c ON c.oid = r.ev_class
        WHERE r.rulename <> '_RETURN' AND c.relnamespace = current_schema()::regnamespace
        UNION ALL SELECT c.relname, 'row security' FROM pg_class c
        WHERE c.relrowsecurity AND c.relnamespace = current_schema()::regnamespace
    """,
}

_Indexes = dict[str, tuple[bool, str, tuple[str, ...]]]
"""By name: whether rows must differ in it, which rows it holds ("" for all), its columns."""


@dataclass(slots=True)
class _Shape:
    """A table: its columns, what tells its rows apart, its indexes."""

    columns: set[str] = field(default_factory=set)
    key: tuple[str, ...] = ()
    indexes: _Indexes = field(default_factory=dict)


def reshaped(connection: Connection, *, thorough: bool) -> Iterator[Fault]:
    """Name what acts by itself and tables of another shape; ``thorough`` holds each index against its rows, too."""
    dialect = connection.dialect.name
    for name, what in connection.exec_driver_sql(_ACTING[dialect]):
        yield Fault(_NAME, str(name), "extra", f"{what}, which nobody here made")
    there = _sqlite(connection) if dialect == "sqlite" else _reflected(connection)
    for table in METADATA.tables.values():
        if (shape := there.get(str(table.name))) is not None:
            yield from _differences(table, _expected(table, dialect), shape)
    if dialect == "postgresql":
        for index in connection.exec_driver_sql(_UNUSED).scalars():
            yield Fault(_DATABASE, str(index), "altered", "an index that is not in use")
    elif thorough:
        said = connection.exec_driver_sql(f"PRAGMA integrity_check({_MOST})").scalars()
        yield from (Fault(_DATABASE, "", "altered", str(one)) for one in said if one != "ok")


def garbled(connection: Connection) -> Iterator[Fault]:
    """Name texts that are none in UTF-8, which SQLite keeps and nobody can read; slow, for when that was met."""
    if connection.dialect.name != "sqlite":
        return
    there = _sqlite(connection)
    for table in (table for table in METADATA.tables.values() if table.name in there):
        texts = {column.name for column in table.columns if isinstance(column.type, Text)}
        if not {column.name for column in table.primary_key} <= there[table.name].columns:
            continue  # it is named already: nothing tells its rows apart
        key = " || '/' || ".join(f"quote({column.name})" for column in table.primary_key)
        for name in sorted(texts & there[table.name].columns):
            rows = connection.exec_driver_sql(
                f"SELECT CAST({key} AS BLOB), CAST({name} AS BLOB) FROM {table.name}"  # noqa: S608 (names of ours)
            )
            wrong = (row for row in rows if row[1] is not None and not _is_text(row[1]))
            for at, _ in islice(wrong, _MOST):
                where = at.decode("utf-8", "replace").replace("'", "")
                yield Fault(str(table.name), where, "altered", f"its {name} is no text in UTF-8")


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _differences(table: Table, expected: _Shape, found: _Shape) -> Iterator[Fault]:
    name = str(table.name)
    if found.columns != expected.columns:
        yield Fault(_NAME, name, "altered", "it has other columns than ours")
    if found.key != expected.key:
        yield Fault(_NAME, name, "altered", f"rows are not told apart by {', '.join(expected.key)}")
    for index, shape in sorted(expected.indexes.items()):
        if index not in found.indexes:
            yield Fault(_NAME, index, "missing", f"an index of {name}")
        elif found.indexes[index] != shape:
            yield Fault(_NAME, index, "altered", f"an index of {name} that holds something else than ours")


def _expected(table: Table, dialect: str) -> _Shape:
    shape = _Shape({column.name for column in table.columns}, tuple(c.name for c in table.primary_key))
    for index in table.indexes:
        where = index.dialect_options[dialect]["where"]
        columns = tuple(column.name for column in index.columns)
        shape.indexes[str(index.name)] = (bool(index.unique), _where(where, dialect), columns)
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            columns = tuple(column.name for column in constraint.columns)
            shape.indexes[",".join(columns)] = (True, "", columns)
    return shape


def _sqlite(connection: Connection) -> Mapping[str, _Shape]:
    found: dict[str, _Shape] = {}
    keys: dict[str, dict[int, str]] = {}
    for table, column, at in connection.exec_driver_sql(_COLUMNS):
        found.setdefault(table, _Shape()).columns.add(column)
        if at:
            keys.setdefault(table, {})[at] = column
    for table, key in keys.items():
        found[table].key = tuple(key[at] for at in sorted(key))
    columns: dict[tuple[str, str], list[str]] = {}
    kinds: dict[tuple[str, str], tuple[bool, str, bool]] = {}
    for table, index, unique, partial, column, written in connection.exec_driver_sql(_INDEXES):
        columns.setdefault((table, index), []).append(str(column))
        where = re.split(r"(?i)\bwhere\b", written or "", maxsplit=1)[1:]
        kinds[table, index] = bool(unique), _plain(where[0]) if partial and where else "", written is None
    for (table, index), (is_unique, where_, by_itself) in kinds.items():
        names = tuple(columns[table, index])
        found[table].indexes[",".join(names) if by_itself else index] = (is_unique, where_, names)
    return found


def _reflected(connection: Connection) -> Mapping[str, _Shape]:
    inspector = inspect(connection)
    wanted = sorted(set(inspector.get_table_names()) & METADATA.tables.keys())
    found = {name: _Shape() for name in wanted}
    for (_, name), columns in inspector.get_multi_columns(filter_names=wanted).items():
        found[name].columns = {column["name"] for column in columns}
    parts = set(connection.exec_driver_sql(_PARTED).scalars())
    for (_, name), key in inspector.get_multi_pk_constraint(filter_names=wanted).items():
        columns_ = tuple(key["constrained_columns"])
        # A key over all parts of a table names what it is parted by, too.
        found[name].key = columns_[:-1] if name in parts and columns_[-1:] == _PARTED_BY else columns_
    for (_, name), indexes in inspector.get_multi_indexes(filter_names=wanted).items():
        for index in indexes:
            columns_ = tuple(str(column) for column in index["column_names"])
            options: dict[str, Any] = index.get("dialect_options") or {}
            where = "partial" if options.get("postgresql_where") else ""
            by_itself = "duplicates_constraint" in index
            label = ",".join(columns_) if by_itself else str(index["name"])
            found[name].indexes[label] = (bool(index["unique"]), where, columns_)
    return found


def _where(condition: Any, dialect: str) -> str:
    if condition is None:
        return ""
    # PostgreSQL writes a condition in its own words.
    return _plain(str(condition)) if dialect == "sqlite" else "partial"


def _plain(condition: str) -> str:
    return re.sub(r"\b\w+\.", "", " ".join(condition.split())).strip("() ").lower()
