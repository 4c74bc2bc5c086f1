"""Reading a template and filling it in, as tests do it."""

from __future__ import annotations

from time import thread_time
from typing import Any

from postroom.rendering.budget import Allowance, Budget
from postroom.rendering.sandbox import HTML, PLAIN
from postroom.rendering.source import Source


def html(source: str, **variables: Any) -> str:
    return Source.read("html", source, HTML).filled(variables, Budget(Allowance(thread_time)))


def plain(source: str, **variables: Any) -> str:
    return Source.read("text", source, PLAIN).filled(variables, Budget(Allowance(thread_time)))
