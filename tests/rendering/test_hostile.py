"""Templates that would take all time, all memory, or what isn't theirs: each is refused, soon, with its line."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from postroom.account.template import LARGEST
from postroom.rendering.budget import Flaw
from tests.rendering.filling import html

SECONDS = 3.0  # generous: most take milliseconds
MEGABYTES = 120

TIMES = 40
SQUARED = "{% set x = x * x %}" * TIMES
NESTED = "{% set x = [x, x] %}" * TIMES
MACRO = "{% macro a() %}{{ b() }}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{{ a() }}{% endmacro %}{{ a() }}"

ATTRIBUTES = [
    "{{ ''.__class__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''['__class__'] }}",
    "{{ ''|attr('__class__') }}",
    "{{ name.upper() }}",
    "{{ name.upper }}",
    "{{ list.append(1) }}",
    "{{ '{0.__class__}'.format(name) }}",
    "{{ '%s'|format(list) }}",
    "{{ self }}",
    "{{ self._TemplateReference__context }}",
    "{{ cycler }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ lipsum.__globals__ }}",
    "{{ lipsum(100000) }}",
    "{{ joiner('') }}",
    "{{ namespace(a=1) }}",
    "{{ range.__init__ }}",
    "{{ range }}",
    "{% for i in [1] %}{{ loop.__init__ }}{% endfor %}",
    "{% for i in [1] %}{{ loop['__init__'] }}{% endfor %}",
    "{% for i in [1] %}{{ loop._iterable }}{% endfor %}",
    "{% for i in [1] %}{{ loop }}{% endfor %}",
    "{% macro m() %}{% endmacro %}{{ m.__call__ }}",
    "{% macro m() %}{% endmacro %}{{ m._environment }}",
    "{% macro m() %}{{ caller() }}{{ varargs }}{% endmacro %}{{ m() }}",
    "{{ list|map('upper')|list }}",
    "{{ list|map(attribute='__class__')|list }}",
    "{{ list|sort(attribute='__class__') }}",
    "{{ (1).real }}",
    "{{ missing.__class__ }}",
    "{{ _context }}",
    "{{ environment }}",
    "{{ context }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% from 'os' import path %}",
    "{% extends 'base' %}",
    "{% block a %}{% endblock %}",
    "{% autoescape false %}{{ name }}{% endautoescape %}",
    "{% call m() %}{% endcall %}",
    "{% filter upper %}x{% endfilter %}",
    "{% set ns.a = 1 %}",
    "{% do list.append(1) %}",
    "{% debug %}",
    "{{ m(*list) }}",
    "{{ m(**object) }}",
]

ENDLESS = [
    "{% for i in range(10 ** 9) %}{% endfor %}",
    "{% for i in range(1000000000) %}{% endfor %}",
    "{% for i in range(0, 1000000000, 1) if i > 5 %}{% endfor %}",
    "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
    "{% for a in range(999) %}{% for b in range(999) %}{% for c in range(999) %}{% endfor %}{% endfor %}{% endfor %}",
    "{% for i in range(99999) %}" + "{% if a.b and a.b or not a.b %}{% endif %}" * 100 + "{% endfor %}",
    "{% for i in range(99999) %}{{ name }}{% endfor %}" * 100,
    "{% for i in range(390000) %}{{ large }}{% endfor %}",
    "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    MACRO,
    "{% macro a(n) %}{{ a(n + 1) }}{% endmacro %}{{ a(0) }}",
    "{% macro d(x) %}{{ x }}{{ x }}{% endmacro %}{{ " + "d(" * 30 + "'aaaaaaaa'" + ")" * 30 + " }}",
    "".join(f"{{% macro m{n}() %}}{{{{ m{n + 1}() }}}}{{{{ m{n + 1}() }}}}{{% endmacro %}}" for n in range(40))
    + "{% macro m40() %}x{% endmacro %}{{ m0() }}",
    "{% set x = 'aaaaaaaaaa' %}" + "{% set x = x ~ x %}" * TIMES + "{{ x }}",
    "{% set x = 'aaaaaaaaaa' %}" + "{% set x = x + x %}" * TIMES + "{{ x }}",
    "{% set x = 'aaaaaaaaaa' %}" + "{% set x = x|replace('a', 'aaaaaaaaaa') %}" * TIMES + "{{ x }}",
    "{% set x = 'aaaaaaaaaa' %}" + "{% set x = [x, x, x]|join(x) %}" * TIMES + "{{ x }}",
    "{% set x = '<<<<<<<<<<' %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * TIMES + "{{ x }}",
    "{% set x = '&&&&&&&&&&' %}" + "{% set x = x|e ~ x %}" * TIMES + "{{ x }}",
    "{% set x = '%s%s' %}" + "{% set x = x|format(x, x) %}" * TIMES + "{{ x }}",
    "{{ large ~ large }}" * 1000,
    "{{ large|upper|lower|title|e|trim }}" * 1000,
    "{% for i in range(20000) %}{{ large == large2 }}{% endfor %}",
    "{% for i in range(20000) %}{{ large in large2 }}{% endfor %}",
    "{% for i in range(20000) %}{{ list|sort|join }}{% endfor %}",
    "{% set x = 1 %}" + NESTED + "{{ x }}",
    "{% set x = 1 %}" + NESTED + "{{ x|join }}",
    "{% set x = 1 %}" + NESTED + "{{ x == 1 }}",
    "{% set x = 1 %}" + NESTED + "{% set y = x %}{% set x = 1 %}" + NESTED + "{{ x == y }}",
    "{% set x = 1 %}" + NESTED + "{{ x in [x] }}",
    "{% set x = 1 %}" + NESTED + "{{ x|sort }}",
    "{% set x = 1 %}" + NESTED + "{{ '%s'|format(x) }}",
    "{% set x = 1 %}" + NESTED + "{{ {x: 1} }}",
    "{% set x = 1 %}" + NESTED + "{{ a[x] }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ 9 ** 999999999 }}",
    "{% set x = 999999999999999 %}" + SQUARED + "{{ x }}",
    "{{ 'x' * 999999999 }}",
    "{{ [1] * 999999999 }}",
    "{{ 999999999 * 'x' }}",
    "{{ 'x'|center(999999999) }}",
    "{{ 'x'|indent(999999999) }}",
    "{{ 'x'|wordwrap(1) }}",
    "{{ 'x'|urlize }}",
    "{{ 'x'|striptags }}",
    "{{ '%999999999d'|format(1) }}",
    "{{ '%.999999999f'|format(1) }}",
    "{{ '%*d'|format(999999999, 1) }}",
    "{{ '%999999999d' % 1 }}",
    "{{ 'x'.ljust(999999999) }}",
    "{{ 1e999 }}",
    "{{ " + "9" * 5000 + " }}",
]

DEEP = [
    "{{ " + "(" * 100_000 + "1",
    "{{ " + "[" * 100_000,
    "{{ " + "-" * 100_000 + "1 }}",
    "{{ " + "not " * 50_000 + "1 }}",
    "{{ 1" + "+1" * 50_000 + " }}",
    "{{ a" + ".b" * 50_000 + " }}",
    "{{ a" + "[0]" * 50_000 + " }}",
    "{{ a" + "|upper" * 40_000 + " }}",
    "{{ a" + " if a else a" * 20_000 + " }}",
    "{{ 1" + " and 1" * 40_000 + " }}",
    "{% if 1 %}" * 15_000,
    "{% if 1 %}" * 9_000 + "{% endif %}" * 9_000,
    "{% for a in [1] %}" * 30 + "{% endfor %}" * 30,
    "{% if 0 %}" + "{% elif 1 %}" * 15_000 + "{% endif %}",
    "{{ [" + "1," * 100_000 + "] }}",
    "{{ a " * 50_000,
    "{" * LARGEST,
    "{#" * 100_000,
    "{% raw %}" * 30_000,
    "{{ '" + "\\" * 200_000,
]


@pytest.mark.parametrize("source", [*ATTRIBUTES, *ENDLESS, *DEEP], ids=lambda source: source[:60])
def test_it_ends_soon_and_says_why(source: str) -> None:
    variables = {
        "name": "Ann",
        "list": list(range(100, 0, -1)),
        "object": {"b": 1},
        "a": {"b": 1},
        "large": "<" * 90_000,
        "large2": "<" * 89_999 + ">",
    }
    began = time.thread_time()
    with pytest.raises(Flaw) as caught:
        html(source, **variables)
    assert time.thread_time() - began < SECONDS
    assert caught.value.part == "html"
    assert 0 < len(caught.value.sentence) < 600
    assert "0x" not in caught.value.sentence  # an address says that something of Python's was written out


@pytest.mark.parametrize("source", [source for source in ENDLESS if "large" in source or "set x" in source])
def test_it_takes_little_memory(source: str) -> None:
    variables = {"large": "<" * 90_000, "large2": "<" * 89_999 + ">", "list": list(range(100)), "a": {}, "name": "Ann"}
    tracemalloc.start()
    try:
        with pytest.raises(Flaw):
            html(source, **variables)
        assert tracemalloc.get_traced_memory()[1] < MEGABYTES * 1_000_000
    finally:
        tracemalloc.stop()


def test_what_is_harmless_has_room_enough() -> None:
    lines = [{"name": f"Thing {number}", "price": number / 100} for number in range(1000)]
    table = (
        "{% for each in lines %}<tr><td>{{ each.name }}</td><td>{{ '%.2f'|format(each.price) }}</td></tr>{% endfor %}"
    )
    assert html(table, lines=lines).count("<tr>") == 1000
