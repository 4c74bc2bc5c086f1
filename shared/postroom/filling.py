"""Making letters of templates: what is published is read once in a process, and then filled in for each letter."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING

from postroom.account.template import Template, Version
from postroom.message.address import Mailbox
from postroom.templates import Templates, UnknownTemplate

if TYPE_CHECKING:
    from postroom.rendering.letter import LetterTemplate

_MOST = 64  # versions that a process keeps ready


class Unpublished(LookupError):
    """The template was never published."""


class Ready:
    """A version that letters can be made of."""

    def __init__(self, version: Version) -> None:
        # What reads templates takes its time to import: letters without one don't wait for it.
        from postroom.rendering.letter import LetterTemplate

        self.letter: LetterTemplate = LetterTemplate.read(version.subject, version.html, version.text)
        self.sender = None if version.sender is None else Mailbox.parse(version.sender)
        self.reply_to = tuple(map(Mailbox.parse, version.reply_to))
        self.has_subject = version.subject is not None
        self.variables = version.variables

    @cached_property
    def fallbacks(self) -> Mapping[str, str | int | float]:
        return {each.key: each.fallback for each in self.variables if each.fallback is not None}


@dataclass(frozen=True, slots=True)
class Published:
    """The published versions, ready to be filled in: the last ones that were asked for are kept."""

    templates: Templates  # as this process remembers them
    afresh: Templates
    _ready: OrderedDict[str, Ready] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def __call__(self, id_or_alias: str) -> tuple[Template, Ready]:
        """Raises `UnknownTemplate`, `Unpublished`, `Unavailable`, or `Flaw` where it was stored by other rules."""
        head, number = self._published(id_or_alias)
        with self._lock:
            ready = self._ready.get(number)
            if ready is not None:
                self._ready.move_to_end(number)
                return head, ready
        version = self.templates.version(number)
        if version is None:  # the template was deleted, and this process still remembers it
            raise UnknownTemplate(id_or_alias)
        ready = Ready(version)
        with self._lock:
            self._ready[number] = ready
            while len(self._ready) > _MOST:
                self._ready.popitem(last=False)
        return head, ready

    def _published(self, id_or_alias: str) -> tuple[Template, str]:
        """With the id of the version. Nobody is refused for what this process remembers of a moment ago."""
        try:
            head = self.templates.head(id_or_alias)
        except UnknownTemplate:
            head = self.afresh.head(id_or_alias)
        if head.published is None:
            head = self.afresh.head(id_or_alias)
        if head.published is None:
            raise Unpublished(id_or_alias)
        return head, head.published
