"""CSS is put in place once for all letters of a template where that comes to the same, and else letter by letter."""

from __future__ import annotations

from time import thread_time
from typing import Any

import pytest

from postroom.rendering.budget import Allowance
from postroom.rendering.inlining import inlined_once
from postroom.rendering.letter import LetterTemplate
from postroom.rendering.sandbox import HTML

CLASS = "<style>.a { color: red }</style>"


def filled(html: str, **variables: Any) -> str:
    read = LetterTemplate.read(None, html, None)
    return read.filled(variables, Allowance(thread_time), unsubscribe_url=None).html


def test_what_jinja_does_stays_where_it_was() -> None:
    html = f"""{CLASS}<title>{{{{ t }}}}</title>{{# a comment #}}
<table>{{% for row in rows %}}<tr><td class="a" title='{{{{ row["n"] }}}}'>{{{{ row.n }}}}</td></tr>{{% else %}}
<tr><td>{{% raw %}}{{{{ none }}}}{{% endraw %}}</td></tr>{{% endfor %}}</table>
{{% if rows %}}<p class="a">{{{{ rows|length }}}}</p>{{% endif %}}<!--[if mso]>{{{{ t }}}}<![endif]-->"""
    assert inlined_once(html, HTML) is not None
    made = filled(html, t="<T>", rows=[{"n": "1"}, {"n": "&2"}])
    assert made.count("<tbody>") == 0
    assert '<td class="a" title="&amp;2" style="color: red;">&amp;2</td>' in made
    assert '<p class="a" style="color: red;">2</p>' in made
    assert "<title>&lt;T&gt;</title>" in made
    assert "<!--[if mso]>&lt;T&gt;<![endif]-->" in made
    assert "<td>{{ none }}</td>" in filled(html, t="", rows=[])


@pytest.mark.parametrize(
    "html",
    [
        "<style>p { color: {{ c }} }</style><p>{{ x }}</p>",  # the rule isn't known
        "{% if c %}<style>p { color: red }</style>{% endif %}<p>{{ x }}</p>",  # nor whether it is there
        CLASS + "<p class='{{ c }}'>{{ x }}</p>",  # nor whom it is for
        CLASS + "<p id={{ c }}>{{ x }}</p>",
        CLASS + "<p {{ c }}>{{ x }}</p>",
        "<style>p:first-child { color: red }</style>{% if c %}<p>a</p>{% endif %}<p>{{ x }}</p>",
        "<style>p + p { color: red }</style>{% if c %}<p>a</p>{% endif %}<p>{{ x }}</p>",
        "<style>[title=x] { color: red }</style><p title='{{ x }}'>{{ x }}</p>",
        CLASS + "{% if c %}<div class='a'>{% else %}<div>{% endif %}{{ x }}</div>",
        CLASS + "<div class='a'>{% if c %}</div><div>{% endif %}{{ x }}</div>",
        CLASS + "<p class='a' style='{{ s }}'>{{ x }}</p>",
        CLASS + "<table><tbody></tbody></table><table><tr><td>{{ x }}</td></tr></table>",
    ],
)
def test_where_it_may_not_come_to_the_same_it_waits_for_the_letter(html: str) -> None:
    assert inlined_once(html, HTML) is None
    assert "x" in filled(html, x="x", c="a", s="margin: 0")


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_both_ways_come_to_the_same(rows: int) -> None:
    html = (
        "<style>h1, .a { margin: 0 } .a b { color: red } a:hover { color: blue } @media print { p { margin: 1px } }"
        "</style>"
        "<h1>{{ t }}</h1><ul>{% for n in range(rows) %}<li class=a>{{ n }} <b>{{ t }}</b>{% endfor %}</ul><p>{{ t }}"
    )
    once = inlined_once(html, HTML)
    assert once is not None
    made = filled(html, t="&", rows=rows)
    waits = filled(html.replace("<style>", "<style>.none + .none { margin: 9px } "), t="&", rows=rows)
    assert _body(made) == _body(waits)
    assert made.count("color: red") == rows


def _body(html: str) -> str:
    return html.partition("<body>")[2].replace("</li>", "")


def test_a_template_without_styles_stays_as_it_is() -> None:
    assert inlined_once("<p>{{ x }}", HTML) is None
    assert filled("<p>{{ x }}", x=1) == "<p>1"
