"""The routes table as an operator writes it, in TOML. It is checked whole: every problem, and the line it is in."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from postroom.delivery.route_keys import READERS, text_of
from postroom.delivery.route_lines import Lines, lines_of
from postroom.delivery.routing import Approach, Proxy, Relay, Route, Routes
from postroom.delivery.via import read_via
from postroom.smtp.security import Security


class RoutesError(ValueError):
    """The routes table can't be used; the text names every problem found, and the line it is in."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One [[route]]: what it says, and where."""

    number: int
    says: Mapping[str, Any]
    lines: Lines

    @property
    def name(self) -> str:
        name = self.says.get("name")
        return name if isinstance(name, str) else f"route-{self.number}"

    def problem(self, key: str | None, text: object) -> str:
        """The text behind the place that it is about: a key's line, or the entry's own."""
        line = self.lines.of(key)
        place = f"route {self.number}" + (f" ({self.name})" if "name" in self.says else "")
        return f"line {line}, {place}: {text}" if line else f"{place}: {text}"


def parse_routes(text: str, variables: Mapping[str, str], file: str | None = None) -> Routes:
    """The routes table from its TOML text; `${NAME}` is looked up in `variables`. Raises `RoutesError`.

    `file` is the name that problems are told under. Secrets are never part of them.
    """
    try:
        problems, routes = _read(text, variables)
    except tomllib.TOMLDecodeError as error:
        problems, routes = [f"the routes table is not TOML: {error}"], ()
    if problems:
        raise RoutesError((f"{file}: " if file else "") + "; ".join(problems))
    return Routes(routes)


def _read(text: str, variables: Mapping[str, str]) -> tuple[list[str], tuple[Route, ...]]:
    document = tomllib.loads(text)
    said = document.get("route")
    if set(document) - {"route"} or not isinstance(said, list) or not said:
        return ["the routes table must hold [[route]] entries and nothing else"], ()
    if not all(isinstance(each, dict) for each in said):
        return ["each route must be a table: [[route]]"], ()
    entries = [
        _Entry(number, *both) for number, both in enumerate(zip(said, lines_of(text, len(said)), strict=True), 1)
    ]
    problems: list[str] = []
    read = [(entry, _route(entry, variables, problems)) for entry in entries]
    table = [(entry, route) for entry, route in read if route is not None]
    problems += _same_names(entries)
    problems += _fallbacks(entries)
    problems += _limits_of_classes(table)
    if len(table) == len(entries):  # what a route in front takes isn't known where it couldn't be read
        problems += _never_reached(table)
    return problems, tuple(route for _, route in table)


def _route(entry: _Entry, variables: Mapping[str, str], problems: list[str]) -> Route | None:
    """The route, or None where something is wrong with it, which is among the problems then."""
    values: dict[str, Any] = {}
    before = len(problems)
    for key, said in entry.says.items():
        if key not in READERS:
            near = get_close_matches(key, READERS, 1, 0.5)
            known = f"did you mean {near[0]}?" if near else f"there are {', '.join(READERS)}"
            problems.append(entry.problem(key, f"{key} is not a setting of a route; {known}"))
            continue
        try:
            values[key] = read_via(text_of(said), variables) if key == "via" else READERS[key](said)
        except ValueError as error:
            problems.append(entry.problem(key, f"{key} {error}"))
    if len(problems) > before:
        return None
    via = values.get("via")
    return Route(
        name=entry.name,
        match=values.get("match", "*"),
        mx=values.get("mx"),
        relay=via if isinstance(via, Relay) else None,
        security=values.get("tls", Security.OPPORTUNISTIC),
        queue=values.get("class", "default"),
        sessions=values.get("sessions"),
        rate=values.get("rate"),
        depth=values.get("depth", 1),
        approach=Approach(
            helo=values.get("helo"),
            source=values.get("source"),
            proxy=via if isinstance(via, Proxy) else None,
            letters=values.get("letters"),
            timeouts=values.get("timeouts", ()),
        ),
        fallback=values.get("fallback"),
    )


# What the entries say of each other.


def _same_names(entries: list[_Entry]) -> Iterator[str]:
    counted = Counter(entry.name for entry in entries)
    seen: set[str] = set()
    for entry in entries:
        if counted[entry.name] > 1 and entry.name in seen:
            yield entry.problem("name", f"two routes are named {entry.name!r}")
        seen.add(entry.name)


def _fallbacks(entries: list[_Entry]) -> Iterator[str]:
    named = {entry.name: entry for entry in entries}
    for entry in entries:
        way, at = [entry.name], entry.says.get("fallback")
        while isinstance(at, str) and at in named and at not in way:
            way.append(at)
            at = named[at].says.get("fallback")
        if at == entry.name:
            yield entry.problem("fallback", f"fallback leads back to where it began: {' -> '.join((*way, at))}")
        elif len(way) == 1 and isinstance(at, str):
            meant = "".join(f"; did you mean {near!r}?" for near in get_close_matches(at, named, 1, 0.5))
            yield entry.problem("fallback", f"fallback names {at!r}, and there is no such route{meant}")


def _limits_of_classes(table: list[tuple[_Entry, Route]]) -> Iterator[str]:
    limits: dict[str, tuple[int | None, float | None]] = {}
    for entry, route in table:
        if limits.setdefault(route.queue, (route.sessions, route.rate)) != (route.sessions, route.rate):
            yield entry.problem(
                "class", f"routes of class {route.queue!r} differ in sessions or rate, which are the class's"
            )


def _never_reached(table: list[tuple[_Entry, Route]]) -> Iterator[str]:
    """Routes that nothing can come to, by a rule or by their name: whoever wrote them meant something else."""
    for at, (entry, route) in enumerate(table):
        key = "mx" if route.mx is not None else "match" if "match" in entry.says else None
        first = next((each for each in table[:at] if _takes_all_of(each[1], route)), None)
        if first is not None and not (key is None and "name" in entry.says):
            where = f" in line {line}" if (line := first[0].lines.of(None)) else ""
            yield entry.problem(
                key,
                f"no letter can get here: {first[1].name!r}{where} comes first and takes all that {route.match!r} "
                "matches; put this route in front of it, or take away its match and mx, give it a name, and let "
                "letters or a fallback ask for it",
            )
        elif route.mx is not None and all(each.mx is not None for _, each in table[at:]):
            yield entry.problem(
                key, "mx needs a route behind it that takes the domains by their names, until it is known where they go"
            )


def _takes_all_of(first: Route, later: Route) -> bool:
    """Whether `first` surely takes every domain that `later` does.

    A pattern of nothing but stars and letters that matches another pattern's text matches all that this one does.
    """
    if first.mx is not None and first.mx != later.mx:
        return False
    return first.match == later.match or (not set(first.match) & set("?[") and fnmatchcase(later.match, first.match))
