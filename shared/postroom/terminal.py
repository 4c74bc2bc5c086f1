"""What a person sees: a letter, its recipients, and the conversation of each attempt, in colour (rich)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from postroom.smtp.transcript import escaped

_COLOURS = {
    "accepted": "green",
    "delivered": "green",
    "deferred": "yellow",
    "queued": "cyan",
    "scheduled": "cyan",
    "sending": "cyan",
    "refused": "red",
    "bounced": "red",
    "complained": "red",
    "failed": "red",
    "suppressed": "yellow",
    "unknown": "magenta",
    "abandoned": "magenta",
    "pass": "green",
    "warn": "yellow",
    "fail": "red",
}


def _colour(word: str) -> str:
    return _COLOURS.get(word, "default")


class Terminal:
    """Prints to one console; plain text where that isn't a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)

    def line(self, text: str = "", style: str = "") -> None:
        self.console.print(Text("\n".join(map(escaped, text.split("\n"))), style=style))

    def email(self, email: Mapping[str, Any]) -> None:
        """An answer of GET /emails/{id}."""
        self.line(f"{email['id']}  {email['last_event']}", "bold")
        self.line(f"from     {email['from']}")
        self.line(f"subject  {email['subject']}")
        for each in email["recipients"]:
            text = Text(f"{each['kind']:<8} {each['address']}  ")
            text.append(each["status"], _colour(each["status"]))
            if each["possibly_delivered"]:
                text.append("  possibly delivered before", "magenta")
            if each["cause"]:
                text.append(f"  {each['cause']}")
            if each["next_attempt_at"]:
                text.append(f"  next attempt {each['next_attempt_at']}", "dim")
            self.console.print(text)
            if each["response"]:
                self.line(f"         {each['response']}", "dim")

    def checks(self, checks: Iterable[tuple[str, str, str]]) -> None:
        """What a preflight saw: check, status and detail of each."""
        for check, status, detail in checks:
            text = Text()
            text.append(f"{status:<4}", f"bold {_colour(status)}")
            text.append(f"  {check:<12} ", "bold")
            text.append(escaped(detail))
            self.console.print(text)

    def attempt(self, attempt: Mapping[str, Any], title: str) -> None:
        """One item of GET /emails/{id}/attempts: who was spoken to, and every line with its milliseconds."""
        heading = Text(f"{title}  attempt {attempt['number']}  ", "bold")
        heading.append(attempt["outcome"], _colour(attempt["outcome"]))
        where = attempt["mx"] or attempt["destination"]
        if attempt["address"]:
            where += f" [{attempt['address']}]"
        heading.append(f"  {where}", "default")
        if tls := attempt["tls"]:
            verified = "verified" if tls["verified"] else "not verified"
            heading.append(f"  {tls['version']} {tls['cipher']} ({verified})", "dim")
        self.console.print(heading)
        self._lines(attempt["transcript"])
        if attempt["note"]:
            self.line(f"            {attempt['note']}", "yellow")

    def _lines(self, transcript: Iterable[Mapping[str, Any]]) -> None:
        for said in transcript:
            client = said["from"] == "client"
            text = Text(f"  {said['at_ms']:>9.1f} ", "dim")
            text.append("C " if client else "S ", "bold")
            text.append(escaped(said["line"]), "cyan" if client else _reply_colour(said["line"]))
            self.console.print(text)


def _reply_colour(line: str) -> str:
    return {"4": "yellow", "5": "red"}.get(line[:1], "green")
