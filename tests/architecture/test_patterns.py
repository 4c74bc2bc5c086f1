"""Regular expressions that mean the same to every Python that we run on."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from re import _constants as codes
from re import _parser as parser
from typing import Any

import postroom

ONE = (codes.IN, codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.CATEGORY)


def patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    for module in pkgutil.walk_packages(postroom.__path__, "postroom."):
        if not module.name.endswith(".__main__"):  # which runs when it is imported
            for name, value in vars(import_module(module.name)).items():
                if isinstance(value, re.Pattern):
                    yield f"{module.name}.{name}", value


def possessive_groups(parsed: Any) -> Iterator[Any]:
    for operator, arguments in parsed:
        if operator is codes.POSSESSIVE_REPEAT and [each for each, _ in arguments[2] if each not in ONE]:
            yield arguments[2]
        parts = arguments if isinstance(arguments, tuple | list) else [arguments]
        for part in parts:
            if isinstance(part, parser.SubPattern):
                yield from possessive_groups(part)
            elif isinstance(part, list):
                for each in part:
                    if isinstance(each, parser.SubPattern):
                        yield from possessive_groups(each)


def test_no_group_is_repeated_possessively() -> None:
    # Python before 3.11.5 goes on from where an iteration has failed (cpython 106052): Debian 12 has 3.11.2. An atomic
    # group around a greedy repeat means the same, and is right there.
    found = {name for name, pattern in patterns() if [*possessive_groups(parser.parse(pattern.pattern, pattern.flags))]}
    assert found == set()
    assert [*possessive_groups(parser.parse(r"a(?:b|c(?:d|ef)*+)"))], "the search finds what it looks for"
