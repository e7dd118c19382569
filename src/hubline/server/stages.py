"""The life of a hub connection, stage by stage: all changes are in `STAGES`."""

from enum import Enum


class Stage(Enum):
    """Where a connection is in its life."""

    __hash__ = object.__hash__  # Enum's own is Python code, and every connection looks up twenty

    HANDSHAKE = "nothing is agreed on yet"
    OPEN = "the peer is heard and answered"
    LAST_CALLS = "the peer has said its last word: calls that it sent before may still begin"
    GONE = "the same, but nobody hears their answers"
    CLOSING = "the peer is not heard any more; calls that run are still answered, then comes `Close`"
    ABORTED = "the same, but of what is said only `Close` goes out"
    CLOSED = "nothing goes out any more"


class Step(Enum):
    """What changes the stage."""

    __hash__ = object.__hash__

    AGREE = "the handshake is answered"
    LAST_WORD = "the peer says `Close`, breaks the protocol or falls silent, and calls wait for their turn"
    LOSE = "nothing reaches the peer any more"
    CLOSE = "the connection is to end in order"
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
"""Whatever is not named changes nothing: who comes too late is not wrong."""

ENDING = (Stage.CLOSING, Stage.ABORTED, Stage.CLOSED)
"""It has begun to end: the first reason counts, and the peer is not heard."""

UNHEARD = (Stage.GONE, Stage.ABORTED, Stage.CLOSED)
"""What hubs say does not go out."""
