"""A template as it is filled in: its subject, its HTML and its text, each read once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from postroom.account.unsubscribe import UNSUBSCRIBE_URL
from postroom.message.plain import text_of
from postroom.rendering.budget import Allowance, Budget, Flaw, TooMuch
from postroom.rendering.inlining import inlined_once
from postroom.rendering.sandbox import HTML, PLAIN
from postroom.rendering.source import Source
from postroom.rendering.styles import has_styles, inlined


@dataclass(frozen=True, slots=True)
class Filled:
    """What came of it. A `text` of "" is none, and None is one to be made from the HTML."""

    subject: str | None
    html: str
    text: str | None


@dataclass(frozen=True, slots=True)
class LetterTemplate:
    """The parts of one template."""

    subject: Source | None
    html: Source
    text: Source | None  # None where there is to be none, or where only the filled in HTML tells what it says
    has_text: bool
    names: frozenset[str]  # the variables that it uses
    styled: bool  # its CSS has to be put in place letter by letter

    @classmethod
    def read(cls, subject: str | None, html: str, text: str | None) -> LetterTemplate:
        """Raises `Flaw`. Where there is no text, one is made from the HTML."""
        parts = (
            None if subject is None else Source.read("subject", subject, PLAIN),
            Source.read("html", html, HTML),
            _text(html, text),
        )
        styled = has_styles(html)
        with _affordable():
            settled = inlined_once(html, HTML)
        if settled is not None:
            parts = (parts[0], Source.read("html", settled, HTML), parts[2])
        names = frozenset[str]().union(*(part.names for part in parts if part is not None))
        return cls(*parts, has_text=text != "", names=names, styled=styled and settled is None)

    @property
    def unsubscribes(self) -> bool:
        """Whether it needs a URL for that."""
        return UNSUBSCRIBE_URL in self.names

    def filled(
        self, variables: Mapping[str, Any], allowance: Allowance, *, unsubscribe_url: str | None, subject: bool = True
    ) -> Filled:
        """A letter's parts; the subject only where it is wanted. Raises `Flaw`."""
        if unsubscribe_url is not None:
            variables = {**variables, UNSUBSCRIBE_URL: unsubscribe_url}
        budget = Budget(allowance)
        try:
            about = self.subject.filled(variables, budget) if self.subject is not None and subject else None
            html = self.html.filled(variables, budget)
            if self.styled:
                with _affordable():
                    html = inlined(html, budget)
            text = self.text.filled(variables, budget) if self.text is not None else None if self.has_text else ""
        finally:
            budget.settle()
        return Filled(about, html, text)


@contextmanager
def _affordable() -> Iterator[None]:
    """Raises `Flaw` where styles take too much."""
    try:
        yield
    except TooMuch as error:
        raise Flaw(f"its styles take too much to be put into its elements: {error}", "html") from None


def _text(html: str, text: str | None) -> Source | None:
    if text is not None:
        return Source.read("text", text, PLAIN) if text else None
    try:
        return Source.read("text", text_of(html), PLAIN)
    except Flaw:
        # A statement within a tag is lost with the tag, and what is left can't be filled in.
        return None
