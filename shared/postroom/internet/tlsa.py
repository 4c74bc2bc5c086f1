"""What a host publishes of its certificates for one port, as DNS has it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TlsaRecord:
    """RFC 6698 §2.1, as it was published: whether it makes sense is for its reader to judge."""

    usage: int
    selector: int
    matching: int
    data: bytes


@dataclass(frozen=True, slots=True)
class TlsaFound:
    """Records that DNSSEC vouches for, at least one."""

    records: tuple[TlsaRecord, ...]


@dataclass(frozen=True, slots=True)
class NoTlsa:
    """There are none, or none that DNSSEC vouches for: DANE has nothing to say about this host."""
