"""The webhooks of a deployment: the use case of `/webhooks` and of `postroom webhooks`.

All of them lie in one document. So whoever writes letters learns with one read, which he remembers, what anybody wants
to hear; each change is one conditional write; and nothing has to be kept in step with anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from postroom.account.standard_webhooks import SECRET
from postroom.account.vault import Vault, VaultError
from postroom.account.webhook import MOST, State, Webhook
from postroom.catalog import newest_first
from postroom.ports import Directory, Unavailable

PLACE = ("deployment", "webhooks")  # kind and key of the document
GONE = "webhook_gone"  # kind: by their ids, webhooks whose logs are to be removed unless they are still there
FAILING = "webhook_failing"  # kind: by their ids, since when nothing was delivered to webhooks

_TRIES = 40  # at a change that others keep getting in the way of
_LONGEST_PAUSE = 0.5  # seconds before the next of them
REMEMBERED = timedelta(seconds=2)
"""For how long at most a process may take what it knows of webhooks for what is so."""

_SECRET = "a webhook's signing secret"  # noqa: S105  the purpose in the vault

Change = Callable[[list[Webhook]], list[Webhook] | None]


class TooMany(Exception):
    """There are as many webhooks as may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """What the webhooks want to hear, for whoever writes letters: he needs no key to the vault."""

    memory: Directory  # what it says may be `REMEMBERED` old

    def wanted(self) -> Mapping[str, frozenset[str]]:
        """The types of events that each enabled webhook wants, by its id."""
        document = self.memory.get(*PLACE)
        if document is None:
            return {}
        return {
            each["id"]: frozenset(each["events"]) for each in document["webhooks"] if each["status"] == State.ENABLED
        }

    def ids(self) -> list[str]:
        """Those of all webhooks."""
        return [each.id for each in _webhooks(self.memory.get(*PLACE))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhooks:
    """The register. All raise `Unavailable`; what is changed is known to other processes within `REMEMBERED`."""

    directory: Directory  # as it is now
    memory: Directory  # as it was up to `REMEMBERED` ago
    vault: Vault
    clock: Callable[[], datetime]
    randomness: Callable[[int], bytes]
    pause: Callable[[float], None]  # for so many seconds

    def all(self) -> Sequence[Webhook]:
        """Newest first, as they are now."""
        return _webhooks(self.directory.get(*PLACE))

    def get(self, id_: str) -> Webhook | None:
        """The webhook. What is remembered of it will do as long as it says that it is there and enabled."""
        known = _found(_webhooks(self.memory.get(*PLACE)), id_)
        return known if known is not None and known.status is State.ENABLED else self.read(id_)

    def read(self, id_: str) -> Webhook | None:
        """The webhook as it is now."""
        return _found(self.all(), id_)

    def signing_secrets(self, webhook: Webhook) -> tuple[bytes, ...]:
        """Those that sign now, the newest first. Raises `VaultError` where the master keys open none of them."""
        secrets: list[bytes] = []
        lost = VaultError(f"the webhook {webhook.id} has no secret")
        for closed in webhook.signers(self.clock()):
            try:
                secrets.append(self.vault.open(closed, _SECRET))
            except VaultError as error:
                lost = error
        if not secrets:
            raise lost
        return tuple(secrets)

    def create(self, endpoint: str, events: Sequence[str]) -> tuple[Webhook, bytes]:
        """A webhook, enabled, and its secret. Raises `TooMany`."""
        now, secret = self.clock(), self.randomness(SECRET)
        made = Webhook(
            id=newest_first(now, self.randomness),
            endpoint=endpoint,
            events=tuple(dict.fromkeys(events)),
            secrets=(self.vault.close(secret, _SECRET),),
            created_at=now,
        )

        def added(webhooks: list[Webhook]) -> list[Webhook]:
            if len(webhooks) >= MOST:
                raise TooMany
            return sorted([*webhooks, made], key=lambda each: each.id)

        self._change(added)
        return made, secret

    def change(
        self,
        id_: str,
        *,
        endpoint: str | None = None,
        events: Sequence[str] | None = None,
        status: State | None = None,
    ) -> Webhook | None:
        """The webhook as changed, None where there is none. Enabling it clears what counted against it."""

        def changed(webhook: Webhook) -> Webhook:
            if endpoint is not None:
                webhook = replace(webhook, endpoint=endpoint)
            if events is not None:
                webhook = replace(webhook, events=tuple(dict.fromkeys(events)))
            if status is State.ENABLED:
                return webhook.enabled()
            return webhook if status is None or webhook.status is status else webhook.disabled(None)

        if status is State.ENABLED:
            self.directory.delete(FAILING, id_)
        return self._change_one(id_, changed)

    def rotate(self, id_: str) -> bytes | None:
        """A new secret, with which the old one signs along for 24 hours; None where there is no such webhook."""
        secret = self.randomness(SECRET)
        closed, now = self.vault.close(secret, _SECRET), self.clock()
        return None if self._change_one(id_, lambda webhook: webhook.rotated(closed, now)) is None else secret

    def disable(self, id_: str, why: str) -> bool:
        """Tell it nothing more, until somebody enables it. Whether it was there and enabled until now."""
        disabled = False

        def changed(webhook: Webhook) -> Webhook:
            nonlocal disabled
            disabled = webhook.status is State.ENABLED
            return webhook.disabled(why) if disabled else webhook

        self._change_one(id_, changed)
        return disabled

    def remove(self, id_: str) -> bool:
        """Whether it was there. Its log goes with the next sweeps."""
        if self.read(id_) is None:
            return False
        # First, so that no log is ever left behind. Whoever removes logs asks besides whether the webhook lives.
        self.directory.put(GONE, id_, {"at": self.clock().isoformat()})
        self._change(lambda webhooks: [each for each in webhooks if each.id != id_])
        return True

    def failing(self, id_: str, at: datetime) -> datetime:
        """Note that a post at `at` was in vain; since when all have been. Written when that begins, and no more."""
        noted = self.directory.get(FAILING, id_) or self.directory.create(FAILING, id_, {"since": at.isoformat()})
        return datetime.fromisoformat(noted["since"])

    def failing_later(self, id_: str, since: datetime, taken_at: datetime) -> None:
        """Correct the note that all posts have been in vain since `since`: it turned out that one wasn't."""
        self.directory.replace(FAILING, id_, {"since": taken_at.isoformat()}, over={"since": since.isoformat()})

    def well(self, id_: str) -> None:
        """Note that something was delivered: a healthy webhook's costs nothing but a look into the memory."""
        if self.memory.get(FAILING, id_) is not None:
            self.memory.delete(FAILING, id_)

    def _change_one(self, id_: str, changed: Callable[[Webhook], Webhook]) -> Webhook | None:
        def change(webhooks: list[Webhook]) -> list[Webhook] | None:
            if _found(webhooks, id_) is None:
                return None
            return [changed(each) if each.id == id_ else each for each in webhooks]

        return _found(self._change(change), id_)

    def _change(self, change: Change) -> Sequence[Webhook]:
        """Write what `change` makes of the webhooks, unless it is None or what was there. They as they are then."""
        for tried in range(_TRIES):
            if tried:  # each goes on at a moment of its own, or those who met would meet again
                chance = int.from_bytes(self.randomness(2), "big") / 2**16
                self.pause(chance * min(0.01 * 2**tried, _LONGEST_PAUSE))
            document = self.directory.get(*PLACE)
            before = _webhooks(document)
            after = change(list(before))
            if after is None or after == before:
                return before
            new = {"webhooks": [each.record() for each in after]}
            if document is None:
                done = self.directory.create(*PLACE, new) == new
            else:
                done = self.directory.replace(*PLACE, new, over=document)
            if done:
                return after
        raise Unavailable("the webhooks are being changed all the time")


def _webhooks(document: Mapping[str, Any] | None) -> list[Webhook]:
    return [] if document is None else [Webhook.from_record(each) for each in document["webhooks"]]


def _found(webhooks: Sequence[Webhook], id_: str) -> Webhook | None:
    return next((each for each in webhooks if each.id == id_), None)
