"""The plain text made from HTML: letters to compare with what is read, and what no HTML may do to it."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from postroom.message.plain import text_of

LETTERS = sorted((Path(__file__).parent / "plain").glob("*.html"))


@pytest.mark.parametrize("letter", LETTERS, ids=lambda path: path.stem)
def test_a_letter_reads_as_it_should(letter: Path) -> None:
    assert text_of(letter.read_text("utf-8")) == letter.with_suffix(".txt").read_text("utf-8").removesuffix("\n")


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ('<a href="https://a.example/">https://a.example</a>', "https://a.example"),
        ('<a href="https://a.example/x">a.example/x</a>', "a.example/x"),
        ('<a href="https://a.example/x">A.example</a>', "A.example (https://a.example/x)"),
        ("<a href=' https://a.example/\n  x'>here</a>", "here (https://a.example/  x)"),
        ('<a href="https://a.example/"><b> here </b></a>!', "here (https://a.example/) !"),
        ('<a href="tel:+31 20 123">+3120123</a>', "+3120123"),
        ('<a href="">nowhere</a> <a>at all</a>', "nowhere at all"),
        (
            '<a href="https://a.example/">one<a href="https://b.example/">two',
            "one (https://a.example/)two (https://b.example/)",
        ),
        ('<a title="a > b" href="https://a.example/">x</a>', "x (https://a.example/)"),
        ('<a href="https://a.example/" href="https://b.example/">x</a>', "x (https://a.example/)"),
    ],
)
def test_a_link_is_followed_by_where_it_leads_unless_that_is_what_it_says(html: str, text: str) -> None:
    assert text_of(html) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("a<br>b<br/><br />c<br><br><br><br>d", "a\nb\n\nc\n\nd"),
        ("<ol start=x><li>a<li>b</ol><ol start=99999999999><li>c</ol>", "1. a\n2. b\n\n1. c"),
        ("<li>a</li>b</ul></ol></li></blockquote>c", "- a\nb\n\nc"),
        ("<ul><li><blockquote>a<br>b</blockquote>c<li>d</ul>", "- > a\n  > b\n\n  c\n- d"),
        ("<dl><dt>a<dd>b</dl>", "a\nb"),
        ("<script>if (a </b>) '</scripts>'</script >x", "x"),
        ("<!-->a<!--->b<!-- --!>c<!doctype html>d</>e</ f>g<?php ?>h", "abcdegh"),
        ("<p title=it's>a</p><p title = 'x>y'>b", "a\n\nb"),
        ("&#0;&#xD800;&#x110000;&lt;b&gt;&copy", "\ufffd\ufffd\ufffd<b>©"),
        ("a &#" + "9" * 5000 + "; b", "a &#" + "9" * 5000 + "; b"),
        ("{%if a%}{{b}}{%endif%}", "{%if a%}{{b}}{%endif%}"),
        (
            "<p>{% if a < b %}x{% endif %}</p>{% if c %}<p>y</p>{% endif %}",
            "{% if a < b %}x{% endif %}\n\n{% if c %}y\n\n{% endif %}",
        ),
        ("<style>{% if dark %}p{}{% endif %}</style>a", "a"),
        ("{% {{ {", "{% {{ {"),
        ("", ""),
        (" \n<p>&nbsp;</p>", ""),
    ],
)
def test_small_things(html: str, text: str) -> None:
    assert text_of(html).rstrip("\n") == text.rstrip("\n")


_HTML = (
    "< > </ /> \" ' = & &amp; &#1 {{ }} {{{ }}} {% %} <!-- --> <p> </p> <p <ul> <ol> <li> </li> </ul> <a </a> href= "
    "<blockquote> </blockquote> <td hidden> </tr> <table> </table> <pre> </pre> <script> </script> display:none style= "
    "<br> <hr> \u00a0 \u200b \ud800 x \n \t"
)
MARKS = st.sampled_from(_HTML.split(" "))


@settings(max_examples=300)
@given(st.lists(MARKS, max_size=40).map("".join) | st.text(max_size=60))
@example("<p style=display:none>a</div>b")
def test_any_html_has_a_text_whose_lines_are_neat(html: str) -> None:
    text = text_of(html)
    assert text == text_of(html)
    assert not text.startswith("\n")
    assert not text.endswith("\n")


@pytest.mark.parametrize(
    "unit",
    [
        "<",
        "<a",
        "<a ",
        '<a "',
        "<a href='",
        '<a href="x" ',
        "<p>",
        "<ul><li>",
        "<ol>",
        "<blockquote>",
        "</blockquote>",
        "<blockquote><p>x",
        "<div hidden>",
        "<td hidden>",
        "<table><td hidden>",
        "<a href=x>",
        "<a href=x>y",
        "{{",
        "{",
        "{%",
        "{% ",
        "{{ a",
        "{{{a}}",
        "&",
        "&#9",
        "<!--",
        "<!",
        "</",
        "<script>",
        "<script ",
        "<style></style",
        "<pre>\n",
        "\n<pre>",
        " ",
        "=",
        "<a =",
        "<a b= ",
        "\u00a0\u200b",
        "<br>",
        "<hr>",
        "<li>",
        "<td>",
        "<td>x",
        "x<td>",
        "<p style='display",
        "<img alt=x>",
    ],
)
def test_a_hostile_letter_twice_as_long_takes_twice_the_work(unit: str) -> None:
    """Counted in the lines of ours that run, and closed at the end by what was opened, in the order that hurts most."""
    ends = "</blockquote>" * 400 + "</ul>" * 400
    once, twice = (_work(partial(text_of, unit * count + ends)) for count in (1000, 2000))
    assert twice < 2.2 * once + 200


def _work(task: Callable[[], object]) -> int:
    """How many lines of Python run."""
    count = 0

    def line(_frame: object, event: str, _argument: object) -> object:
        nonlocal count
        count += event == "line"
        return line

    before = sys.gettrace()
    sys.settrace(line)  # type: ignore[arg-type]
    try:
        task()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "html",
    [
        "<" * 1_000_000,
        '<a "' * 250_000,
        "<a b='" * 150_000,
        "<a b" + " " * 1_000_000,
        "{{ a" * 250_000,
        "{% " * 300_000,
        "{{{" * 300_000,
        "<!-" * 300_000,
        "<script" * 150_000,
        "</script" * 150_000,
        "<a href={{" * 100_000,
        "&#" * 500_000,
        "&" * 1_000_000,
        "<p hidden " + "x= " * 300_000,
        "<p style='" + "display: " * 100_000,
        "<ul>" * 100_000 + "</ol>" * 100_000,
        "<blockquote>" * 100_000 + "<p>x" * 1000,
        "<a href='mailto:" + "/" * 1_000_000 + "'>" + "/" * 1_000_000,
    ],
    ids=lambda html: html[:12],
)
def test_a_megabyte_of_nonsense_is_read_at_once(html: str) -> None:
    """A step that looks again at what it has seen would take hours here: a thousand times a megabyte, and more."""
    assert len(text_of(html)) <= 3 * len(html)
