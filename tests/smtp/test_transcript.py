"""What is kept of a conversation: enough to see what happened, never more than a store can take."""

from __future__ import annotations

from postroom.smtp.transcript import MAX_KEPT, MAX_TEXT, Line, Transcript, bounded


def test_a_short_reply_is_kept_whole() -> None:
    transcript = Transcript()
    transcript.server(1.0, [("250-mx.example.net", "250-PIPELINING", "250 SIZE")])
    assert [line.text for line in transcript.lines()] == ["250-mx.example.net", "250-PIPELINING", "250 SIZE"]


def test_of_a_long_reply_the_beginning_and_the_last_line_are_kept() -> None:
    transcript = Transcript()
    transcript.server(1.0, [(*(f"550-{number:03} {'x' * 100}" for number in range(500)), "550 5.7.1 no")])
    texts = [line.text for line in transcript.lines()]
    assert texts[0].startswith("550-000")
    assert texts[-2:] == ["… (491 lines left out)", "550 5.7.1 no"]
    assert sum(map(len, texts[:-2])) <= MAX_TEXT


def test_a_conversation_that_fits_is_kept_whole() -> None:
    lines = tuple(Line(float(n), "client", "x" * 60) for n in range(1000))
    assert bounded(lines) == lines
    assert bounded(()) == ()


def test_of_a_conversation_too_long_for_a_store_both_ends_are_kept() -> None:
    lines = tuple(Line(float(n), "server", f"{n} {'x' * 1000}") for n in range(500))
    kept = bounded(lines)
    assert sum(len(line.text) for line in kept) <= MAX_KEPT + 40
    assert kept[0] == lines[0]
    assert kept[-1] == lines[-1]
    (gap,) = [line for line in kept if "left out" in line.text]
    assert gap.text == f"… ({500 - len(kept) + 1} lines left out)"
    assert [line.at_ms for line in kept] == sorted(line.at_ms for line in kept)
