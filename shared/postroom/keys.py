"""Making, listing and revoking API keys: the use case of `/api-keys` and of `postroom keys`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from postroom.account.key import ApiKey, new_token, token_hash
from postroom.catalog import Catalog, newest_first
from postroom.ports import Cursor, Directory, Page, Unavailable

KIND = "api_key"
USED_EVERY = timedelta(hours=1)  # how exactly it is known when a key was last used

_TRIES = 5  # at a change that others keep getting in the way of


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a deployment, each under the hash of its token."""

    directory: Directory

    def make(self, key: ApiKey, randomness: Callable[[int], bytes]) -> tuple[ApiKey, str]:
        """Store the key under an id of its own. The key, and its token, which nobody can read again."""
        made = replace(key, id=newest_first(key.created_at, randomness))
        token = new_token(randomness(32))
        self._catalog.add(token_hash(token), made.record())
        return made, token

    def page(self, cursor: Cursor) -> Page[ApiKey]:
        """Newest first, those that have expired too. Raises `UnknownCursor`."""
        self._catalog.list_those_of_old()
        page = self._catalog.page(cursor)
        return Page(tuple(ApiKey.from_record(each) for each in page.items), page.has_more)

    def rename(self, id_: str, name: str) -> ApiKey | None:
        """The key under its new name, or None where there is no such key. Raises `Unavailable`."""
        for _ in range(_TRIES):
            found = self._found(id_)
            if found is None:
                return None
            hashed, document = found
            renamed = {**document, "name": name}
            if self.directory.replace(KIND, hashed, renamed, over=document):
                return ApiKey.from_record(renamed)
        raise Unavailable(f"the API key {id_} is being changed all the time")

    def revoke(self, id_: str) -> bool:
        """Whether it was there. Processes that remember it let it in until `POSTROOM_CACHE` is over."""
        found = self._found(id_)
        return found is not None and self._catalog.remove(found[0]) is not None

    def used(self, hashed: str, document: Mapping[str, Any], now: datetime) -> None:
        """Note that the key is in use, where nobody has within the hour. A key that was revoked stays so."""
        last = document.get("last_used_at")
        if last is None or now - datetime.fromisoformat(last) >= USED_EVERY:
            self.directory.replace(KIND, hashed, {**document, "last_used_at": now.isoformat()}, over=document)

    @property
    def _catalog(self) -> Catalog:
        return Catalog(self.directory, KIND)

    def _found(self, id_: str) -> tuple[str, Mapping[str, Any]] | None:
        self._catalog.list_those_of_old()
        return self._catalog.by_id(id_)


class Uses:
    """Notes when keys are used, for one process: of each key once an hour at most, whatever comes of it."""

    def __init__(self, keys: Keys, clock: Callable[[], datetime], troubled: Callable[[Unavailable], None]) -> None:
        self._keys = keys
        self._clock = clock
        self._troubled = troubled
        self._noted: dict[str, datetime] = {}  # holds no more than there are keys: only those that were let in

    def known(self, hashed: str) -> bool:
        """Whether this process has let the key in before."""
        return hashed in self._noted

    def note(self, hashed: str, document: Mapping[str, Any]) -> None:
        """The key was let in just now. Never raises `Unavailable`: that is no reason to turn anybody away."""
        now = self._clock()
        noted = self._noted.get(hashed)
        if noted is not None and now - noted < USED_EVERY:
            return
        self._noted[hashed] = now
        try:
            self._keys.used(hashed, document, now)
        except Unavailable as error:
            self._troubled(error)
