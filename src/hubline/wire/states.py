"""The states of one end of a hub connection, and all their changes."""

from enum import Enum


class State(Enum):
    HANDSHAKE = "handshake"
    OPEN = "open"
    CLOSING = "closing"
    """We have sent `Close` and send nothing more. Messages of the peer are still read."""
    PEER_CLOSED = "peer closed"
    """The peer sent `Close`, broke the protocol or was silent too long. It is no longer read. We may send `Close`."""
    CLOSED = "closed"


class Turn(Enum):
    """The events that change the state."""

    ACCEPTED = "handshake accepted"
    REFUSED = "handshake refused"
    CLOSE_SENT = "close sent"
    CLOSE_RECEIVED = "close received"
    FAILED = "failed"
    INPUT_ENDED = "input ended"


TRANSITIONS: dict[tuple[State, Turn], State] = {
    (State.HANDSHAKE, Turn.ACCEPTED): State.OPEN,
    (State.HANDSHAKE, Turn.REFUSED): State.CLOSED,
    (State.HANDSHAKE, Turn.INPUT_ENDED): State.CLOSED,
    (State.OPEN, Turn.CLOSE_SENT): State.CLOSING,
    (State.OPEN, Turn.CLOSE_RECEIVED): State.PEER_CLOSED,
    (State.OPEN, Turn.FAILED): State.PEER_CLOSED,
    (State.OPEN, Turn.INPUT_ENDED): State.PEER_CLOSED,
    (State.CLOSING, Turn.CLOSE_RECEIVED): State.CLOSED,
    (State.CLOSING, Turn.FAILED): State.CLOSED,
    (State.CLOSING, Turn.INPUT_ENDED): State.CLOSED,
    (State.PEER_CLOSED, Turn.CLOSE_SENT): State.CLOSED,
}
