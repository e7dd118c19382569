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
    """Silence after which a client counts as gone; counted from its first ping on, so a client that never pings is
    never timed out. Time during which reading is paused does not count."""

    maximum_receive_message_size: int | None = 32 * 1024
    """Size of one incoming message with its framing; `None` for no limit."""

    maximum_send_message_size: int = 16 * 1_048_576
    """Size of one encoded message to a client; past it the call that sends it fails, not the connection. Ours.

    Up to it a message may exceed the capacity of an outbox, `TransportOptions.outbox_capacity`.
    """

    detailed_errors: bool = False
    """Whether callers see the texts of all exceptions. The text of a `HubError` travels in any case."""

    stream_buffer_capacity: int = 10
    """Items of an upload stream that wait for the method; past it, reading of that connection pauses."""

    maximum_parallel_invocations: int = 1
    """Calls of one connection that run at once. Streams and calls with upload streams are not counted."""

    maximum_waiting_invocations: int = 32
    """Calls and streams of one connection that wait for their turn; past it, its reading pauses. Ours."""

    maximum_streams: int = 100
    """Calls of one connection that stream at once, in either direction; past it a call fails. Ours."""

    client_result_timeout: float = 30.0
    """How long `invoke` on a client waits for the answer when the call does not say. Ours: the original has none."""

    stateful_reconnect_buffer_size: int = 100_000
    """Bytes sent that a client with stateful reconnect has not acknowledged; past it senders who can wait do so.

    Those who cannot, such as a broadcast, go on up to 16 times as much, where the connection ends. Only where
    `TransportOptions.stateful_reconnect` is on.
    """

    stateful_reconnect_window: float = 15.0
    """How long such a connection lives without a socket. Ours: the original has these 15 s fixed."""

    allow_user_id_change_on_refresh: bool = False
    """Whether an authentication refresh may bring another user id, by which `clients.user(…)` then finds the
    connection. Otherwise it is aborted. Source: .NET 11."""

    codecs: tuple[str, ...] = CODEC_NAMES
    """What clients may speak."""

    field_names: FieldNames = "by_codec"
    """How the fields of objects are called in what is sent: in camelCase in JSON and in PascalCase in MessagePack, or
    `"as_written"` in Python. What clients send is read in either form. Source: `PropertyNamingPolicy`."""

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
