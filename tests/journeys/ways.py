"""Routes that go other ways than straight to the good server, and the names that they need."""

from __future__ import annotations

from tests.doubles.names import Zone

ZONE: Zone = {
    ("proxied.example.", "MX"): ["10 mx.proxied.example."],
    ("mx.proxied.example.", "A"): ["127.0.0.1"],
    ("shop.hosted.example.", "MX"): ["10 in.big.example.", "20 backup.example."],
    ("in.big.example.", "A"): ["127.0.0.1"],
    ("cellar.hosted.example.", "MX"): ["10 cellar.hosted.example."],
    ("cellar.hosted.example.", "A"): ["127.0.0.1"],
}

LOGIN = ("postroom", "let me through")


def ways(proxy: int) -> str:
    """The routes; the name of the good server's own is `here`."""
    return f"""
[[route]]
name = "first choice"
match = "fallback.example"
via = "smtp://127.0.0.1:9"
fallback = "here"

[[route]]
name = "tunnel"
match = "proxied.example"
via = "socks5://{LOGIN[0]}:{LOGIN[1].replace(" ", "%20")}@127.0.0.1:{proxy}"

[[route]]
name = "big"
match = "*.hosted.example"
mx = "*.big.example"
helo = "big-out.example.org"

[[route]]
name = "hosted"
match = "*.hosted.example"
"""
