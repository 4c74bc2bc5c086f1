"""Moments as people write them are read as they are meant, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from postroom.api.moments import LONGEST, read_moment

NOON = datetime(2030, 1, 2, 12, 0, 30, tzinfo=UTC)  # a Wednesday


def at(day: int, hour: int, minute: int = 0, second: int = 0) -> datetime:
    """A moment of that January."""
    return datetime(2030, 1, day, hour, minute, second, tzinfo=UTC)


READ = {
    # ISO 8601, in UTC where it names no offset.
    "2030-01-05T11:52:01.858Z": datetime(2030, 1, 5, 11, 52, 1, 858000, UTC),
    "2030-01-05T15:00:00+02:00": at(5, 13),
    "2030-01-05T15:00:00.123456-0500": datetime(2030, 1, 5, 20, 0, 0, 123456, UTC),
    "2030-01-05 15:00": at(5, 15),
    "2030-01-05 15:00:30 +02": at(5, 13, 0, 30),
    "2030-01-05t15:00z": at(5, 15),
    "2030-01-05": at(5, 0),
    "2024-08-05T11:52:01Z": datetime(2024, 8, 5, 11, 52, 1, tzinfo=UTC),
    # From now on.
    "in 1 min": at(2, 12, 1, 30),
    "in 1 hour": at(2, 13, 0, 30),
    "In 90 Minutes": at(2, 13, 30, 30),
    "in an hour": at(2, 13, 0, 30),
    "in 2 hours and 30 minutes": at(2, 14, 30, 30),
    "in 1h30m": at(2, 13, 30, 30),
    "in 1 day, 2 hours": at(3, 14, 0, 30),
    "in half an hour": at(2, 12, 30, 30),
    "in 1.5 hours": at(2, 13, 30, 30),
    "in ten secs": at(2, 12, 0, 40),
    "two weeks from now": at(16, 12, 0, 30),
    "in 30 days": datetime(2030, 2, 1, 12, 0, 30, tzinfo=UTC),
    # On a day that is named from here.
    "tomorrow": at(3, 12, 0, 30),
    "tomorrow at 9am": at(3, 9),
    "tomorrow, 9:30 a.m.": at(3, 9, 30),
    "9pm tomorrow": at(3, 21),
    "tomorrow at noon": at(3, 12),
    "tomorrow at 12am": at(3, 0),
    "today at 12:30pm": at(2, 12, 30),
    "today at 9am": at(2, 9),  # it has passed, and isn't moved to another day
    "tonight at 8pm": at(2, 20),
    "the day after tomorrow at 18:00": at(4, 18),
    "in 3 days at 9am": at(5, 9),
    # The first to come.
    "Friday at 3pm": at(4, 15),
    "on friday 15:00:05": at(4, 15, 0, 5),
    "next monday at 10:00": at(7, 10),
    "Wednesday at 1pm": at(2, 13),
    "Wednesday at 9am": at(9, 9),
    "next Wednesday at 1pm": at(9, 13),
    "this Wednesday at 9am": at(2, 9),
    "9am": at(3, 9),
    "at 15:00": at(2, 15),
    # On a date.
    "January 31 at 9am": at(31, 9),
    "31st of January, 9am": at(31, 9),
    "Jan. 31, 2030 @ 9am": at(31, 9),
    "January 1 at 9am": datetime(2031, 1, 1, 9, tzinfo=UTC),
    "1 January 2030 at 9am": at(1, 9),
    "2030-01-31 9am": at(31, 9),
    # In a zone.
    "Friday at 3pm ET": at(4, 20),
    "Friday at 3pm EST": at(4, 20),
    "3pm PT on Friday": at(4, 23),
    "3pm on Friday America/Los_Angeles": at(4, 23),
    "tomorrow at 9am europe/berlin": at(3, 8),
    "tomorrow at 9am CEST": at(3, 7),
    "tomorrow at 9am +05:30": at(3, 3, 30),
    "tomorrow at 9am UTC-3": at(3, 12),
    "2030-01-05 15:00 ET": at(5, 20),
    "9pm Asia/Tokyo": at(3, 12),  # there it is nine in the evening, half a minute ago
}


@pytest.mark.parametrize("text", READ)
def test_what_is_written_is_read_as_it_is_meant(text: str) -> None:
    assert read_moment(text, NOON) == READ[text]
    assert read_moment(f"  {text.upper()} ", NOON) == READ[text]


def test_a_place_has_its_summer_time_and_an_offset_has_none() -> None:
    july = datetime(2030, 7, 1, 12, tzinfo=UTC)  # a Monday
    assert read_moment("Friday at 3pm ET", july) == datetime(2030, 7, 5, 19, tzinfo=UTC)
    assert read_moment("Friday at 3pm EST", july) == datetime(2030, 7, 5, 20, tzinfo=UTC)


def test_a_place_may_be_spelt_as_the_tz_database_does() -> None:
    assert read_moment("9am America/Port-au-Prince tomorrow", NOON) == at(3, 14)


def test_a_day_is_the_one_of_the_place() -> None:
    evening = datetime(2030, 1, 3, 2, tzinfo=UTC)  # in New York it is still Wednesday
    assert read_moment("tomorrow at 9am ET", evening) == datetime(2030, 1, 3, 14, tzinfo=UTC)
    assert read_moment("Wednesday at 11pm ET", evening) == datetime(2030, 1, 3, 4, tzinfo=UTC)


def test_an_hour_that_the_clocks_leave_out_is_the_next_one() -> None:
    spring = datetime(2030, 3, 30, 12, tzinfo=UTC)
    moment = read_moment("tomorrow at 2:30 Europe/Berlin", spring)
    assert moment.astimezone(ZoneInfo("Europe/Berlin")).isoformat() == "2030-03-31T03:30:00+02:00"


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "hello", "asap", "soon", "later", "now", "null", "yesterday", "1 hour ago", "in the morning"),
        *("12", "1", "a", "may", "march", "sat", "2031", "1893456000", "1893456000000", "20310101112", "1e9"),
        *("Friday", "next Monday", "today", "January 5", "tonight", "friday 3", "friday at 3", "march at 9am"),
        *("tomorrow at 25:00", "tomorrow at 9:60", "tomorrow at 13pm", "tomorrow at 0am", "24:00", "friday 25pm"),
        *("February 30 at 9am", "2030-02-30", "2030-13-01", "31 june 9am", "January 0 at 9am", "2030-02-30 9am"),
        *("in -1 hour", "in hour", "in 1", "in 1 fortnight", "in 1 month", "in 99999999999 hours", "in 1 hour ET"),
        *("01/05/2030 3pm", "5.1.2030", "2030-1-5", "2030-01-05T15", "2030-01-05x15:00", "2030-W01-3", "20300105"),
        *("tomorrow at 9am XYZ", "tomorrow at 9am IST", "9am America/Nowhere", "9am America/Argentina", "9am ../etc/x"),
        *("tomorrow at 9am +99:00", "tomorrow at 9am +05:75", "monster at 9am", "tomorrow at 9am at 10am"),
        *("2030-01-05T15:00:00+99:99", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "١٢:٠٠", "９am"),
        *(
            "in 1 hour\x00",
            "tomorrow\x1cat 9am",
            "tomorrow at 9am\n",
            "in\t1 hour",
            "in 999999 weeks",
            "x" * LONGEST,
            "x" * 10_000_000,
        ),
    ],
)
def test_what_says_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="it can't be read as a moment"):
        read_moment(text, NOON)


WORDS = st.sampled_from(
    [
        *(
            "in",
            "a",
            "an",
            "one",
            "1",
            "5",
            "12",
            "30",
            "hours",
            "h",
            "min",
            "half",
            "day",
            "days",
            "and",
            "from",
            "now",
        ),
        *(
            "9am",
            "25:00",
            "15:00",
            "noon",
            "at",
            "on",
            "next",
            "this",
            "of",
            "friday",
            "may",
            "31st",
            "2030-01-05",
            "2030",
        ),
        *("ET", "UTC+2", "Europe/Berlin", "+05:30", "tomorrow", "today", "tonight", "-", "@", ",", "(", "%", "\ud800"),
    ]
)


@given(st.lists(WORDS, max_size=10).map(" ".join) | st.text(max_size=LONGEST + 1), st.datetimes(timezones=st.just(UTC)))
@example("in 1 hour", datetime.max.replace(tzinfo=UTC))
@example("tomorrow at 9am", datetime.max.replace(tzinfo=UTC))
@example("tomorrow at 9am", datetime.min.replace(tzinfo=UTC))
def test_whatever_is_written_is_a_moment_in_utc_or_refused(text: str, now: datetime) -> None:
    try:
        moment = read_moment(text, now)
    except ValueError:
        return
    assert moment.utcoffset() == timedelta(0)
