"""The filters and tests that a template may use. Each costs what it makes, and none looks deeper than one level."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from jinja2 import Undefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from postroom.rendering.budget import Budget

BUDGET = " budget"
"""Where a context keeps its budget: no variable can have this name."""

_SPEC = re.compile(r"%(?:%|[-+ #0]{0,5}[0-9]{0,2}(?:\.[0-9]{0,2})?[sdifeEgGxX])")
_LONGEST_NUMBER = 410  # characters of a number as `format` writes it
_PLACES = 30  # behind the point
LARGEST = 10**30  # of a whole number
MOST_ESCAPED = 6  # characters that one may become in HTML, and more than that

_SCALARS = (str, int, float, type(None))

Word = Callable[..., Any]


class Misused(TypeError):
    """A filter, a test or an operator got what it isn't for."""


def budget_of(context: Context) -> Budget:
    found: Budget = context.parent[BUDGET]
    return found


def scalar(value: Any) -> Any:
    """The value, if it has no parts of its own: to compare or to write out others may take no end."""
    if isinstance(value, _SCALARS):
        return value
    if isinstance(value, Undefined):
        str(value)  # which raises
    raise Misused(f"{kind(value)} was used where one value is wanted: use one of its members")


def kind(value: Any) -> str:
    """What the value is, for error texts."""
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if isinstance(value, Sequence) else "something that is no value"


def text(value: Any) -> str:
    """A value in words: true and false as JSON has them, nothing for null."""
    value = scalar(value)
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def members(context: Context, value: Any, each: int = 1) -> Sequence[Any]:
    """What a list holds, or the names in an object, for as many steps a member."""
    if isinstance(value, Undefined):
        iter(value)  # which raises
    if not isinstance(value, list | tuple | range | Mapping):
        raise Misused("only lists and objects can be gone through")
    budget_of(context).spend(1 + len(value) * each)
    return list(value) if isinstance(value, Mapping) else value


@pass_context
def joined(context: Context, values: Sequence[Any], between: Any = "") -> str:
    """The values in words, one after another."""
    parts = [text(each) for each in members(context, values)]
    separator = text(between)
    if any(isinstance(each, Markup) for each in [separator, *parts]):
        parts, separator = [escape(each) for each in parts], escape(separator)
    budget_of(context).spend_on(sum(map(len, parts)) + len(separator) * len(parts))
    return separator.join(parts)


def _of_text(change: Callable[[str], str]) -> Word:
    @pass_context
    def word(context: Context, value: Any) -> str:
        changed = change(text(value))
        budget_of(context).spend_on(len(changed))
        return changed

    return word


@pass_context
def _replace(context: Context, value: Any, old: str, new: str) -> str:
    whole, old, new = text(value), text(old), text(new)
    if not old:
        raise Misused("replace was told to replace nothing")
    times = whole.count(old)
    budget_of(context).spend_on(len(whole) + times * len(new) * (MOST_ESCAPED if isinstance(whole, Markup) else 1))
    return whole.replace(old, new)


@pass_context
def _truncate(context: Context, value: Any, length: int = 255, end: str = "…") -> str:
    whole, most, end = text(value), int(scalar(length)), text(end)
    budget_of(context).spend_on(len(whole) + len(end))
    return whole if len(whole) <= most else whole[: max(0, most - len(end))] + end


@pass_context
def _format(context: Context, value: Any, *args: Any) -> str:
    pattern, made = text(value), 0
    for each in args:
        made += len(scalar(each)) if isinstance(each, str) else _LONGEST_NUMBER if scalar(each) is not None else 4
    budget_of(context).spend_on(len(pattern) + made)
    if not _is_tame(pattern):
        raise Misused("format knows %s, %d, %f, %e, %g and %x, with widths of two digits")
    return pattern % args


@lru_cache(maxsize=256)
def _is_tame(pattern: str) -> bool:
    return "%" not in _SPEC.sub("", pattern)


def _length(value: Any) -> int:
    if not isinstance(value, str | Mapping | Sequence):
        scalar(value)
        raise Misused("only texts, lists and objects have a length")
    return len(value)


def _default(value: Any, otherwise: Any = "", also_where_empty: bool = False) -> Any:  # noqa: FBT001, FBT002, RUF100  as Jinja has it
    return otherwise if isinstance(value, Undefined) or value is None or (also_where_empty and not value) else value


@pass_context
def _sort(context: Context, values: Any, reverse: bool = False, attribute: str | None = None) -> list[Any]:  # noqa: FBT001, FBT002, RUF100  as Jinja has it
    found = members(context, values, 10)

    def key(each: Any) -> Any:
        wanted = scalar(each if attribute is None else _member(each, attribute))
        return wanted.lower() if isinstance(wanted, str) else wanted

    return sorted(found, key=key, reverse=bool(reverse))


@pass_context
def _sum(context: Context, values: Any, attribute: str | None = None) -> Any:
    return sum(number(each if attribute is None else _member(each, attribute)) for each in members(context, values))


def _member(value: Any, name: Any) -> Any:
    if not isinstance(value, Mapping) or not isinstance(name, str) or name not in value:
        raise Misused(f"not every item has the member `{str(name)[:50]}`")
    return value[name]


@pass_context
def _batch(context: Context, values: Any, size: int) -> list[Any]:
    found, size = members(context, values), int(number(size))
    if size < 1:
        raise Misused("batch makes rows of 1 item at least")
    return [list(found[start : start + size]) for start in range(0, len(found), size)]


@pass_context
def _items(context: Context, value: Any) -> list[Any]:
    if not isinstance(value, Mapping):
        raise Misused("only objects have items")
    members(context, value)
    return list(value.items())


@pass_context
def _dictsort(context: Context, value: Any) -> list[Any]:
    members(context, value, 10)
    return sorted(_items(context, value), key=lambda item: str(item[0]).lower())


@pass_context
def _reverse(context: Context, value: Any) -> list[Any]:
    return list(members(context, value))[::-1]


@pass_context
def _first(context: Context, value: Any) -> Any:
    return next(iter(members(context, value)), None)


@pass_context
def _last(context: Context, value: Any) -> Any:
    return next(iter(members(context, value)[-1:]), None)


def number(value: Any) -> Any:
    """A number that can be reckoned with."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        scalar(value)
        raise Misused("a number is wanted here")
    return value


def _round(value: Any, places: int = 0) -> Any:
    return round(number(value), max(0, min(_PLACES, int(number(places)))))


def _int(value: Any, default: int = 0) -> int:
    value = scalar(value)
    try:
        found = int(value)
    except (TypeError, ValueError, OverflowError):
        return int(default)
    return found if abs(found) <= LARGEST else int(default)


def _float(value: Any, default: float = 0.0) -> float:
    try:
        return float(scalar(value))
    except (TypeError, ValueError):
        return float(default)


FILTERS: Mapping[str, Word] = {
    "abs": lambda value: abs(number(value)),
    "batch": _batch,
    "capitalize": _of_text(str.capitalize),
    "count": _length,
    "d": _default,
    "default": _default,
    "dictsort": _dictsort,
    "e": _of_text(escape),
    "escape": _of_text(escape),
    "first": _first,
    "float": _float,
    "format": _format,
    "int": _int,
    "items": _items,
    "join": joined,
    "last": _last,
    "length": _length,
    "lower": _of_text(str.lower),
    "replace": _replace,
    "reverse": _reverse,
    "round": _round,
    "safe": _of_text(Markup),
    "sort": _sort,
    "sum": _sum,
    "title": _of_text(str.title),
    "trim": _of_text(str.strip),
    "truncate": _truncate,
    "upper": _of_text(str.upper),
    "urlencode": _of_text(lambda value: quote(value, safe="")),
}

TESTS: Mapping[str, Word] = {
    "boolean": lambda value: isinstance(value, bool),
    "defined": lambda value: not isinstance(value, Undefined),
    "divisibleby": lambda value, by: number(value) % number(by) == 0,
    "even": lambda value: number(value) % 2 == 0,
    "mapping": lambda value: isinstance(value, Mapping),
    "none": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "odd": lambda value: number(value) % 2 == 1,
    "sequence": lambda value: isinstance(value, list | tuple | range),
    "string": lambda value: isinstance(value, str),
    "undefined": lambda value: isinstance(value, Undefined),
}
