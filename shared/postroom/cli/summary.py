"""What a bulk run says in its end, and `postroom report` later."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO

import click

from postroom.bulk.following import UNDER_WAY, Following
from postroom.bulk.ledger import Ledger
from postroom.bulk.outcome import MOST_ASKED, Outcome, causes_of
from postroom.bulk.patience import Patience
from postroom.bulk.preparing import MOST_TOLD
from postroom.bulk.sheet import REFUSAL
from postroom.client import ApiError, Client
from postroom.smtp.transcript import escaped

PATIENCE = 300.0  # seconds for which an API that doesn't answer is asked again


def report(api: Client, campaign: str, *, as_json: bool) -> None:
    """Sum up a campaign of which only the name is known; the exit status says whether all is well."""
    following = Following(Patience(api, PATIENCE, lambda text: click.echo(text, err=True)), campaign)
    events: Counter[str] = Counter()
    some: defaultdict[str, list[str]] = defaultdict(list)
    for id_, event in following.events():
        events[event] += 1
        if len(some[event]) < MOST_ASKED:
            some[event].append(id_)
    if not events:
        raise click.ClickException(f"there is no letter of the campaign {campaign}")
    causes = causes_of(events, lambda event, most: some[event][:most], following.cause)
    outcome = Outcome(campaign=campaign, accepted=events.total(), events=events, causes=causes)
    show(outcome, as_json=as_json)
    sys.exit(0 if outcome.good else 1)


def summed_up(patience: Patience, ledger: Ledger, campaign: str) -> Outcome:
    """Of a run, as far as the ledger knows, with causes that are asked for now."""
    events = ledger.events() or None
    causes: dict[str, dict[str, int]] = {}
    if events:
        try:
            causes = causes_of(events, ledger.with_event, Following(patience, campaign).cause)
        except (ApiError, KeyboardInterrupt):
            causes = {}  # the numbers are known all the same
    return Outcome(
        campaign=campaign,
        rows=ledger.rows,
        accepted=ledger.accepted,
        refused=ledger.refused,
        events=events,
        causes=causes,
        unheard=ledger.accepted - sum(events.values()) if events else 0,
    )


@contextmanager
def refusals_written(
    errors: Path | None, sent: Path, ledger: Ledger, columns: tuple[str, ...], delimiter: str
) -> Iterator[None]:
    """Write the rows that the API refused, in the end, as a file that can be mended and sent by itself."""
    if errors is None:
        yield
        return
    if errors.exists() and errors.samefile(sent):
        raise click.ClickException(f"--errors {errors} would overwrite the file that is sent")
    try:
        file = errors.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise click.ClickException(f"--errors {errors} can't be written: {error.strerror}") from error
    with file:
        yield
        if ledger.refused:
            _write(file, ledger, columns, delimiter)
    if not ledger.refused and errors.is_file():
        errors.unlink()


def _write(file: IO[str], ledger: Ledger, columns: tuple[str, ...], delimiter: str) -> None:
    rows = csv.writer(file, delimiter=delimiter)
    names = [name for name in columns if name != REFUSAL]
    rows.writerow([*names, REFUSAL])
    for refusal in ledger.refusals():
        rows.writerow([*(refusal.cells[name] for name in names), f"line {refusal.line}: {refusal.why}"])


def tell_refusals(ledger: Ledger) -> None:
    """The first rows that got no letter, and why."""
    for refusal in islice(ledger.refusals(), MOST_TOLD):
        click.echo(f"line {refusal.line}, {escaped(refusal.mailbox)}: {escaped(refusal.why)}", err=True)
    if (more := ledger.refused - MOST_TOLD) > 0:
        click.echo(f"… and {more:,} more were refused; --errors FILE writes all of them", err=True)
    for line, mailbox in islice(ledger.unheard() if ledger.events() else (), MOST_TOLD):
        click.echo(f"line {line}, {escaped(mailbox)}: accepted, and not in the list any more", err=True)


def show(outcome: Outcome, *, as_json: bool) -> None:
    """The table, or a document."""
    if as_json:
        click.echo(json.dumps(outcome.document(), ensure_ascii=False))
        return
    rows = outcome.accepted if outcome.rows is None else outcome.rows
    click.echo(outcome.campaign)
    for word, number, causes in outcome.table():
        click.echo(f"{number:>11,}  {word}{f':  {escaped(causes)}' if causes else ''}")
    click.echo(f"{rows:>11,}  {'letters' if outcome.rows is None else 'rows'}")


def tell_what_is_open(outcome: Outcome, *, may_read: bool) -> None:
    """How to learn what isn't known yet."""
    if not may_read:
        click.echo("This key may send and nothing else, so what became of the letters isn't told.", err=True)
    elif outcome.accepted and (outcome.events is None or set(outcome.events) & {*UNDER_WAY, "scheduled"}):
        click.echo(f"`postroom report --campaign {outcome.campaign}` tells later what became of them.", err=True)
