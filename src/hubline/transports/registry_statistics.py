"""The counts of all connections of an app."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hubline.transports.session import Session


@dataclass(frozen=True, slots=True)
class RegistryStatistics:
    """Current counts, and four counts since the start.

    `waiting` connections were negotiated and not opened yet. `queued_bytes` wait for peers, those in the buffers of
    sockets included; `unread_bytes` came by POST and wait for applications. Since the start: `refused` connections,
    `peak_bytes` that were queued for one connection, `dropped_messages`, by policies or with the end of their
    connection, and `written_messages`. A stateful reconnect begins the count of its connection anew.
    """

    connections: int
    waiting: int
    refused: int
    queued_bytes: int
    unread_bytes: int
    peak_bytes: int
    dropped_messages: int
    written_messages: int = 0
    """Workers of an older version do not tell it, while they are replaced."""


class Counts(NamedTuple):
    """Those of one connection."""

    queued: int
    peak: int
    dropped: int
    unread: int
    written: int


def counts_of(session: Session) -> Counts:
    outbox = session.outbox.statistics()
    return Counts(
        queued=outbox.queued_bytes,
        peak=outbox.peak_bytes,
        dropped=outbox.dropped_messages,
        unread=session.inbox.size,
        written=outbox.written_messages,
    )


def in_all(
    present: Sequence[Counts],
    *,
    connections: int,
    waiting: int,
    refused: int,
    peak: int,
    dropped: int,
    written: int,
) -> RegistryStatistics:
    """`peak`, `dropped` and `written` are those of connections that have ended."""
    return RegistryStatistics(
        connections=connections,
        waiting=waiting,
        refused=refused,
        queued_bytes=sum(each.queued for each in present),
        unread_bytes=sum(each.unread for each in present),
        peak_bytes=max([peak, *(each.peak for each in present)]),
        dropped_messages=dropped + sum(each.dropped for each in present),
        written_messages=written + sum(each.written for each in present),
    )
