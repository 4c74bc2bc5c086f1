"""What a route's `via` says: the domain's own servers, a relay, or a proxy on the way to these servers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from postroom.delivery.routing import Proxy, Relay
from postroom.smtp.security import Credentials, Mechanism

PORTS = {"smtp": 587, "smtps": 465, "socks5": 1080}

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_FORM = (
    'must be "mx", a relay such as smtp://user:${PASSWORD}@relay.example.org:587, or socks5://proxy.example.org:1080'
)


def read_via(via: str, variables: Mapping[str, str]) -> Relay | Proxy | None:
    """The relay or the proxy, None for `mx`. Raises ValueError, whose text goes on behind `via` and tells no secret."""
    if via == "mx":
        return None
    missing = [name for name in dict.fromkeys(_VARIABLE.findall(via)) if not variables.get(name)]
    if missing:
        raise ValueError(f"names {', '.join(missing)}, which the environment doesn't set")
    if "${" in _VARIABLE.sub("", via):
        raise ValueError("holds ${ without a name and }: a variable is written ${NAME}")
    # The parts are taken apart before the secret is put in: a password may hold any character.
    try:
        parts = urlsplit(via)
        port = PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
    except ValueError:  # whose text may quote a piece of a password
        raise ValueError(f"{_FORM}; in a name or a password that is written out, / ? # @ and : are %-escaped") from None
    host = parts.hostname or ""
    if not port or not re.fullmatch(r"[a-z0-9._:-]+", host) or parts.path.strip("/") or parts.fragment:
        raise ValueError(_FORM)
    credentials = _credentials(parts, variables)
    if parts.scheme != "socks5":
        return Relay(host, port, parts.scheme == "smtps", credentials)
    if credentials is not None and not all(
        1 <= len(each.encode()) <= 255 for each in (credentials.username, credentials.password)
    ):
        raise ValueError("names a user and a password of more than 255 octets, or of none (RFC 1929 §2)")
    return Proxy(host, port, credentials)


def _credentials(parts: SplitResult, variables: Mapping[str, str]) -> Credentials | None:
    mechanism = _mechanism(parts)
    if parts.username is None:
        if mechanism is not None:
            raise ValueError("says how to authenticate, but not as whom")
        return None
    if not parts.username or not parts.password:
        raise ValueError("names a user without a password, or a password without a user")
    username, password = (_filled(text, variables) for text in (parts.username, parts.password))
    if not (username + password).isprintable():
        raise ValueError("names a user or a password with a control character")
    return Credentials(username, password, mechanism)


def _mechanism(parts: SplitResult) -> Mechanism | None:
    if not parts.query:
        return None
    asked = parse_qsl(parts.query, keep_blank_values=True)
    if parts.scheme == "socks5" or len(asked) != 1 or asked[0][0] != "auth" or asked[0][1] not in list(Mechanism):
        raise ValueError(f"may end in ?auth= and one of {', '.join(Mechanism)}, for a relay, and in nothing else")
    return Mechanism(asked[0][1])


def _filled(text: str, variables: Mapping[str, str]) -> str:
    """With its variables put in; what is written out may be %-escaped."""
    pieces = re.split(r"(\$\{\w+\})", text)
    return "".join(variables[piece[2:-1]] if _VARIABLE.fullmatch(piece) else unquote(piece) for piece in pieces)
