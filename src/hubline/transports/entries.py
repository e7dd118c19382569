"""What the registry knows of a connection."""

from dataclasses import dataclass
from typing import Protocol

from hubline.transports.caps import Place
from hubline.transports.session import Session


class Endpoint(Protocol):
    """What made a connection."""

    greets: bool
    """Whether its connections begin with a handshake."""


@dataclass(slots=True)
class Entry:
    """A connection, the endpoint that made it, and the caps that count it."""

    endpoint: Endpoint
    session: Session
    place: Place
    since: float
    """When it was negotiated, or opened since then."""
