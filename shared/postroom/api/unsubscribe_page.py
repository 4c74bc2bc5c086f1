"""The pages that a link to unsubscribe leads to. They name nobody: a letter may have been passed on, link and all."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape

from flask import Response

from postroom.account.unsubscribe import PAIR

_STYLE = (
    "body{font:1.1em/1.5 sans-serif;max-width:30em;margin:4em auto;padding:0 1em}button{font:inherit;padding:.4em 1em}"
)
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
<p>{text}</p>
{rest}</body>
</html>
"""
_FORM = f"""\
<form method="post">
<input type="hidden" name="{PAIR[0]}" value="{PAIR[1]}">
<button>Unsubscribe</button>
</form>
"""
_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}


def question() -> Response:
    """What a person sees who follows the link, and a scanner that follows all of them: nothing is done yet."""
    text = "Press the button, and no more letters are sent from here to the address that this link was sent to."
    return _page("Unsubscribe", text, rest=_FORM)


def done() -> Response:
    return _page(
        "You are unsubscribed", "No more letters are sent from here to the address that this link was sent to."
    )


def refused(message: str, status: int) -> Response:
    return _page("This did not work", message, status)


def _page(title: str, text: str, status: int = 200, rest: str = "") -> Response:
    page = _PAGE.format(title=title, style=_STYLE, text=escape(text), rest=rest)
    return Response(page, status, _HEADERS, content_type="text/html; charset=utf-8")
