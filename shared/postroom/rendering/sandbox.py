"""Where templates run: Jinja2's sandbox with the doors shut that it leaves open.

A dot leads to a member of an object and nowhere else, so there are no methods and no attributes of Python's; nothing
is called but macros, `range` and `loop.cycle`; and all that may take long is paid for from the budget first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import StrictUndefined, Undefined, pass_context
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from postroom.rendering.budget import LONGEST, TooMuch
from postroom.rendering.grammar import CHARGE, EACH, JOINED, SCALAR, WITHIN
from postroom.rendering.words import (
    FILTERS,
    LARGEST,
    MOST_ESCAPED,
    TESTS,
    Misused,
    budget_of,
    joined,
    members,
    number,
    scalar,
    text,
)

_LOOP = {
    "index",
    "index0",
    "revindex",
    "revindex0",
    "first",
    "last",
    "length",
    "depth",
    "depth0",
    "previtem",
    "nextitem",
    "cycle",
}


class Missing(StrictUndefined):
    """A variable or a member that isn't there: it may be asked about, and used for nothing."""

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        name = str(self._undefined_name)[:50]
        if isinstance(self._undefined_obj, Mapping):
            return f"an object has no member `{name}`"
        if self._undefined_obj is None or isinstance(self._undefined_obj, str | int | float | list | tuple):
            return f"`.{name}` was asked of something that isn't an object"
        return f"there is no variable `{name}`"


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment of one kind of text: HTML, in which values are escaped, or plain."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self, *, html: bool) -> None:
        super().__init__(
            autoescape=html,
            undefined=Missing,
            finalize=_written,
            optimized=False,  # nothing is worked out before there is a budget for it
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            cache_size=0,
        )
        self.filters = {
            **FILTERS,
            EACH: _each,
            CHARGE: _charge,
            SCALAR: _compared,
            WITHIN: _within,
            JOINED: joined,
        }
        self.tests = dict(TESTS)
        self.globals = {"range": range}

    @staticmethod
    def concat(pieces: Iterable[str]) -> str:
        """Of a whole text, and of each macro's."""
        found = list(pieces)
        if sum(map(len, found)) > LONGEST:
            raise TooMuch(f"it makes a text of more than {LONGEST:,} characters")
        return "".join(found)

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        if isinstance(obj, LoopContext):
            return getattr(obj, attribute) if attribute in _LOOP else self.undefined(obj=obj, name=attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Undefined):
            str(obj)  # which raises
        if isinstance(obj, Mapping):
            if isinstance(argument, str) and argument in obj:
                return obj[argument]
        elif isinstance(obj, list | tuple | range) and isinstance(argument, int) and -len(obj) <= argument < len(obj):
            return obj[argument]
        return self.undefined(obj=obj, name=str(argument) if isinstance(argument, str | int) else "…")

    def call(self, context: Context, called: Any, *args: Any, **kwargs: Any) -> Any:
        budget = budget_of(context)
        budget.spend(1 + len(args) + len(kwargs))
        if called is range:
            made = range(*map(number, args))
            if len(made) > LONGEST:
                raise TooMuch("its range is too long")
            return made
        if isinstance(called, Macro):
            made_text = context.call(called, *args, **kwargs)
            budget.spend_on(len(made_text))
            return made_text
        if isinstance(getattr(called, "__self__", None), LoopContext):  # only `cycle` gets this far
            return called(*args)
        if isinstance(called, Undefined):
            str(called)  # which raises
        raise Misused("only macros, `range` and `loop.cycle` can be called")

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            escaped = Markup in (type(left), type(right))
            budget_of(context).spend_on((len(left) + len(right)) * (MOST_ESCAPED if escaped else 1))
            return left + right
        made = self.binop_table[operator](number(left), number(right))
        if isinstance(made, int) and abs(made) > LARGEST:
            raise TooMuch("it makes a number that is too large")
        return made


@pass_context
def _written(context: Context, value: Any) -> Any:
    """What is written for the value of `{{ … }}`."""
    if type(value) is not str and type(value) is not Markup:
        value = text(value)
    budget_of(context).spend_on(len(value))
    return value


@pass_context
def _each(context: Context, value: Any, cost: int) -> Any:
    return members(context, value, cost)


@pass_context
def _charge(context: Context, cost: int) -> str:
    budget_of(context).spend(cost)
    return ""


@pass_context
def _compared(context: Context, value: Any) -> Any:
    found = scalar(value)
    if isinstance(found, str):
        budget_of(context).spend(len(found) >> 6)
    return found


@pass_context
def _within(context: Context, value: Any) -> Any:
    if isinstance(value, str):
        budget_of(context).spend(1 + (len(value) >> 3))
        return value
    return members(context, value)


HTML, PLAIN = Sandbox(html=True), Sandbox(html=False)
