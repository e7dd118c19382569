"""Settings of a hub. Durations are seconds, sizes bytes; the numbers are the original's unless marked as ours."""

from dataclasses import dataclass
from typing import get_args

from hubline.errors import ConfigurationError
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
        problems = [
            f"HubOptions.{name} must be positive, got {value!r}"
            for name, value in self._numbers()
            if value is not None and not value > 0
        ]
        if self.maximum_waiting_invocations < 0:
            problems.append(
                f"HubOptions.maximum_waiting_invocations must not be negative, got {self.maximum_waiting_invocations!r}"
            )
        unknown = [name for name in self.codecs if name not in CODEC_NAMES]
        if unknown or not self.codecs:
            problems.append(f"HubOptions.codecs must be some of {CODEC_NAMES}, got {self.codecs!r}")
        if self.field_names not in get_args(FieldNames):
            problems.append(f"HubOptions.field_names must be one of {get_args(FieldNames)}, got {self.field_names!r}")
        if problems:
            raise ConfigurationError(problems)

    def _numbers(self) -> list[tuple[str, float | None]]:
        names = (
            "handshake_timeout",
            "keep_alive_interval",
            "client_timeout",
            "maximum_receive_message_size",
            "maximum_send_message_size",
            "stream_buffer_capacity",
            "maximum_parallel_invocations",
            "maximum_streams",
            "client_result_timeout",
            "stateful_reconnect_buffer_size",
            "stateful_reconnect_window",
        )
        return [(name, getattr(self, name)) for name in names]
