"""The messages to clients through a backplane: their channels and their bytes."""

from collections.abc import Sequence

from hubline.backplanes.envelope import Channels, InvocationEnvelope
from hubline.errors import SendTooLarge
from hubline.server.recipients import All, Connections, Groups, Recipients, Users
from hubline.wire.codec import Codec
from hubline.wire.packet import SerializedMessage


class Publications:
    """The messages of one hub, by its name. `largest` is the limit for a message in bytes, in every codec."""

    def __init__(self, hub: str, codecs: Sequence[Codec], *, largest: int) -> None:
        self.channels = Channels(hub)
        self.codecs = {codec.name: codec for codec in codecs}
        self._largest = largest

    def addressed(self, recipients: Recipients) -> list[str]:
        """The channels of the recipients."""
        channels = self.channels
        match recipients:
            case All():
                return [channels.all]
            case Groups(names=names):
                return [channels.group(name) for name in names]
            case Users(ids=ids):
                return [channels.user(user) for user in ids]
            case Connections(ids=ids):  # pragma: no branch
                return [channels.connection(each) for each in ids]

    def payload(
        self,
        message: SerializedMessage,
        recipients: Recipients,
        *,
        invocation_id: str | None = None,
        return_channel: str | None = None,
        origin: str | None = None,
    ) -> bytes:
        """Encode the message in every codec, because clients of other servers may use any of them.

        Raises:
            TypeError, ValueError, OverflowError, RecursionError: an argument cannot be encoded in one of the codecs.
            SendTooLarge: it is larger than `largest` in one of them.
        """
        packets = {name: bytes(message.packet_for(codec)) for name, codec in self.codecs.items()}
        for packet in packets.values():
            if len(packet) > self._largest:
                raise SendTooLarge(len(packet), limit=self._largest)
        excluded = recipients.excluded if isinstance(recipients, All | Groups) else ()
        return InvocationEnvelope(excluded, packets, invocation_id, return_channel, message.key, origin).encode()
