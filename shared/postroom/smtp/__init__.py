"""How two hosts talk (RFC 5321). Pure: there is no socket in here, and no clock.

`dialogue` yields flights of `commands` and is sent the `reply` to each; whoever drives it owns the wire and
keeps the `transcript`.
"""
