"""The states of a session: all changes are in `TRANSITIONS`."""

from enum import Enum


class State(Enum):
    """Where a session is in its life; the original's `HttpConnectionStatus`, with its "inactive" told apart."""

    __hash__ = object.__hash__  # Enum's own is Python code, and every connection looks up twenty

    NEGOTIATED = "negotiated, and no request has opened it yet"
    ATTACHED = "a request carries it"
    DETACHED = "no request carries it at the moment"
    BROKEN_OFF = "the same, and the client itself ended the last poll: official clients do so when they give up"
    TERMINATED = "the client has said that it is done; a poll that waits gets the last words"
    ENDED = "no request reaches it any more; the application may still be finishing"


class Event(Enum):
    """What changes the state."""

    __hash__ = object.__hash__

    ATTACH = "a request carries it from now on"
    DETACH = "that request has ended, and another one may come"
    BREAK_OFF = "the same, and the client itself ended it"
    TERMINATE = "the client says that it is done"
    END = "nothing reaches the peer any more"


TRANSITIONS: dict[State, dict[Event, State]] = {
    State.NEGOTIATED: {
        Event.ATTACH: State.ATTACHED,
        Event.DETACH: State.NEGOTIATED,
        Event.BREAK_OFF: State.NEGOTIATED,
        Event.TERMINATE: State.TERMINATED,
        Event.END: State.ENDED,
    },
    State.ATTACHED: {
        Event.ATTACH: State.ATTACHED,
        Event.DETACH: State.DETACHED,
        Event.BREAK_OFF: State.BROKEN_OFF,
        Event.TERMINATE: State.TERMINATED,
        Event.END: State.ENDED,
    },
    State.DETACHED: {
        Event.ATTACH: State.ATTACHED,
        Event.DETACH: State.DETACHED,
        Event.BREAK_OFF: State.BROKEN_OFF,
        Event.TERMINATE: State.TERMINATED,
        Event.END: State.ENDED,
    },
    State.BROKEN_OFF: {
        Event.ATTACH: State.ATTACHED,
        Event.DETACH: State.BROKEN_OFF,
        Event.BREAK_OFF: State.BROKEN_OFF,
        Event.TERMINATE: State.TERMINATED,
        Event.END: State.ENDED,
    },
    State.TERMINATED: dict.fromkeys(Event, State.TERMINATED) | {Event.END: State.ENDED},
    State.ENDED: dict.fromkeys(Event, State.ENDED),
}
