"""Backups of a database, row by row: the same on SQLite and on PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select

from sekimori.store.tables import METADATA
from support.evidence import Installation


def backup(house: Installation) -> dict[str, list[dict[str, Any]]]:
    """Copy every row."""
    with house.outsider() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
            for table in METADATA.sorted_tables
        }


def restore(house: Installation, saved: dict[str, list[dict[str, Any]]]) -> None:
    """Put the rows of a backup in the place of those that are there."""
    with house.outsider() as connection:
        for table in METADATA.sorted_tables:
            connection.execute(table.delete())
            if saved[table.name]:
                connection.execute(insert(table), saved[table.name])
    house.store_keys.cache.clear()
