"""CSS goes into the elements, and HTML that would be the end of whoever builds its tree stays as it is."""

from __future__ import annotations

import time
from pathlib import Path
from time import thread_time

import pytest

from postroom.rendering.budget import Allowance, Budget, TooMuch
from postroom.rendering.styles import DEEPEST, has_styles, inlined, is_well_nested

RED = "<style>p{color:red}</style>"


def styled(html: str) -> str:
    return inlined(html, Budget(Allowance(thread_time)))


def test_rules_go_into_the_elements_that_they_are_for() -> None:
    html = "<style>.a { color: red } p { margin: 0 } .a:hover { color: blue }</style><p class='a'>x</p><p>y</p>"
    made = styled(html)
    assert '<p class="a" style="color: red;margin: 0;">x</p>' in made.replace(
        "margin: 0;color: red;", "color: red;margin: 0;"
    )
    assert '<p style="margin: 0;">y</p>' in made


def test_what_only_a_sheet_can_say_stays_in_it() -> None:
    made = styled("<style>p{color:red}@media (max-width:9px){p{color:blue}}</style><p>x</p>")
    assert "@media (max-width:9px)" in made
    assert '<p style="color: red;">' in made


def test_nothing_is_fetched_or_read(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.css"
    sheet.write_text("p{color:green}")
    for link in (f"file://{sheet}", str(sheet), "http://127.0.0.1:9/x.css", "//127.0.0.1:9/x.css"):
        made = styled(f'{RED}<link rel="stylesheet" href="{link}"><style>@import url("{link}");</style><p>x</p>')
        assert "green" not in made
        assert link in made


@pytest.mark.parametrize(
    "html", ["<style>p{color:red</style><p>x", RED + "<p style='a b'>x", "<style>}}{{</style><p>x"]
)
def test_css_that_cannot_be_read_spoils_nothing(html: str) -> None:
    assert ">x" in styled(html)


def test_whether_there_are_any() -> None:
    assert has_styles("<STYLE>")
    assert not has_styles("<p style='color:red'>style")


@pytest.mark.parametrize(
    "html",
    [
        "<!doctype html><html><head><title>x</title></head><body><p>a<p>b<ul><li>c<li>d</ul></body></html>",
        "<table><tr><td>a<td>b<tr><td>c</table>",
        "<a href=\"a>b\"><img src=x.png alt='<p>'><br/></a>",
        "<!-- <div> --><!--[if mso]><table><tr><td><![endif]--><p>x</p>",
        "<div>a &lt; b < c</div>",
        "<p\n class = x >y</P>",
    ],
)
def test_what_is_nested_as_it_should_be(html: str) -> None:
    assert is_well_nested(html)


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * (DEEPEST + 1) + "</div>" * (DEEPEST + 1),
        "<div>" * 100_000,
        "<div></x>" * 100_000,
        "<!--><div>-->" * 10,
        "<!---><div>-->",
        "<!-- --!><div><!-- -->",
        '<div a"><div b">',
        "<svg><style><g></style></svg>",
        "<b><i></b></i>",
        "<p>" + "<font>" * 16 + "</font>" * 16,
        "<div",
        "</div>",
        "<plaintext>",
        "<?php ?>",
        "<![CDATA[ <div> ]]>",
    ],
)
def test_what_is_not_nested_so_stays_as_it_is(html: str) -> None:
    assert not is_well_nested(html)
    assert styled(RED + html) == RED + html


@pytest.mark.parametrize(
    "piece",
    ["<", "<a", "<a ", "<a b", "<a b=", '<a b="', "<!--", "<!", "<style>", "<title>", "</", "<a b='c'", "<a =", "<p>x"],
)
def test_looking_takes_no_longer_than_there_is_to_look_at(piece: str) -> None:
    html = piece * (200_000 // len(piece))
    began = time.thread_time()
    is_well_nested(html)
    assert time.thread_time() - began < 2


def test_too_many_rules_for_too_many_elements_are_refused() -> None:
    rules = "".join(f"p:not(.x{n}):nth-child(2n+1){{color:red}}" for n in range(3000))
    with pytest.raises(TooMuch):
        styled(f"<style>{rules}</style>" + "<p>x</p>" * 9000)
    began = time.thread_time()
    styled(f"<style>{rules[:40_000]}</style>" + "<p>x</p>" * 1000)
    assert time.thread_time() - began < 3
