"""The least that a function can do: the measure for what ours cost."""

from flask import Request


def hello(_request: Request) -> str:
    return "{}"
