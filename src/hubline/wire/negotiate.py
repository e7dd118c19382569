"""The negotiate request and response, before a client opens a transport: their JSON, without the HTTP.

Transport protocols specification, "`POST [endpoint-base]/negotiate` request"; texts and the order of properties as in
transcripts of ASP.NET Core 10.
"""

import re
from collections.abc import Iterable

from msgspec import UNSET, DecodeError, Struct, UnsetType
from msgspec.json import decode, encode

from hubline.errors import ConnectionClosed
from hubline.wire.codec import TransferFormat

NEWEST_VERSION = 1
"""The highest version of negotiation. From version 1 the connection has a secret token and a public id."""

_INTEGER = re.compile(r"\s*([+-]?)0*([0-9]{1,10})\s*", re.ASCII)
"""The input of `int.TryParse`, without its bounds; measured. Leading zeros are skipped: `int` takes 4300 digits."""

_OUT_OF_BOUNDS = 2**31


class AvailableTransport(Struct, frozen=True, rename="camel"):
    transport: str
    transfer_formats: tuple[str, ...]

    @classmethod
    def of(cls, name: str, transfer_formats: Iterable[TransferFormat]) -> "AvailableTransport":
        """A transport in the response. Formats are in the order of `TransferFormat`, as in the original."""
        carried = set(transfer_formats)
        return cls(name, tuple(each.value for each in TransferFormat if each in carried))


class NegotiateResponse(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The response: `error`, or `url` for a redirect, or a connection. Fields are in the original's order."""

    error: str | UnsetType = UNSET
    use_stateful_reconnect: bool = False
    negotiate_version: int | UnsetType = UNSET
    url: str | UnsetType = UNSET
    access_token: str | UnsetType = UNSET
    connection_id: str | UnsetType = UNSET
    connection_token: str | UnsetType = UNSET
    available_transports: tuple[AvailableTransport, ...] | UnsetType = UNSET
    token_lifetime_seconds: int | UnsetType = UNSET
    """Lifetime of the identity, if it can be refreshed. Name and place are inferred from .NET 11's `/refresh`."""

    def format(self) -> bytes:
        return encode(self)

    @classmethod
    def parse(cls, body: bytes) -> "NegotiateResponse":
        """Read a response, for clients. Unknown properties are ignored.

        Raises:
            ConnectionClosed: a connection cannot be opened with this response.
        """
        try:
            response = decode(body, type=cls)
            legacy = decode(body, type=_Legacy).protocol_version
        except (DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ConnectionClosed("Invalid negotiation response received.") from error
        if legacy is not UNSET:
            raise ConnectionClosed(
                "Detected a connection attempt to an ASP.NET SignalR Server. "
                "This client only supports connecting to an ASP.NET Core SignalR Server."
            )
        if not response.error and not response.url:
            response._require_connection()
        return response

    def _require_connection(self) -> None:
        missing_token = self.negotiate_version not in (UNSET, 0) and not self.connection_token
        if not self.connection_id or missing_token or self.available_transports is UNSET:
            raise ConnectionClosed("Invalid negotiation response received.")


class _Legacy(Struct, rename="pascal"):
    """The property of responses of ASP.NET SignalR, the predecessor of ASP.NET Core SignalR."""

    protocol_version: object = UNSET


def choose_version(asked: str | None, *, minimum: int = 0) -> "int | NegotiateResponse":
    """The version for the query value `negotiateVersion`, or 0 if it is absent.

    Returns an error response if it is not a number or less than this server requires.
    """
    found = _INTEGER.fullmatch("0" if asked is None else asked)
    version = int(found[1] + found[2]) if found else _OUT_OF_BOUNDS
    if not -_OUT_OF_BOUNDS <= version < _OUT_OF_BOUNDS:
        return NegotiateResponse(error="The client requested a non-integer protocol version.")
    if version < minimum:
        return NegotiateResponse(
            error=f"The client requested version '{version}', but the server does not support this version."
        )
    return min(version, NEWEST_VERSION)


def wants_stateful_reconnect(asked: str | None) -> bool:
    """Whether the query value `useStatefulReconnect` is `true`, without regard to case."""
    return asked is not None and asked.strip().lower() == "true"
