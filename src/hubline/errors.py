"""Every exception Hubline raises.

HublineError
├─ ConfigurationError        mistakes found at start-up; lists all of them
├─ HubError                  raised by user code on purpose; its text travels to the caller
│   ├─ RateLimitExceeded     a caller calls too often
│   └─ QuotaExceeded         a user has used the quota of the tier
├─ InvocationError           a call failed on the other side
│   └─ BindingError          the arguments of a call do not fit the method
├─ ConnectionClosed          the connection ended, or is about to
│   ├─ HandshakeError        the peer's handshake was refused
│   ├─ NegotiationError      a server refused a client's request to connect
│   ├─ KeepAliveTimeout      nothing was heard from the peer for too long
│   ├─ SlowConsumerError     the peer did not read fast enough
│   ├─ SendTimeout           one write took too long
│   └─ RemoteProtocolError   the peer broke the protocol
│       └─ MessageTooLarge   a message exceeds the limit
├─ SendTooLarge              a message to a client exceeds what may be sent
├─ BackplaneError            other servers cannot be reached, or have not answered
└─ LocalProtocolError        we broke the protocol: a bug here
"""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypeAlias

QuotaKind: TypeAlias = Literal["tokens", "questions"]


def text_of(error: BaseException) -> str:
    """The text of an exception. If its `__str__` raises, the text that a traceback shows."""
    try:
        return str(error)
    except BaseException:
        return "<exception str() failed>"


class HublineError(Exception):
    """The base class of all exceptions of Hubline."""


class ConfigurationError(HublineError):
    """The application has mistakes in its configuration. `problems` lists all of them."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class HubError(HublineError):
    """Raised by hub methods on purpose. The caller gets its text, also without `detailed_errors`.

    Clients see it with the name `HubException`, which is its name in the original and which clients look for.
    """


class RateLimitExceeded(HubError):
    """A caller calls more often than a `RateLimit` allows. It may try again after `retry_after` seconds."""

    def __init__(self, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(f"too many calls: try again in {max(1, math.ceil(retry_after))} s")


class QuotaExceeded(HubError):
    """A user has used what the tier allows: `limit` tokens of this day, or `limit` questions at once.

    `resets_at` is the time of the next day's tokens. It is `None` for questions at once.
    """

    def __init__(self, kind: QuotaKind, limit: int, resets_at: datetime | None = None) -> None:
        self.kind, self.limit, self.resets_at = kind, limit, resets_at
        if resets_at is not None:
            sentence = f"the {limit:,} tokens of today are used up: there will be more at {resets_at:%H:%M} UTC"
        else:
            number = "1 question" if limit == 1 else f"{limit:,} questions"
            sentence = f"{number} at once may be asked: wait until one is answered"
        super().__init__(sentence)


class InvocationError(HublineError):
    """A call failed on the other side: `target` is the method, `message` the other side's text, which may be empty."""

    def __init__(self, target: str, message: str) -> None:
        self.target, self.message = target, message
        super().__init__(f"{target}: {message}" if message else target)

    @property
    def reason(self) -> str | None:
        """The text that the hub meant for its caller, by `HubError` (`HubException` in .NET); `None` without one."""
        _, found, text = self.message.partition("HubException: ")
        return text if found else None


class BindingError(InvocationError):
    """The arguments of a call do not fit the method."""

    def __str__(self) -> str:
        return f"cannot call {self.target}: {self.message}"


class ConnectionClosed(HublineError):
    """The connection ended; `reason` is a sentence that says why.

    `allow_reconnect` says whether the peer is invited to reconnect (`Close.allowReconnect` on the wire).
    """

    def __init__(self, reason: str = "", *, allow_reconnect: bool = False) -> None:
        self.reason, self.allow_reconnect = reason, allow_reconnect
        super().__init__(reason or "the connection was closed")


class HandshakeError(ConnectionClosed):
    """The handshake was refused; `reason` is the text that went to the peer."""


class NegotiationError(ConnectionClosed):
    """A server refused a client's request to connect. `status` is that of its response; a refusal in JSON has 200."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        super().__init__(reason)


class KeepAliveTimeout(ConnectionClosed):
    """Nothing was received from the peer for `timeout` seconds.

    The text is the original's (`HubConnectionContext.CheckClientTimeout`), because it reaches `on_disconnected`.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        super().__init__(
            "Client hasn't sent a message/ping within the configured ClientTimeoutInterval.", allow_reconnect=True
        )


class SlowConsumerError(ConnectionClosed):
    """The peer did not read fast enough and its outbox filled up: `queued` and `capacity` are bytes."""

    def __init__(self, connection_id: str, *, queued: int, capacity: int) -> None:
        self.connection_id, self.queued, self.capacity = connection_id, queued, capacity
        super().__init__(
            f"connection {connection_id} is too slow: {queued} bytes queued, capacity is {capacity} bytes",
            allow_reconnect=True,
        )


class SendTimeout(ConnectionClosed):
    """One write to the peer took longer than `timeout` seconds."""

    def __init__(self, connection_id: str, *, timeout: float) -> None:
        self.connection_id, self.timeout = connection_id, timeout
        super().__init__(f"connection {connection_id} did not take a write within {timeout:g} s", allow_reconnect=True)


class RemoteProtocolError(ConnectionClosed):
    """The peer broke the protocol. The original invites it to reconnect, and so do we."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, allow_reconnect=True)


class MessageTooLarge(RemoteProtocolError):
    """A message exceeds the limit. `limit` counts bytes, framing included."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(
            f"The maximum message size of {limit}B was exceeded. The message size can be configured in AddHubOptions."
        )


class SendTooLarge(HublineError):
    """A message to a client has `size` bytes and exceeds `limit`. Nothing was sent, and the connection stays open."""

    def __init__(self, size: int, *, limit: int) -> None:
        self.size, self.limit = size, limit
        super().__init__(f"{size} bytes are too much for one message: maximum_send_message_size is {limit} bytes")


class BackplaneError(HublineError):
    """Other servers could not be reached through the backplane, did not answer in time, or sent an invalid message.

    The message may have reached nobody, not even connections of this server.
    """


class LocalProtocolError(HublineError):
    """Hubline's own code would break the protocol: a bug in Hubline or in the code that uses `WireConnection`."""
