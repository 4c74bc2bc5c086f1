"""What the letters of a bulk run have in common, and what a row makes of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from postroom.bulk.form import NAME, Form, Misfit
from postroom.bulk.sheet import Flaw, Row
from postroom.message.address import InvalidAddress, Mailbox

CAMPAIGN = "campaign"
"""The tag by which the letters of a run are found again."""

RECIPIENT, DISPLAY_NAME = ("email", "to"), "name"
"""What the columns of addresses and of display names are called, in letters of any case."""

MOST_VARIABLES = 200
"""Of a letter; the API takes no more."""

_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns say whom a letter is for; all but the first fill in the template."""

    recipient: str
    name: str | None
    variables: tuple[str, ...]

    @classmethod
    def of(cls, columns: Sequence[str], recipient: str | None) -> Columns:
        """Raises `Misfit`."""
        wanted = RECIPIENT if recipient is None else (recipient.lower(),)
        found = next((each for name in wanted for each in columns if each.lower() == name), None)
        if found is None:
            names = " or ".join(map(repr, wanted))
            raise Misfit(
                f"no column is called {names}: the columns are {', '.join(columns)}; --to-column names another"
            )
        variables = tuple(each for each in columns if each != found)
        if len(variables) > MOST_VARIABLES:
            raise Misfit(
                f"there are {len(variables)} columns of variables, and a letter takes {MOST_VARIABLES} at most"
            )
        for each in variables:
            if not NAME.fullmatch(each):
                raise Misfit(
                    f"the column {each!r} can't be a variable: up to 50 ASCII letters, digits and `_`, a letter first"
                )
        return cls(found, next((each for each in variables if each.lower() == DISPLAY_NAME), None), variables)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailing:
    """The options of a run."""

    template: str
    sender: str | None = None
    reply_to: tuple[str, ...] = ()
    subject: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    scheduled_at: str | None = None
    unsubscribe: bool = False
    campaign: str = ""

    def named(self, file: str, digest: str) -> Mailing:
        """With a campaign: its own, or one that the same file, template and options always make."""
        if self.campaign:
            return self
        told = hashlib.sha256(f"{digest}{json.dumps(self.common(), sort_keys=True)}".encode()).hexdigest()
        words = re.sub(r"[^A-Za-z0-9_]+", "-", f"{file}-{self.template}").strip("-")
        return replace(self, campaign=f"{words[:100]}-{told[:12]}")

    def common(self) -> dict[str, Any]:
        """The members that every letter has."""
        tags = (*([(CAMPAIGN, self.campaign)] if self.campaign else []), *self.tags)
        members = {
            "from": self.sender,
            "reply_to": list(self.reply_to),
            "subject": self.subject,
            "tags": [{"name": name, "value": value} for name, value in tags],
            "scheduled_at": self.scheduled_at,
            "delivery": {"unsubscribe": True} if self.unsubscribe else None,
        }
        return {name: value for name, value in members.items() if value}

    def letter(self, common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
        """An item of a batch, of what is common and what `addressed` has told."""
        return {**common, "to": own["to"], "template": {"id": self.template, "variables": own["variables"]}}


def addressed(row: Row, columns: Columns, form: Form) -> tuple[Mailbox, dict[str, Any]] | Flaw:
    """Whom the row's letter is for, and what is its own in it.

    An empty cell is no value: the template's fallback stands in for it.
    """
    written = row.cells[columns.recipient].strip()
    if not written:
        return Flaw(row.line, "it is empty, and says whom the letter is for", columns.recipient)
    try:
        mailbox = Mailbox.parse(written)
    except InvalidAddress as error:
        return Flaw(row.line, f"{written[:100]!r} is no address: {error}", columns.recipient)
    name = row.cells[columns.name].strip() if columns.name else ""
    if name:
        try:
            mailbox = Mailbox.parse(str(replace(mailbox, name=name)))
        except InvalidAddress as error:
            return Flaw(row.line, f"{name[:100]!r} can't be a recipient's name: {error}", columns.name)
    cells = {each: row.cells[each] for each in columns.variables}
    if (empty := form.lacks(cells)) is not None:
        return Flaw(row.line, "it is empty, and the template has no fallback for it", empty)
    variables: dict[str, Any] = {}
    for each, cell in cells.items():
        if cell:
            try:
                variables[each] = form.value(each, cell)
            except ValueError as error:
                return Flaw(row.line, str(error), each)
    return mailbox, {"to": str(mailbox), "variables": variables}


def tag(text: str) -> tuple[str, str]:
    """Read `name=value`. Raises ValueError."""
    name, equals, value = text.partition("=")
    if not equals or not _TAG.fullmatch(name) or not _TAG.fullmatch(value):
        raise ValueError(f"{text!r} is not name=value, each of 1 to 256 ASCII letters, digits, `_` and `-`")
    if name == CAMPAIGN:
        raise ValueError(f"the tag {CAMPAIGN} is what --campaign sets")
    return name, value


def campaign(text: str) -> str:
    """Raises ValueError."""
    if not _TAG.fullmatch(text):
        raise ValueError(f"{text!r} can't be a campaign's name: it has 1 to 256 ASCII letters, digits, `_` and `-`")
    return text
