"""The messages of the hub protocol, the same in both directions and for every codec.

Hub protocol specification, "Message Types". The number on the wire is written once, in the class header.
"""

from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import UNSET, Raw, Struct, UnsetType

if TYPE_CHECKING:
    Payload: TypeAlias = Any
    """A user's value: `Raw` (still encoded, a view of the received bytes) when received, the Python value when sent."""
else:
    Payload = Raw

Headers: TypeAlias = dict[str, str]


class Invocation(
    Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, rename="camel", tag_field="type", tag=1
):
    """Call `target`. Without an `invocation_id` the caller does not wait, and must not get an answer."""

    headers: Headers | UnsetType = UNSET
    invocation_id: str = ""
    target: str
    arguments: Payload
    stream_ids: tuple[str, ...] = ()


class StreamInvocation(
    Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, rename="camel", tag_field="type", tag=4
):
    """Call `target` and get its results one by one. Only a client sends it."""

    headers: Headers | UnsetType = UNSET
    invocation_id: str
    target: str
    arguments: Payload
    stream_ids: tuple[str, ...] = ()


class StreamItem(
    Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, rename="camel", tag_field="type", tag=2
):
    """One item of the stream `invocation_id`, in either direction."""

    headers: Headers | UnsetType = UNSET
    invocation_id: str
    item: Payload


class Completion(
    Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, rename="camel", tag_field="type", tag=3
):
    """The end of an invocation or of an upload: with a result, with an error, or with neither (the end of a stream).

    Hub protocol specification, "Completion Message Encoding". Never both `error` and `result`. The answer of a method
    without a result is `result=None`, which is different from no result.
    """

    headers: Headers | UnsetType = UNSET
    invocation_id: str
    error: str | UnsetType = UNSET
    result: Payload | UnsetType = UNSET


class CancelInvocation(
    Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, rename="camel", tag_field="type", tag=5
):
    """Cancel the invocation. Its completion still follows."""

    headers: Headers | UnsetType = UNSET
    invocation_id: str


class Ping(Struct, frozen=True, gc=False, tag_field="type", tag=6):
    """Shows that the sender is alive."""


class Close(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, rename="camel", tag_field="type", tag=7):
    """The last message of a connection. Without `allow_reconnect` an official client does not reconnect."""

    error: str | UnsetType = UNSET
    allow_reconnect: bool = False


class Ack(Struct, frozen=True, kw_only=True, gc=False, rename="camel", tag_field="type", tag=8):
    """Stateful reconnect: everything up to `sequence_id` has arrived."""

    sequence_id: int


class Sequence(Struct, frozen=True, kw_only=True, gc=False, rename="camel", tag_field="type", tag=9):
    """Stateful reconnect: the next counted message has this number."""

    sequence_id: int


Message: TypeAlias = (
    Invocation | StreamInvocation | StreamItem | Completion | CancelInvocation | Ping | Close | Ack | Sequence
)
