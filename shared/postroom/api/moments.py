"""Moments as people write them: ISO 8601, or a few words in English, from a closed grammar.

What isn't in the grammar is refused, never guessed at: a letter that goes out at another hour than was meant is worse
than one that is refused with a word. Nothing here knows the time, the locale or the machine's own zone.

    in 1 min · in 2 hours and 30 minutes · an hour from now        from now on
    tomorrow · in 3 days at 9am                                    at the same time of day, unless one is named
    today at 5pm · tonight at 8:30pm · tomorrow at noon
    Friday at 3pm ET · next Monday at 10:00 · 9am on Sunday        the first such moment to come
    January 31 at 9am · 31 Jan 2030, 15:00 CET · 2030-01-31 9am
    9am · 15:00 Europe/Berlin                                      today, or else tomorrow

A time of day is in UTC, unless a zone is named by its letters, its place or its offset.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from postroom.api.zones import ZONE, read_zone

LONGEST = 100  # characters

UNREADABLE = (
    "it can't be read as a moment. Give one in ISO 8601, such as 2030-01-31T09:30:00Z, or in words such as "
    "`in 1 hour`, `tomorrow at 9am` or `Friday at 3pm ET`"
)


def read_moment(text: str, now: datetime) -> datetime:
    """The moment in UTC; it may have passed. Raises ValueError where the text is no moment."""
    if len(text) <= LONGEST and text.isprintable():
        plain = " ".join(text.replace(",", " ").split())
        try:
            found = _iso(text.strip()) or _ahead(plain, now) or _on_a_day(plain, now)
            if found is not None:
                return found.astimezone(UTC)
        except (ValueError, OverflowError):  # 25:00, February 30, the year 10000
            pass
    raise ValueError(UNREADABLE)


_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_COUNTS = {"a": 1, "an": 1} | {word: number for number, word in enumerate(_NUMBERS, 1)}
_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), timedelta(seconds=1)),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), timedelta(minutes=1)),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), timedelta(hours=1)),
    **dict.fromkeys(("d", "day", "days"), timedelta(days=1)),
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks"), timedelta(weeks=1)),
}
_DAYS_AHEAD = {"today": 0, "tonight": 0, "tomorrow": 1, "day after tomorrow": 2}
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE | re.ASCII)


_ISO = _pattern(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?: ?(?:Z|[+-]\d\d(?::?\d\d)?))?)?")

_COUNT = rf"(?:\d{{1,6}}(?:\.\d{{1,2}})? ?|(?:{'|'.join(_COUNTS)}) )"
_AMOUNT = rf"(?:half an? (?:hour|day)|{_COUNT}(?:{'|'.join(_UNITS)})(?![a-z]))"
_AMOUNTS = rf"{_AMOUNT}(?: ?(?:and )?{_AMOUNT}){{0,4}}"
_AHEAD = _pattern(rf"in (?P<ahead>{_AMOUNTS})|(?P<ahead_>{_AMOUNTS}) from now")
_ONE_AMOUNT = _pattern(rf"(half )?(?:([0-9.]+) ?|\b({'|'.join(_COUNTS)}) )({'|'.join(_UNITS)})(?![a-z])")

_CLOCK = r"(?:at |@ ?)?(?P<clock>noon|\d{1,2}(?::\d\d){0,2} ?[ap]\.?m\b\.?|\d{1,2}:\d\d(?::\d\d)?)"
_WEEKDAY = "mon(?:day)?|tue(?:s|sday)?|wed(?:nesday)?|thu(?:r|rs|rsday)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?"
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t|tember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = (
    r"(?:on )?(?:(?P<word>today|tonight|tomorrow|(?:the )?day after tomorrow)|in (?P<days>\d{1,3}) days?"
    rf"|(?:(?P<which>this|next) )?(?P<weekday>{_WEEKDAY})"
    rf"|(?P<month>{_MONTH}) (?P<of_month>\d{{1,2}})(?:st|nd|rd|th)?(?: (?P<year>\d{{4}}))?"
    rf"|(?P<of_month_>\d{{1,2}})(?:st|nd|rd|th)? (?:of )?(?P<month_>{_MONTH})(?: (?P<year_>\d{{4}}))?"
    r"|(?P<iso>\d{4}-\d\d-\d\d))"
)
_ON_A_DAY = (
    _pattern(rf"{_DAY}(?: {_CLOCK})?(?: {ZONE})?"),
    _pattern(rf"{_CLOCK}(?: {ZONE})?(?: {_DAY})?"),
    _pattern(rf"{_CLOCK} {_DAY} {ZONE}"),
)


def _iso(text: str) -> datetime | None:
    if _ISO.fullmatch(text) is None:
        return None
    moment = datetime.fromisoformat(text.upper().replace(" ", "T", 1).replace(" ", ""))
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _ahead(text: str, now: datetime) -> datetime | None:
    match = _AHEAD.fullmatch(text)
    if match is None:
        return None
    ahead = timedelta()
    for half, digits, word, unit in _ONE_AMOUNT.findall(match["ahead"] or match["ahead_"]):
        count = float(digits) if digits else _COUNTS[word.lower()]
        ahead += count * _UNITS[unit.lower()] / (2 if half else 1)
    return now + ahead


def _on_a_day(text: str, now: datetime) -> datetime | None:
    """Raises ValueError where the words are right and the moment isn't."""
    match = next(filter(None, (pattern.fullmatch(text) for pattern in _ON_A_DAY)), None)
    if match is None:
        return None
    named = {name.rstrip("_"): value.lower() for name, value in match.groupdict().items() if value}
    zone = read_zone(match["zone"]) if match["zone"] else UTC
    here = now.astimezone(zone)
    today, word = here.date(), named.get("word", "").removeprefix("the ")
    clock = _time(named["clock"]) if "clock" in named else None
    if clock is None and "tomorrow" not in word:
        raise ValueError("at what time of that day?")

    def at(day: date) -> datetime:
        return datetime.combine(day, here.time() if clock is None else clock, zone)

    if word:
        return at(today + timedelta(days=_DAYS_AHEAD[word]))
    if "days" in named:
        return at(today + timedelta(days=int(named["days"])))
    if "iso" in named:
        return at(date.fromisoformat(named["iso"]))
    if "weekday" in named:
        first = at(today + timedelta(days=(_WEEKDAYS.index(named["weekday"][:3]) - today.weekday()) % 7))
        which = named.get("which")
        gone = first.date() == today if which == "next" else first <= now and which != "this"
        return at(first.date() + timedelta(weeks=1)) if gone else first
    if "month" in named:
        month, of_month = _MONTHS.index(named["month"][:3]) + 1, int(named["of_month"])
        first = at(date(int(named.get("year", today.year)), month, of_month))
        return first if first > now or "year" in named else at(date(today.year + 1, month, of_month))
    return at(today) if at(today) > now else at(today + timedelta(days=1))


def _time(text: str) -> time:
    if text == "noon":
        return time(12)
    hour, minute, second = (*map(int, text.rstrip("apm. ").split(":")), 0, 0)[:3]
    if "m" in text:  # of am and pm
        if not 1 <= hour <= 12:
            raise ValueError(text)
        hour = hour % 12 + (12 if "p" in text else 0)
    return time(hour, minute, second)
