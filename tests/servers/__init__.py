"""Other people's mail servers, as they are in the world: Exim, Postfix and Haraka on loopback addresses.

`fetch` puts them where `unpacked` finds them; each class starts one that keeps every letter as it came. Beside them
stands Unbound, a resolver in front of zones that a test writes.
"""
