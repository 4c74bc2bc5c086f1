"""What sessions have learnt of a host, for those that follow: what it offers but doesn't bear, where it hangs up."""

from __future__ import annotations

from dataclasses import dataclass

REMEMBERED = 24 * 3600
"""Seconds. A host may be mended, or another may answer under its name: then the first mode is tried again."""


@dataclass(frozen=True, slots=True)
class Habits:
    """Nothing known is the default: what EHLO offers is taken at its word."""

    no_pipelining: bool = False  # it lost count of commands and replies
    no_chunks: bool = False  # it offered CHUNKING and didn't understand BDAT
    envelope_first: bool = False  # it broke off a flight that held a whole letter: less is put at stake
    letters: int | None = None  # after as many in one session it said goodbye

    def with_news(self, news: Habits) -> Habits:
        """Both lessons: sessions that were open at the same time have each learnt their own."""
        limits = [each.letters for each in (self, news) if each.letters is not None]
        return Habits(
            self.no_pipelining or news.no_pipelining,
            self.no_chunks or news.no_chunks,
            self.envelope_first or news.envelope_first,
            min(limits, default=None),
        )


NOTHING_KNOWN = Habits()
