"""The stages of a hub connection: all changes are in `STAGES`."""

from enum import Enum


class Stage(Enum):
    """The stages of a connection."""

    __hash__ = object.__hash__  # Enum's own hash is Python code, and every connection needs twenty look-ups

    HANDSHAKE = "before the handshake"
    OPEN = "messages of the peer are read and answered"
    LAST_CALLS = "the peer has sent its last message: calls that it sent before may still start"
    GONE = "the same, but their answers cannot be sent"
    CLOSING = "the peer is no longer read; running calls are still answered, then `Close` is sent"
    ABORTED = "the same, but only `Close` is sent"
    CLOSED = "nothing more is sent"


class Step(Enum):
    """What changes the stage."""

    __hash__ = object.__hash__

    AGREE = "the handshake is answered"
    LAST_WORD = "the peer sends `Close`, breaks the protocol or is silent too long, and calls wait for their turn"
    LOSE = "nothing reaches the peer any more"
    CLOSE = "the connection must end normally"
    ABORT = "hub code ends it"
    END = "`Close` is written, and the abort signal given"


_ENDS = {Step.LOSE: Stage.GONE, Step.CLOSE: Stage.CLOSING, Step.ABORT: Stage.ABORTED, Step.END: Stage.CLOSED}

STAGES: dict[Stage, dict[Step, Stage]] = {
    Stage.HANDSHAKE: _ENDS | {Step.AGREE: Stage.OPEN},
    Stage.OPEN: _ENDS | {Step.LAST_WORD: Stage.LAST_CALLS},
    Stage.LAST_CALLS: _ENDS,
    Stage.GONE: {Step.CLOSE: Stage.ABORTED, Step.ABORT: Stage.ABORTED, Step.END: Stage.CLOSED},
    Stage.CLOSING: {Step.LOSE: Stage.ABORTED, Step.ABORT: Stage.ABORTED, Step.END: Stage.CLOSED},
    Stage.ABORTED: {Step.END: Stage.CLOSED},
    Stage.CLOSED: {},
}
"""Events that are not in the table change nothing, because an event may come too late."""

ENDING = (Stage.CLOSING, Stage.ABORTED, Stage.CLOSED)
"""The connection is ending: the first reason is kept, and the peer is not read."""

UNHEARD = (Stage.GONE, Stage.ABORTED, Stage.CLOSED)
"""Messages of hubs are not sent."""
