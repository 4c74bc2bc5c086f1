"""Resend's client for Python, called or awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

Called = Callable[..., Any]

Client = Callable[[Any, str], Called]
"""Gives a method of one of the client's resources, such as `resend.Emails`, by its name."""


def called(resource: Any, name: str) -> Called:
    method: Called = getattr(resource, name)
    return method


def awaited(resource: Any, name: str) -> Called:
    async def made(*args: Any) -> Any:
        return await getattr(resource, f"{name}_async")(*args)

    return lambda *args: asyncio.run(made(*args))
