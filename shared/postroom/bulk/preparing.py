"""Reading a file into a ledger, with everything that is wrong with it told at once."""

from __future__ import annotations

from collections.abc import Iterator

from postroom.bulk.form import Form
from postroom.bulk.ledger import Ledger
from postroom.bulk.mailing import Columns, addressed
from postroom.bulk.sheet import Flaw, Sheet

MOST_TOLD = 20


class Flaws(ValueError):
    """Rows that no letter can be made of: the first of them, and how many there are."""

    def __init__(self) -> None:
        super().__init__("some rows can't be letters")
        self.told: list[Flaw] = []
        self.number = 0

    def add(self, flaw: Flaw) -> None:
        self.number += 1
        if len(self.told) < MOST_TOLD:
            self.told.append(flaw)

    def lines(self) -> Iterator[str]:
        yield from map(str, self.told)
        if (more := self.number - len(self.told)) > 0:
            yield f"… and {more:,} more"


def fill(ledger: Ledger, sheet: Sheet, columns: Columns, form: Form, *, twice: bool = False) -> None:
    """Put every row into the ledger; `twice` says whether a mailbox may have more than one. Raises `Flaws`."""
    flaws = Flaws()
    for row in sheet.rows():
        if isinstance(row, Flaw):
            flaws.add(row)
            continue
        read = addressed(row, columns, form)
        if isinstance(read, Flaw):
            flaws.add(read)
            continue
        mailbox, own = read
        before = None if twice else ledger.line_of(mailbox.key)
        if before is not None:
            what = f"{mailbox.address} is the recipient of line {before} too; --allow-duplicates sends to both"
            flaws.add(Flaw(row.line, what, columns.recipient))
            continue
        ledger.add(row.line, mailbox.key, own, row.cells)
    if flaws.number:
        raise flaws
