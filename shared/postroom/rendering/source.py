"""One part of a template, such as its HTML: read once, filled in as often as letters are made from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from jinja2 import Template, TemplateError, TemplateSyntaxError, meta

from postroom.rendering.budget import Budget, Flaw, TooMuch
from postroom.rendering.grammar import MOST_NODES, check, rewritten
from postroom.rendering.sandbox import Sandbox
from postroom.rendering.words import BUDGET, Misused

_TRIPLE = re.compile(r"\{\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}\}")
_MADE = "<template>"  # the name of the code that Jinja makes


class Source:
    """A part that was read. `names` are the variables that it uses."""

    def __init__(self, part: str, template: Template, names: frozenset[str]) -> None:
        self.part, self._template, self.names = part, template, names

    @classmethod
    def read(cls, part: str, source: str, sandbox: Sandbox) -> Source:
        """Raises `Flaw`. `{{{NAME}}}`, as Resend's templates have it, is another way to write `{{ NAME }}`."""
        text = _TRIPLE.sub(r"{{ \1 }}", source)
        try:
            if text.count("{{") + text.count("{%") > MOST_NODES:
                raise Flaw(f"it has more than {MOST_NODES:,} parts")
            tree = sandbox.parse(text)
            check(tree)
            names = frozenset(meta.find_undeclared_variables(tree)) - sandbox.globals.keys()
            return cls(part, sandbox.from_string(rewritten(tree)), names)
        except Flaw as flaw:
            raise Flaw(flaw.text, part, flaw.line) from None
        except TemplateSyntaxError as error:
            raise Flaw(_short(error.message or "it can't be read"), part, error.lineno) from None
        # What Jinja's parser says of depth, and Python's own of the code that Jinja makes.
        except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError):
            raise Flaw("it is nested too deeply, or its numbers are too long", part) from None

    def filled(self, variables: Mapping[str, Any], budget: Budget) -> str:
        """Raises `Flaw`."""
        context = self._template.new_context({**variables, BUDGET: budget})
        try:
            return self._template.environment.concat(self._template.root_render_func(context))
        except RecursionError as error:
            raise Flaw("its macros call each other without an end", self.part, self._line(error)) from None
        except MemoryError as error:
            raise Flaw("it takes too much memory", self.part, self._line(error)) from None
        except (TooMuch, Misused, TemplateError) as error:
            raise Flaw(_short(str(error)), self.part, self._line(error)) from None
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
            raise Flaw(f"it can't be worked out: {_short(str(error))}", self.part, self._line(error)) from None

    def _line(self, error: BaseException) -> int | None:
        """The template's line at which the code that was made of it failed."""
        found, step = None, error.__traceback__
        while isinstance(step, TracebackType):
            if step.tb_frame.f_code.co_filename == _MADE:
                found = self._template.get_corresponding_lineno(step.tb_lineno)
            step = step.tb_next
        return found


def _short(text: str) -> str:
    return text.strip().rstrip(".")[:300]
