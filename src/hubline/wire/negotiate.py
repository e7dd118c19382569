"""What a client asks before it opens a transport, and what it is told. JSON over HTTP; the HTTP is done elsewhere.

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
"""Of negotiation. With 1 the connection has a secret token beside its public id."""

_INTEGER = re.compile(r"\s*([+-]?)0*([0-9]{1,10})\s*", re.ASCII)
"""What `int.TryParse` takes, but for the bounds; measured. Zeros in front are left out: `int` takes 4300 digits."""

_OUT_OF_BOUNDS = 2**31


class AvailableTransport(Struct, frozen=True, rename="camel"):
    transport: str
    transfer_formats: tuple[str, ...]

    @classmethod
    def of(cls, name: str, transfer_formats: Iterable[TransferFormat]) -> "AvailableTransport":
        """An entry for a transport; formats in the order of `TransferFormat`, as the original writes them."""
        carried = set(transfer_formats)
        return cls(name, tuple(each.value for each in TransferFormat if each in carried))


class NegotiateResponse(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The answer. Either `error`, or `url` for a redirect, or a connection; fields stand in the original's order."""

    error: str | UnsetType = UNSET
    use_stateful_reconnect: bool = False
    negotiate_version: int | UnsetType = UNSET
    url: str | UnsetType = UNSET
    access_token: str | UnsetType = UNSET
    connection_id: str | UnsetType = UNSET
    connection_token: str | UnsetType = UNSET
    available_transports: tuple[AvailableTransport, ...] | UnsetType = UNSET
    token_lifetime_seconds: int | UnsetType = UNSET
    """How long the identity lasts, where it can be refreshed. Name and place are inferred from .NET 11's `/refresh`."""

    def format(self) -> bytes:
        return encode(self)

    @classmethod
    def parse(cls, body: bytes) -> "NegotiateResponse":
        """What a client reads; unknown properties are skipped.

        Raises:
            ConnectionClosed: it is no answer a connection can begin with.
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
    """Marks the server of the old SignalR, whose answer is a different one."""

    protocol_version: object = UNSET


def choose_version(asked: str | None, *, minimum: int = 0) -> "int | NegotiateResponse":
    """The version to answer for the query value `negotiateVersion`, where absent counts as 0.

    Or the refusal to answer with, when it is no number or less than this server wants.
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
    """Whether the query value `useStatefulReconnect` says so; anything but a spelling of `true` does not."""
    return asked is not None and asked.strip().lower() == "true"
