"""What putting CSS in place would take is told before it is tried: css-inline can't be interrupted."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from postroom.rendering.budget import Allowance, Budget, Flaw, TooMuch
from postroom.rendering.letter import LetterTemplate
from postroom.rendering.rules import read
from postroom.rendering.styles import inlined

SECONDS = 1.5  # generous: a third of one on the machine of the benchmarks
LETTERS = "<p></p>"
BESIDE = "<b></b><q></q><p></p>"
DEEP = ("<div>" * 150 + "<p></p>" * 30 + "</div>" * 150) * 10
MANY = ("<div>" * 190) + LETTERS * 6000 + "</div>" * 190


def rules(selector: str, number: int, declared: str = "color: red") -> str:
    return "".join(f"{selector} {{ {declared} }} ".replace("#", str(each)) for each in range(number))


def styled(css: str, html: str) -> str:
    return inlined(f"<style>{css}</style>{html}<i class='x'></i>", Budget(Allowance(time.thread_time)))


@pytest.mark.parametrize(
    "selector",
    [
        ":not(i# ~ p)",
        "p:not(b + p)",
        "p:not(b p)",
        "p:is(b>p, a)",
        "p:where(:not(b ~ p))",
        "p:has(~ b)",
        "p:has(b)",
        "p:nth-child(2n + 1 of .x)",
        "p:nth-last-child(1 OF b)",
        ":not([z='('], b ~ p)",
        ":not(/* ) */ b ~ p)",
        ":n\\6ft(b ~ p)",
        "a, :not(b ~ p)",
        "@layer { :not(b ~ p) { color: red } } p",
    ],
)
def test_a_selector_that_can_take_any_time_is_refused(selector: str) -> None:
    for css in (rules(selector, 100), 'p { background: url(a{"b) } ' + rules(selector, 100)):
        began = time.thread_time()
        with pytest.raises(TooMuch, match="write it without, or within `@media all"):
            styled(css, LETTERS * 9900)
        assert time.thread_time() - began < SECONDS
    assert "~" not in selector or "~" in styled(f"@media all {{ {rules(selector, 2)} }}", LETTERS * 10)


@pytest.mark.parametrize("selector", ["h1:not(.a, #b):is(h1, [z])", "p:nth-child(2n + 1)", "p + p ~ p", "a:lang(en)"])
def test_what_looks_at_the_element_or_is_bounded_is_put_in_place(selector: str) -> None:
    assert "color: red" in styled(rules(selector, 3), "<h1 z></h1><p></p><p></p><p></p><a lang=en></a>")


@pytest.mark.parametrize(
    ("css", "html"),
    [
        (rules("p", 400, "x#: y"), LETTERS * 2500),
        (rules("p", 4000, "x#: y"), LETTERS * 3000),
        (rules("p", 100, "x#: " + "y" * 500), LETTERS * 900),
        (rules("[q] ~ p", 1000), BESIDE * 2000),
        (rules("[q] ~ p ~ p + p ~ p", 1000), BESIDE * 2000),
        (rules("[q] > div div > div div > div p", 5000), DEEP),
        (rules("[q] * * * *", 5000), MANY),
        (rules("[z*='" + "a " * 40 + "b' i]", 2000), ("<p z='" + "a " * 40 + "'></p>") * 6000),
        (
            ",".join(f".a{each}" for each in range(20_000)) + "{" + "".join(f"x{n}:y;" for n in range(15_000)) + "}",
            LETTERS,
        ),
        (rules("p:empty", 10_000), "<p>" + "<!--x-->" * 15_000 + "</p>"),
        (rules("p" + ":not([q])" * 50, 500), LETTERS * 6000),
        ("p {" + "".join(f"x{each}: y;" for each in range(20_000)) + "}", "<p style='" + "z: y;" * 20_000 + "'></p>"),
    ],
    ids=lambda text: text[:30],
)
def test_what_is_too_much_for_so_many_elements_is_refused_soon(css: str, html: str) -> None:
    began = time.thread_time()
    with pytest.raises(TooMuch):
        styled(css, html)
    assert time.thread_time() - began < SECONDS


@pytest.mark.parametrize(
    "selector", ["p", ".x p", "[q] ~ p", "[q] + p ~ p", "[q] div > div p", "* *", "p:not(.x)", "p:empty"]
)
@pytest.mark.parametrize("html", [LETTERS * 2000, BESIDE * 700, DEEP])
def test_what_is_not_refused_is_done_soon(selector: str, html: str) -> None:
    number = 4096
    while number:
        css = rules(selector, number, "x#: y")
        began = time.thread_time()
        try:
            styled(css, html)
        except TooMuch:
            number //= 2
            continue
        finally:
            assert time.thread_time() - began < SECONDS
        return
    pytest.fail("not even one such rule is taken")


def test_a_newsletter_has_room_enough() -> None:
    css = "".join(
        f".c{number}, td .d{number} {{ " + "".join(f"x{each}: a, b, c;" for each in range(10)) + "}"
        for number in range(300)
    )
    rows = "".join(f"<tr><td class='c{each % 300}'><a class='d{each % 299} e'>x</a></td></tr>" for each in range(666))
    assert styled(css, f"<table>{rows}</table>").count("x9: a, b, c") >= 1332


def test_who_writes_a_template_learns_it_before_letters_are_made() -> None:
    for css in (rules(":not(i ~ p)", 3), rules("p", 400, "x#: y")):
        with pytest.raises(Flaw, match="its styles take too much") as caught:
            LetterTemplate.read(None, f"<style>{css}</style>{{{{ x }}}}" + LETTERS * 2500, None)
        assert caught.value.part == "html"


def test_what_one_sheet_leaves_open_is_not_guessed_at() -> None:
    html = "<style>p { a: b; /*</style><style>*/ } p:has(b) { color: red }</style><p></p>"
    assert inlined(html, Budget(Allowance(time.thread_time))) == html


@pytest.mark.parametrize("css", ["/*", "p {", "p { a: '", "p", "p { a: url(x", "@layer {", "p { a: (}", '"'])
def test_whether_a_sheet_is_whole(css: str) -> None:
    assert not read(css).whole
    assert read("/* */ p { a: '}' } @import 'x'; @media x { p { } } b,c{}").whole


@pytest.mark.parametrize(
    "piece", ["{", "}", "(", ":not(", "a{", "a ", "/*", "'", "\\", "url(", "@layer{", "[", ",", "a,", ";"]
)
def test_reading_takes_no_longer_than_there_is_to_read(piece: str) -> None:
    began = time.thread_time()
    with suppress(TooMuch):  # where it is nested too deeply
        read(piece * (100_000 // len(piece)))
    assert time.thread_time() - began < SECONDS
