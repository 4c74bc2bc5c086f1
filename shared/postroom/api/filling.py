"""Letters that are made of a template: what their request leaves to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import thread_time
from typing import TYPE_CHECKING, Any

from marshmallow import ValidationError

from postroom.account.template import Template
from postroom.account.unsubscribe import UNSUBSCRIBE_URL, has_marker
from postroom.api.pages import as_id
from postroom.api.problems import MISSING
from postroom.api.schemas import LONGEST_SUBJECT
from postroom.filling import Published, Ready, Unpublished
from postroom.message.letter import check_text
from postroom.templates import UnknownTemplate

if TYPE_CHECKING:
    from postroom.rendering.budget import Allowance

_NO_URL = (
    "it uses `unsubscribe_url`, which is made for letters to exactly one recipient; to write to several, send a batch "
    "with an item for each"
)

_DEAD = "it holds `{{ unsubscribe_url }}`, for which a link is made only with `delivery.unsubscribe`: set that to true"


@dataclass(slots=True)
class Filling:
    """Of one request, whose letters share what filling them in may take."""

    published: Published
    unsubscribe_url: Callable[[Mapping[str, Any]], str | None]  # None where it isn't to exactly one recipient
    _allowance: Allowance | None = None
    _known: dict[str, tuple[Template, Ready]] = field(default_factory=dict)

    def __call__(self, email: dict[str, Any]) -> dict[str, Any]:
        """The letter with what its template, if it has one, makes of it, and with its link to unsubscribe.

        Raises `ValidationError`.
        """
        if email["template"] is not None:
            email = self._filled(email, email["template"])
        elif not email["delivery"].get("unsubscribe"):
            _check_unlinked(email)
        if email["delivery"].get("unsubscribe") and "unsubscribe_url" not in email:
            email = email | {"unsubscribe_url": self.unsubscribe_url(email)}
        return email

    def _filled(self, email: dict[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
        head, ready = self._ready(as_id(asked["id"]) or asked["id"])
        email = _completed(email, ready)
        variables = _checked(ready, asked["variables"])
        url = self.unsubscribe_url(email) if ready.letter.unsubscribes else None
        if ready.letter.unsubscribes and url is None:
            raise _flaw(_NO_URL)
        from postroom.rendering.budget import Allowance, Flaw

        if self._allowance is None:
            self._allowance = Allowance(thread_time)
        try:
            filled = ready.letter.filled(
                variables, self._allowance, unsubscribe_url=url, subject=email["subject"] is None
            )
        except Flaw as flaw:
            raise _flaw(f"{head.alias or head.name} can't be filled in: its {flaw.part}, {flaw.sentence}") from None
        subject = email["subject"] if filled.subject is None else _subject(filled.subject)
        made = {"subject": subject, "html": filled.html, "text": filled.text}
        return email | made | ({} if url is None else {"unsubscribe_url": url})

    def _ready(self, name: str) -> tuple[Template, Ready]:
        if name not in self._known:
            try:
                self._known[name] = self.published(name)
            except UnknownTemplate:
                raise _flaw("there is no template with this id or alias") from None
            except Unpublished:
                raise _flaw("the template isn't published, and letters are made of what is") from None
        return self._known[name]


def _check_unlinked(email: Mapping[str, Any]) -> None:
    """Raises `ValidationError` where a letter that doesn't offer to unsubscribe has a place for the link."""
    dead = [name for name in ("html", "text") if has_marker(email[name])]
    if dead:
        raise ValidationError({name: [_DEAD] for name in dead})


def _flaw(text: str) -> ValidationError:
    return ValidationError({"template": {"id": [text]}})


def _completed(email: dict[str, Any], ready: Ready) -> dict[str, Any]:
    """The letter with the template's sender and where answers go, unless it says these itself."""
    missing = {}
    if email["sender"] is None and ready.sender is None:
        missing["from"] = [MISSING]
    if email["subject"] is None and not ready.has_subject:
        missing["subject"] = [MISSING]
    if missing:
        raise ValidationError(missing)
    return email | {"sender": email["sender"] or ready.sender, "reply_to": email["reply_to"] or ready.reply_to}


def _checked(ready: Ready, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The variables with the fallbacks of those that are left out. What the template doesn't use is passed over."""
    flaws: dict[str, list[str]] = {}
    if UNSUBSCRIBE_URL in given:
        flaws[UNSUBSCRIBE_URL] = ["the link is made for each letter, where its template uses it; leave it out"]
    for variable in ready.variables:
        if variable.key not in given:
            if variable.fallback is None:
                flaws[variable.key] = [MISSING]
        elif not variable.suits(given[variable.key]):
            flaws[variable.key] = [f"the template declares it as a {variable.type}, and this isn't one"]
    if flaws:
        raise ValidationError({"template": {"variables": flaws}})
    return {**ready.fallbacks, **given}


def _subject(filled: str) -> str:
    """The subject on one line, whatever the variables held."""
    subject = " ".join(filled.split())
    try:
        check_text(subject)
    except ValueError as error:
        raise ValidationError({"subject": [f"as the template makes it, {error}"]}) from None
    if len(subject) > LONGEST_SUBJECT:
        raise ValidationError(
            {"subject": [f"as the template makes it, it is longer than {LONGEST_SUBJECT} characters"]}
        )
    return subject
