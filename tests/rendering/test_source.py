"""What a template says is what a letter gets."""

from __future__ import annotations

from typing import Any

import pytest

from postroom.rendering.budget import Flaw
from tests.rendering.filling import html, plain

ORDER = {"number": 7, "lines": [{"name": "Tea & milk", "price": 3.5}, {"name": "<Cake>", "price": 12}]}


def test_values_are_escaped_in_html_and_nowhere_else() -> None:
    assert html("<p>{{ NAME }}", NAME="<b>Ann & 'Bob'") == "<p>&lt;b&gt;Ann &amp; &#39;Bob&#39;"
    assert plain("{{ NAME }}", NAME="<b>Ann & 'Bob'") == "<b>Ann & 'Bob'"
    assert html("{{ NAME|safe }}", NAME="<b>Ann</b>") == "<b>Ann</b>"


def test_three_braces_are_as_good_as_two() -> None:
    assert html("{{{NAME}}}, {{{ NAME }}}", NAME="<Ann>") == "&lt;Ann&gt;, &lt;Ann&gt;"


def test_lists_and_objects_are_gone_through() -> None:
    source = (
        "{% for line in order.lines %}{{ loop.index }} of {{ loop.length }}: {{ line.name }} "
        "{{ '%.2f'|format(line.price) }}{% if not loop.last %}; {% endif %}{% else %}nothing{% endfor %}"
    )
    assert html(source, order=ORDER) == "1 of 2: Tea &amp; milk 3.50; 2 of 2: &lt;Cake&gt; 12.00"
    assert html(source, order={"lines": []}) == "nothing"


def test_a_member_is_what_the_object_holds_under_its_name() -> None:
    assert plain("{{ a.items }} {{ a['keys'] }} {{ a.b[0] }}", a={"items": 1, "keys": 2, "b": [3]}) == "1 2 3"


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("{{ true }} {{ false }}{{ none }}", "true false"),
        ("{{ 7 }} {{ 7.0 }} {{ 3 + 4 * 2 }} {{ 7 // 2 }} {{ -7 }}", "7 7.0 11 3 -7"),
        ("{{ 'a' ~ 1 ~ true }} {{ 'a' + 'b' }}", "a1true ab"),
        ("{{ MISSING|default('nobody') }} {{ MISSING is defined }}", "nobody false"),
        ("{% if 3 in [1, 2, 3] and 'b' in 'abc' %}yes{% endif %}", "yes"),
        ("{% set a = 'x' %}{% with b = a %}{{ b|upper }}{% endwith %}", "X"),
        ("{% macro m(a, b='!') %}{{ a }}{{ b }}{% endmacro %}{{ m('hi') }}{{ m('ho', '?') }}", "hi!ho?"),
        ("{{ [3, 1, 2]|sort|join(', ') }} {{ [1, 2]|sum }} {{ [1, 2]|last }}", "1, 2, 3 3 2"),
        ("{% for k, v in o|dictsort %}{{ k }}={{ v }} {% endfor %}", "a=1 b=2 "),
        ("{% for row in [1, 2, 3]|batch(2) %}{{ row|join('+') }};{% endfor %}", "1+2;3;"),
        ("{{ 'a b&c'|urlencode }} {{ 'abcdef'|truncate(4) }} {{ ' x '|trim }} {{ 'x'|length }}", "a%20b%26c abc… x 1"),
        ("{% for i in range(3) %}{{ loop.cycle('a', 'b') }}{% endfor %}", "aba"),
        ("{{ 2.345|round(1) }} {{ '12'|int + 1 }} {{ 'x'|int(5) }} {{ 7 is odd }}", "2.3 13 5 true"),
        ("{% raw %}{{ as it is }}{% endraw %}{# nothing #}", "{{ as it is }}"),
        ("one\n{% if true %}\ntwo\n{% endif %}\nthree\n", "one\ntwo\nthree\n"),
    ],
)
def test_what_there_is_to_say(source: str, written: str) -> None:
    assert plain(source, o={"b": 2, "a": 1}) == written


@pytest.mark.parametrize(
    ("source", "variables", "line", "text"),
    [
        ("{{ NAME }}", {}, 1, "there is no variable `NAME`"),
        ("\n\n{{ a.b }}", {"a": {}}, 3, "an object has no member `b`"),
        ("\n{{ a.b }}", {"a": "x"}, 2, "`.b` was asked of something that isn't an object"),
        ("{% if a %}\n{{ 1 / 0 }}{% endif %}", {"a": 1}, 2, "it can't be worked out: division by zero"),
        ("{{ a }}", {"a": [1]}, 1, "a list was used where one value is wanted: use one of its members"),
        ("{% for c in 'abc' %}{% endfor %}", {}, 1, "only lists and objects can be gone through"),
        ("a\n{% if %}", {}, 2, "Expected an expression, got 'end of statement block'"),
        ("a\n{{ x", {}, 2, "unexpected end of template, expected 'end of print statement'"),
        ("{% for a in [1] %}", {}, 1, "Unexpected end of template"),
    ],
)
def test_a_flaw_names_its_line(source: str, variables: dict[str, Any], line: int, text: str) -> None:
    with pytest.raises(Flaw) as caught:
        html(source, **variables)
    assert (caught.value.part, caught.value.line) == ("html", line)
    assert caught.value.text.startswith(text)
