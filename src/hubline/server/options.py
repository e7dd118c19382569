"""Settings of a hub. Durations are seconds, sizes bytes; the numbers are the original's unless marked as ours."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, get_args

from hubline._mistakes import Mistakes
from hubline.wire.names import FieldNames

CODEC_NAMES = ("json", "messagepack")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubOptions:
    """Settings of one hub, or of all hubs of an app. Defaults: `HubOptionsSetup` in aspnetcore, spec §6."""

    handshake_timeout: float = 15.0
    """How long a new connection may take to send its handshake."""

    keep_alive_interval: float = 15.0
    """How often a ping is sent, whatever else is sent. Checked once a second."""

    client_timeout: float = 30.0
    """Time without a message after which a client is considered gone. It starts with the first ping, so a client that
    never pings never times out. Time during which reading is paused does not count."""

    maximum_receive_message_size: int | None = 32 * 1024
    """Size of one incoming message with its framing; `None` for no limit."""

    maximum_send_message_size: int = 16 * 1_048_576
    """Size of one encoded message to a client. A larger one fails the call that sends it, not the connection. Ours.

    A message up to this size may exceed the capacity of an outbox, `TransportOptions.outbox_capacity`.
    """

    detailed_errors: bool = False
    """Whether callers see the texts of all exceptions. They always see the text of a `HubError`."""

    stream_buffer_capacity: int = 10
    """Items of an upload stream that wait for the method. If there are more, that connection is not read."""

    maximum_parallel_invocations: int = 1
    """Calls of one connection that run at once. Streams and calls with upload streams are not counted."""

    maximum_waiting_invocations: int = 32
    """Calls and streams of one connection that wait for their turn. If there are more, it is not read. Ours."""

    maximum_streams: int = 100
    """Calls of one connection that stream at once, in either direction. A further call fails. Ours."""

    client_result_timeout: float = 30.0
    """How long `invoke` on a client waits for the answer by default. Ours: the original has no limit."""

    stateful_reconnect_buffer_size: int = 100_000
    """Bytes that a client with stateful reconnect has not acknowledged. Beyond it, senders that can wait do so.

    Broadcasts do not wait. Beyond 16 times as much, the connection ends. Only used with
    `TransportOptions.stateful_reconnect`.
    """

    stateful_reconnect_window: float = 15.0
    """How long such a connection is kept without a socket. Ours: in the original it is always 15 s."""

    allow_user_id_change_on_refresh: bool = False
    """Whether an authentication refresh may change the user id, which `clients.user(…)` then uses. Otherwise the
    connection is aborted. Source: .NET 11."""

    codecs: tuple[str, ...] = CODEC_NAMES
    """The codecs that clients may use."""

    field_names: FieldNames = "by_codec"
    """The names of fields in what is sent: camelCase in JSON and PascalCase in MessagePack, or the Python names with
    `"as_written"`. What clients send is read in both forms. Source: `PropertyNamingPolicy`."""

    def __post_init__(self) -> None:
        mistakes = Mistakes("HubOptions")
        for name in _SECONDS:
            mistakes.number(name, getattr(self, name), above=0)
        for name in _COUNTS:
            mistakes.whole(name, getattr(self, name), above=0)
        mistakes.whole("maximum_receive_message_size", self.maximum_receive_message_size, above=0, optional=True)
        mistakes.whole("maximum_waiting_invocations", self.maximum_waiting_invocations, least=0)
        for name in ("detailed_errors", "allow_user_id_change_on_refresh"):
            mistakes.flag(name, getattr(self, name))
        mistakes.fits("codecs", self.codecs, _are_codecs(self.codecs), f"some of {list(CODEC_NAMES)}")
        mistakes.one_of("field_names", self.field_names, get_args(FieldNames))
        mistakes.tell()


_SECONDS = (
    "handshake_timeout",
    "keep_alive_interval",
    "client_timeout",
    "client_result_timeout",
    "stateful_reconnect_window",
)
_COUNTS = (
    "maximum_send_message_size",
    "stream_buffer_capacity",
    "maximum_parallel_invocations",
    "maximum_streams",
    "stateful_reconnect_buffer_size",
)


def _are_codecs(given: Any) -> bool:
    several = isinstance(given, Collection) and not isinstance(given, str) and len(given) > 0
    return several and all(each in CODEC_NAMES for each in given)
