"""What is said to the clients of a hub through a backplane: on which channels, and in which bytes."""

from collections.abc import Sequence

from hubline.backplanes.envelope import Channels, InvocationEnvelope
from hubline.errors import SendTooLarge
from hubline.server.recipients import All, Connections, Groups, Recipients, Users
from hubline.wire.codec import Codec
from hubline.wire.packet import SerializedMessage


class Publications:
    """Of one hub, known by its name. `largest` is the limit of a message in bytes, in whatever codec."""

    def __init__(self, hub: str, codecs: Sequence[Codec], *, largest: int) -> None:
        self.channels = Channels(hub)
        self.codecs = {codec.name: codec for codec in codecs}
        self._largest = largest

    def addressed(self, recipients: Recipients) -> list[str]:
        """The channels that those who have such clients listen to."""
        channels = self.channels
        match recipients:
            case All():
                return [channels.all]
            case Groups(names=names):
                return [channels.group(name) for name in names if name]
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
        """The message in every codec: other servers have clients that this one has not.

        Raises:
            TypeError, ValueError, OverflowError, RecursionError: an argument has no form in one of the codecs.
            SendTooLarge: in one of them it is larger than what is allowed.
        """
        packets = {name: bytes(message.packet_for(codec)) for name, codec in self.codecs.items()}
        for packet in packets.values():
            if len(packet) > self._largest:
                raise SendTooLarge(len(packet), limit=self._largest)
        excluded = recipients.excluded if isinstance(recipients, All | Groups) else ()
        return InvocationEnvelope(excluded, packets, invocation_id, return_channel, message.key, origin).encode()
