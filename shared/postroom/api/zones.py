"""Time zones as people name them: by their letters, by a place, or by the offset from UTC."""

from __future__ import annotations

import re
from datetime import timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

# Letters that mean one thing to those who write them. Those of a place follow its summer time, as is expected of them;
# the others are offsets. IST, which is India's, Ireland's and Israel's, is left out.
_PLACES = {
    "et": "America/New_York",
    "ct": "America/Chicago",
    "mt": "America/Denver",
    "pt": "America/Los_Angeles",
}
_HOURS = {
    name: hours
    for hours, names in {
        -8: ("pst",), -7: ("pdt", "mst"), -6: ("mdt", "cst"), -5: ("cdt", "est"), -4: ("edt",),
        0: ("utc", "gmt", "z", "wet"), 1: ("west", "bst", "cet"), 2: ("cest", "eet"), 3: ("eest",),
        9: ("jst", "kst"), 10: ("aest",), 11: ("aedt",), 12: ("nzst",), 13: ("nzdt",),
    }.items()
    for name in names
}  # fmt: skip
_OFFSET = re.compile(r"(?:utc|gmt)?([+-])(\d{1,2})(?::?(\d\d))?", re.ASCII)

ZONE = (
    rf"(?P<zone>(?:{'|'.join((*_PLACES, *_HOURS))})\b(?![+-])|(?:UTC|GMT)?[+-](?:\d{{1,2}}(?::\d\d)?|\d{{4}})"
    r"|[a-z_]{2,20}(?:/[a-z_+-]{2,20}){1,2})"
)
"""A zone as a regular expression that ignores case."""


def read_zone(name: str) -> tzinfo:
    """The zone of what `ZONE` matched. Raises ValueError where nobody knows it."""
    letters = name.lower()
    if letters in _PLACES:
        return ZoneInfo(_PLACES[letters])
    if letters in _HOURS:
        return timezone(timedelta(hours=_HOURS[letters]))
    offset = _OFFSET.fullmatch(letters)
    if offset is None:
        return _of_place(name)
    sign, hours, minutes = offset.groups("0")
    if int(minutes) > 59:
        raise ValueError(f"{name} has more than 59 minutes")
    return timezone(timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1))


def _of_place(name: str) -> ZoneInfo:
    """The zone of a place, in the tz database's spelling or in lower case. Raises ValueError."""
    spelt = "/".join("_".join(map(str.capitalize, part.split("_"))) for part in name.split("/"))
    for each in dict.fromkeys((name, spelt)):
        try:
            return ZoneInfo(each)
        except (KeyError, OSError):  # the second where it is a folder of the database
            continue
    raise ValueError(f"the tz database holds no {name}")
