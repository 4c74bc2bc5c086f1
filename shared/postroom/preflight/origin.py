"""How others see us: the address that our letters come from, its name, and who keeps it on a list."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, ip_address, ip_network

from postroom.ports import NoAnswer, Published, Visit
from postroom.preflight.check import Check, failed, passed, warned

_QUALIFIED = re.compile(
    r"(?=.{4,253}\Z)(?:(?!-)[a-z0-9-]{1,63}(?<!-)\.)+(?!-)[a-z0-9-]*[a-z][a-z0-9-]*(?<!-)", re.IGNORECASE
)
_LISTED = ip_network("127.0.0.0/8")  # RFC 5782 §2.1
_REFUSED = ip_network("127.255.255.0/24")  # Spamhaus' word for a resolver that it doesn't answer
_TEST_POINT = "2.0.0.127"  # RFC 5782 §5: 127.0.0.2 is on every list, turned round


def addresses(visits: Sequence[Visit]) -> tuple[str, ...]:
    """Those that letters come from: the public ones that we dialled from, else those that servers say they see."""
    found = [visit.source or visit.seen for visit in visits]
    return tuple(dict.fromkeys(address for address in found if address))


def address(found: Sequence[str], visits: Sequence[Visit]) -> Check:
    if not found:
        why = "no server was reached" if not any(each.heard for each in visits) else "none that was reached says"
        return warned(
            "address",
            f"which address our letters come from can't be told: {why}. PTR, SPF and blocklists weren't looked at; run "
            "`postroom preflight` again with a domain whose servers can be reached",
        )
    told = next(each for each in visits if each.source or each.seen)
    how = f"which we dialled {told.place} from" if told.source else f"as {told.place} says"
    return passed("address", f"our letters come from {' and '.join(found)}, {how}")


def ptr(published: Published, address: str) -> Check:
    names = published.pointer(address)
    if isinstance(names, NoAnswer):
        return warned("ptr", f"{names.why}: look again later")
    if not names:
        return failed(
            "ptr",
            f"{address} has no PTR record, and many servers refuse mail from such: whoever rents it to us sets it",
        )
    confirmed = _confirmed(published, names, address)
    if isinstance(confirmed, NoAnswer):
        return warned("ptr", f"{confirmed.why}: look again later")
    if not confirmed:
        return failed(
            "ptr", f"{address} is named {', '.join(names[:3])}, which doesn't lead back to it: add its address"
        )
    return passed("ptr", f"{address} is named {', '.join(confirmed)}, which leads back to it")


def helo(published: Published, address: str, name: str) -> Check:
    """Whether the name that we introduce ourselves by is ours (RFC 5321 §4.1.1.1), and the one that the PTR has."""
    if name.startswith("["):
        return warned("helo", f"we call ourselves {name}; many servers want a name: set POSTROOM_HELO")
    if not _QUALIFIED.fullmatch(name):
        return failed("helo", f"we call ourselves {name}, which is no full host name: set POSTROOM_HELO")
    names = published.pointer(address)
    if not isinstance(names, NoAnswer) and name.lower() in names:
        return passed("helo", f"we call ourselves {name}, as the PTR of {address} does")
    own = published.addresses(name, ip_address(address).version)
    if isinstance(own, NoAnswer):
        return warned("helo", f"{own.why}: look again later")
    if not own:
        return failed("helo", f"we call ourselves {name}, a name without the address {address}: give it that address")
    ptr = names.why if isinstance(names, NoAnswer) else f"the PTR of {address} says {', '.join(names[:3]) or 'nothing'}"
    has = "has that address" if address in own else f"has the address {', '.join(own[:3])}"
    return warned("helo", f"we call ourselves {name}, which {has}, and {ptr}: the two names should be one")


def blocklist(published: Published, address: str, zone: str) -> Check:
    """Whether a list holds the address (RFC 5782), once it is known that the list answers us."""
    if isinstance(trouble := _listing(published, _TEST_POINT, zone), str):
        return warned("blocklist", f"whether {zone} lists {address} can't be told: {trouble}")
    if not trouble:
        why = "it doesn't list its own test address, so it is gone, or answers no resolver like POSTROOM_RESOLVERS"
        return warned("blocklist", f"whether {zone} lists {address} can't be told: {why}")
    turned = _turned(address)
    listed = _listing(published, turned, zone)
    if isinstance(listed, str):
        return warned("blocklist", f"whether {zone} lists {address} can't be told: {listed}")
    if not listed:
        return passed("blocklist", f"{zone} doesn't list {address}")
    reasons = published.texts(f"{turned}.{zone}")
    reason = f": {reasons[0][:300]}" if not isinstance(reasons, NoAnswer) and reasons else ""
    return failed("blocklist", f"{zone} lists {address} ({', '.join(listed)}){reason}")


def _confirmed(published: Published, names: Sequence[str], address: str) -> tuple[str, ...] | NoAnswer:
    confirmed, silent = [], None
    for name in names[:5]:
        back = published.addresses(name, ip_address(address).version)
        if isinstance(back, NoAnswer):
            silent = back
        elif address in back:
            confirmed.append(name)
    return silent if silent and not confirmed else tuple(confirmed)


def _listing(published: Published, turned: str, zone: str) -> tuple[str, ...] | str:
    """The codes under which an address is listed, none where it isn't, or why that can't be told."""
    answer = published.addresses(f"{turned}.{zone}", 4)
    if isinstance(answer, NoAnswer):
        return answer.why
    codes = [IPv4Address(each) for each in answer]
    if any(code in _REFUSED for code in codes):
        return f"it refuses to answer our resolver ({', '.join(answer)}); ask it by a resolver of your own"
    if any(code not in _LISTED for code in codes):
        return f"its answer {', '.join(answer)} is no list's: a resolver makes answers up, or the list is gone"
    return answer


def _turned(address: str) -> str:
    return ip_address(address).reverse_pointer.rpartition(".")[0].rpartition(".")[0]
