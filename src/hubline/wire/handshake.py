"""The handshake, the first message in each direction: it selects the codec. It is always JSON.

Hub protocol specification, "Overview"; texts from `HandshakeProtocol` and `HubConnectionContext.HandshakeAsync` in
aspnetcore 10, asked from a running server.
"""

from collections.abc import Collection, Iterable
from typing import Any

from msgspec import UNSET, DecodeError, Struct, UnsetType
from msgspec.json import decode, encode

from hubline.errors import HandshakeError
from hubline.wire.codec import Codec, TransferFormat
from hubline.wire.framing import frame_record

NEWEST_VERSION = 2
"""The highest version of the hub protocol. A client that asks for a lower version, even 0 or less, gets it."""

CANCELED = "Handshake was canceled."
"""The response to a handshake that is late or too long."""

UNEXPECTED = "An unexpected error occurred during connection handshake."


class HandshakeRequest(Struct, frozen=True):
    """The client's handshake request."""

    protocol: str
    version: int

    def format(self) -> bytes:
        return frame_record(encode(self))

    @classmethod
    def parse(cls, payload: bytes, *, detailed_errors: bool = False) -> "HandshakeRequest":
        """Read a request without its record separator.

        Raises:
            HandshakeError: it is not a request; `reason` is the text for the peer.
        """
        return _USUAL.get(payload) or cls._parse(payload, detailed_errors)

    @classmethod
    def _parse(cls, payload: bytes, detailed_errors: bool) -> "HandshakeRequest":
        fields = _fields(payload, detailed_errors)
        for name, kinds, word in (("protocol", str, "String"), ("version", int | float, "Number")):
            if name in fields and (not isinstance(fields[name], kinds) or isinstance(fields[name], bool)):
                raise _unexpected("InvalidDataException", f"Expected '{name}' to be of type {word}.", detailed_errors)
        for name in ("protocol", "version"):
            if name not in fields:
                text = f"Missing required property '{name}'. Message content: {payload.decode()}"
                raise _unexpected("InvalidDataException", text, detailed_errors)
        version = fields["version"]
        if not isinstance(version, int) or not -(2**31) <= version < 2**31:
            text = "Either the JSON value is not in a supported format, or is out of bounds for an Int32."
            raise _unexpected("FormatException", text, detailed_errors)
        return cls(fields["protocol"], version)


_USUAL = {
    b'{"protocol":"%s","version":%d}' % (protocol.encode("ascii"), version): HandshakeRequest(protocol, version)
    for protocol in ("json", "messagepack")
    for version in (1, 2)
}
"""The request as official clients send it."""


class HandshakeResponse(Struct, frozen=True, omit_defaults=True):
    """The server's response: an error, or nothing if it agrees."""

    error: str | UnsetType = UNSET

    def format(self) -> bytes:
        return frame_record(encode(self))

    @classmethod
    def parse(cls, payload: bytes) -> "HandshakeResponse":
        """Read a response without its record separator. Unknown properties are ignored.

        Raises:
            HandshakeError: it is not a response.
        """
        fields = _fields(payload, detailed_errors=True)
        if "type" in fields:
            raise HandshakeError("Expected a handshake response from the server.")
        error = fields.get("error")
        return cls() if error is None else cls(str(error))


def choose_codec(
    request: HandshakeRequest, codecs: Iterable[Codec], transfer_formats: Collection[TransferFormat]
) -> Codec:
    """The codec that a request names, without regard to case.

    Raises:
        HandshakeError: it cannot be used; `reason` is the text for the peer.
    """
    asked = request.protocol.lower()
    for codec in codecs:
        if codec.name.lower() == asked:
            break
    else:
        raise HandshakeError(f"The protocol '{request.protocol}' is not supported.")
    if request.version > NEWEST_VERSION:
        raise HandshakeError(
            f"The server does not support version {request.version} of the '{request.protocol}' protocol."
        )
    if codec.transfer_format not in transfer_formats:
        raise HandshakeError(
            f"Cannot use the '{codec.name}' protocol on the current transport. "
            f"The transport does not support '{codec.transfer_format.value}' transfer format."
        )
    return codec


def _fields(payload: bytes, detailed_errors: bool) -> dict[str, Any]:
    try:
        fields = decode(payload)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unexpected("JsonReaderException", str(error), detailed_errors) from error
    if not isinstance(fields, dict):
        raise _unexpected("InvalidDataException", "Expected a JSON Object.", detailed_errors)
    return fields


def _unexpected(kind: str, detail: str, detailed_errors: bool) -> HandshakeError:
    return HandshakeError(f"{UNEXPECTED} {kind}: {detail}" if detailed_errors else UNEXPECTED)
