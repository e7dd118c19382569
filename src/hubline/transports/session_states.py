"""The states of a session: all changes are in `TRANSITIONS`."""

from enum import Enum


class SessionState(Enum):
    """The states of a session. The original's `HttpConnectionStatus` has one state for all that are not carried."""

    __hash__ = object.__hash__  # Enum's own hash is Python code, and every connection needs twenty look-ups

    NEGOTIATED = "negotiated, and no request has opened it yet"
    ATTACHED = "a request carries it"
    DETACHED = "no request carries it at the moment"
    BROKEN_OFF = "the same, and the client itself ended the last poll: official clients do so when they give up"
    TERMINATED = "the client has said that it is done; a poll that waits gets the last words"
    ENDED = "no request reaches it any more; the application may still be finishing"


class SessionEvent(Enum):
    """What changes the state."""

    __hash__ = object.__hash__

    ATTACH = "a request carries it from now on"
    DETACH = "that request has ended, and another one may come"
    BREAK_OFF = "the same, and the client itself ended it"
    TERMINATE = "the client says that it is done"
    END = "nothing reaches the peer any more"


_WHEREVER_IT_IS = {
    SessionEvent.ATTACH: SessionState.ATTACHED,
    SessionEvent.TERMINATE: SessionState.TERMINATED,
    SessionEvent.END: SessionState.ENDED,
}
_NEGOTIATED, _DETACHED, _BROKEN_OFF = SessionState.NEGOTIATED, SessionState.DETACHED, SessionState.BROKEN_OFF
_LET_GO = {SessionEvent.DETACH: _DETACHED, SessionEvent.BREAK_OFF: _BROKEN_OFF}
_TERMINATED = dict.fromkeys(SessionEvent, SessionState.TERMINATED)

TRANSITIONS: dict[SessionState, dict[SessionEvent, SessionState]] = {
    _NEGOTIATED: _WHEREVER_IT_IS | dict.fromkeys(_LET_GO, _NEGOTIATED),
    SessionState.ATTACHED: _WHEREVER_IT_IS | _LET_GO,
    _DETACHED: _WHEREVER_IT_IS | _LET_GO,
    _BROKEN_OFF: _WHEREVER_IT_IS | dict.fromkeys(_LET_GO, _BROKEN_OFF),
    SessionState.TERMINATED: _TERMINATED | {SessionEvent.END: SessionState.ENDED},
    SessionState.ENDED: dict.fromkeys(SessionEvent, SessionState.ENDED),
}
