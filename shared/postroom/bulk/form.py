"""What a template wants to be filled in, as far as the one who sends may know."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,49}")
"""What a variable may be called: the API takes no other."""

LARGEST = 10**15  # of a number, as the API takes it


class Misfit(ValueError):
    """The template can't be filled in from such a file; str() says why and what to do."""


@dataclass(frozen=True, slots=True)
class Form:
    """The variables that a template declares: whether each is a number, and whether it can be left out."""

    numbers: frozenset[str] = frozenset()
    needed: frozenset[str] = frozenset()
    note: str | None = None  # what is to be told of it before it is used

    @classmethod
    def of(cls, template: Mapping[str, Any]) -> Form:
        """From an answer of GET /templates/{id}. Raises `Misfit` where no letter can be made of it yet."""
        name = template.get("alias") or template["id"]
        if template.get("published_at") is None:
            raise Misfit(f"the template {name} isn't published yet, and letters are made of what is published")
        declared = template.get("variables") or []
        changed = bool(template.get("has_unpublished_versions"))
        return cls(
            frozenset(each["key"] for each in declared if each["type"] == "number"),
            # What is shown is the draft: the published version may want less.
            frozenset(() if changed else (each["key"] for each in declared if each.get("fallback_value") is None)),
            f"the template {name} has changes that aren't published; letters don't have them" if changed else None,
        )

    def check(self, columns: Iterable[str]) -> None:
        """Raises `Misfit` naming every variable for which there is no column."""
        if missing := sorted(self.needed - set(columns)):
            raise Misfit(
                f"the template wants {', '.join(map(repr, missing))}, and there is no such column; "
                "name the column so, or give the variable a fallback"
            )

    def lacks(self, cells: Mapping[str, str]) -> str | None:
        """A variable that has no fallback and whose cell is empty."""
        return next((name for name, cell in cells.items() if not cell and name in self.needed), None)

    def value(self, name: str, cell: str) -> str | int | float:
        """What a cell is to the template. Raises ValueError."""
        if name not in self.numbers:
            return cell
        try:
            number = float(cell) if re.search(r"[.eE]", cell) else int(cell)
        except ValueError:
            number = math.nan
        if "_" in cell or not cell.isascii() or not abs(number) <= LARGEST:
            raise ValueError(f"{cell[:100]!r} is not a number such as 12 or 12.50, which the template wants here")
        return number
