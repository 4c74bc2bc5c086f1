"""The directory in SQLite: a row a document."""

from __future__ import annotations

import builtins
import json
from collections.abc import Mapping, Sequence
from typing import Any

from postroom.clouds.local.database import Database
from postroom.delivery.record import write_json


class LocalDirectory:
    """Implements `Directory` over the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, kind: str, key: str) -> Mapping[str, Any] | None:
        rows = self._database.read("SELECT document FROM documents WHERE kind = ? AND key = ?", kind, key)
        return _document(rows[0][0]) if rows else None

    def create(self, kind: str, key: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        row = (kind, key, write_json(document))

        def insert(connection: Any) -> str:
            # An update of nothing, since only a row that was written is returned.
            ((stored,),) = connection.execute(
                """INSERT INTO documents (kind, key, document) VALUES (?, ?, ?)
                   ON CONFLICT (kind, key) DO UPDATE SET document = document RETURNING document""",
                row,
            ).fetchall()
            return str(stored)

        return _document(self._database.write(insert))

    def put(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        row = (kind, key, write_json(document))
        self._database.write(
            lambda connection: connection.execute(
                """INSERT INTO documents (kind, key, document) VALUES (?, ?, ?)
                   ON CONFLICT (kind, key) DO UPDATE SET document = excluded.document""",
                row,
            )
        )

    def get_many(self, kind: str, keys: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        found = self._database.read(
            "SELECT key, document FROM documents WHERE kind = ? AND key IN (SELECT value FROM json_each(?))",
            kind,
            write_json(list(keys)),
        )
        return {key: _document(document) for key, document in found}

    def replace(self, kind: str, key: str, document: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
        row = (write_json(document), kind, key)

        def update(connection: Any) -> bool:
            stored = connection.execute("SELECT document FROM documents WHERE kind = ? AND key = ?", row[1:]).fetchone()
            if stored is None or _document(stored[0]) != over:
                return False
            connection.execute("UPDATE documents SET document = ? WHERE kind = ? AND key = ?", row)
            return True

        return self._database.write(update)

    def delete(self, kind: str, key: str) -> bool:
        return self._database.write(
            lambda connection: (
                connection.execute("DELETE FROM documents WHERE kind = ? AND key = ?", (kind, key)).rowcount == 1
            )
        )

    def list(self, kind: str, after: str = "", limit: int = 100) -> Sequence[tuple[str, Mapping[str, Any]]]:
        rows = self._database.read(
            "SELECT key, document FROM documents WHERE kind = ? AND key > ? ORDER BY key LIMIT ?", kind, after, limit
        )
        return [(key, _document(document)) for key, document in rows]


def _document(stored: str) -> Mapping[str, Any]:
    document: builtins.dict[str, Any] = json.loads(stored)
    return document
