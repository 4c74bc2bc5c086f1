"""`postroom send --csv`: letters to many, and what became of them."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from postroom.bulk.following import UNDER_WAY, Following, follow
from postroom.bulk.form import Form, Misfit
from postroom.bulk.ledger import Ledger
from postroom.bulk.mailing import Columns, Mailing
from postroom.bulk.mailing import campaign as read_campaign
from postroom.bulk.mailing import tag as read_tag
from postroom.bulk.patience import Patience
from postroom.bulk.posting import Lapsed, NothingTaken, Posting
from postroom.bulk.preparing import Flaws, fill
from postroom.bulk.sheet import REFUSAL, Sheet, SheetError, counted
from postroom.cli.progress import Progress, progress
from postroom.cli.summary import PATIENCE, refusals_written, show, summed_up, tell_refusals, tell_what_is_open
from postroom.client import ApiError, Client
from postroom.smtp.spelling import positive

INTERRUPTED = 130  # the exit status that shells give to SIGINT


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """What the command line asks for."""

    file: Path
    mailing: Mailing
    to_column: str | None
    numbers: frozenset[str]  # columns of them
    delimiter: str
    twice: bool
    dry_run: bool
    yes: bool
    errors: Path | None
    wait: bool | None  # None: unless the letters go later
    seconds: float  # to wait at most
    as_json: bool

    @property
    def waits(self) -> bool:
        return not self.mailing.scheduled_at if self.wait is None else self.wait


class Stopped(Exception):
    """The run ends before its end; the text says how to go on."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


def send_rows(api: Client, asked: Bulk) -> None:
    """Send one letter for each row; the exit status says whether all went well."""
    meter = progress()
    patience = Patience(api, PATIENCE, meter.note)
    form = _form(patience, asked)
    with _complaints(asked.file), closing(Ledger()) as ledger:
        mailing, columns = _prepared(ledger, asked, form or Form())
        posting = Posting(patience, ledger, mailing)
        size = f"{counted(ledger.rows, 'letter')} in {counted(ledger.batches, 'batch', 'batches')}"
        click.echo(f"{size}, as campaign {mailing.campaign}", err=True)
        if form and form.note:
            click.echo(form.note, err=True)
        if asked.dry_run:
            click.echo(json.dumps(posting.letters(0)[1][0], indent=2, ensure_ascii=False))
            return
        begun = posting.begun(datetime.now(UTC)) if form else None
        if begun is not None:
            click.echo(f"it was begun at {begun:%Y-%m-%d %H:%M} UTC; what was accepted isn't sent twice", err=True)
        if not asked.yes:
            _confirm()
        stopped = None
        with refusals_written(asked.errors, asked.file, ledger, columns, asked.delimiter):
            try:
                with meter:
                    _post(posting, meter)
                    if form and asked.waits and ledger.accepted:
                        _wait(patience, mailing, ledger, meter, asked)
            except Stopped as error:
                stopped = error
        outcome = summed_up(patience, ledger, mailing.campaign)
        tell_refusals(ledger)
        show(outcome, as_json=asked.as_json)
        if stopped is not None:
            click.echo(str(stopped), err=True)
        tell_what_is_open(outcome, may_read=form is not None)
    sys.exit(stopped.status if stopped else 0 if outcome.good else 1)


@contextmanager
def _complaints(file: Path) -> Iterator[None]:
    """What is wrong with the file, or with the run, ends the command with its text."""
    try:
        yield
    except Flaws as error:
        lines = "\n  ".join(error.lines())
        raise click.ClickException(f"{file}: nothing was sent, since these rows can't be letters:\n  {lines}") from None
    except (SheetError, Misfit, OSError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise click.ClickException(f"{file}: {why}") from error
    except Lapsed as error:
        raise click.ClickException(str(error)) from error
    except sqlite3.Error as error:
        raise click.ClickException(
            f"the temporary file that keeps account of the rows can't be used: {error}"
        ) from error


def _form(patience: Patience, asked: Bulk) -> Form | None:
    """None where the key may send and nothing else. Raises `ClickException` where the template can't be used."""
    try:
        return Form.of(patience.call("GET", f"/templates/{quote(asked.mailing.template, safe='')}"))
    except ApiError as error:
        if error.name != "restricted_api_key":
            raise click.ClickException(f"the template {asked.mailing.template}: {error}") from error
    except Misfit as error:
        raise click.ClickException(str(error)) from error
    if asked.wait:
        raise click.ClickException("--wait needs a key that may read, and this one may send and nothing else")
    return None


def _prepared(ledger: Ledger, asked: Bulk, form: Form) -> tuple[Mailing, tuple[str, ...]]:
    """The mailing with its campaign, and the file's columns. Raises `SheetError`, `Misfit`, `Flaws`."""
    with asked.file.open("rb") as file:
        sheet = Sheet(file, asked.delimiter)
        columns = Columns.of([name for name in sheet.columns if name != REFUSAL], asked.to_column)
        if unknown := sorted(asked.numbers - set(columns.variables)):
            raise Misfit(f"--number {unknown[0]}: there is no such column of values")
        form = replace(form, numbers=form.numbers | asked.numbers)
        form.check(columns.variables)
        fill(ledger, sheet, columns, form, twice=asked.twice)
    if not ledger.rows:
        raise SheetError("there is no row beside the names of the columns")
    return asked.mailing.named(asked.file.stem, sheet.digest), sheet.columns


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise click.ClickException("nothing was sent: --yes sends without being asked, --dry-run only looks")
    click.confirm("Send them?", abort=True, err=True)


def _post(posting: Posting, meter: Progress) -> None:
    """Raises `Stopped`."""
    ledger = posting.ledger
    meter.begin("answered", ledger.rows)
    again = "Give the same command again within 24 hours to go on; what was accepted isn't sent twice."
    try:
        posting.run(meter.to)
    except KeyboardInterrupt:
        raise Stopped(f"Interrupted. {again}", INTERRUPTED) from None
    except NothingTaken:
        raise Stopped("None of the first batch was taken, so the rest wasn't tried.") from None
    except ApiError as error:
        raise Stopped(f"{error}\n{again}" if error.passes else str(error)) from error


def _wait(patience: Patience, mailing: Mailing, ledger: Ledger, meter: Progress, asked: Bulk) -> None:
    """Raises `Stopped`."""
    meter.begin("ended", ledger.accepted)
    statuses = (*UNDER_WAY, "scheduled") if mailing.scheduled_at else UNDER_WAY
    try:
        following = Following(patience, mailing.campaign, _since(patience, ledger))
        follow(following, ledger, meter.to, asked.seconds, until_none_is=statuses)
    except KeyboardInterrupt:
        raise Stopped("Interrupted while waiting: all is accepted, and is sent all the same.", INTERRUPTED) from None
    except ApiError as error:
        raise Stopped(f"What became of the letters can't be found out now: {error}") from error


def _since(patience: Patience, ledger: Ledger) -> datetime | None:
    """When the run's first letter was taken, so that the list needn't be read further back."""
    try:
        return datetime.fromisoformat(patience.call("GET", f"/emails/{ledger.first_id()}")["created_at"])
    except ApiError as error:
        if error.status != 404:  # where it is erased, the list is read as a whole
            raise
        return None


def sent_by(**options: Any) -> Bulk:
    """From the options of `send` by their names. Raises `UsageError`."""
    try:
        mailing = Mailing(
            template=options["template"],
            sender=options["sender"],
            reply_to=options["reply_to"],
            subject=options["subject"],
            tags=tuple(map(read_tag, options["tag"])),
            scheduled_at=options["scheduled_at"],
            unsubscribe=options["unsubscribe"],
            campaign=read_campaign(options["campaign"]) if options["campaign"] else "",
        )
        seconds = positive(options["wait_for"]).total_seconds()
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    delimiter = {"tab": "\t", "\\t": "\t"}.get(options["delimiter"], options["delimiter"])
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise click.UsageError("--delimiter is one character, or `tab`")
    return Bulk(
        file=options["csv_file"],
        mailing=mailing,
        to_column=options["to_column"],
        numbers=frozenset(options["number"]),
        delimiter=delimiter,
        twice=options["allow_duplicates"],
        dry_run=options["dry_run"],
        yes=options["yes"],
        errors=options["errors"],
        wait=options["wait"],
        seconds=seconds,
        as_json=options["as_json"],
    )
