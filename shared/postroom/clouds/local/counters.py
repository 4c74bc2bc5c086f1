"""Counters in SQLite: a document for each name."""

from __future__ import annotations

import json
from typing import Any

from postroom.clouds.local.database import Database
from postroom.delivery.record import write_json
from postroom.ports import CLOCKS_DIFFER

_KIND = "count"


class LocalCounters:
    """Implements `Counters` over the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, stretch: int, number: int) -> int:
        def count(connection: Any) -> int:
            query = "SELECT document FROM documents WHERE kind = ? AND key = ?"
            row = connection.execute(query, (_KIND, name)).fetchone()
            at, counted = json.loads(row[0]) if row else (stretch, 0)
            if not stretch <= at <= stretch + CLOCKS_DIFFER:
                at, counted = stretch, 0
            connection.execute(
                "INSERT OR REPLACE INTO documents (kind, key, document) VALUES (?, ?, ?)",
                (_KIND, name, write_json([at, counted + number])),
            )
            return int(counted) + number

        return self._database.write(count, durable=False)
